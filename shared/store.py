"""The backups table: the lock, every transition of a backup, and the account's settings.

    pk = ACCOUNT#<id>   sk = PENDING        the one running backup: the lock
                        sk = BACKUP#<ulid>  a finished one, sorted by time
                        sk = SETTINGS       plan, account name, encoding: kept by the operator's product
                        sk = PREFERENCES    the encoding that the account has chosen itself
                        sk = SCHEDULE       when backups are made by themselves (schedule.py)

Every write after the first is conditional on the backup's id, so that a step of a dead, redriven or
overtaken run stops at its next write (the fence):

    run A   put PENDING(A) ── … dies ───────────────── wakes up: update if PENDING is A → Superseded
    closed by hand            PENDING(A) → BACKUP#A
    run B                                 put PENDING(B) ── …

Each transition enters itself in the account's audit trail (audit.py), in the same transaction.

A pending record has a lease too; when it runs out, the sweeper looks whether its run is alive (leases.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import audit, leases, transactions
from shared.accounts import Accounts
from shared.backup import Backup, Failure, Person, State, failure_record, from_record, to_record
from shared.history import History
from shared.items import to_item
from shared.mail_claims import MailClaims
from shared.moments import from_text, to_text
from shared.record_keys import HISTORY, PENDING, account_of, ended_key, key
from shared.schedule import Schedule
from shared.schedules import Schedules
from shared.trail import Trail

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import UpdateItemInputTypeDef


class AlreadyRunning(Exception):
    """The account has a running backup, which is handed over. Nobody retries; the caller is told."""

    def __init__(self, running: Backup) -> None:
        super().__init__("a backup of this account is running")
        self.running = running


class Superseded(Exception):
    """This backup is no longer the account's running one: its run must stop. Nobody retries."""


