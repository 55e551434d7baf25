"""The accounts' schedules in the backups table, and which of them are due.

A schedule has a lease like a backup that is at work (leases.py): when it runs out, the sweeper looks at it.
It runs until the next backup, or, while there are old files to take away, for some minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import audit, leases, schedule, transactions
from shared.backup import Person
from shared.items import to_item
from shared.moments import to_text
from shared.record_keys import SCHEDULE, account_of, key
from shared.records import Records
from shared.schedule import Schedule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


class Schedules(Records):
    def schedule(self, account_id: str) -> Schedule | None:
        """The account's schedule, if it has one. Raises UnknownFormat."""
        record = self._get(account_id, SCHEDULE)
        return None if record is None else schedule.from_record(record)

    def set_schedule(self, wanted: Schedule, *, now: datetime) -> None:
        """Keep the schedule in the place of the one before. Setting the same again changes nothing."""
        record = schedule.to_record(wanted)
        before = self._get(wanted.account_id, SCHEDULE)
        if before is not None and record.items() <= before.items():
            return
        lease = leases.lease_until(leases.SCHEDULED, wanted.next_at)
        transactions.write(
            self._client,
            {
                "Put": {
                    "TableName": self._table,
                    "Item": self._record(wanted.account_id, SCHEDULE, record | lease),
                }
            },
            self._trail.put(audit.schedule_changed(wanted.account_id, wanted.by, now)),
        )

    def drop_schedule(self, account_id: str, *, by: Person | None, now: datetime) -> None:
        """Have no schedule any more. Dropping it again changes nothing. `by`: None where nobody wished it."""
        try:
            transactions.write(
                self._client,
                {
                    "Delete": {
                        "TableName": self._table,
                        "Key": key(account_id, SCHEDULE),
                        # True where there is one.
                        "ConditionExpression": "attribute_exists(pk)",
                    }
                },
                self._trail.put(audit.schedule_changed(account_id, by, now)),
            )
        except transactions.NotWritten:
            return

    def schedules_due(self, now: datetime) -> Iterator[str]:
        """Accounts whose schedule probably is to be looked at."""
        for item in leases.run_out(self._client, self._table, leases.SCHEDULED, now):
            yield account_of(item)

    def look_again(self, seen: Schedule, at: datetime) -> None:
        """Have the schedule looked at then, unless it has changed since it was `seen`."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=key(seen.account_id, SCHEDULE),
                UpdateExpression="SET lease_until = :lease",
                ConditionExpression="next_at = :seen",
                ExpressionAttributeValues=to_item(
                    {":lease": leases.ending(at), ":seen": to_text(seen.next_at)}
                ),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return

    def _moved_on(self, due: Schedule, now: datetime) -> TransactWriteItemTypeDef:
        """The schedule's part of the transaction that does what was due: nobody does it a second time."""
        values: dict[str, Any] = {
            ":due": to_text(due.next_at),
            ":next": to_text(due.moved_on(now).next_at),
            ":lease": leases.until(now),
        }
        return {
            "Update": {
                "TableName": self._table,
                "Key": key(due.account_id, SCHEDULE),
                "UpdateExpression": "SET next_at = :next, lease_until = :lease",
                # True for the first who comes at this moment of the schedule, if it still is one.
                "ConditionExpression": "next_at = :due",
                "ExpressionAttributeValues": to_item(values),
            }
        }
