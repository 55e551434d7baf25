"""DynamoDB's Query over a recording: whole pages as they were recorded, others cut as they are asked for."""

from __future__ import annotations

import mmap
import re
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from isal import isal_zlib

from bench import recording
from bench.http_server import Answer, Request
from bench.pages import answer as body_of
from bench.recording import Page, Recording

_CONDITION = re.compile(
    r"\(?(?P<pk>\S+?) ?= ?(?P<account>:\w+)\)?"
    r"( AND \(?(?P<sk>\S+?) ?(?P<operator>BETWEEN|[<>]=?|=) ?(?P<value>:\w+)( AND (?P<end>:\w+))?\)?)?"
)


class BadQuery(ValueError):
    """The query asks for what this server does not know, or is none."""


@dataclass(frozen=True)
class _Range:
    """Sort keys from `start` to `end`; None is open, and `…_included` says whether the bound is within."""

    start: str | None = None
    start_included: bool = True
    end: str | None = None
    end_included: bool = True

    def holds(self, key: str) -> bool:
        return not self.is_before(key) and not self.is_behind(key)

    def is_before(self, key: str) -> bool:
        if self.start is None:
            return False
        return key < self.start or (key == self.start and not self.start_included)

    def is_behind(self, key: str) -> bool:
        if self.end is None:
            return False
        return key > self.end or (key == self.end and not self.end_included)


class _Key(msgspec.Struct):
    S: str


class _Item(msgspec.Struct):
    sk: _Key


class _Items(msgspec.Struct):
    Items: list[msgspec.Raw]


_items = msgspec.json.Decoder(_Items)
_item = msgspec.json.Decoder(_Item)


class QueryPages:
    """Answers Query; `latency` seconds pass before each answer, and other answers are not held up by it."""

    def __init__(self, recorded: Recording, sleep: Callable[[float], object] = time.sleep) -> None:
        self.latency = 0.0
        self._sleep = sleep
        self._tables = {
            recording.partition(name): _Table(recorded, name, pages)
            for name, pages in recorded.tables.items()
        }

    def __call__(self, request: Request) -> Answer:
        query = msgspec.json.decode(request.body)
        if self.latency:
            self._sleep(self.latency)
        try:
            body, crc32 = self._body(query)
        except BadQuery as error:
            problem = {"__type": "com.amazon.coral.validate#ValidationException", "message": str(error)}
            body = msgspec.json.encode(problem)
            return _answer(400, body, isal_zlib.crc32(body))
        return _answer(200, body, crc32)

    def _body(self, query: Mapping[str, Any]) -> tuple[bytes | memoryview, int]:
        if query.get("Select") == "COUNT" or "FilterExpression" in query:
            raise BadQuery("only items are recorded")
        partition, wanted = _wanted(query)
        table = self._tables.get(partition)
        if table is None:
            body = body_of([], None)
            return body, isal_zlib.crc32(body)
        start_key = query.get("ExclusiveStartKey")
        start = start_key["sk"]["S"] if start_key else None
        return table.answer(
            wanted, start, limit=query.get("Limit"), forward=query.get("ScanIndexForward", True)
        )


def _answer(status: int, body: bytes | memoryview, crc32: int) -> Answer:
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-crc32": str(crc32)}
    return Answer(status, (body,), headers)


def _wanted(query: Mapping[str, Any]) -> tuple[str, _Range]:
    """The partition, and the range of sort keys in it."""
    found = _CONDITION.fullmatch(query.get("KeyConditionExpression", ""))
    if found is None:
        raise BadQuery("not a condition that this server knows")
    names, values = query.get("ExpressionAttributeNames", {}), query["ExpressionAttributeValues"]
    if names.get(found["pk"], found["pk"]) != "pk":
        raise BadQuery("the first condition is on pk")
    partition = values[found["account"]]["S"]
    if found["sk"] is None:
        return partition, _Range()
    if names.get(found["sk"], found["sk"]) != "sk":
        raise BadQuery("the second condition is on sk")
    value = values[found["value"]]["S"]
    match found["operator"]:
        case "BETWEEN":
            return partition, _Range(start=value, end=values[found["end"]]["S"])
        case "=":
            return partition, _Range(start=value, end=value)
        case ">" | ">=":
            return partition, _Range(start=value, start_included=found["operator"] == ">=")
        case _:
            return partition, _Range(end=value, end_included=found["operator"] == "<=")


class _Index(NamedTuple):
    """The items of one page: their keys, and where in the file they begin and end."""

    keys: list[str]
    starts: array[int]
    ends: array[int]


