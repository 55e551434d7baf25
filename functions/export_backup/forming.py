"""A page's lines and elements, formed by page_former.c from the bytes that came over the wire.

That takes a fifth of the time of decoding them into cells and writing those. What is written is what `wire`,
`cells` and `backup_xml` write, byte for byte. A page with anything rare in it the C code declines, and they
write it: a value that is neither text nor number, an escape by number, a character that XML cannot hold, a
cell so long that Excel might cut it. Tables with a column of lists are theirs altogether.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from functions.export_backup.catalogue import SORT_KEY, Cell, Kind, Table
from functions.export_backup.cells import EXCEL_CELL_LENGTH, LONGEST_ESCAPE
from functions.export_backup.encodings import Encoding
from functions.export_backup.page import Formed, Page

_WIDE_SIGNS: Final = "＝＋－＠"
_FORMED, _TOO_SMALL = 0, 1
_MISSING: Final = "\x01"
_MOST_FIELDS, _MOST_COLUMNS = 32, 255
_BYTES_A_RECORD: Final = 64  # of the room for them; where they are shorter, it grows


@dataclass(frozen=True)
class Form:
    """For whom pages are formed."""

    encoding: Encoding
    old: str
    """A moment, to the second, long enough before the snapshot."""
    with_elements: bool
    """Whether there is to be XML."""

    @property
    def longest(self) -> int:
        """How many bytes a cell may have that Excel surely does not cut, whatever has to be escaped in it."""
        return EXCEL_CELL_LENGTH if self.encoding.codec == "utf-8" else EXCEL_CELL_LENGTH // LONGEST_ESCAPE

    @property
    def wide_signs(self) -> bool | None:
        """Whether the file can hold the full-width signs that begin a formula; None where it can some."""
        held = {self.encoding.holds(sign) for sign in _WIDE_SIGNS}
        return held.pop() if len(held) == 1 else None


class _Text(ctypes.Structure):
    _fields_ = (("at", ctypes.c_char_p), ("length", ctypes.c_int64))

    @classmethod
    def of(cls, text: str) -> _Text:
        encoded = text.encode()
        return cls(encoded, len(encoded))


class _Column(ctypes.Structure):
    _fields_ = (
        ("field", ctypes.c_int32),
        ("guarded", ctypes.c_int32),
        ("opening", _Text),
        ("closing", _Text),
    )


class _Plan(ctypes.Structure):
    _fields_ = (
        ("fields_count", ctypes.c_int32),
        ("columns_count", ctypes.c_int32),
        ("key", ctypes.c_int32),
        ("created", ctypes.c_int32),
        ("status", ctypes.c_int32),
        ("wide_signs", ctypes.c_int32),
        ("with_elements", ctypes.c_int32),
        ("longest", ctypes.c_int32),
        ("old", _Text),
        ("fields", ctypes.POINTER(_Text)),
        ("columns", ctypes.POINTER(_Column)),
    )


class _Buffer(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("room", ctypes.c_int64), ("used", ctypes.c_int64))


_BUFFERS: Final = ("lines", "elements", "keys", "created", "status", "scratch")


class _Page(ctypes.Structure):
    _fields_ = (
        *((name, _Buffer) for name in _BUFFERS),
        ("ends", ctypes.POINTER(ctypes.c_uint32)),
        ("guards", ctypes.POINTER(ctypes.c_uint8)),
        ("records_room", ctypes.c_int64),
        ("records", ctypes.c_int64),
        ("young", ctypes.c_int64),
    )


def _loaded() -> Any:
    path = Path(__file__).with_name(f"page_former.{platform.machine()}.so")
    try:
        function = ctypes.CDLL(str(path)).form_page
    except OSError as error:
        hint = "`local/setup.sh dev` compiles it for this machine, `sam build` for Lambda's"
        raise ImportError(f"{path.name} cannot be loaded; {hint}") from error
    function.argtypes = (
        ctypes.c_char_p,
        ctypes.c_int64,
        ctypes.POINTER(_Plan),
        ctypes.POINTER(_Page),
    )
    return function


_form_page: Final = _loaded()  # at once, so that a package without it does not start


class Room:
    """Memory for what is formed of one page, used again for the next one. For one thread."""

    def __init__(self) -> None:
        self.page = _Page()
        self._size = 0
        self._held: tuple[Any, ...] = ()

    def fit(self, size: int) -> None:
        """Sees to it that each buffer has at least so many bytes."""
        if self._size >= size:
            return
        # The system gives memory of this kind when it is first written to, so most of it costs nothing.
        buffers = [ctypes.c_char.from_buffer(mmap.mmap(-1, size)) for _ in _BUFFERS]
        for name, memory in zip(_BUFFERS, buffers, strict=True):
            setattr(self.page, name, _Buffer(ctypes.addressof(memory), size, 0))
        records = size // _BYTES_A_RECORD
        ends, guards = (ctypes.c_uint32 * records)(), (ctypes.c_uint8 * records)()
        self.page.ends, self.page.guards, self.page.records_room = ends, guards, records
        self._held = (*buffers, ends, guards)
        self._size = size

    def grow(self) -> None:
        self.fit(self._size * 2)

    def taken(self, name: str) -> bytes:
        buffer = getattr(self.page, name)
        return ctypes.string_at(buffer.at, buffer.used)


class Former:
    """Forms the pages of one table."""

    def __init__(self, table: Table, form: Form, room: Room) -> None:
        self._table = table
        self._room = room
        self._plan = _plan(table, form)

    def page(self, body: bytes) -> Page | None:
        """The page of this answer; None where it is declined."""
        room, plan = self._room, self._plan
        if plan is None:
            return None
        room.fit(4 * len(body))
        while (outcome := _form_page(body, len(body), plan, room.page)) == _TOO_SMALL:
            room.grow()
        if outcome != _FORMED:
            return None
        count = room.page.records
        none: list[Cell] = [None] * count
        elements = room.taken("elements").split(b"\0") if plan.with_elements and count else []
        return Page(
            keys=room.taken("keys").decode().split("\0") if count else [],
            created=_cells(room.taken("created")) if room.page.young else none,
            status=_cells(room.taken("status")) if self._table.status and count else none,
            columns=[],
            formed=Formed(
                lines=room.taken("lines"),
                ends=room.page.ends[:count],
                guards=ctypes.string_at(room.page.guards, count),
                elements=elements,  # type: ignore[arg-type]
            ),
        )


def _plan(table: Table, form: Form) -> _Plan | None:
    """How pages of the table are formed; None where they cannot be."""
    fields = list(table.placeholders.values())
    wide_signs = form.wide_signs
    lists = any(column.kind is Kind.LIST for column in table.columns)
    if lists or wide_signs is None or len(fields) > _MOST_FIELDS or len(table.columns) > _MOST_COLUMNS:
        return None
    columns = [
        _Column(
            field=fields.index(column.attribute),
            guarded=column.kind is Kind.TEXT,
            opening=_Text.of(f"<{column.name}>"),
            closing=_Text.of(f"</{column.name}>"),
        )
        for column in table.columns
    ]
    return _Plan(
        fields_count=len(fields),
        columns_count=len(columns),
        key=fields.index(SORT_KEY),
        created=-1 if table.created is None else fields.index(table.created),
        status=-1 if table.status is None else fields.index(table.status),
        wide_signs=wide_signs,
        with_elements=form.with_elements,
        longest=form.longest,
        old=_Text.of(form.old),
        fields=(_Text * len(fields))(*map(_Text.of, fields)),
        columns=(_Column * len(columns))(*columns),
    )


def _cells(values: bytes) -> list[Cell]:
    cells = values.decode().split("\0")
    if _MISSING not in cells:
        return list(cells)
    return [None if cell == _MISSING else cell for cell in cells]