class BackupStore(Accounts, History, MailClaims, Schedules):
    """`history_days` is how long finished backups stay listed; TTL then collects them."""

    def __init__(
        self, client: DynamoDBClient, table_name: str, trail: Trail, *, history_days: int = 730
    ) -> None:
        super().__init__(client, table_name, trail)
        self._history_days = history_days

    # --- the lock, and the way through the workflow ---

    def claim(self, backup: Backup, *, due: Schedule | None = None) -> None:
        """Put the pending record. Raises AlreadyRunning, with the running backup, where there is one.

        Claiming with the same backup again does nothing, even where it has ended since. `due` is the schedule
        that it is due by, which moves on in the same transaction; raises Superseded where it has already.
        """
        lease = leases.lease(leases.RUNNING, backup.requested_at)
        try:
            transactions.write(
                self._client,
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": self._record(backup.account_id, PENDING, to_record(backup) | lease),
                        # True where the account has no pending record: nothing of it is alive.
                        "ConditionExpression": "attribute_not_exists(pk)",
                        # The loser is told who won without a second read, which could find another one.
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
                self._trail.put(audit.requested(backup)),
                *([self._moved_on(due, backup.requested_at)] if due else []),
            )
        except transactions.NotWritten as refusal:
            if due and not refusal.found[0]:
                raise Superseded from None
            # A claim whose answer was lost may be repeated, and then meets its own record; or just its own
            # entry in the trail, where somebody was quick to cancel it.
            running = from_record(refusal.found[0]) if refusal.found[0] else backup
            if running.id != backup.id:
                raise AlreadyRunning(running) from None

    def begin(self, account_id: str, backup_id: str, *, units: int, now: datetime) -> None:
        """Say that the work runs, in so many units. Raises Superseded."""
        self._update_pending(
            account_id,
            backup_id,
            "SET #state = :running, units = :units, lease_until = :lease",
            {":running": State.RUNNING.value, ":units": units, ":lease": leases.until(now)},
            names={"#state": "state"},
        )

    def advance(
        self, account_id: str, backup_id: str, *, unit: int, records: int, now: datetime, done: bool = False
    ) -> None:
        """Say how many records a unit has written so far, and that it lives. Raises Superseded.

        A retried unit starts from nothing; what users see never goes back, so a lower count only
        extends the lease.
        """
        values: dict[str, object] = {":lease": leases.until(now)}
        also_done = ""
        if done:
            values[":unit"] = {unit}
            also_done = " ADD units_done :unit"
        try:
            self._update_pending(
                account_id,
                backup_id,
                "SET progress.#unit = :records, lease_until = :lease" + also_done,
                {":records": records, **values},
                names={"#unit": str(unit)},
                # True for a unit's first word and for every one that says more than the last.
                unless="attribute_exists(progress.#unit) AND progress.#unit > :records",
            )
        except Superseded:
            self._update_pending(account_id, backup_id, "SET lease_until = :lease" + also_done, values)

    def note_failure(self, account_id: str, backup_id: str, failure: Failure) -> None:
        """Keep the reason for the step that may have to close the backup. Raises Superseded."""
        self._update_pending(
            account_id,
            backup_id,
            "SET failure = :failure",
            {":failure": failure_record(failure)},
        )

    def finish(self, backup: Backup, *, untold: bool = False) -> None:
        """Move the backup from pending to the history, as it stands in `backup`, in one transaction.

        `untold` where no workflow is there to see to the e-mail, so that the sweeper does.

        Doing it again with the same outcome does nothing. Raises Superseded where this backup is not
        the running one, or has ended otherwise.
        """
        if backup.finished_at is None:
            raise ValueError("a finished backup says when")
        record = self._ended(backup)
        if untold:
            record |= leases.lease(leases.UNTOLD, backup.finished_at)
        try:
            transactions.write(
                self._client,
                {
                    "Delete": {
                        "TableName": self._table,
                        "Key": key(backup.account_id, PENDING),
                        # True while this backup holds the lock.
                        "ConditionExpression": "backup_id = :id",
                        "ExpressionAttributeValues": {":id": {"S": backup.id}},
                    }
                },
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": self._record(backup.account_id, HISTORY + backup.id, record),
                        # True while this backup has not ended: a terminal state never changes.
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                },
                *map(self._trail.put, audit.ended(backup)),
            )
        except transactions.NotWritten:
            ended = self._get(backup.account_id, HISTORY + backup.id)
            if ended is None or ended["state"] != backup.state.value:
                raise Superseded from None

    def miss(self, backup: Backup, *, due: Schedule) -> None:
        """Enter a backup that was due, and failed before it was begun. Its e-mail is owed by the sweeper.

        Raises Superseded where the schedule has moved on already.
        """
        if backup.finished_at is None:
            raise ValueError("a finished backup says when")
        try:
            transactions.write(
                self._client,
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": self._record(
                            backup.account_id,
                            HISTORY + backup.id,
                            self._ended(backup) | leases.lease(leases.UNTOLD, backup.finished_at),
                        ),
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                },
                self._moved_on(due, backup.finished_at),
                *map(self._trail.put, [audit.requested(backup), *audit.ended(backup)]),
            )
        except transactions.NotWritten:
            raise Superseded from None

    def delete(self, backup: Backup, *, by: Person | None, now: datetime) -> Backup:
        """Say that the backup's file is deleted; returns the backup as it then stands.

        `by` is None where the account's schedule keeps no more. Doing it again changes nothing. Raises
        Superseded where the backup never was ready.
        """
        who = {":by": by.name, ":sub": by.sub} if by else {}
        entry = audit.deleted(
            dataclasses.replace(backup, ended_by=who.get(":by"), ended_by_sub=who.get(":sub")), now
        )
        expiry = audit.expired(backup)
        to_come = [expiry] if expiry is not None and now < expiry.at else []
        with suppress(transactions.NotWritten):  # it is deleted already, or never was ready
            transactions.write(
                self._client,
                {
                    "Update": {
                        "TableName": self._table,
                        "Key": ended_key(backup.account_id, backup.id),
                        "UpdateExpression": "SET #state = :deleted, deleted_at = :now"
                        + (", ended_by = :by, ended_by_sub = :sub" if who else ""),
                        # True for a backup that is ready, also where its promised days are over.
                        "ConditionExpression": "#state = :ready",
                        "ExpressionAttributeNames": {"#state": "state"},
                        "ExpressionAttributeValues": to_item(
                            {
                                ":ready": State.READY.value,
                                ":deleted": State.DELETED.value,
                                ":now": to_text(now),
                                **who,
                            }
                        ),
                    }
                },
                self._trail.put(entry),
                *map(self._trail.withdraw, to_come),
            )
        record = self._get(backup.account_id, HISTORY + backup.id)
        if record is None or record["state"] != State.DELETED.value:
            raise Superseded
        return from_record(record)

    # --- what the sweeper looks after ---

    def accounts_left_alone(self, now: datetime) -> Iterator[str]:
        """Accounts whose running backup has probably been silent until its lease ran out: look again."""
        for item in leases.run_out(self._client, self._table, leases.RUNNING, now):
            yield account_of(item)

    def oldest_request(self, now: datetime) -> datetime | None:
        """When the backup was requested that has been pending or running for longest; None where none is.

        Also of one that a newer version has written. Reads each record that holds a lock.
        """
        held = leases.run_out(self._client, self._table, leases.RUNNING, now + leases.LONGEST)
        records = (self._get(account_of(item), PENDING) for item in held)
        return min((from_text(str(record["requested_at"])) for record in records if record), default=None)

    def left_alone(self, account_id: str, now: datetime) -> Backup | None:
        """The account's running backup, if its lease has run out."""
        record = self._get(account_id, PENDING)
        if record is None or not leases.has_run_out(record["lease_until"], now):
            return None
        return from_record(record)

    def extend(self, account_id: str, backup_id: str, now: datetime) -> None:
        """Leave the running backup alone for another lease. Raises Superseded."""
        self._update_pending(account_id, backup_id, "SET lease_until = :lease", {":lease": leases.until(now)})

    # --- DynamoDB ---

    def _ended(self, backup: Backup) -> dict[str, object]:
        """The finished backup as it stands in the history, until TTL collects it."""
        ended = backup.finished_at or backup.requested_at
        return to_record(backup) | {"ttl": int((ended + timedelta(days=self._history_days)).timestamp())}

    def _update_pending(
        self,
        account_id: str,
        backup_id: str,
        expression: str,
        values: Mapping[str, object],
        *,
        names: Mapping[str, str] | None = None,
        unless: str | None = None,
    ) -> None:
        # True while this backup holds the lock: the fence.
        condition = "backup_id = :backup_id"
        update: UpdateItemInputTypeDef = {
            "TableName": self._table,
            "Key": key(account_id, PENDING),
            "UpdateExpression": expression,
            "ConditionExpression": f"{condition} AND NOT ({unless})" if unless else condition,
            "ExpressionAttributeValues": to_item({":backup_id": backup_id, **values}),
        }
        if names:
            update["ExpressionAttributeNames"] = names
        try:
            self._client.update_item(**update)
        except self._client.exceptions.ConditionalCheckFailedException:
            raise Superseded from None


def failed(backup: Backup, failure: Failure, now: datetime) -> Backup:
    """The backup as it ends when it fails; a reason noted earlier by a step counts more."""
    return dataclasses.replace(backup, state=State.FAILED, failure=backup.failure or failure, finished_at=now)


def cancelled(backup: Backup, by: Person, now: datetime) -> Backup:
    """The backup as it ends when somebody of the account cancels it."""
    return dataclasses.replace(
        backup, state=State.CANCELLED, ended_by=by.name, ended_by_sub=by.sub, finished_at=now
    )