class _Table:
    def __init__(self, recorded: Recording, name: str, pages: list[Page]) -> None:
        self._partition = recording.partition(name)
        self._pages = pages
        self._last_keys = [page.last for page in pages]
        self._most = max(page.length for page in pages)
        self._indexes: dict[int, _Index] = {}
        with recorded.file(name).open("rb") as stream:
            self._bodies = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))

    def answer(
        self, wanted: _Range, start: str | None, *, limit: int | None, forward: bool
    ) -> tuple[bytes | memoryview, int]:
        """The body of one answer, and its CRC-32; `start` is the exclusive start key."""
        if forward and limit is None:
            number = 0 if start is None else bisect_left(self._last_keys, start)
            if start is not None and number < len(self._pages) and self._last_keys[number] == start:
                number += 1
            page = self._pages[number] if number < len(self._pages) else None
            begins_here = start is None or (number > 0 and start == self._last_keys[number - 1])
            if page is not None and begins_here and wanted.holds(page.first) and wanted.holds(page.last):
                return self._bodies[page.offset : page.offset + page.length], page.crc32
            body = self._from_anywhere(wanted, start)
        else:
            body = self._cut(wanted, start, limit=limit, forward=forward)
        return body, isal_zlib.crc32(body)

    def _from_anywhere(self, wanted: _Range, start: str | None) -> bytes:
        """Forwards and as much as an answer holds, across the recorded pages' ends."""
        pieces: list[memoryview] = []
        count, last, room = 0, "", self._most
        first = max(start or "", wanted.start or "")
        for number in range(bisect_left(self._last_keys, first), len(self._pages)):
            index = self._index(number)
            keys = index.keys
            begin = bisect_left(keys, first)
            if begin < len(keys) and (keys[begin] == start or wanted.is_before(keys[begin])):
                begin += 1
            within = len(keys)
            if wanted.end is not None:
                within = (bisect_right if wanted.end_included else bisect_left)(keys, wanted.end)
            end = begin
            if begin < within:
                end = min(within, bisect_right(index.ends, index.starts[begin] + room))
            if begin < end:
                pieces.append(self._bodies[index.starts[begin] : index.ends[end - 1]])
                room -= len(pieces[-1])
                count += end - begin
                last = keys[end - 1]
            if end < within:
                return body_of(pieces, {"pk": self._partition, "sk": last}, count)
            if within < len(keys):
                break
        return body_of(pieces, None, count)

    def _index(self, number: int) -> _Index:
        """Where the items of a page lie in the file; made when it is first wanted."""
        if number not in self._indexes:
            page = self._pages[number]
            body = bytes(self._bodies[page.offset : page.offset + page.length])
            at = page.offset + body.index(b"[") + 1
            keys: list[str] = []
            starts, ends = array("Q"), array("Q")  # there may be ten million
            for item in _items.decode(body).Items:
                keys.append(_item.decode(item).sk.S)
                starts.append(at)
                ends.append(at + len(bytes(item)))
                at = ends[-1] + 1  # the comma
            self._indexes[number] = _Index(keys, starts, ends)
        return self._indexes[number]

    def _cut(self, wanted: _Range, start: str | None, *, limit: int | None, forward: bool) -> bytes:
        """Part of the page where the answer begins, never more than that page."""
        items: list[bytes] = []
        last = ""
        for page in self._pages if forward else reversed(self._pages):
            if not self._may_hold(page, wanted, start, forward=forward):
                continue
            for key, item in self._items(page, forward=forward):
                passed = start is not None and (key <= start if forward else key >= start)
                if wanted.holds(key) and not passed:
                    items.append(item)
                    last = key
                    if len(items) == limit:
                        break
            if items:
                is_end = last == (self._pages[-1].last if forward else self._pages[0].first)
                goes_on = wanted.holds(page.last if forward else page.first) and not is_end
                # As the real one does it: at a limit it does not look whether there is more.
                more = len(items) == limit or goes_on
                return body_of(items, {"pk": self._partition, "sk": last} if more else None)
        return body_of([], None)

    def _may_hold(self, page: Page, wanted: _Range, start: str | None, *, forward: bool) -> bool:
        if wanted.is_before(page.last) or wanted.is_behind(page.first):
            return False
        return start is None or (page.last > start if forward else page.first < start)

    def _items(self, page: Page, *, forward: bool) -> Iterator[tuple[str, bytes]]:
        raw = _items.decode(self._bodies[page.offset : page.offset + page.length]).Items
        for item in raw if forward else reversed(raw):
            yield _item.decode(item).sk.S, bytes(item)
