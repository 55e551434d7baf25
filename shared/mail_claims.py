"""The e-mail of an ended backup, on its record: who may send it, how it went, and whether it is owed.

SES has no idempotency token, so: claim → send → mark. Two e-mails at most, where a sender dies between send
and mark and its claim is taken over. Where no workflow sees to the e-mail, it is owed: the sweeper looks at
the record whenever its lease has run out, until the e-mail is settled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import leases, transactions
from shared.audit import Entry
from shared.backup import MailState
from shared.items import to_item
from shared.moments import to_text
from shared.record_keys import account_of, backup_of, ended_key
from shared.records import Records

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateItemInputTypeDef

MAIL_CLAIM = timedelta(minutes=10)
"""A claim on the e-mail older than this is taken over: its run is dead (notify may run for one minute)."""


class MailClaims(Records):
    def claim_mail(
        self, account_id: str, backup_id: str, now: datetime, *, link: Entry | None = None
    ) -> bool:
        """Take the right to send this backup's e-mail. False where it is sent, refused or being sent.

        `link` says which download link the e-mail will hold, if any: it is in the trail before it goes out.
        """
        claim: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table,
                "Key": ended_key(account_id, backup_id),
                "UpdateExpression": "SET mail = :sending, mail_claimed_at = :now",
                "ConditionExpression": (
                    "attribute_exists(pk) AND "
                    # True for the first sender.
                    "(attribute_not_exists(mail)"
                    # True where the last sender died before it could say how it went.
                    " OR (mail = :sending AND mail_claimed_at < :stale))"
                ),
                "ExpressionAttributeValues": {
                    ":sending": {"S": MailState.SENDING.value},
                    ":now": {"S": to_text(now)},
                    ":stale": {"S": to_text(now - MAIL_CLAIM)},
                },
            }
        }
        try:
            transactions.write(self._client, claim, *([self._trail.put(link)] if link else []))
        except transactions.NotWritten:
            return False
        return True

    def release_mail(self, account_id: str, backup_id: str) -> None:
        """Give the claim back, for a retry, where SES surely did not take the e-mail."""
        self._client.update_item(
            TableName=self._table,
            Key=ended_key(account_id, backup_id),
            UpdateExpression="REMOVE mail, mail_claimed_at",
            ConditionExpression="attribute_exists(pk)",
        )

    def mark_mail(self, account_id: str, backup_id: str, state: MailState) -> None:
        """Say how the e-mail went."""
        self._client.update_item(
            TableName=self._table,
            Key=ended_key(account_id, backup_id),
            UpdateExpression="SET mail = :state",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":state": {"S": state.value}},
        )

    def untold(self, now: datetime) -> Iterator[tuple[str, str]]:
        """Account and id of ended backups whose e-mail was owed, and is due for another look."""
        for item in leases.run_out(self._client, self._table, leases.UNTOLD, now):
            yield account_of(item), backup_of(item)

    def owe_mail(self, account_id: str, backup_id: str, now: datetime) -> None:
        """Look at the ended backup's e-mail again when a lease has run out."""
        lease = leases.lease(leases.UNTOLD, now)
        values = {f":{name}": value for name, value in lease.items()}
        self._lease(account_id, backup_id, "SET leased = :leased, lease_until = :lease_until", values)

    def owe_nothing(self, account_id: str, backup_id: str) -> None:
        """Look at the ended backup's e-mail no more."""
        self._lease(account_id, backup_id, "REMOVE leased, lease_until", {})

    def _lease(self, account_id: str, backup_id: str, update: str, values: Mapping[str, object]) -> None:
        request: UpdateItemInputTypeDef = {
            "TableName": self._table,
            "Key": ended_key(account_id, backup_id),
            "UpdateExpression": update,
            # False where TTL has collected the record, and there is nothing to look at.
            "ConditionExpression": "attribute_exists(pk)",
        }
        if values:
            request["ExpressionAttributeValues"] = to_item(values)
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.update_item(**request)
