"""The store as handlers wire it: it counts the transitions that it writes, and nobody below knows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shared import metrics
from shared.backup import Backup, Person, Reason, State
from shared.metrics import Meter
from shared.schedule import Schedule
from shared.store import BackupStore
from shared.trail import Trail

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class CountedStore(BackupStore):
    """Each transition is counted where it is written: once, whichever function writes it.

    Twice only where its answer was lost and the writer writes it again; as CloudWatch itself promises each
    metric at least once.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        trail: Trail,
        meter: Meter,
        *,
        history_days: int = 730,
    ) -> None:
        super().__init__(client, table_name, trail, history_days=history_days)
        self._meter = meter

    def claim(self, backup: Backup, *, due: Schedule | None = None) -> None:
        super().claim(backup, due=due)
        self._meter.note({metrics.REQUESTED: 1}, backup_id=backup.id)

    def miss(self, backup: Backup, *, due: Schedule) -> None:
        super().miss(backup, due=due)
        reason = backup.failure.reason if backup.failure else Reason.INTERNAL
        self._meter.note({metrics.MISSED: 1}, by=reason.value, backup_id=backup.id)

    def finish(self, backup: Backup, *, untold: bool = False) -> None:
        super().finish(backup, untold=untold)
        match backup.state:
            case State.READY:
                ended = backup.finished_at or backup.requested_at
                values = {
                    metrics.READY: 1,
                    metrics.READY_AFTER: (ended - backup.requested_at).total_seconds(),
                    metrics.RECORDS: backup.records or 0,
                    metrics.BYTES: backup.bytes or 0,
                }
                self._meter.note(values, backup_id=backup.id)
            case State.FAILED:
                reason = backup.failure.reason if backup.failure else Reason.INTERNAL
                self._meter.note({metrics.FAILED: 1}, by=reason.value, backup_id=backup.id)
            case State.CANCELLED:
                self._meter.note({metrics.CANCELLED: 1}, backup_id=backup.id)

    def delete(self, backup: Backup, *, by: Person | None, now: datetime) -> Backup:
        deleted = super().delete(backup, by=by, now=now)
        self._meter.note({metrics.DELETED: 1}, backup_id=backup.id)
        return deleted
