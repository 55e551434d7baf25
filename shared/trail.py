"""The audit table: entries of each account's trail are put there once, and read newest first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from shared import audit
from shared.audit import Entry
from shared.items import from_item, to_item
from shared.queries import newest_first
from shared.record_keys import account_key, key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutItemInputTypeDef, TransactWriteItemTypeDef

_LAST = "_~"
"""Behind a moment: after every entry of that moment."""


class Trail:
    """`days` is how long entries are kept. Then they are not shown any more, and TTL collects them."""

    def __init__(self, client: DynamoDBClient, table_name: str, *, days: int) -> None:
        self._client = client
        self._table = table_name
        self._kept = timedelta(days=days)

    # --- writing ---

    def put(self, entry: Entry) -> TransactWriteItemTypeDef:
        """The entry as a part of the transaction that makes it true."""
        return {"Put": self._put(entry.account_id, entry.id, entry.at, audit.to_record(entry))}

    def withdraw(self, expiry: Entry) -> TransactWriteItemTypeDef:
        """Have an `expired` never shown: a part of the transaction after which nothing is left to expire."""
        record: dict[str, object] = {"format": audit.ENTRY_FORMAT, "account_id": expiry.account_id}
        return {"Put": self._put(expiry.account_id, expiry.id + audit.WITHDRAWN, expiry.at, record)}

    def append(self, entry: Entry) -> None:
        """Put an entry that no other write goes with. Raises botocore's errors: it is there, or may be."""
        try:
            self._client.put_item(**self._put(entry.account_id, entry.id, entry.at, audit.to_record(entry)))
        except self._client.exceptions.ConditionalCheckFailedException:
            return  # botocore repeats a put whose answer was lost, and then meets its own entry

    def _put(
        self, account_id: str, entry_id: str, at: datetime, record: dict[str, object]
    ) -> PutItemInputTypeDef:
        collected = math.ceil((at + self._kept).timestamp())
        return {
            "TableName": self._table,
            "Item": key(account_id, entry_id) | to_item(record | {"ttl": collected}),
            # True where the entry is new: none is ever overwritten, which IAM cannot see to.
            "ConditionExpression": "attribute_not_exists(pk)",
        }

    # --- reading ---

    def page(self, account_id: str, now: datetime, *, limit: int, before: str | None = None) -> list[Entry]:
        """What has happened by now, newest first, from the one before the entry with the id `before`."""
        return list(islice(self._entries(account_id, now, before), limit))

    def _entries(self, account_id: str, now: datetime, before: str | None) -> Iterator[Entry]:
        newest = audit.moment_key(now) + _LAST
        newest = min(newest, before or newest)
        oldest = audit.moment_key(now - self._kept) + _LAST
        if newest < oldest:  # an id from before the oldest; DynamoDB refuses such a range
            return
        withdrawn = ""
        for item in newest_first(
            self._client,
            self._table,
            pk=account_key(account_id),
            oldest=oldest,
            newest=newest,
        ):
            sk: str = item["sk"]["S"]
            record = from_item(item)
            # TTL is days late. And what was written when entries were kept for less time ends with that.
            if sk == before or record["ttl"] <= now.timestamp():
                continue
            if sk.endswith(audit.WITHDRAWN):
                withdrawn = sk.removesuffix(audit.WITHDRAWN)
            elif sk != withdrawn:
                yield audit.from_record(record)
