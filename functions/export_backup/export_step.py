"""The step that exports: a unit's range is read once, and its segments and its report are left in staging."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from functions.export_backup.encodings import encoding
from functions.export_backup.event import Step, unit_of
from functions.export_backup.lock import running
from functions.export_backup.progress import OnceASecond
from functions.export_backup.source import Source
from functions.export_backup.staging import Staging
from functions.export_backup.unit import Account, export_unit
from shared.moments import Clock
from shared.store import BackupStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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
    ) -> None:
        self._store = store
        self._source_of = source_of
        self._s3 = s3
        self._bucket = bucket
        self._clock = clock
        self._make_attempt_id = make_attempt_id

    def take(self, step: Step) -> dict[str, object]:
        """Raises Superseded, ForeignEvent, RecordsUnaccounted, and the outcomes of source and bucket."""
        numbered = unit_of(step)
        backup = running(self._store, step)
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
