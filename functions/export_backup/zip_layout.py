"""Where each byte of the archive comes from, known before the first one is sent.

PKWARE's APPNOTE.TXT 6.3.10; the numbers in comments are its sections. All sizes and CRCs are known from the
segments, so local headers are exact: no data descriptors, and ZIP64 fields only where a number needs them.
Readers that stream (Java's ZipInputStream before 23, busybox) fail on the other kind.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from isal import isal_zlib

from functions.export_backup.segments import Deflater, Segment

FINAL_BLOCK = b"\x03\x00"  # RFC 1951: final, fixed codes, end of block; ends what sync flushes left open
_ZIP64_FIELD = 0xFFFFFFFF  # 4.4.8, 4.4.9, 4.4.16: "look into the ZIP64 record"; so no value by itself
_ZIP64_COUNT = 0xFFFF
_VERSION_DEFLATE = 20  # 4.4.3.2
_VERSION_ZIP64 = 45
_MADE_ON_UNIX = 3 << 8  # 4.4.2; the attributes below are Unix's
_READABLE_FILE = 0o100644 << 16
_DEFLATED = 8
_UTF8_NAME = 1 << 11  # 4.4.4, bit 11


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive: its content in order, stored segments or the bytes themselves, undeflated."""

    name: str
    content: Sequence[Segment | bytes]


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes `start` to `end` (exclusive) of a segment's object."""

    segment: Segment
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


Piece = bytes | Stored


@dataclass(frozen=True, slots=True)
class MemberTotal:
    """What the directory says of a member; `bytes` and `crc32` are of the content, undeflated."""

    name: str
    bytes: int
    compressed: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole archive: its pieces laid end to end are the file of `size` bytes.

    `crc32` is that file's; None where a segment does not say its object's.
    """

    pieces: tuple[Piece, ...]
    size: int
    members: tuple[MemberTotal, ...]
    crc32: int | None


def add_up(name: str, content: Iterable[Segment | bytes]) -> MemberTotal:
    """A member's size, compressed size (final block included) and CRC-32, without reading its segments."""
    return _add_up(name, (_deflated(part)[0] for part in content))


def lay_out(members: Iterable[Member], modified_at: datetime) -> Layout:
    """Lay out one ZIP with `members` in this order.

    `modified_at` is aware; it is written in UTC, in steps of two seconds, which is all that the format has.
    The same input gives the same bytes, and another moment the same size. Raises ValueError for names that
    are empty, too long or there twice, and for a moment that is naive or outside 1980-2107.
    """
    moment = _dos_moment(modified_at)
    pieces: list[Piece] = []
    directory: list[bytes] = []
    totals: list[MemberTotal] = []
    names: set[str] = set()
    offset = 0
    for member in members:
        if member.name in names:
            raise ValueError("two members of the archive have the same name")
        names.add(member.name)
        parts = [_deflated(part) for part in member.content]
        total = _add_up(member.name, (segment for segment, _ in parts))
        header = _local_header(total, moment)
        pieces.append(header)
        pieces.extend(piece for _, piece in parts if len(piece))
        pieces.append(FINAL_BLOCK)
        directory.append(_directory_entry(total, moment, offset))
        offset += len(header) + total.compressed
        totals.append(total)
    end = b"".join(directory)
    end += _end_of_directory(entries=len(totals), size=len(end), offset=offset)
    joined = tuple(_joined([*pieces, end]))
    return Layout(joined, offset + len(end), tuple(totals), _crc32(joined))


def _deflated(part: Segment | bytes) -> tuple[Segment, Piece]:
    """The part's numbers, and where its deflated bytes are."""
    if isinstance(part, Segment):
        return part, Stored(part, 0, part.compressed)
    deflater = Deflater()
    data = deflater.compress(part) + deflater.flush() if part else b""
    return Segment("", "", deflater.bytes, len(data), deflater.crc32, ""), data


