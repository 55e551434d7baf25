"""The backups table in the test's own process, its line, and backups in every state."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import boto3
from botocore.config import Config

from shared.audit import Actor, Entry, Event
from shared.backup import Backup, Failure, Person, Reason, State, new_backup
from shared.link import Link
from shared.store import BackupStore, failed
from shared.trail import Trail
from tests.doubles import make_table
from tests.faults import Line

TABLE, AUDIT_TABLE = "backups", "audit"
ANN = Person(sub="sub-of-ann", name="Ann", email="ann@example.com", language="nl")
BOB = Person(sub="sub-of-bob", name="Bob", email="bob@example.com", language="en")
BY_ANN, BY_BOB = Actor(ANN.sub, ANN.name), Actor(BOB.sub, BOB.name)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
THROTTLED = (400, "ProvisionedThroughputExceededException")
TWICE = Config(retries={"mode": "standard", "total_max_attempts": 2})
_numbers = count(1)


def next_backup_id() -> str:
    """Ids that sort by time, as ULIDs do."""
    return f"01JDA8Z4T0{next(_numbers):016d}"


def next_account_id() -> str:
    return str(10_000 + next(_numbers))


class BackupsTable:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.dynamodb: Any = boto3.client("dynamodb", config=TWICE)
        make_table(self.dynamodb, TABLE)
        make_table(self.dynamodb, AUDIT_TABLE)
        self.line = Line(self.dynamodb)
        self.trail = Trail(self.dynamodb, AUDIT_TABLE, days=1096)
        self.store = BackupStore(self.dynamodb, TABLE, self.trail, history_days=730)

    def set_account(self, account_id: str, **settings: str) -> None:
        values = {"name": "Acme", "plan": "Enterprise", "encoding": "windows-1252"} | settings
        key = {"pk": {"S": f"ACCOUNT#{account_id}"}, "sk": {"S": "SETTINGS"}}
        self.dynamodb.put_item(
            TableName=TABLE, Item=key | {name: {"S": value} for name, value in values.items()}
        )

    def backup(self, account_id: str, *, person: Person = ANN) -> Backup:
        """A pending one, in hand only."""
        return new_backup(
            backup_id=next_backup_id(),
            account_id=account_id,
            account_name="Acme",
            encoding="windows-1252",
            requested_by=person,
            now=self.now,
        )

    def pending(self, account_id: str) -> Backup:
        backup = self.backup(account_id)
        self.store.claim(backup)
        return backup

    def ready(self, account_id: str, *, days: int = 14) -> Backup:
        backup = self.ended_well(self.pending(account_id), days=days)
        self.store.finish(backup)
        return backup

    def failed(self, account_id: str, failure: Failure | None = None) -> Backup:
        ended = failed(self.pending(account_id), failure or Failure(Reason.TIMED_OUT), self.now)
        self.store.finish(ended)
        return ended

    def ended_well(self, backup: Backup, *, days: int = 14) -> Backup:
        return dataclasses.replace(
            backup,
            state=State.READY,
            finished_at=self.now,
            expires_at=self.now + timedelta(days=days),
            units=1,
            units_done=frozenset({0}),
            bytes=142_950,
            records=12,
            replaced=0,
        )

    def link(self) -> Link:
        address = "https://archives/secret?X-Amz-Signature=secret"
        return Link("0123456789abcdef", address, self.now + timedelta(minutes=1))

    def trail_of(self, account_id: str, at: datetime | None = None) -> list[Entry]:
        """All of it, oldest first."""
        return self.trail.page(account_id, at or self.now, limit=10_000)[::-1]

    def events_of(self, account_id: str, at: datetime | None = None) -> list[Event]:
        return [entry.event for entry in self.trail_of(account_id, at)]

    def entries(self, account_id: str) -> list[dict[str, Any]]:
        """The account's entries as they lie in the table, oldest first."""
        return self._of(account_id, AUDIT_TABLE)

    def records(self, account_id: str) -> dict[str, Any]:
        """The account's records as they lie in the table, by sort key."""
        return {item["sk"]["S"]: item for item in self._of(account_id, TABLE)}

    def _of(self, account_id: str, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.dynamodb.query(
            TableName=table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"ACCOUNT#{account_id}"}},
        )["Items"]
        return found
