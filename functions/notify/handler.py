"""Lambda entry of notify: the workflow's last step, after success and after failure."""

from __future__ import annotations

from shared import startup

# isort: split
import os
from collections.abc import Mapping

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from functions.notify.event import ForeignEvent, ended_backup
from functions.notify.notice import MailDelayed, NoOutcome, Notice, Told
from functions.notify.postbox import Postbox
from functions.notify.settings import Settings
from shared import metrics
from shared.environment import read_settings
from shared.languages import Languages
from shared.link import LinkSigner
from shared.logs import get_logger, shape_of
from shared.metrics import Meter
from shared.moments import utc_now
from shared.store import BackupStore
from shared.trail import Trail

_PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=2, read_timeout=3)
# botocore would repeat a SendEmail whose answer was lost: a second mail that nobody counts. The waits
# stay well under the function's time limit, so that it lives to say how the mail went.
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=3, read_timeout=15)

settings = read_settings(Settings, os.environ)
session = boto3.Session()
logger = get_logger("notify")
dynamodb = session.client("dynamodb", config=_PATIENT)
meter = Meter(settings.stack_name, logger)
notice = Notice(
    BackupStore(
        dynamodb,
        settings.table_name,
        Trail(dynamodb, settings.audit_table_name, days=settings.audit_days),
    ),
    LinkSigner(
        session,
        session.client("sts", config=_PATIENT),
        role_arn=settings.download_role_arn,
        bucket=settings.bucket_name,
    ),
    Postbox(
        session.client("sesv2", config=_ONCE),
        sender=settings.sender,
    ),
    Languages(),
    utc_now,
    logger,
    product=settings.product_name,
    tab_url=settings.tab_url,
    link_seconds=settings.email_link_seconds,
)
startup.done()


class MailBroken(Exception):
    """A bug. Nobody retries; the log has its shape, and the backup is what it was."""


@logger.inject_lambda_context
def handler(event: Mapping[str, object], context: LambdaContext) -> dict[str, str]:  # noqa: ARG001
    """`{"account_id": …, "backup_id": …}` to `{"mail": …}`, a value of Told.

    Raises ForeignEvent, NoOutcome, MailBroken (not to be retried) or MailDelayed (to be retried). No other
    exception gets out: Lambda prints their texts, and texts of others quote what they failed on.
    """
    try:
        account_id, backup_id = ended_backup(event)
    except ForeignEvent as refusal:
        logger.error("event was refused", shape=shape_of(refusal))
        raise
    try:
        told = notice.give(account_id, backup_id)
    except NoOutcome as refusal:
        logger.error("event was refused", shape=shape_of(refusal))
        raise
    except MailDelayed:
        _count("delayed", backup_id)
        raise
    except (ClientError, BotoCoreError) as error:
        logger.warning("mail was delayed", why="aws", shape=shape_of(error))
        _count("delayed", backup_id)
        raise MailDelayed("aws") from None
    except Exception as error:  # noqa: BLE001 - see above
        logger.error("mail was broken", shape=shape_of(error))
        _count("broken", backup_id)
        raise MailBroken(type(error).__name__) from None
    if told in (Told.SENT, Told.NOT_SENT, Told.REFUSED):  # the others settle nothing
        _count(told.value, backup_id)
    return {"mail": told.value}


def _count(outcome: str, backup_id: str) -> None:
    meter.note({metrics.MAILS: 1}, by=outcome, backup_id=backup_id)
