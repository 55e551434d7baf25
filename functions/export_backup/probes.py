"""The operator's table, probed: which proofs a few pages of keys are of, without the records themselves."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from functions.export_backup.catalogue import PARTITION_KEY, SORT_KEY, Table, partition
from functions.export_backup.source import reading

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryOutputTypeDef

PAGE_BYTES: Final = 1024**2
"""What the records of a page come to that ends before its table does, as DynamoDB counts them, columns that
nobody asked for included. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html"""

AT_ONCE: Final = 8  # probes; botocore's pool has ten connections
_BEHIND_DIGITS: Final = ":"  # sorts after every key that begins with a digit


@dataclass(frozen=True)
class Page:
    """One page of one table."""

    proofs: Sequence[str]
    """The ids of the proofs that its records belong to, one per record, in the order of the keys."""
    more: bool
    """The table goes on after it, so the page holds PAGE_BYTES."""


class Probes:
    """Pages of one account's tables; each costs what reading a page costs, 128 read units at most."""

    def __init__(self, client: DynamoDBClient, table_name: str, account_id: str) -> None:
        self._client = client
        self._table_name = table_name
        self._account_id = account_id

    def pages(self, starts: Sequence[tuple[Table, str]]) -> list[Page]:
        """For each table and proof id the page that begins there. Raises SourceUnavailable, SourceRefused."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda start: self._page(*start), starts))

    def last_pages(self, tables: Sequence[Table]) -> list[Page]:
        """For each table the last page of what has a key that begins with a digit; `more` is before it.

        Raises SourceUnavailable, SourceRefused.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._last_page, tables))

    def _page(self, table: Table, first: str) -> Page:
        answer = self._asked(table, ">=", first)
        return Page(_proofs(answer), "LastEvaluatedKey" in answer)

    def _last_page(self, table: Table) -> Page:
        answer = self._asked(table, "<=", _BEHIND_DIGITS, ScanIndexForward=False)
        return Page(_proofs(answer)[::-1], "LastEvaluatedKey" in answer)

    def _asked(self, table: Table, comparison: str, key: str, **more: Any) -> QueryOutputTypeDef:
        with reading(table):
            return self._client.query(
                TableName=self._table_name,
                KeyConditionExpression=f"#pk = :pk AND #sk {comparison} :key",
                ProjectionExpression="#sk",
                ExpressionAttributeNames={"#pk": PARTITION_KEY, "#sk": SORT_KEY},
                ExpressionAttributeValues={
                    ":pk": {"S": partition(self._account_id, table)},
                    ":key": {"S": key},
                },
                **more,
            )


def _proofs(answer: QueryOutputTypeDef) -> list[str]:
    return [item[SORT_KEY]["S"].partition("#")[0] for item in answer["Items"]]
