"""What is known of an account: what the operator's product says of it, and what it has chosen itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared import audit, transactions
from shared.backup import Person
from shared.encodings import DEFAULT_ENCODING, ENCODING_NAMES
from shared.record_keys import PREFERENCES, SETTINGS
from shared.records import Records

PLANS_WITH_BACKUPS = frozenset({"enterprise", "unlimited"})


@dataclass(frozen=True)
class AccountSettings:
    account_id: str
    name: str
    plan: str
    encoding: str

    @property
    def has_backups(self) -> bool:
        return self.plan.lower() in PLANS_WITH_BACKUPS


class Accounts(Records):
    def settings(self, account_id: str) -> AccountSettings | None:
        """What the operator's product says of the account; None for an account it never named.

        The encoding is the one that the account has chosen, where it has: that choice has a record of its
        own, which the product does not overwrite when it writes the settings again. One that there is not
        is the default.
        """
        record = self._get(account_id, SETTINGS)
        if record is None:
            return None
        record |= self._get(account_id, PREFERENCES) or {}
        encoding = str(record.get("encoding"))
        return AccountSettings(
            account_id=account_id,
            name=str(record.get("name", "")),
            plan=str(record.get("plan", "")),
            encoding=encoding if encoding in ENCODING_NAMES else DEFAULT_ENCODING,
        )

    def choose_encoding(self, account_id: str, encoding: str, *, by: Person, now: datetime) -> None:
        """Keep the encoding for the account's next backups. Choosing it again changes nothing."""
        choice = self._record(account_id, PREFERENCES, {"encoding": encoding})
        try:
            transactions.write(
                self._client,
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": choice,
                        # True where the account has chosen nothing yet, or something else.
                        "ConditionExpression": "attribute_not_exists(encoding) OR encoding <> :encoding",
                        "ExpressionAttributeValues": {":encoding": {"S": encoding}},
                    }
                },
                self._trail.put(audit.encoding_chosen(account_id, encoding, by, now)),
            )
        except transactions.NotWritten:
            return  # chosen already: by an earlier try at this call, or by a colleague
