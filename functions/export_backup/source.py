"""The operator's table, read: pages of records of one table of one account, their values as text."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, starmap
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from functions.export_backup.catalogue import ACCOUNT_TABLES, PARTITION_KEY, SORT_KEY, Table, partition
from functions.export_backup.forming import Form, Former, Room
from functions.export_backup.page import Page, page_of_items
from functions.export_backup.read_ahead import UNDER_WAY, Answer, Lookahead, ReadAhead, Stretch
from functions.export_backup.wire import (
    RAW,
    PageDecoder,
    Unexpected,
    first_sort_key_of,
    next_key_of,
    slices_of,
)
from shared.aws_errors import may_pass

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

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


@contextmanager
def reading(table: Table) -> Iterator[None]:
    """Turns what AWS says of a Query into SourceUnavailable and SourceRefused."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        if may_pass(error):
            raise SourceUnavailable(table.name) from error
        if isinstance(error, ClientError) and error.response["Error"]["Code"] in _FINAL:
            raise SourceRefused(table.name) from error
        raise


@dataclass(frozen=True)
class Source:
    """One account's tables. Its requests are made on threads of its own, which end with it."""

    client: "DynamoDBClient"
    table_name: str
    account_id: str
    room: Room = field(kw_only=True, default_factory=Room)
    ahead: Lookahead = field(
        kw_only=True, default_factory=lambda: Lookahead(ThreadPoolExecutor(UNDER_WAY, "source"))
    )

    def pages(
        self, table: Table, first: str | None = None, before: str | None = None, form: Form | None = None
    ) -> Iterator[Page]:
        """The records of one table in the order of their sort keys, at most a page of DynamoDB's (1 MB) at a
        time.

        `first` is the lowest sort key that is read, `before` the lowest that no longer is. With a `form`, the
        pages that it can be given to come formed, the others as cells. A page may be empty. Reads are
        eventually consistent: half the price, and what a second changes belongs behind the snapshot anyway.
        The first request is under way when this returns. Pages raise SourceUnavailable and SourceRefused.
        """
        rank = ACCOUNT_TABLES.index(table) if table in ACCOUNT_TABLES else len(ACCOUNT_TABLES)
        answers = ReadAhead(partial(self._ask, table), self.ahead, Stretch(first, before), rank)
        former = None if form is None else Former(table, form, self.room)
        return self._pages(table, former, answers)

    def _pages(self, table: Table, former: Former | None, answers: ReadAhead) -> Iterator[Page]:
        decoder = PageDecoder(table)
        with reading(table):
            # Decoded, a page takes many times its megabyte: what waits is not decoded yet. And no name here
            # holds an answer, or its page, while that is written out and the next one is awaited.
            yield from chain.from_iterable(starmap(partial(_pages, table, former, decoder), answers))

    def _ask(self, table: Table, stretch: Stretch) -> Answer:
        answer: dict[str, Any] = self.client.query(**self._query(table, stretch))  # type: ignore[assignment]
        body = answer.get(RAW)
        if body is None:  # not a tapped client's
            first, next_key, size = None, answer.get("LastEvaluatedKey"), len(answer["Items"])
        else:
            first, next_key, size = first_sort_key_of(body), next_key_of(body), len(body)
        next_sort_key = next_key and str(next_key.get(SORT_KEY, {}).get("S", ""))
        return Answer(answer, size, first, next_key, next_sort_key)

    def _query(self, table: Table, stretch: Stretch) -> dict[str, Any]:
        values: dict[str, dict[str, str]] = {":pk": {"S": partition(self.account_id, table)}}
        condition = "#pk = :pk"
        names = {"#pk": PARTITION_KEY, **table.placeholders}
        if stretch.first is not None:
            values[":first"] = {"S": stretch.first}
        if stretch.before is not None:
            values[":before"] = {"S": stretch.before}
        if len(values) > 1:
            sort_key = next(key for key, attribute in table.placeholders.items() if attribute == SORT_KEY)
            # One condition on the sort key is all that DynamoDB takes, and BETWEEN includes both ends.
            if stretch.before is None:
                condition += f" AND {sort_key} >= :first"
            elif stretch.first is None:
                condition += f" AND {sort_key} < :before"
            else:
                condition += f" AND {sort_key} BETWEEN :first AND :before"
        query = {
            "TableName": self.table_name,
            "KeyConditionExpression": condition,
            "ProjectionExpression": table.projection,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        return query if stretch.after is None else query | {"ExclusiveStartKey": stretch.after}


def _pages(
    table: Table, former: Former | None, decoder: PageDecoder, stretch: Stretch, answer: Mapping[str, Any]
) -> Iterator[Page]:
    """The records of an answer to Query, as far as the stretch reaches."""
    pages = _whole_pages(table, former, decoder, answer)
    return pages if stretch.before is None else (page.before(stretch.before) for page in pages)


def _whole_pages(
    table: Table, former: Former | None, decoder: PageDecoder, answer: Mapping[str, Any]
) -> Iterator[Page]:
    if RAW not in answer:
        return iter([page_of_items(table, answer["Items"])])
    if former is not None and (page := former.page(answer[RAW])) is not None:
        return iter([page])
    return (_decoded(table, decoder, body) for body in slices_of(answer[RAW]))


def _decoded(table: Table, decoder: PageDecoder, body: bytes) -> Page:
    try:
        return decoder.page(body)
    except Unexpected:
        return page_of_items(table, json.loads(body)["Items"])
