"""One table on its way through a unit: its records in, its lines out, and the count of both."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from functions.export_backup.backup_xml import markup_of
from functions.export_backup.catalogue import COMMENTS, RECIPIENTS, RESPONSES, Row, Table
from functions.export_backup.cells import CsvMember
from functions.export_backup.encodings import Encoding
from functions.export_backup.source import Record
from functions.export_backup.unit_report import Reason, RecordsUnaccounted, TableCount


class Sink(Protocol):
    """Where a member's bytes go."""

    def write(self, content: bytes, /) -> object: ...


class Stream:
    """One table: its records in, its lines out, and the count of both."""

    def __init__(
        self,
        table: Table,
        pages: Iterator[list[Record]],
        encoding: Encoding,
        sink: Sink,
        tell: Callable[[], None],
    ) -> None:
        self.table = table
        self.left_out: Counter[str] = Counter()
        self.written = 0
        self.csv = CsvMember(table, encoding)
        self._pages = pages
        self._page: list[Record] = []
        self._next = 0
        self._read = 0
        self._rows: list[Row] = []
        self._sink = sink
        self._tell = tell
        # The keys of what hangs on something must be numbers, or their order could not be relied on.
        self._key = re.compile("#".join(["[0-9]+"] * table.key_parts))

    def is_well_formed(self, record: Record) -> bool:
        return self._key.fullmatch(record.sk) is not None

    def peek(self) -> Record | None:
        """The next record, left where it is; None at the end."""
        while self._next == len(self._page):
            self.flush()
            self._page, self._next = [], 0  # before the next one is read, so that there are never two
            page = next(self._pages, None)
            if page is None:
                return None
            self._read += len(page)
            self._page = self._marked_up(self._placed(page))
            self._tell()
        return self._page[self._next]

    def take(self) -> Iterator[Record]:
        """All records that are left."""
        while (record := self.peek()) is not None:
            self._next += 1
            yield record

    def below(self, key: str) -> Iterator[Record]:
        """The records that come before this key."""
        while (record := self.peek()) is not None and record.sk < key:
            self._next += 1
            yield record

    def skip(self, reason: Reason, records: Iterator[Record]) -> None:
        for _ in records:
            self.left_out[reason] += 1

    def keep(self, row: Row) -> None:
        self.written += 1
        self._rows.append(row)

    def flush(self) -> None:
        """Writes the lines that were kept, at most those of one page of the source."""
        if self._rows:
            self._sink.write(self.csv.page(self._rows))
            self._rows.clear()

    def count(self) -> TableCount:
        read = self._read - (len(self._page) - self._next)  # the rest is the next attempt's to read
        count = TableCount(read, self.written, dict(self.left_out))
        if not count.is_accounted:
            raise RecordsUnaccounted(self.table.name)
        return count

    def _marked_up(self, page: list[Record]) -> list[Record]:
        for record, markup in zip(page, markup_of(self.table, [record.row for record in page]), strict=True):
            record.markup = markup
        return page

    def _placed(self, page: list[Record]) -> list[Record]:
        if self.table not in (RECIPIENTS, COMMENTS, RESPONSES):
            return page
        placed = [record for record in page if self.is_well_formed(record)]
        if misplaced := len(page) - len(placed):
            self.left_out[Reason.ORPHAN] += misplaced
        return placed
