"""The workflow's steps: plan, export a unit, assemble, verify, ready; or fail. And clean, after a cancel.

Each asks first whether its backup still holds the account's lock, so a cancelled, redriven or overtaken run
stops at its next step, in the middle of an export or an assembly within a second, and can never write a
terminal state. Each asks again after its last write to the bucket; why, leftovers.py says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from functions.export_backup.archive_steps import ArchiveSteps
from functions.export_backup.end_steps import EndSteps
from functions.export_backup.event import ForeignEvent, Step, unit_event, units_between
from functions.export_backup.export_step import ExportStep
from functions.export_backup.leftovers import Leftovers
from functions.export_backup.limits import INLINE_UNITS, Limits
from functions.export_backup.lock import running
from functions.export_backup.plan import Prober, plan
from functions.export_backup.source import Source
from shared.backup import State
from shared.logs import shape_of
from shared.moments import Clock
from shared.store import BackupStore, Superseded

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Steps:
    def __init__(
        self,
        store: BackupStore,
        source_of: Callable[[str], Source],
        probes_of: Callable[[str], Prober],
        s3: S3Client,
        bucket: str,
        *,
        clock: Clock,
        make_attempt_id: Callable[[], str],
        retention: timedelta,
        concurrency: int,
        limits: Limits,
        logger: Logger,
    ) -> None:
        self._store = store
        self._probes_of = probes_of
        self._clock = clock
        self._concurrency = concurrency
        self._limits = limits
        self._export = ExportStep(
            store,
            source_of,
            s3,
            bucket,
            clock=clock,
            make_attempt_id=make_attempt_id,
            concurrency=concurrency,
            limits=limits,
        )
        self._archive = ArchiveSteps(store, s3, bucket, clock=clock)
        self._end = EndSteps(store, s3, bucket, clock=clock, retention=retention)
        self._leftovers = Leftovers(s3, bucket)
        self._logger = logger

    def take(self, step: Step, seconds_left: float = math.inf) -> dict[str, object]:
        """Take one step; what it returns goes into the workflow's state: ids and counts.

        `seconds_left` is the time after which whoever calls is killed: a unit stops before that, and
        verifying reads no more than it can.

        Once the backup has ended, whoever ended it, the step takes away what it left in the bucket. That this
        did not work is logged and no more: the bucket's lifecycle rules come after it.

        Raises Superseded, ForeignEvent, and the outcomes of the source and of the bucket.
        """
        if step.name == "clean":
            return self._clean(step)
        try:
            return self._taken(step, seconds_left)
        except ForeignEvent:
            raise
        except Exception:
            # Also where it failed on what a cleaning took away from under it before it could ask.
            if self._tidied(step) is State.CANCELLED:
                raise Superseded from None
            raise

    def _taken(self, step: Step, seconds_left: float) -> dict[str, object]:
        match step.name:
            case "plan":
                return self._plan(step)
            case "export":
                return self._export.take(step, seconds_left)
            case "assemble":
                return self._archive.assemble(step)
            case "verify":
                return self._archive.verify(step, seconds_left)
            case "ready":
                self._end.ready(step)
            case _:
                self._end.fail(step)
        self._tidied(step)
        return {}

    def _plan(self, step: Step) -> dict[str, object]:
        """Cut the account into units. Done again it may cut otherwise; what the state holds counts."""
        running(self._store, step)
        units = units_between(plan(self._probes_of(step.account_id), self._limits))
        self._store.begin(step.account_id, step.backup_id, units=len(units), now=self._clock())
        return {
            "units": [unit_event(unit) for unit in units],
            "concurrency": self._concurrency,
            "many": len(units) > INLINE_UNITS,
        }

    def _clean(self, step: Step) -> dict[str, object]:
        """Take away what a backup left that somebody has ended; doing it again does nothing.

        Raises ForeignEvent, and touches nothing, for a backup that is unknown or has not ended: whoever sends
        this has written the end before. Raises BucketUnavailable, BucketRefused; Lambda repeats what was
        invoked asynchronously twice (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
        """
        backup = self._store.find(step.account_id, step.backup_id)
        if backup is None or backup.finished_at is None:
            raise ForeignEvent("the backup is unknown or has not ended")
        self._leftovers.remove(backup)
        return {}

    def _tidied(self, step: Step) -> State | None:
        """Take away what the backup left, where it has ended; returns as what, None where it has not.

        A backup without a record is left alone: nobody can say where its archive lies. Raises nothing.
        """
        state = None
        try:
            backup = self._store.find(step.account_id, step.backup_id)
            if backup is not None and backup.finished_at is not None:
                state = backup.state
                self._leftovers.remove(backup)
        except Exception as error:  # noqa: BLE001 - what the step did, or failed on, is what counts
            self._logger.warning("leftovers not removed", error=shape_of(error))
        return state
