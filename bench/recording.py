"""A recording: the Query pages of one account as DynamoDB would send them, one file per table, and an index.

.local/bench/<comments>-<bytes of a page>-<fingerprint of what makes it>/COMMENTS.pages   bodies in a row
                                                                        /index.json
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

ACCOUNT_ID = "9789"
SNAPSHOT = datetime(2026, 11, 23, 10, tzinfo=UTC)
TABLE_NAME = "account-records"


class Page(NamedTuple):
    """One whole answer: where its body lies in the table's file, and what it holds."""

    offset: int
    length: int
    records: int
    first: str
    """The first record's sort key."""
    last: str
    crc32: int


@dataclass(frozen=True)
class Recording:
    directory: Path
    comments: int
    tables: dict[str, list[Page]]
    """By the last part of the partition key."""

    def file(self, table: str) -> Path:
        return self.directory / f"{table}.pages"

    def bodies(self, table: str) -> Iterator[bytes]:
        with self.file(table).open("rb") as stream:
            for page in self.tables[table]:
                yield stream.read(page.length)

    @property
    def records(self) -> int:
        return sum(page.records for pages in self.tables.values() for page in pages)

    @property
    def bytes(self) -> int:
        return sum(page.length for pages in self.tables.values() for page in pages)


def fingerprint(*makers: str | Path) -> str:
    """Of the files that make a recording: when one changes, it is made again."""
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in makers)).hexdigest()[:12]


def partition(table: str) -> str:
    return f"ACCOUNT#{ACCOUNT_ID}#{table}"


def load(directory: Path) -> Recording:
    index: dict[str, Any] = json.loads((directory / "index.json").read_text())
    tables = {name: [Page(*page) for page in pages] for name, pages in index["tables"].items()}
    return Recording(directory, index["comments"], tables)


def save(recording: Recording) -> None:
    """Written last: a recording that has an index is whole."""
    index = {"comments": recording.comments, "tables": recording.tables}
    (recording.directory / "index.json").write_text(json.dumps(index))
