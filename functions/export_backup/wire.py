"""DynamoDB's answers to Query as they come over the wire, decoded into the columns that are exported.

botocore's own parser takes twenty times as long as everything that is then done with a page. So its bytes
are taken at botocore's event before parsing, and where `forming` declines them, msgspec decodes them into
structs made from the catalogue. Signing, endpoints, retries and checksums stay botocore's. The event belongs
to botocore's event system, but no public page names it: `tapped` is the one place that uses it, and an
answer that did not come that way is read as botocore parsed it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
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


class _Strict(msgspec.Struct, forbid_unknown_fields=True, gc=False, frozen=True):
    """What is of any other kind does not fit."""


class Text(_Strict, forbid_unknown_fields=True, gc=False, frozen=True):
    S: str | None = None


class Number(_Strict, forbid_unknown_fields=True, gc=False, frozen=True):
    N: str | None = None


class Scalar(_Strict, forbid_unknown_fields=True, gc=False, frozen=True):
    S: str | None = None
    N: str | None = None


class Several(_Strict, forbid_unknown_fields=True, gc=False, frozen=True):
    """Texts, or one."""

    S: str | None = None
    SS: list[str] | None = None
    L: list[Scalar] | None = None


_UNFIT = (msgspec.DecodeError, UnicodeDecodeError)
"""What is not of the kind that was expected, or holds half a surrogate pair, which `json` takes."""


class Unexpected(Exception):
    """The page holds values of a rare kind, or halves of surrogate pairs, which msgspec takes for no JSON:
    whoever asked reads it the long way."""


class PageDecoder:
    """Decodes the pages of one table. An attribute that was only ever a text, or a number, is decoded as
    that, which takes two thirds of the time; a page where it is the other one is decoded once more."""

    def __init__(self, table: Table) -> None:
        self._table = table
        several = {column.attribute for column in table.columns if column.kind is Kind.LIST}
        self._any = {name: Several if name in several else Scalar for name in table.placeholders.values()}
        self._seen: dict[str, set[type[_Strict]]] = {name: set() for name in self._any}
        self._layout: _Layout | None = None

    def page(self, body: bytes) -> Page:
        """Raises Unexpected."""
        if self._layout is not None:
            try:
                return self._read(self._layout, self._layout.decode(body).Items, body)
            except _UNFIT:
                pass
        general = _layout(tuple(self._any.items()))
        try:
            items = general.decode(body).Items
        except _UNFIT:
            raise Unexpected from None
        self._learn(items)
        return self._read(general, items, body)

    def _learn(self, items: list[Any]) -> None:
        kinds: dict[str, type[_Strict]] = {}
        for number, (name, kind) in enumerate(self._any.items()):
            seen = self._seen[name]
            if kind is Scalar:
                values = _each(f"a{number}")(items)
                seen |= {Text for value in values if value.S is not None}  # type: ignore[union-attr]
                seen |= {Number for value in values if value.N is not None}  # type: ignore[union-attr]
            kinds[name] = next(iter(seen)) if len(seen) == 1 else kind
        self._layout = _layout(tuple(kinds.items())) if items else None

    def _read(self, layout: _Layout, items: list[Any], body: bytes) -> Page:
        read = {name: reader(items) for name, reader in layout.readers.items()}
        none: list[Cell] = [None] * len(items)
        table, keys = self._table, read[SORT_KEY]
        return Page(
            keys=[key or "" for key in keys] if None in keys else keys,  # type: ignore[arg-type, misc]
            created=read[table.created] if table.created else none,
            status=read[table.status] if table.status else none,
            columns=[read[column.attribute] for column in table.columns],
            numbers=frozenset(
                place for place, column in enumerate(table.columns) if column.attribute in layout.numbers
            ),
            signs=_signs(body),
        )


def _signs(body: bytes) -> frozenset[str] | None:
    """Which of `"&<>`, CR and LF stand in the texts of this JSON; None where they may hold what has to be
    escaped.

    JSON writes quotes, backslashes and control characters with a backslash (RFC 8259, 7), so one look at what
    comes behind backslashes, and a few for single bytes, spare a search of every text.
    """
    escapes = {piece[:1] for piece in body.split(b"\\")[1:]}
    if not escapes <= _HARMLESS.keys() or (_FF in body and (_FFFE in body or _FFFF in body)):
        return None
    marks = [mark for mark in "&<>" if mark.encode() in body]
    return frozenset([*marks, *(_HARMLESS[letter] for letter in escapes)])


_HARMLESS = {b'"': '"', b"r": "\r", b"n": "\n", b"t": "\t", b"/": "/"}
_FFFE, _FFFF = "\ufffe".encode(), "\uffff".encode()
_FF = _FFFE[:1]


class _Raws(msgspec.Struct):
    Items: list[msgspec.Raw]


_raws_of = msgspec.json.Decoder(_Raws).decode
_SLICE: Final = 250  # records


def slices_of(body: bytes) -> Iterator[bytes]:
    """The records of an answer as answers of a few hundred: decoded, a page takes six times its megabyte."""
    try:
        items = _raws_of(body).Items
    except _UNFIT:
        yield body
        return
    for start in range(0, len(items), _SLICE):
        yield b'{"Items":[%b]}' % b",".join(items[start : start + _SLICE])


_FIRST_KEY = re.compile(rb'"%b"\s*:\s*\{\s*"S"\s*:\s*"([^"\\]*)"' % SORT_KEY.encode())
_LONGEST_HEAD = 64 * 1024


def first_sort_key_of(body: bytes) -> str | None:
    """The sort key of the first record of an answer; None where it is not found in a moment."""
    found = _FIRST_KEY.search(body, 0, _LONGEST_HEAD)
    return found and found[1].decode(errors="replace")


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
    except _UNFIT:
        found: dict[str, Any] | None = json.loads(body).get("LastEvaluatedKey")
        return found


Reader = Callable[[list[Any]], list[Cell]]
"""From the items of a page to one column of it."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the items of a page are decoded, and their attributes read."""

    decode: Callable[[bytes], Any]
    readers: Mapping[str, Reader]
    numbers: frozenset[str]
    """The attributes that hold nothing but numbers."""


