"""What every part of the store knows: the backups table, its client, and the trail beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.items import Item, from_item, to_item
from shared.record_keys import key
from shared.trail import Trail

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Records:
    def __init__(self, client: DynamoDBClient, table_name: str, trail: Trail) -> None:
        self._client = client
        self._table = table_name
        self._trail = trail

    @staticmethod
    def _record(account_id: str, sk: str, values: Mapping[str, object]) -> Item:
        return key(account_id, sk) | to_item(values)

    def _get(self, account_id: str, sk: str) -> dict[str, Any] | None:
        answer = self._client.get_item(TableName=self._table, Key=key(account_id, sk), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None
