"""backup.xml, formed piece by piece; `backup.xsd` beside this file says what it looks like.

Every record is one element, every column with a value one element of the column's name in it. The text
is the source's own, never guarded: what CSV had to alter stands here as it was. Characters that XML 1.0
cannot hold are escaped as in the CSV files (see `cells`).
"""

import re
from typing import Final

from functions.export_backup.catalogue import Cell, Column, Row, Table
from functions.export_backup.cells import LOOKALIKE, Tally, escape

FORMAT: Final = "1"

# https://www.w3.org/TR/xml/#charsets
_ILLEGAL = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_UNHELD = re.compile(f"{LOOKALIKE}|[{_ILLEGAL}]")
# What may have to be altered: one class without branches, which `re` searches five times as fast.
_CARE = re.compile(rf"[&<>\r\\{_ILLEGAL}]")
_MARKUP = str.maketrans({
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",  # `]]>` may not stand in text
    "\r": "&#13;",  # a bare one is read as a line feed, https://www.w3.org/TR/xml/#sec-line-ends
})  # fmt: skip


class BackupXml:
    """Collects the XML's text until it is taken as bytes, and tallies it."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._pieces: list[str] = []
        self._characters = 0

    @property
    def characters(self) -> int:
        """How many characters wait to be taken."""
        return self._characters

    def take(self) -> bytes:
        """The bytes of all that was written since the last time."""
        content = "".join(self._pieces).encode("utf-8")
        self._pieces.clear()
        self._characters = 0
        return content

    def begin(self) -> None:
        """The declaration and the root; once per file."""
        self._add('<?xml version="1.0" encoding="UTF-8"?>\n')
        self._add(f'<backup format="{FORMAT}">')

    def end(self) -> None:
        self._add("\n</backup>\n")

    def enter(self, element: str) -> None:
        self._add(f"\n<{element}>")

    def leave(self, element: str) -> None:
        self._add(f"</{element}>")

    def record(self, table: Table, row: Row) -> None:
        """One whole record with nothing nested in it."""
        self.enter(table.element)
        self.fields(table, row)
        self.leave(table.element)

    def fields(self, table: Table, row: Row) -> None:
        """A record's own values, for an element that was entered and goes on."""
        self.tally.rows += 1
        for column, cell in zip(table.columns, row, strict=True):
            self.field(column, cell)

    def field(self, column: Column, cell: Cell) -> None:
        """One value: no element where there is none, an empty element for an empty text."""
        if cell is None:
            return
        if isinstance(cell, str):
            content = self._content(cell)
        else:
            item = column.item
            content = "".join(f"<{item}>{self._content(text)}</{item}>" for text in cell)
        self._add(f"<{column.name}>{content}</{column.name}>")

    def _content(self, text: str) -> str:
        if not _CARE.search(text):
            return text
        return escape(text, _UNHELD, self.tally.replaced).translate(_MARKUP)

    def _add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._characters += len(piece)
