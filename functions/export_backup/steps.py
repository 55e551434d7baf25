"""The workflow's steps: plan, export a unit, assemble, verify, ready; or fail. And clean, after a cancel.

Each asks first whether its backup still holds the account's lock, so a cancelled, redriven or overtaken run
stops at its next step, in the middle of an export or an assembly within a second, and can never write a
terminal state. Each asks again after its last write to the bucket; why, leftovers.py says.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from functions.export_backup.accounts import check_manifest
from functions.export_backup.archive import Archive, Destination, assemble, published_at
from functions.export_backup.catalogue import MANIFEST_MEMBER
from functions.export_backup.contents import Contents, contents_of
from functions.export_backup.encodings import encoding
from functions.export_backup.event import (
    ForeignEvent,
    NumberedUnit,
    Step,
    archive_of,
    exported_of,
    unit_event,
    unit_of,
)
from functions.export_backup.leftovers import Leftovers
from functions.export_backup.progress import OnceASecond
from functions.export_backup.source import Source
from functions.export_backup.staging import Staging
from functions.export_backup.unit import Account, Unit, export_unit
from functions.export_backup.verification import StoredArchive, readable_bytes
from functions.export_backup.zip_layout import lay_out
from shared.backup import Backup, Failure, Reason, State
from shared.logs import shape_of
from shared.moments import Clock
from shared.store import BackupStore, Superseded, failed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ENDING = frozenset({"ready", "fail"})
_TIMEOUTS = frozenset({"States.Timeout", "Sandbox.Timedout", "Lambda.ClientExecutionTimeoutException"})


class Steps:
    def __init__(
        self,
        store: BackupStore,
        source_of: Callable[[str], Source],
        s3: S3Client,
        bucket: str,
        *,
        clock: Clock,
        make_attempt_id: Callable[[], str],
        retention: timedelta,
        concurrency: int,
        logger: Logger,
    ) -> None:
        self._store = store
        self._source_of = source_of
        self._s3 = s3
        self._bucket = bucket
        self._clock = clock
        self._make_attempt_id = make_attempt_id
        self._retention = retention
        self._concurrency = concurrency
        self._leftovers = Leftovers(s3, bucket)
        self._logger = logger

    def take(self, step: Step, seconds_left: float = math.inf) -> dict[str, object]:
        """Take one step; what it returns goes into the workflow's state: ids and counts.

        `seconds_left` is the time after which whoever calls is killed: verifying reads no more than it can.

        Once the backup has ended, whoever ended it, the step takes away what it left in the bucket. That this
        did not work is logged and no more: the bucket's lifecycle rules come after it.

        Raises Superseded, ForeignEvent, and the outcomes of the source and of the bucket.
        """
        if step.name == "clean":
            return self._clean(step)
        try:
            result = self._taken(step, seconds_left)
        except ForeignEvent:
            raise
        except Exception:
            # Also where it failed on what a cleaning took away from under it before it could ask.
            if self._tidied(step) is State.CANCELLED:
                raise Superseded from None
            raise
        if step.name in _ENDING:
            self._tidied(step)
        return result

    def _taken(self, step: Step, seconds_left: float) -> dict[str, object]:
        match step.name:
            case "plan":
                return self._plan(step)
            case "export":
                return self._export(step)
            case "assemble":
                return self._assemble(step)
            case "verify":
                return self._verify(step, seconds_left)
            case "ready":
                return self._ready(step)
            case _:
                return self._fail(step)

    def _plan(self, step: Step) -> dict[str, object]:
        units = [NumberedUnit(0, Unit())]
        self._store.begin(step.account_id, step.backup_id, units=len(units), now=self._clock())
        return {"units": [unit_event(unit) for unit in units], "concurrency": self._concurrency}

    def _export(self, step: Step) -> dict[str, object]:
        numbered = unit_of(step)
        backup = self._running(step)
        attempt = self._make_attempt_id()
        staging = Staging(self._s3, self._bucket, backup.id)

        def write(records: int, *, done: bool = False) -> None:
            self._store.advance(
                backup.account_id,
                backup.id,
                unit=numbered.number,
                records=records,
                now=self._clock(),
                done=done,
            )

        with staging.writers(numbered.number, attempt) as writers:
            report = export_unit(
                self._source_of(backup.account_id),
                numbered.unit,
                Account(backup.account_id, backup.account_name),
                encoding(backup.encoding),
                backup.snapshot_at,
                {member: writers[member] for member in numbered.unit.members},
                OnceASecond(write, self._clock),
            )
        staging.keep_report(numbered.number, attempt, writers.segments, report)
        records = sum(table.written for table in report.tables.values())
        # The last word comes after the last write to the bucket, and asks whether the backup has ended.
        write(records, done=True)
        return {"unit": numbered.number, "attempt": attempt, "records": records}

    def _assemble(self, step: Step) -> dict[str, object]:
        backup, contents = self._gathered(step)
        archive = assemble(
            self._s3,
            self._destination(backup),
            contents.members,
            backup.snapshot_at,
            OnceASecond(lambda: self._running(step), self._clock),
        )
        self._running(step)  # the backup may have ended in the very moment in which S3 published
        return {"bytes": archive.size, "records": contents.records, "replaced": contents.replaced}

    def _verify(self, step: Step, seconds_left: float) -> dict[str, object]:
        """Read back what was assembled, and compare it with what the units say, whom assembling asked too."""
        counts = archive_of(step)
        backup, contents = self._gathered(step)
        layout = lay_out(contents.members, backup.snapshot_at)
        if counts != (layout.size, contents.records, contents.replaced):
            raise ForeignEvent("the counts are not those of these units")
        stored = StoredArchive(
            self._s3,
            self._destination(backup),
            Archive(layout.size, layout.members),
            OnceASecond(lambda: self._running(step), self._clock),
        )
        check_manifest(stored.content(MANIFEST_MEMBER), contents.counts)
        return {"verified": stored.verify_contents(readable_bytes(seconds_left))}

    def _gathered(self, step: Step) -> tuple[Backup, Contents]:
        exported = exported_of(step)
        backup = self._running(step)
        if len(exported) != backup.units:
            raise ForeignEvent("not as many units as were planned")
        return backup, contents_of(backup, Staging(self._s3, self._bucket, backup.id), exported)

    def _ready(self, step: Step) -> dict[str, object]:
        size, records, replaced = archive_of(step)
        backup = self._store.find(step.account_id, step.backup_id)
        if backup is not None and backup.state is State.READY:
            return {}  # an earlier try at this step, whose answer was lost
        if backup is None or backup.finished_at is not None:
            raise Superseded
        now = self._clock()
        # The lifecycle rule counts from the upload; the promise must not outlive the file.
        kept_from = min(now, published_at(self._s3, self._destination(backup), size))
        self._store.finish(
            dataclasses.replace(
                backup,
                state=State.READY,
                finished_at=now,
                expires_at=kept_from + self._retention,
                bytes=size,
                records=records,
                replaced=replaced,
                failure=None,
            )
        )
        return {}

    def _fail(self, step: Step) -> dict[str, object]:
        backup = self._store.find(step.account_id, step.backup_id)
        if backup is None or backup.state is State.CANCELLED:
            raise Superseded  # of which nobody is told by e-mail
        if backup.finished_at is None:
            error = str(step.payload.get("error", ""))
            if "." in error:  # AWS ended this attempt; what is noted is of an earlier one
                backup = dataclasses.replace(backup, failure=None)
            reason = Reason.TIMED_OUT if error in _TIMEOUTS else Reason.INTERNAL
            self._store.finish(failed(backup, Failure(reason), self._clock()))
        return {}

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

    def _destination(self, backup: Backup) -> Destination:
        return Destination(self._bucket, backup.object_key, backup.file_name, backup.id)

    def _running(self, step: Step) -> Backup:
        backup = self._store.running(step.account_id)
        if backup is None or backup.id != step.backup_id:
            raise Superseded
        return backup
