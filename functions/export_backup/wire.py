"""DynamoDB's answers to Query as they come over the wire, decoded into the columns that are exported.

botocore's own parser takes twenty times as long as everything that is then done with a page. So its bytes
are taken at botocore's event before parsing, and decoded by msgspec into structs made from the catalogue.
Signing, endpoints, retries and checksums stay botocore's. The event belongs to botocore's event system, but
no public page names it: `tapped` is the one place that uses it, and an answer that did not come that way is
read as botocore parsed it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from functions.export_backup.catalogue import SORT_KEY, Cell, Kind, Table
from functions.export_backup.page import Page
from functions.export_backup.values import decimal

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RAW: Final = "RawBody"
"""Where a tapped client's answers to Query hold the body."""


def tapped(client: DynamoDBClient) -> DynamoDBClient:
    """The client, whose answers to Query are from now on handed over unparsed, under RAW."""
    client.meta.events.register("before-parse.dynamodb.Query", _take, unique_id="account-backup-wire")
    return client


def _take(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] == 200:
        customized_response_dict[RAW] = response_dict["body"]
        response_dict["body"] = b"{}"


class Scalar(msgspec.Struct, forbid_unknown_fields=True, gc=False, frozen=True):
    """A text or a number; what is of any other kind does not fit, and its page is read the long way."""

    S: str | None = None
    N: str | None = None


class Several(msgspec.Struct, forbid_unknown_fields=True, gc=False, frozen=True):
    """Texts, or one."""

    S: str | None = None
    SS: list[str] | None = None
    L: list[Scalar] | None = None


class Unexpected(Exception):
    """The page holds values of a rare kind, or halves of surrogate pairs, which msgspec takes for no JSON:
    whoever asked reads it the long way."""


def page_of(table: Table, body: bytes) -> Page:
    """Raises Unexpected."""
    decode, read = _reader_of(table)
    try:
        items = decode(body).Items
    except msgspec.DecodeError:
        raise Unexpected from None
    none: list[Cell] = [None] * len(items)
    keys = read[SORT_KEY](items)
    return Page(
        keys=[key or "" for key in keys] if None in keys else keys,  # type: ignore[arg-type, misc]
        created=read[table.created](items) if table.created else none,
        status=read[table.status](items) if table.status else none,
        columns=[read[column.attribute](items) for column in table.columns],
    )


class _End(msgspec.Struct):
    LastEvaluatedKey: dict[str, Any] | None = None


_end_of = msgspec.json.Decoder(_End).decode
_NEXT_KEY = b'"LastEvaluatedKey"'
_LONGEST_TAIL = 16 * 1024  # a key has at most 3 KiB, escaped at most six times as long


def next_key_of(body: bytes) -> dict[str, Any] | None:
    """The LastEvaluatedKey of an answer; None on the last page.

    DynamoDB writes it behind the records, so nearly always it is found from the end, without reading them.
    """
    at = body.rfind(_NEXT_KEY)
    if at < 0:
        return None
    tail = body[at : at + _LONGEST_TAIL]
    if at + len(tail) == len(body) and b"]" not in tail:  # behind the list of records, so none of their texts
        next_key: dict[str, Any] | None = json.loads(b"{" + tail)["LastEvaluatedKey"]
        return next_key
    try:
        return _end_of(body).LastEvaluatedKey
    except msgspec.DecodeError:  # half a surrogate pair, which `json` takes
        found: dict[str, Any] | None = json.loads(body).get("LastEvaluatedKey")
        return found


Reader = Callable[[list[Any]], list[Cell]]
"""From the items of a page to one column of it."""


@cache
def _reader_of(table: Table) -> tuple[Callable[[bytes], Any], Mapping[str, Reader]]:
    several = {column.attribute for column in table.columns if column.kind is Kind.LIST}
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    readers: dict[str, Reader] = {}
    for number, attribute in enumerate(table.placeholders.values()):
        field = f"a{number}"
        names[field] = attribute
        kind = Several if attribute in several else Scalar
        fields.append((field, kind, kind()))
        readers[attribute] = _several(field) if kind is Several else _scalars(field)
    item = msgspec.defstruct("Item", fields, rename=names, gc=False)
    page = msgspec.defstruct("Answer", [("Items", list[item])])  # type: ignore[valid-type]
    return msgspec.json.Decoder(page).decode, readers


def _scalars(field: str) -> Reader:
    text_of, number_of = attrgetter(f"{field}.S"), attrgetter(f"{field}.N")

    def read(items: list[Any]) -> list[Cell]:
        texts: list[Cell] = list(map(text_of, items))
        if None not in texts:
            return texts
        numbers = _plain(list(map(number_of, items)))
        if None not in numbers:
            return numbers
        # A value is a text or a number, never both; where it is neither, the record has none.
        return [number if text is None else text for text, number in zip(texts, numbers, strict=True)]

    return read


def _plain(numbers: list[str | None]) -> list[Cell]:
    digits = "".join(filter(None, numbers))
    if "e" in digits or "E" in digits:
        return [number and decimal(number) for number in numbers]
    return [*numbers]


def _several(field: str) -> Reader:
    value_of = attrgetter(field)

    def read(items: list[Any]) -> list[Cell]:
        return [_texts(value) for value in map(value_of, items)]

    return read


def _texts(value: Several) -> Cell:
    if value.L is not None:
        return tuple(each.S or (decimal(each.N) if each.N else "") for each in value.L)
    if value.SS is not None:
        return tuple(sorted(value.SS))  # a set has no order; two exports should be equal
    return None if value.S is None else (value.S,)
