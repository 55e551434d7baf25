"""The operator's table, read: pages of records of one table of one account, their values as text."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from functions.export_backup.catalogue import (
    PARTITION_KEY,
    SORT_KEY,
    Cell,
    Column,
    Kind,
    Row,
    Table,
    partition,
)
from functions.export_backup.wire import RAW, Unexpected, decimal, page_of
from shared.aws_errors import may_pass

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Value = Mapping[str, Any]
"""A value as DynamoDB's low-level API gives it: `{"S": "text"}`."""

_FINAL = frozenset({"AccessDeniedException", "ResourceNotFoundException"})


class SourceUnavailable(Exception):
    """The source did not answer after all of botocore's retries. The workflow tries the unit again."""

    def __init__(self, table: str) -> None:
        super().__init__(f"the source's table {table} could not be read for now")
        self.table = table


class SourceRefused(Exception):
    """The source does not exist or may not be read. Nobody tries again: an operator has to act."""

    def __init__(self, table: str) -> None:
        super().__init__(f"the source's table {table} may not be read or does not exist")
        self.table = table


class Record(msgspec.Struct, gc=False):
    """One record, its values as text. A struct of msgspec's, which is made in a tenth of the time."""

    sk: str
    created: str | None
    """The moment of creation as the source writes it."""
    status: str | None
    row: Row
    markup: str | None = None
    """The row as elements of backup.xml, where nothing in it has to be escaped."""


@dataclass(frozen=True)
class Source:
    client: "DynamoDBClient"
    table_name: str
    account_id: str

    def pages(
        self, table: Table, first: str | None = None, before: str | None = None
    ) -> Iterator[list[Record]]:
        """The records of one table in the order of their sort keys, a page of DynamoDB's (1 MB) at a time.

        `first` is the lowest sort key that is read, `before` the lowest that no longer is. A page may
        be empty. Reads are eventually consistent: half the price, and what a second changes belongs
        behind the snapshot anyway. Raises SourceUnavailable and SourceRefused.
        """
        query = self._query(table, first, before)
        while True:
            answer = self._answer(table, query)
            page, next_key = _page(table, answer)
            # Parsed, a page takes many times its megabyte: one at a time.
            del answer
            if before is not None and page and page[-1].sk >= before:
                page = [record for record in page if record.sk < before]
            yield page
            del page
            if not next_key:
                return
            query["ExclusiveStartKey"] = next_key

    def _query(self, table: Table, first: str | None, before: str | None) -> dict[str, Any]:
        values: dict[str, dict[str, str]] = {":pk": {"S": partition(self.account_id, table)}}
        condition = "#pk = :pk"
        names = {"#pk": PARTITION_KEY, **table.placeholders}
        if first is not None:
            values[":first"] = {"S": first}
        if before is not None:
            values[":before"] = {"S": before}
        if first is not None or before is not None:
            sort_key = next(key for key, attribute in table.placeholders.items() if attribute == SORT_KEY)
            # One condition on the sort key is all that DynamoDB takes, and BETWEEN includes both ends.
            if before is None:
                condition += f" AND {sort_key} >= :first"
            elif first is None:
                condition += f" AND {sort_key} < :before"
            else:
                condition += f" AND {sort_key} BETWEEN :first AND :before"
        return {
            "TableName": self.table_name,
            "KeyConditionExpression": condition,
            "ProjectionExpression": table.projection,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }

    def _answer(self, table: Table, query: dict[str, Any]) -> Mapping[str, Any]:
        try:
            return self.client.query(**query)
        except (ClientError, BotoCoreError) as error:
            if may_pass(error):
                raise SourceUnavailable(table.name) from error
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in _FINAL:
                raise SourceRefused(table.name) from error
            raise


def _page(table: Table, answer: Mapping[str, Any]) -> tuple[list[Record], Any]:
    """The records of an answer to Query, and where to go on."""
    if RAW not in answer:
        return list(records(table, answer["Items"])), answer.get("LastEvaluatedKey")
    try:
        page = page_of(table, answer[RAW])
    except Unexpected:
        parsed = json.loads(answer[RAW])
        return list(records(table, parsed["Items"])), parsed.get("LastEvaluatedKey")
    rows = zip(*page.cells, strict=True)
    keys = [key or "" for key in page.keys] if None in page.keys else page.keys
    return list(map(Record, keys, page.created, page.status, rows)), page.next_key  # type: ignore[arg-type]


def records(table: Table, items: Iterable[Mapping[str, Value]]) -> Iterator[Record]:
    """The records of one page of DynamoDB's items, in their order."""
    for item in items:
        yield Record(
            sk=text(item[SORT_KEY]) or "",
            created=text(item.get(table.created)) if table.created else None,
            status=text(item.get(table.status)) if table.status else None,
            row=tuple(_cell(column, item.get(column.attribute)) for column in table.columns),
        )


def text(value: Value | None) -> str | None:
    """A value as text, exact: None where it is missing or NULL, compact JSON where it is no scalar."""
    if value is None:
        return None
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return str(content)
        case "N":
            return decimal(content)
        case "BOOL":
            return "true" if content else "false"
        case "NULL":
            return None
        case _:
            return _json(value)


def _cell(column: Column, value: Value | None) -> Cell:
    return _texts(value) if column.kind is Kind.LIST else text(value)


def _texts(value: Value | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "SS":
            return tuple(sorted(content))  # a set has no order; two exports should be equal
        case "NS":
            return tuple(decimal(number) for number in sorted(content, key=Decimal))
        case "L":
            return tuple(text(element) or "" for element in content)
        case _:
            return (text(value) or "",)


def _json(value: Value) -> str:
    """Compact JSON without DynamoDB's type tags; numbers keep all their digits, binary is base64."""
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return decimal(content)
        case "BOOL":
            return "true" if content else "false"
        case "NULL":
            return "null"
        case "B":
            # botocore hands bytes over, the wire their base64.
            return json.dumps(
                content if isinstance(content, str) else base64.b64encode(content).decode("ascii")
            )
        case "L":
            return f"[{','.join(map(_json, content))}]"
        case "M":
            fields = [f"{_json({'S': name})}:{_json(field)}" for name, field in content.items()]
            return f"{{{','.join(fields)}}}"
        case "SS" | "NS" | "BS":
            return f"[{','.join(_json({kind[0]: element}) for element in sorted(content))}]"
        case _:
            return json.dumps(content, ensure_ascii=False, default=str)
