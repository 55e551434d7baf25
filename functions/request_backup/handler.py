"""Composition root of the API function: settings, clients, wiring; the only file with effects at import."""

from __future__ import annotations

from shared import startup

# isort: split
import os
from typing import Any

import boto3
from botocore.config import Config
from ulid import ULID

from functions.request_backup.archives import Archives
from functions.request_backup.cleaning import Cleaner
from functions.request_backup.desk import Desk
from functions.request_backup.removal import Removal
from functions.request_backup.routes import make_api
from functions.request_backup.settings import Settings
from functions.request_backup.site import Site
from functions.request_backup.workflow import Workflow
from shared.counted_store import CountedStore
from shared.environment import read_settings
from shared.languages import Languages
from shared.link import LinkSigner
from shared.logs import get_logger
from shared.metrics import Meter
from shared.moments import utc_now
from shared.trail import Trail

logger = get_logger("request_backup")
settings = read_settings(Settings, os.environ)
meter = Meter(settings.stack_name, logger)
session = boto3.Session()
# Three tries of four seconds each stay well within the 29 seconds that API Gateway waits.
_config = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 3})

dynamodb = session.client("dynamodb", config=_config)
trail = Trail(dynamodb, settings.audit_table_name, days=settings.audit_days)
store = CountedStore(dynamodb, settings.table_name, trail, meter, history_days=settings.history_days)
workflow = Workflow(session.client("stepfunctions", config=_config), settings.state_machine_arn)
desk = Desk(
    store,
    trail,
    workflow,
    LinkSigner(
        session,
        session.client("sts", config=_config),
        role_arn=settings.download_role_arn,
        bucket=settings.bucket_name,
    ),
    Removal(
        store,
        workflow,
        Cleaner(session.client("lambda", config=_config), settings.export_function_name),
        Archives(session.client("s3", config=_config), settings.bucket_name),
        clock=utc_now,
        logger=logger,
    ),
    clock=utc_now,
    make_id=lambda: str(ULID()),
    admin_group=settings.admin_group,
    sales_contact=settings.sales_contact,
)
site = Site(Languages(), product=settings.product_name, frame_ancestors=settings.frame_ancestors)
api = make_api(desk, site, clock=utc_now, logger=logger, meter=meter, tab_origin=settings.tab_origin or None)
startup.done()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return api.resolve(event, context)
