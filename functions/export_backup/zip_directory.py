"""What a reader finds in a ZIP: the end, the directory, the local headers (PKWARE's APPNOTE.TXT 6.3.10).

Written apart from zip_layout.py, which writes them, so that a fault there is not repeated here. It takes
what this service writes and nothing else: no comments, no data descriptors, one disk, deflate.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

END_BYTES = 22 + 20 + 56
"""Of the end of the directory, the longest that there is: 4.3.16, 4.3.15, 4.3.14."""

LOCAL_BYTES = 30
_LOCAL_ZIP64_BYTES = 4 + 2 * 8
_ENTRY_BYTES = 46
_IN_ZIP64, _COUNT_IN_ZIP64 = 0xFFFFFFFF, 0xFFFF
_DEFLATE, _UNIX, _PLAIN_FILE = 8, 3, 0o100644 << 16


class Malformed(Exception):
    """These bytes are no part of a ZIP of ours. The caller, who knows what was looked at, names it."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the directory lies: `count` entries in the bytes from `start` to `end`."""

    count: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What directory and local header both say of a member; sizes and CRC-32 in the order of the header."""

    name: bytes
    flags: int
    moment: tuple[int, int]
    crc32: int
    compressed: int
    bytes: int


def directory_of(end: bytes, size: int) -> Directory:
    """The directory of an archive of `size` bytes; `end` is its last END_BYTES, or all of a shorter one.

    Raises Malformed.
    """
    (signature, disk, first_disk, here, count, length, start, comment) = _unpacked("<4s4H2IH", end[-22:])
    if signature != b"PK\x05\x06" or disk or first_disk or comment or here != count:
        raise Malformed
    found = Directory(count, start, start + length)
    behind = size - 22
    if count == _COUNT_IN_ZIP64 or _IN_ZIP64 in (length, start):
        found, behind = _zip64_directory(end[:-22], behind), size - END_BYTES
        for short, field, full in (
            (count, _COUNT_IN_ZIP64, found.count),
            (length, _IN_ZIP64, found.end - found.start),
            (start, _IN_ZIP64, found.start),
        ):
            if short != min(full, field):
                raise Malformed
    if found.end != behind:
        raise Malformed
    return found


def _zip64_directory(end: bytes, size: int) -> Directory:
    locator, disk, record_at, disks = _unpacked("<4sIQI", end[-20:])
    if locator != b"PK\x06\x07" or disk or disks != 1 or record_at != size - 20 - 56:
        raise Malformed
    (signature, rest, made_by, version, disk, first_disk, here, count, length, start) = _unpacked(
        "<4sQ2H2I4Q", end[-76:-20]
    )
    if signature != b"PK\x06\x06" or rest != 56 - 12 or disk or first_disk or here != count:
        raise Malformed
    if (made_by, version) != (_UNIX << 8 | 45, 45):
        raise Malformed
    return Directory(count, start, start + length)


def entries(directory: bytes, count: int) -> Iterator[tuple[Entry, int]]:
    """The directory's entries, each with the offset of its local header. Raises Malformed."""
    at = 0
    for _ in range(count):
        fixed = directory[at : at + _ENTRY_BYTES]
        (signature, made_by, version, flags, method, time, date, crc32, compressed, size) = _unpacked(
            "<4s6H3I", fixed[:28]
        )
        name_bytes, extra_bytes, comment, disk, internal, external, offset = _unpacked("<5H2I", fixed[28:])
        at += _ENTRY_BYTES
        name, at = directory[at : at + name_bytes], at + name_bytes
        extra, at = directory[at : at + extra_bytes], at + extra_bytes
        # 4.5.3: only what does not fit into its own field, in this order.
        size, compressed, offset = _widened(extra, (size, compressed, offset))
        if signature != b"PK\x01\x02" or method != _DEFLATE or comment or disk or internal:
            raise Malformed
        if version != (45 if extra else 20) or made_by != _UNIX << 8 | version or external != _PLAIN_FILE:
            raise Malformed
        yield Entry(name, flags, (time, date), crc32, compressed, size), offset
    if at != len(directory):
        raise Malformed


def most_local_bytes(entry: Entry) -> int:
    """The longest that the entry's local header can be."""
    return LOCAL_BYTES + len(entry.name) + _LOCAL_ZIP64_BYTES


def local_header(data: bytes) -> tuple[Entry, int]:
    """The local header with which `data` begins, and its length. Raises Malformed."""
    (signature, version, flags, method, time, date, crc32, compressed, size, name_bytes, extra_bytes) = (
        _unpacked("<4s5H3I2H", data[:LOCAL_BYTES])
    )
    behind_name = LOCAL_BYTES + name_bytes
    length = behind_name + extra_bytes
    extra = data[behind_name:length]
    if signature != b"PK\x03\x04" or method != _DEFLATE or len(data) < length:
        raise Malformed
    if version != (45 if extra else 20):
        raise Malformed
    if extra and (size, compressed) != (_IN_ZIP64, _IN_ZIP64):  # 4.5.3: both or none
        raise Malformed
    size, compressed = _widened(extra, (size, compressed))
    return Entry(data[LOCAL_BYTES:behind_name], flags, (time, date), crc32, compressed, size), length


def _widened(extra: bytes, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers, those that are in the ZIP64 field taken from there."""
    wide = numbers.count(_IN_ZIP64)
    if not wide and not extra:
        return numbers
    tag, length, *values = _unpacked(f"<HH{wide}Q", extra)
    if tag != 1 or length != 8 * wide or not wide:
        raise Malformed
    rest = iter(values)
    return tuple(next(rest) if number == _IN_ZIP64 else number for number in numbers)


def _unpacked(form: str, data: bytes) -> tuple[Any, ...]:
    try:
        return struct.unpack(form, data)
    except struct.error:
        raise Malformed from None
