"""Lambda entry of the workflow's steps: settings, clients, wiring; the only file with effects at import."""

from __future__ import annotations

from shared import startup

# isort: split
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import boto3
from botocore.config import Config
from ulid import ULID

from functions.export_backup.event import ForeignEvent, step_of
from functions.export_backup.limits import Limits
from functions.export_backup.outcomes import of_error
from functions.export_backup.probes import Probes
from functions.export_backup.settings import Settings
from functions.export_backup.source import Source
from functions.export_backup.steps import Steps
from functions.export_backup.throttles import Throttles
from functions.export_backup.wire import tapped
from shared import metrics
from shared.counted_store import CountedStore
from shared.environment import read_settings
from shared.logs import get_logger, shape_of
from shared.metrics import Meter
from shared.moments import utc_now
from shared.store import Superseded
from shared.trail import Trail

logger = get_logger("export_backup")
settings = read_settings(Settings, os.environ)
meter = Meter(settings.stack_name, logger)
# Beneath the workflow's own retries, which begin a step anew, botocore tries each call five times.
_config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})

dynamodb = boto3.client("dynamodb", config=_config)
# A client of its own, since its answers to Query come unparsed.
records = tapped(boto3.client("dynamodb", config=_config))
throttles = Throttles(records)
store = CountedStore(
    dynamodb,
    settings.table_name,
    Trail(dynamodb, settings.audit_table_name, days=settings.audit_days),
    meter,
    history_days=settings.history_days,
)
steps = Steps(
    store,
    lambda account_id: Source(records, settings.source_table_name, account_id),
    lambda account_id: Probes(dynamodb, settings.source_table_name, account_id),
    boto3.client("s3", config=_config),
    settings.bucket_name,
    clock=utc_now,
    make_attempt_id=lambda: str(ULID()),
    retention=timedelta(days=settings.retention_days),
    concurrency=settings.export_concurrency,
    limits=Limits(unit_bytes=settings.unit_bytes, reserve_seconds=settings.reserve_seconds),
    logger=logger,
)
startup.done()


@logger.inject_lambda_context(clear_state=True)
def handler(event: Mapping[str, Any], context: Any) -> dict[str, object]:
    """Take the step that the workflow, or the API after a backup's end, asks for.

    Step Functions sees the class of what is raised, and prints its text: so only our own outcomes get out,
    and none of their texts quotes data. The reason is noted on the backup's record, where the failing
    step finds it.
    """
    try:
        step = step_of(event)
    except ForeignEvent as error:
        logger.error("event refused", error=shape_of(error))
        raise
    logger.append_keys(step=step.name, account_id=step.account_id, backup_id=step.backup_id)
    try:
        result = steps.take(step, context.get_remaining_time_in_millis() / 1000)
    except ForeignEvent as error:
        logger.error("event refused", error=shape_of(error))
        raise
    except Exception as error:
        outcome, failure = of_error(error)
        if isinstance(outcome, Superseded):
            logger.info("step stopped: this backup is no longer the running one")
            raise
        logger.error("step failed", error=shape_of(error), reason=failure.reason.value)
        try:
            store.note_failure(step.account_id, step.backup_id, failure)
        except Superseded:
            pass  # it has ended, and says itself as what
        except Exception as noting:  # noqa: BLE001 - what went wrong first is what counts
            logger.warning("reason not noted", error=shape_of(noting))
        raise outcome from None
    finally:
        _count_effort(step.backup_id, context)
    counts = {name: value for name, value in result.items() if isinstance(value, int)}
    logger.info("step taken", extra={"counts": counts})
    return result


def _count_effort(backup_id: str, context: Any) -> None:
    effort: dict[metrics.Metric, float] = {
        metrics.SECONDS_LEFT: context.get_remaining_time_in_millis() / 1000
    }
    if throttled := throttles.since_last_asked():
        effort[metrics.SOURCE_THROTTLES] = throttled
    meter.note(effort, backup_id=backup_id)
