"""backup.xml, formed piece by piece; `backup.xsd` beside this file says what it looks like.

Every record is one element, every column with a value one element of the column's name in it. The text
is the source's own, never guarded: what CSV had to alter stands here as it was. Characters that XML 1.0
cannot hold are escaped as in the CSV files (see `cells`).
"""

import re
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Final

from functions.export_backup.catalogue import Cell, Column, Kind, Table
from functions.export_backup.cells import LOOKALIKE, Tally, escape
from functions.export_backup.page import Page

FORMAT: Final = "1"

# https://www.w3.org/TR/xml/#charsets
_ILLEGAL = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_UNHELD = re.compile(f"{LOOKALIKE}|[{_ILLEGAL}]")
# What may have to be altered: one class without branches, which `re` searches five times as fast.
_CARE = re.compile(rf"[&<>\r\\{_ILLEGAL}]")
_MARKED = frozenset("&<>\r")
_ESCAPED = re.compile(rf"[\\{_ILLEGAL}]")


class BackupXml:
    """Collects the XML's bytes until they are taken, and tallies what is in them."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._pieces: list[bytes] = []
        self.waiting = 0
        """How many bytes wait to be taken."""

    def take(self) -> bytes:
        """The bytes of all that was written since the last time."""
        content = b"".join(self._pieces)
        self._pieces.clear()
        self.waiting = 0
        return content

    def begin(self) -> None:
        """The declaration and the root; once per file."""
        self._text('<?xml version="1.0" encoding="UTF-8"?>\n')
        self._text(f'<backup format="{FORMAT}">')

    def end(self) -> None:
        self._text("\n</backup>\n")

    def enter(self, element: str) -> None:
        self._text(f"\n<{element}>")

    def leave(self, element: str) -> None:
        self._text(f"</{element}>")

    def add(self, piece: bytes) -> None:
        """What was formed by this class's other methods and `markup_of`."""
        self._pieces.append(piece)
        self.waiting += len(piece)

    def _text(self, piece: str) -> None:
        self.add(piece.encode())

    def fields(self, table: Table, row: Iterable[Cell]) -> bytes:
        """The values of one record, where `markup_of` left them to this."""
        fields = (self._field(column, cell) for column, cell in zip(table.columns, row, strict=True))
        return "".join(fields).encode()

    def field(self, column: Column, cell: Cell) -> None:
        """One value: no element where there is none, an empty element for an empty text."""
        self._text(self._field(column, cell))

    def _field(self, column: Column, cell: Cell) -> str:
        if cell is None:
            return ""
        if isinstance(cell, str):
            content = self._content(cell)
        else:
            item = column.item
            content = "".join(f"<{item}>{self._content(text)}</{item}>" for text in cell)
        return f"<{column.name}>{content}</{column.name}>"

    def _content(self, text: str) -> str:
        if not _CARE.search(text):
            return text
        return _marked(escape(text, _UNHELD, self.tally.replaced))


def tags(element: str) -> tuple[bytes, bytes]:
    """What stands before and behind the content of an element on a line of its own."""
    return f"\n<{element}>".encode(), f"</{element}>".encode()


def markup_of(table: Table, page: Page) -> list[bytes | None]:
    """The values of each of these records as elements, formed column by column: a fifth of the time.

    None for a record with a character that has to be escaped: escapes are counted, and only of records that
    are written, so `BackupXml.fields` forms that one by itself.
    """
    tag = ""  # what stands between two values: one element's end, the next one's beginning
    pieces: list[Iterable[Any]] = []
    escaping: set[int] = set()
    for place, (column, cells) in enumerate(zip(table.columns, page.columns, strict=True)):
        texts: Sequence[Any] = cells
        if column.kind is Kind.LIST or (page.signs is None and place not in page.numbers):
            texts = _marked_up(column, cells, escaping)
        elif page.signs is not None and not _MARKED.isdisjoint(page.signs):
            texts = _marked_column(cells)
        name = column.name
        if None in texts:
            elements = ["" if text is None else f"<{name}>{text}</{name}>" for text in texts]
            pieces += [repeat(tag), elements] if tag else [elements]
            tag = ""
        else:
            pieces += [repeat(f"{tag}<{name}>"), texts]
            tag = f"</{name}>"
    pieces.append(repeat(tag, len(page.keys)))
    formed = map("".join, zip(*pieces))  # noqa: B905 - some of them have no end
    return [None if number in escaping else text.encode() for number, text in enumerate(formed)]


def _marked_up(column: Column, cells: Sequence[Cell], escaping: set[int]) -> Sequence[str | None]:
    if column.kind is not Kind.LIST:
        texts: Sequence[str | None] = cells  # type: ignore[assignment]
        whole = "".join(filter(None, texts))
        if _ESCAPED.search(whole):
            escaping.update(number for number, text in enumerate(texts) if text and _UNHELD.search(text))
        return _marked_column(texts)
    item = column.item
    return [
        None
        if cell is None
        else "".join(f"<{item}>{_clean(text, number, escaping)}</{item}>" for text in cell)
        if isinstance(cell, tuple)
        else _clean(cell, number, escaping)
        for number, cell in enumerate(cells)
    ]


def _marked_column(texts: Sequence[Any]) -> Sequence[str | None]:
    whole = "".join(filter(None, texts))
    if "&" in whole or "<" in whole or ">" in whole or "\r" in whole:
        return [
            _marked(text) if text and ("&" in text or "<" in text or ">" in text or "\r" in text) else text
            for text in texts
        ]
    return texts


def _clean(text: str, number: int, escaping: set[int]) -> str:
    if _UNHELD.search(text):
        escaping.add(number)
    return _marked(text)


def _marked(text: str) -> str:
    """Text that is read back as it is. The four replacements take a fifth of what `translate` takes."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")  # `]]>` may not stand in text
        .replace("\r", "&#13;")  # read as a line feed else, https://www.w3.org/TR/xml/#sec-line-ends
    )
