"""CSV, formed a page at a time: RFC 4180, CRLF, quoted as little as `csv.writer` does.

Two rules alter a text, and both can be undone exactly:

- *Guard.* A cell that a spreadsheet would run as a formula gets a leading apostrophe; one that
  already begins with apostrophes before such a sign gets one more, so that undoing takes one away.
- *Escape.* A character that the file cannot hold is written `\\u{1F600}`; a text that already looks
  like this has its backslash written `\\u{5C}`, so that undoing is one substitution from left to right.

The file holds guard(escape(text)): a reader undoes the guard first, then the escape.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from functions.export_backup.catalogue import Cell, Column, Kind, Table
from functions.export_backup.encodings import Encoding
from functions.export_backup.page import Page

EXCEL_CELL_LENGTH: Final = 32_767  # UTF-16 code units; Excel cuts a cell there without a word
EXCEL_LINES: Final = 1_048_576  # Excel leaves out the lines after these, the header being one

LOOKALIKE: Final = r"\\(?=u\{[0-9A-F]{1,6}\})"
"""Pattern of the backslash of a text that looks like an escape."""

LONGEST_ESCAPE: Final = len(r"\u{10FFFF}")
_SIGNS: Final = "=+-@\t\r\n＝＋－＠"


@dataclass
class Tally:
    """What was done to one member."""

    rows: int = 0
    guarded: int = 0
    """Cells that got an apostrophe."""
    long_cells: int = 0
    """Cells that Excel cuts."""
    replaced: Counter[str] = field(default_factory=Counter)
    """How often each character was escaped. Where it is empty, there is nothing to undo."""


def escape(text: str, unheld: re.Pattern[str], replaced: Counter[str]) -> str:
    """The text with every character that the pattern finds written as an escape, and counted."""

    def written(found: re.Match[str]) -> str:
        character = found.group()
        replaced[character] += 1
        return f"\\u{{{ord(character):X}}}"

    return unheld.sub(written, text)


def encode(text: str, encoding: Encoding, replaced: Counter[str]) -> bytes:
    """The text's bytes, with every character escaped that the encoding cannot hold.

    Text that needs no escape, as nearly every page does, is searched and encoded once as a whole.
    """
    if "\\u{" not in text:
        try:
            return encoding.encode(text)
        except UnicodeEncodeError:
            pass
    unheld = "".join(re.escape(character) for character in set(text) if not encoding.holds(character))
    pattern = re.compile(f"{LOOKALIKE}|[{unheld}]" if unheld else LOOKALIKE)
    return encoding.encode(escape(text, pattern, replaced))


class CsvMember:
    """The bytes of one CSV file, page by page, and the tally of what they hold."""

    def __init__(self, table: Table, encoding: Encoding) -> None:
        self.tally = Tally()
        self._table = table
        self._encoding = encoding
        # A sign that the encoding cannot hold is escaped and then begins with a backslash. Leaving it
        # out here lets a page be escaped as a whole after its cells were guarded and quoted.
        signs = re.escape("".join(sign for sign in _SIGNS if encoding.holds(sign)))
        self._guard = re.compile(f"'*[{signs}]")
        self._first = frozenset(sign for sign in f"'{_SIGNS}" if encoding.holds(sign))
        """What a cell begins with that may have to be guarded."""
        self._quote = re.compile('[",\\r\\n]')

    def opening(self) -> bytes:
        """BOM and header line; once per file."""
        header = ",".join(column.name for column in self._table.columns)
        return self._encoding.bom + self._encoding.encode(f"{header}\r\n")

    def page(self, page: Page) -> bytes:
        """The lines of these records, `\\r\\n` after each; no bytes for none."""
        if not page.keys:
            return b""
        self.tally.rows += len(page.keys)
        if page.formed is not None:
            self.tally.guarded += sum(page.formed.guards)
            if self._encoding.codec == "utf-8":
                return page.formed.lines
            return encode(page.formed.lines.decode(), self._encoding, self.tally.replaced)
        texts = [
            _texts(column, cells) for column, cells in zip(self._table.columns, page.columns, strict=True)
        ]
        in_file = [
            cells if place in page.numbers and column.kind is Kind.TYPED else self._column(column, cells)
            for place, (column, cells) in enumerate(zip(self._table.columns, texts, strict=True))
        ]
        lines = list(map(",".join, zip(*in_file, strict=True)))
        if max(map(len, lines)) * LONGEST_ESCAPE > EXCEL_CELL_LENGTH:
            self.tally.long_cells += sum(self._is_long(text) for cells in texts for text in cells)
        whole = "\r\n".join(lines) + "\r\n"
        return encode(whole, self._encoding, self.tally.replaced)

    def _column(self, column: Column, texts: Sequence[str]) -> Sequence[str]:
        """The cells, guarded and quoted where they have to be."""
        # Looking for a character in a text takes a hundredth of a regular expression's time, and most columns
        # have none of these in a whole page.
        whole = "".join(texts)
        quoting = '"' in whole or "," in whole or "\r" in whole or "\n" in whole
        if column.kind is Kind.TYPED:
            if not quoting:
                return texts
            return [_quoted(text) if self._quote.search(text) else text for text in texts]
        first = self._first
        if quoting:
            return [
                self._treated(text)
                if text[:1] in first
                else _quoted(text)
                if '"' in text
                else f'"{text}"'
                if "," in text or "\n" in text or "\r" in text
                else text
                for text in texts
            ]
        if first.isdisjoint({text[:1] for text in texts}):
            return texts
        return [self._treated(text) if text[:1] in first else text for text in texts]

    def _treated(self, text: str) -> str:
        if self._guard.match(text):
            self.tally.guarded += 1
            text = f"'{text}"
        return _quoted(text) if self._quote.search(text) else text

    def _is_long(self, text: str) -> bool:
        if len(text) * LONGEST_ESCAPE <= EXCEL_CELL_LENGTH:
            return False
        in_file = encode(text, self._encoding, Counter()).decode(self._encoding.codec)
        return len(in_file.encode("utf-16-le")) // 2 > EXCEL_CELL_LENGTH


def _texts(column: Column, cells: Sequence[Cell]) -> Sequence[str]:
    if column.kind is Kind.LIST:
        return [cell if isinstance(cell, str) else ", ".join(cell or ()) for cell in cells]
    if None in cells:
        return [cell or "" for cell in cells]  # type: ignore[misc]
    return cells  # type: ignore[return-value]


def _quoted(text: str) -> str:
    return f'"{text}"' if '"' not in text else '"' + text.replace('"', '""') + '"'
