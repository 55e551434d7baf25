"""The step that exports: one go at a unit.

Its range is read once, and its segments and its report are left in staging. A unit that has too little time
left for the proof that comes next stops before it, and the workflow calls for what is left:

    the unit ─► go ─► done: the attempt at its last go
      ▲          │
      └──────────┘ what is left: from which proof on, after which attempt

Each attempt at a go has a place of its own in staging, and its report names the attempt at the go before it.
So the state of a unit is as small as it began, and a go that is taken again replaces its own segments and
nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from functions.export_backup.encodings import encoding
from functions.export_backup.event import NumberedUnit, Step, unit_event, unit_of
from functions.export_backup.limits import Limits
from functions.export_backup.lock import running
from functions.export_backup.progress import Paced, interval
from functions.export_backup.source import Source
from functions.export_backup.staging import Staging
from functions.export_backup.unit import Account, export_unit
from shared.backup import Backup
from shared.moments import Clock
from shared.store import BackupStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class UnitEndless(Exception):
    """A unit has had all the goes that it may have, and is not done. Nobody retries: only a fault gets there,
    such as a time limit that leaves room for one proof only."""


class ExportStep:
    def __init__(
        self,
        store: BackupStore,
        source_of: Callable[[str], Source],
        s3: S3Client,
        bucket: str,
        *,
        clock: Clock,
        make_attempt_id: Callable[[], str],
        concurrency: int,
        limits: Limits,
    ) -> None:
        self._store = store
        self._source_of = source_of
        self._s3 = s3
        self._bucket = bucket
        self._clock = clock
        self._make_attempt_id = make_attempt_id
        self._concurrency = concurrency
        self._limits = limits

    def take(self, step: Step, seconds_left: float) -> dict[str, object]:
        """One go; returns its attempt, the records of all goes, and what is `left` of the unit, if anything.

        Raises Superseded, ForeignEvent, UnitEndless, RecordsUnaccounted, and the outcomes of source and
        bucket.
        """
        unit = unit_of(step)
        stop_at = self._clock().timestamp() + seconds_left - self._limits.reserve_seconds
        backup = running(self._store, step)
        if unit.gone is not None and unit.gone.goes >= self._limits.most_goes:
            raise UnitEndless(f"unit {unit.number} is not done after {unit.gone.goes} goes")
        if backup.units != unit.of:  # an earlier plan, whose answer was lost, has written late
            self._store.begin(backup.account_id, backup.id, units=unit.of, now=self._clock())
        return self._go(unit, backup, lambda: self._clock().timestamp() >= stop_at)

    def _go(self, unit: NumberedUnit, backup: Backup, stop: Callable[[], bool]) -> dict[str, object]:
        attempt = self._make_attempt_id()
        before = unit.gone.records if unit.gone else 0

        def write(records: int, *, done: bool = False) -> None:
            self._store.advance(
                backup.account_id,
                backup.id,
                unit=unit.number,
                records=before + records,
                now=self._clock(),
                done=done,
            )

        staging = Staging(self._s3, self._bucket, backup.id)
        with staging.writers(unit.number, attempt) as writers:
            report = export_unit(
                self._source_of(backup.account_id),
                unit.unit,
                Account(backup.account_id, backup.account_name),
                encoding(backup.encoding),
                backup.snapshot_at,
                {member: writers[member] for member in unit.unit.members},
                Paced(write, self._clock, interval(unit.of, self._concurrency)),
                stop,
            )
        staging.keep_report(unit, attempt, writers.segments, report)
        written = sum(table.written for table in report.tables.values())
        records = before + written
        # The last word comes after the last write to the bucket, and asks whether the backup has ended.
        write(written, done=report.resume_at is None)
        left = None
        if report.resume_at is not None:
            left = unit_event(unit.left(report.resume_at, attempt, records))
        return {"unit": unit.number, "attempt": attempt, "records": records, "left": left}