@cache
def _layout(kinds: tuple[tuple[str, type[_Strict]], ...]) -> _Layout:
    fields = [(f"a{number}", kind, kind()) for number, (_, kind) in enumerate(kinds)]
    names = {f"a{number}": name for number, (name, _) in enumerate(kinds)}
    item = msgspec.defstruct("Item", fields, rename=names, gc=False)
    page = msgspec.defstruct("Answer", [("Items", list[item])])  # type: ignore[valid-type]
    return _Layout(
        decode=msgspec.json.Decoder(page).decode,
        readers={name: _READERS[kind](f"a{number}") for number, (name, kind) in enumerate(kinds)},
        numbers=frozenset(name for name, kind in kinds if kind is Number),
    )


def _texts_of(field: str) -> Reader:
    return _each(f"{field}.S")


def _numbers_of(field: str) -> Reader:
    numbers_of = _each(f"{field}.N")
    return lambda items: _plain(numbers_of(items))


def _scalars(field: str) -> Reader:
    texts_of, numbers_of = _texts_of(field), _numbers_of(field)

    def read(items: list[Any]) -> list[Cell]:
        # A value is a text or a number, never both; where it is neither, the record has none.
        return [
            number if text is None else text
            for text, number in zip(texts_of(items), numbers_of(items), strict=True)
        ]

    return read


def _plain(numbers: list[Cell]) -> list[Cell]:
    digits = "".join(filter(None, numbers) if None in numbers else numbers)  # type: ignore[arg-type]
    if "e" in digits or "E" in digits:
        return [decimal(number) if isinstance(number, str) else None for number in numbers]
    return numbers


def _several(field: str) -> Reader:
    values_of = _each(field)

    def read(items: list[Any]) -> list[Cell]:
        return [_texts(value) for value in values_of(items)]  # type: ignore[arg-type]

    return read


def _each(path: str) -> Reader:
    """Reads one attribute of each item. With its name in the bytecode that takes half of `attrgetter`'s time;
    the names are this module's own."""
    reader: Reader = eval(f"lambda items: [item.{path} for item in items]")  # noqa: S307
    return reader


def _texts(value: Several) -> Cell:
    if value.L is not None:
        return tuple(each.S or (decimal(each.N) if each.N else "") for each in value.L)
    if value.SS is not None:
        return tuple(sorted(value.SS))  # a set has no order; two exports should be equal
    return None if value.S is None else (value.S,)


_READERS: Mapping[type[_Strict], Callable[[str], Reader]] = {
    Text: _texts_of,
    Number: _numbers_of,
    Scalar: _scalars,
    Several: _several,
}
