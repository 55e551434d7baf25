"""Makes recordings from the seeder's account: each size once, then kept.

Cut as DynamoDB cuts them: a page ends with the item that makes 1 MB of item sizes, counted before the
projection (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html), and what
is sent is the projection of it, as JSON with type tags. One megabyte of items is about as much of JSON.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import msgspec

from bench import recording, text
from bench.recording import ACCOUNT_ID, SNAPSHOT, Page, Recording
from functions.export_backup.catalogue import TABLES
from local import grammar, odd_text, prose, seed

MOST_BYTES = 1024 * 1024
COMMENTS_PER_PROOF = 50
_ROOT = Path(__file__).parents[1]
_KEPT_IN = _ROOT / ".local" / "bench"
_MAKERS = (__file__, text.__file__, recording.__file__, seed.__file__, prose.__file__, grammar.__file__,
           odd_text.__file__, _ROOT / "functions/export_backup/catalogue.py")  # fmt: skip

# DynamoDB sends an item's attributes in no order to rely on, the same for items alike.
_ATTRIBUTES = {
    table.name: sorted(table.placeholders.values(), key=lambda name: zlib.crc32(name.encode()))
    for table in TABLES
}


def recorded(comments: int, kept_in: Path = _KEPT_IN, *, page_bytes: int = MOST_BYTES) -> Recording:
    """The recording of an account of so many comments, and of all that comes with them.

    Smaller pages than DynamoDB's make many of a small account.
    """
    name = f"{comments}-{page_bytes}"
    directory = kept_in / f"{name}-{recording.fingerprint(*_MAKERS)}"
    if (directory / "index.json").exists():
        return recording.load(directory)
    for outdated in kept_in.glob(f"{name}-*"):
        shutil.rmtree(outdated)
    directory.mkdir(parents=True)
    account = seed.Account(ACCOUNT_ID, proofs=max(1, comments // COMMENTS_PER_PROOF), comments=comments)
    tables = _write(directory, seed.records(account, SNAPSHOT, text), page_bytes)
    made = Recording(directory, comments, tables)
    recording.save(made)
    return made


def _write(directory: Path, records: Iterable[seed.Record], page_bytes: int) -> dict[str, list[Page]]:
    writers = {table.name: _Table(table.name, directory, page_bytes) for table in TABLES}
    for table, item in records:
        writers[table].add(item)
    return {name: writer.finish() for name, writer in writers.items()}


class _Table:
    """The pages of one table, on their way to its file."""

    def __init__(self, name: str, directory: Path, page_bytes: int) -> None:
        self._name = name
        self._page_bytes = page_bytes
        self._attributes = _ATTRIBUTES[name]
        self._file: IO[bytes] = (directory / f"{name}.pages").open("wb")
        self._pages: list[Page] = []
        self._items: list[bytes] = []
        self._first = self._last = ""
        self._size = self._offset = 0

    def add(self, item: seed.Item) -> None:
        if self._size >= self._page_bytes:
            self._end_page(more=True)
        self._last = item["sk"]
        self._first = self._first or self._last
        self._size += sum(len(name) + _size(value) for name, value in item.items())
        self._items.append(
            msgspec.json.encode({name: tagged(item[name]) for name in self._attributes if name in item})
        )

    def finish(self) -> list[Page]:
        self._end_page(more=False)
        self._file.close()
        return self._pages

    def _end_page(self, *, more: bool) -> None:
        next_key = {"pk": recording.partition(self._name), "sk": self._last} if more else None
        body = answer(self._items, next_key)
        self._file.write(body)
        self._pages.append(
            Page(self._offset, len(body), len(self._items), self._first, self._last, zlib.crc32(body))
        )
        self._offset += len(body)
        self._items.clear()
        self._first = ""
        self._size = 0


def answer(
    items: Sequence[bytes | memoryview], next_key: dict[str, str] | None, count: int | None = None
) -> bytes:
    """The body of Query's answer of these items, each of them JSON, or several with commas between: then
    `count` says how many there are in all."""
    last = going_on(next_key) if next_key else b""
    count = len(items) if count is None else count
    return b'{"Count":%d,"Items":[%b]%b,"ScannedCount":%d}' % (count, b",".join(items), last, count)


def going_on(next_key: dict[str, str]) -> bytes:
    """What an answer says after its items that is not the last."""
    return b',"LastEvaluatedKey":' + msgspec.json.encode({k: {"S": v} for k, v in next_key.items()})


def tagged(value: Any) -> dict[str, Any]:
    """A plain value as DynamoDB's JSON has it; numbers come back without an exponent."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | Decimal):
        return {"N": f"{Decimal(value):f}" if isinstance(value, Decimal) else str(value)}
    if isinstance(value, set):
        return {"SS": sorted(value)}
    return {"L": [tagged(element) for element in value]}


def _size(value: Any) -> int:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, int | Decimal):
        return len(str(value)) // 2 + 1
    return 3 + sum(1 + _size(element) for element in value)