def _add_up(name: str, segments: Iterable[Segment]) -> MemberTotal:
    size = crc32 = 0
    compressed = len(FINAL_BLOCK)
    for segment in segments:
        crc32 = isal_zlib.crc32_combine(crc32, segment.crc32, segment.bytes)
        size += segment.bytes
        compressed += segment.compressed
    return MemberTotal(name, size, compressed, crc32)


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same bytes with neighbouring literal pieces made one."""
    for is_literal, run in groupby(pieces, key=lambda piece: isinstance(piece, bytes)):
        if is_literal:
            yield b"".join(piece for piece in run if isinstance(piece, bytes))
        else:
            yield from run


def _crc32(pieces: Iterable[Piece]) -> int | None:
    """Of whole segments and literal bytes, laid end to end."""
    crc32 = 0
    for piece in pieces:
        if isinstance(piece, bytes):
            crc32 = isal_zlib.crc32(piece, crc32)
        elif piece.segment.stored_crc32 is None:
            return None
        else:
            crc32 = isal_zlib.crc32_combine(crc32, piece.segment.stored_crc32, len(piece))
    return crc32


def _local_header(total: MemberTotal, moment: tuple[int, int]) -> bytes:
    name, flags = _encoded_name(total.name)
    size, compressed, extra = total.bytes, total.compressed, b""
    if max(size, compressed) >= _ZIP64_FIELD:
        # 4.5.3: in a local header both sizes stand in the record, whichever of them is too large.
        extra = struct.pack("<HHQQ", 1, 16, size, compressed)
        size = compressed = _ZIP64_FIELD
    return (
        struct.pack(
            "<4s5H3I2H",
            b"PK\x03\x04",
            _VERSION_ZIP64 if extra else _VERSION_DEFLATE,
            flags,
            _DEFLATED,
            *moment,
            total.crc32,
            compressed,
            size,
            len(name),
            len(extra),
        )
        + name
        + extra
    )


def _directory_entry(total: MemberTotal, moment: tuple[int, int], offset: int) -> bytes:
    name, flags = _encoded_name(total.name)
    # 4.5.3: in the directory only the fields that are too large, in this order.
    numbers = (total.bytes, total.compressed, offset)
    large = [number for number in numbers if number >= _ZIP64_FIELD]
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size, compressed, start = (min(number, _ZIP64_FIELD) for number in numbers)
    version = _VERSION_ZIP64 if extra else _VERSION_DEFLATE
    return (
        struct.pack(
            "<4s6H3I5H2I",
            b"PK\x01\x02",
            _MADE_ON_UNIX | version,
            version,
            flags,
            _DEFLATED,
            *moment,
            total.crc32,
            compressed,
            size,
            len(name),
            len(extra),
            0,  # comment
            0,  # disk
            0,  # internal attributes
            _READABLE_FILE,
            start,
        )
        + name
        + extra
    )


def _end_of_directory(*, entries: int, size: int, offset: int) -> bytes:
    zip64 = b""
    if entries >= _ZIP64_COUNT or max(size, offset) >= _ZIP64_FIELD:
        zip64 = struct.pack(
            "<4sQ2H2I4Q",
            b"PK\x06\x06",
            44,  # 4.3.14.1: of this record, without this field and what is before it
            _MADE_ON_UNIX | _VERSION_ZIP64,
            _VERSION_ZIP64,
            0,  # this disk
            0,  # the directory's disk
            entries,
            entries,
            size,
            offset,
        ) + struct.pack("<4sIQI", b"PK\x06\x07", 0, offset + size, 1)
    count = min(entries, _ZIP64_COUNT)
    return zip64 + struct.pack(
        "<4s4H2IH",
        b"PK\x05\x06",
        0,
        0,
        count,
        count,
        min(size, _ZIP64_FIELD),
        min(offset, _ZIP64_FIELD),
        0,  # comment
    )


def _encoded_name(name: str) -> tuple[bytes, int]:
    encoded = name.encode()
    if not 0 < len(encoded) <= 0xFFFF:
        raise ValueError("a member's name has 1 to 65535 bytes")
    return encoded, 0 if name.isascii() else _UTF8_NAME


def _dos_moment(moment: datetime) -> tuple[int, int]:
    """(time, date) as 4.4.6 has them."""
    if moment.tzinfo is None:
        raise ValueError("the moment of modification has no time zone")
    utc = moment.astimezone(UTC)
    if not 1980 <= utc.year <= 2107:
        raise ValueError("a ZIP can date its members from 1980 to 2107")
    return (
        utc.hour << 11 | utc.minute << 5 | utc.second // 2,
        (utc.year - 1980) << 9 | utc.month << 5 | utc.day,
    )
