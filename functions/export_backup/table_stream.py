"""One table on its way through a unit: its pages in, its lines out, and the count of both."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Protocol, TypeVar

from functions.export_backup.backup_xml import BackupXml, markup_of
from functions.export_backup.catalogue import COMMENTS, RECIPIENTS, RESPONSES, TRASHED, Cell, Table
from functions.export_backup.cells import CsvMember
from functions.export_backup.encodings import Encoding
from functions.export_backup.page import Page, joined, runs_between
from functions.export_backup.snapshot import Snapshot
from functions.export_backup.uniform import common_form
from functions.export_backup.unit_report import Reason, RecordsUnaccounted, TableCount

_EMPTY = Page([], [], [], [])
_Any = TypeVar("_Any")


class Sink(Protocol):
    """Where a member's bytes go."""

    def write(self, content: bytes, /) -> object: ...


class Stream:
    """One table: its pages in, its lines out, and the count of both.

    Of the page that is loaded, the records before `next` are done. Who reads the stream first says which of
    the next ones stay out (`left_out`), then passes them (`advance`). Places are those in the loaded page.
    """

    def __init__(
        self,
        table: Table,
        pages: Iterator[Page],
        snapshot: Snapshot,
        encoding: Encoding,
        sink: Sink,
        xml: BackupXml | None,
        tell: Callable[[], None],
    ) -> None:
        self.table = table
        self.csv = CsvMember(table, encoding)
        self.written = 0
        self.next = 0
        self.left_out: dict[int, Reason] = {}
        """Why the record at a place stays out."""
        self._pages = pages
        self._snapshot = snapshot
        self._sink = sink
        self._xml = xml
        self._tell = tell
        self._page = _EMPTY
        self._markup: list[bytes | None] = []
        self._flushed = 0
        self._read = 0
        self._reasons: Counter[str] = Counter()
        # The keys of what hangs on something must be numbers, or their order could not be relied on.
        self._key = re.compile("#".join(["[0-9]+"] * table.key_parts))
        self._parent_width: int | None = None
        """Where all keys of the page have one form, how many characters of them name what they hang on."""
        self._ends: list[str] | None = None

    @property
    def keys(self) -> list[str]:
        return self._page.keys

    @property
    def ends(self) -> list[str]:
        """Of each record the key before which all lies that hangs on it; never less than the one before."""
        if self._ends is None:
            # `$` sorts after `#` and before every digit.
            own = (f"{key}$" if self._key.fullmatch(key) else key for key in self.keys)
            self._ends = (
                [f"{key}$" for key in self.keys] if self._parent_width else list(accumulate(own, max))
            )
        return self._ends

    @property
    def is_uniform(self) -> bool:
        """Whether the keys of the page are of one form, and of the one that they should have."""
        return self._parent_width is not None

    def load(self) -> bool:
        """Sees to it that there is a next record; False at the end of the table."""
        while self.next == len(self.keys):
            self.flush()
            self._page, self._markup = _EMPTY, []  # before the next one is read, so that there are never two
            self.next = self._flushed = 0
            page = next(self._pages, None)
            if page is None:
                return False
            self._take(page)
            self._tell()
        return True

    def place(self, key: str) -> int:
        """Where the next records end that come before this key."""
        return bisect_left(self.keys, key, self.next)

    def cell(self, place: int, column: int) -> Cell:
        return self._page.columns[column][place]

    def parents(self, end: int) -> list[str]:
        """What the next records up to this place hang on, by its key."""
        keys = self.keys[self.next : end]
        if (width := self._parent_width) is not None:
            return [key[:width] for key in keys]
        return [key.rpartition("#")[0] for key in keys]

    def kept(self, texts: list[_Any], end: int) -> list[_Any]:
        """Of these, one for each next record up to this place, those whose record does not stay out."""
        if not self.left_out:
            return texts
        begin = self.next
        runs = runs_between(0, end - begin, (place - begin for place in self.left_out))
        return joined(texts, runs)

    def markup(self, end: int) -> list[bytes]:
        """The values, as elements of the XML, of the next records up to this place, but of those left out."""
        assert self._xml is not None
        texts = self._markup[self.next : end]
        if None in texts:
            for number, text in enumerate(texts):
                place = self.next + number
                if text is None and place not in self.left_out:
                    row = [cells[place] for cells in self._page.columns]
                    texts[number] = self._xml.fields(self.table, row)
        kept: list[bytes] = self.kept(texts, end)  # type: ignore[arg-type]
        self._xml.tally.rows += len(kept)
        return kept

    def advance(self, end: int) -> None:
        self.next = end

    def flush(self) -> None:
        """Writes the lines of what is done, at most those of one page of the source."""
        begin, end, page = self._flushed, self.next, self._page
        if begin == end:
            return
        self._flushed = end
        if self.left_out or end - begin < len(page.keys):
            self._reasons.update(reason for place, reason in self.left_out.items() if begin <= place < end)
            page = page.runs(runs_between(begin, end, self.left_out))
        self.written += len(page.keys)
        if content := self.csv.page(page):
            self._sink.write(content)

    def count(self) -> TableCount:
        read = self._read - (len(self.keys) - self.next)  # the rest is the next attempt's to read
        count = TableCount(read, self.written, dict(self._reasons))
        if not count.is_accounted:
            raise RecordsUnaccounted(self.table.name)
        return count

    def _take(self, page: Page) -> None:
        self._read += len(page.keys)
        self._page = page
        self._ends = None
        form = common_form(page.keys)
        uniform = form is not None and self._key.fullmatch(form) is not None
        self._parent_width = form.rfind("#") if form is not None and uniform and "#" in form else None
        self.left_out = dict.fromkeys(self._snapshot.later(page.created), Reason.AFTER_SNAPSHOT)
        if TRASHED in page.status:
            self.left_out |= {n: Reason.TRASH for n, status in enumerate(page.status) if status == TRASHED}
        if not uniform and self.table in (RECIPIENTS, COMMENTS, RESPONSES):
            self.left_out |= {
                place: Reason.ORPHAN for place, key in enumerate(page.keys) if not self._key.fullmatch(key)
            }
        if self._xml is not None:
            self._markup = markup_of(self.table, page) if page.formed is None else page.formed.elements
