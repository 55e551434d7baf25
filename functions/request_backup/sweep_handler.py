"""Composition root of the sweeper, the API's second function: it looks after what the first one began."""

from __future__ import annotations

from shared import startup

# isort: split
import os
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from ulid import ULID

from functions.request_backup.cleaning import Cleaner
from functions.request_backup.closing import ReadyStep
from functions.request_backup.notices import Notices
from functions.request_backup.scheduled import ScheduledBackups
from functions.request_backup.sweep_event import ExecutionEnded, ForeignEvent, woken_by
from functions.request_backup.sweep_settings import Settings
from functions.request_backup.sweeper import Sweeper, SweepIncomplete
from functions.request_backup.workflow import Workflow
from shared import metrics
from shared.counted_store import CountedStore
from shared.environment import read_settings
from shared.logs import get_logger, shape_of
from shared.metrics import Meter
from shared.moments import utc_now
from shared.trail import Trail

logger = get_logger("sweep_backups")
settings = read_settings(Settings, os.environ)
meter = Meter(settings.stack_name, logger)
_config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
# The step `ready` looks at the archive, which takes seconds, and safely runs a second time.
_patient = Config(connect_timeout=2, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 2})

functions = boto3.client("lambda", config=_config)
dynamodb = boto3.client("dynamodb", config=_config)
store = CountedStore(
    dynamodb,
    settings.table_name,
    Trail(dynamodb, settings.audit_table_name, days=settings.audit_days),
    meter,
    history_days=settings.history_days,
)
workflow = Workflow(boto3.client("stepfunctions", config=_config), settings.state_machine_arn)
notices = Notices(functions, settings.notify_function_name)
cleaner = Cleaner(functions, settings.export_function_name)
sweeper = Sweeper(
    store,
    workflow,
    ReadyStep(boto3.client("lambda", config=_patient), settings.export_function_name),
    notices,
    cleaner,
    ScheduledBackups(store, workflow, notices, cleaner, utc_now, lambda: str(ULID()), logger),
    utc_now,
    logger,
)
startup.done()


class SweepFailed(Exception):
    """What was to be looked at could not be. Lambda tries again twice, then the next sweep does."""


@logger.inject_lambda_context(clear_state=True)
def handler(event: Mapping[str, Any], context: Any) -> None:  # noqa: ARG001
    """Sweep, or look at the one backup whose execution has ended.

    Raises ForeignEvent, SweepIncomplete or SweepFailed. No other exception gets out: Lambda prints their
    texts, and texts of others quote what they failed on.
    """
    try:
        woken = woken_by(event, settings.state_machine_arn)
        if isinstance(woken, ExecutionEnded):
            logger.append_keys(account_id=woken.account_id, backup_id=woken.backup_id)
            sweeper.look(woken.account_id, woken.backup_id)
        else:
            _sweep()
    except ForeignEvent as error:
        logger.error("event refused", error=shape_of(error))
        raise
    except SweepIncomplete:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        logger.error("sweep failed", error=shape_of(error))
        raise SweepFailed(type(error).__name__) from None


def _sweep() -> None:
    try:
        if started := sweeper.sweep():
            meter.note({metrics.STARTED_BY_SWEEPER: started})
    finally:  # most of all of a sweep that did not get everywhere
        now = utc_now()
        age = now - (store.oldest_request(now) or now)
        meter.note({metrics.OLDEST_PENDING: age.total_seconds()})
