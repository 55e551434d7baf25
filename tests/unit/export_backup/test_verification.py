"""Reading the archive back: whatever is wrong with it is found, and named, before it is offered."""

from __future__ import annotations

import base64
import io
import math
import random
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.export_backup.archive import Archive, ArchiveMissing, Destination
from functions.export_backup.segments import Deflater, Segment
from functions.export_backup.verification import ArchiveDamaged, StoredArchive, readable_bytes
from functions.export_backup.zip_layout import Layout, Member, lay_out
from tests.unit.export_backup.s3_bucket import BUCKET
from tests.unit.export_backup.stored_object import BACKUP_ID, KEY, StoredObject

MOMENT = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
DESTINATION = Destination(BUCKET, KEY, "9789_22_11_2026_61703.zip", BACKUP_ID)
CONTENTS = {
    "users.csv": b"id,name\r\n",
    "files.csv": b"id,type\r\n" + b"17,proof\r\n" * 9,
    "empty.csv": b"",
    "manifest.json": b'{"format": 1}',
}
GIB = 1024**3


def segment_of(name: str, content: bytes, objects: dict[str, bytes]) -> Segment:
    deflater = Deflater()
    data = deflater.compress(content) + deflater.flush()
    key = f"{len(objects)}/{name}"
    objects[key] = data
    return Segment(name, key, len(content), len(data), deflater.crc32, '"etag"', zlib.crc32(data))


def stored(contents: dict[str, bytes]) -> tuple[StoredObject, Archive]:
    objects: dict[str, bytes] = {}
    members = [Member(name, [segment_of(name, content, objects)]) for name, content in contents.items()]
    layout = lay_out(members, MOMENT)
    return StoredObject(layout, objects), expected(layout)


def expected(layout: Layout) -> Archive:
    return Archive.of(layout)


def read_back(found: StoredObject, archive: Archive) -> StoredArchive:
    client: Any = found
    return StoredArchive(client, DESTINATION, archive, lambda: None)


def verify(found: StoredObject, archive: Archive, limit: float = math.inf) -> int:
    return read_back(found, archive).verify_contents(limit)


def damage(found: StoredObject, archive: Archive) -> ArchiveDamaged:
    with pytest.raises(ArchiveDamaged) as damaged:
        verify(found, archive)
    return damaged.value


def test_a_whole_archive_is_read_to_its_last_byte() -> None:
    found, archive = stored(CONTENTS)
    assert verify(found, archive) == sum(member.compressed for member in archive.members)
    assert {place for start, end in found.ranges for place in range(start, end)} == set(range(found.size))


def in_base64(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def test_an_archive_of_which_s3_tells_the_sum_has_that_of_the_segments() -> None:
    found, archive = stored(CONTENTS)
    crc32 = zlib.crc32(found.read(0, found.size))
    assert archive.crc32 == crc32
    found.sum = {"ChecksumType": "FULL_OBJECT", "ChecksumCRC32": in_base64(crc32)}
    assert verify(found, archive)
    found.sum["ChecksumCRC32"] = in_base64(crc32 ^ 1)
    found.ranges.clear()
    with pytest.raises(ArchiveMissing):
        verify(found, archive)
    assert not found.ranges
    assert verify(found, replace(archive, crc32=None))  # a segment of an older version did not tell its own


def test_from_a_sum_of_the_parts_sums_nothing_is_concluded() -> None:
    found, archive = stored(CONTENTS)
    found.sum = {"ChecksumType": "COMPOSITE", "ChecksumCRC32": "AAAAAA==-3"}
    assert verify(found, archive)


def test_no_byte_can_change_what_a_reader_gets_and_stay_unnoticed() -> None:
    found, archive = stored(CONTENTS)
    unnoticed = []
    for place in range(found.size):
        byte = found.read(place, place + 1)[0]
        for other in {byte ^ 1, byte ^ 0x80, 0xFF} - {byte}:
            found.changed = {place: other}
            try:
                verify(found, archive)
            except ArchiveDamaged:
                continue
            unnoticed.append((place, byte, other))
    whole = found.read(0, found.size)
    for place, _, other in unnoticed:  # deflate has bits that nobody reads (RFC 1951, 3.2.4)
        changed = whole[:place] + bytes([other]) + whole[place + 1 :]
        with zipfile.ZipFile(io.BytesIO(changed)) as opened:
            assert {name: opened.read(name) for name in opened.namelist()} == CONTENTS
    assert len(unnoticed) < found.size / 20


def test_the_member_that_is_damaged_is_named() -> None:
    found, archive = stored(CONTENTS)
    at = found.read(0, found.size).index(b"files.csv") + len("files.csv") + 3
    found.changed = {at: 0x55}
    damaged = damage(found, archive)
    assert damaged.member == "files.csv"
    assert "files.csv" in str(damaged)


@pytest.mark.parametrize("change", [-1, 1])
def test_an_archive_of_another_size_is_not_ours(change: int) -> None:
    found, archive = stored(CONTENTS)
    found.size += change
    with pytest.raises(ArchiveMissing):
        verify(found, archive)


def test_an_archive_of_another_backup_is_not_ours() -> None:
    found, archive = stored(CONTENTS)
    found.metadata = {"backup-id": "01JD0000000000000000000009"}
    with pytest.raises(ArchiveMissing):
        verify(found, archive)
    assert found.ranges == []


@pytest.mark.parametrize(
    "contents",
    [
        {name: CONTENTS[name] for name in ("files.csv", "users.csv", "empty.csv", "manifest.json")},
        {name: CONTENTS[name] for name in ("users.csv", "files.csv", "empty.csv")},
        CONTENTS | {"more.csv": b""},
        {"users.cvs" if name == "users.csv" else name: content for name, content in CONTENTS.items()},
        CONTENTS | {"users.csv": b"id,same\r\n"},
    ],
    ids=["other order", "one less", "one more", "other name", "other content"],
)
def test_other_members_than_the_units_told_of_are_a_damage(contents: dict[str, bytes]) -> None:
    _, archive = stored(CONTENTS)
    found, _ = stored(contents)
    damage(found, replace(archive, size=found.size))


def test_a_member_that_lies_elsewhere_than_where_the_last_one_ends_is_a_damage() -> None:
    """A gap that nobody lists, and two entries that share one stretch of bytes."""
    layout = lay_out([Member(name, [content]) for name, content in CONTENTS.items()], MOMENT)
    (data,) = layout.pieces
    assert isinstance(data, bytes)
    gap = 7
    for at in (0, data.index(b"PK\x03\x04", 1), data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")):
        moved = bytearray(data[:at] + bytes(gap) + data[at:])
        _move_offsets(moved, at, gap)
        widened = Layout((bytes(moved),), layout.size + gap, layout.members, None)
        damage(StoredObject(widened, {}), expected(widened))


def _move_offsets(data: bytearray, at: int, gap: int) -> None:
    """Let directory and end say where things are now, so that every pointer in the archive is right."""
    place = data.index(b"PK\x01\x02")
    (start,) = struct.unpack_from("<I", data, len(data) - 6)
    struct.pack_into("<I", data, len(data) - 6, start + gap * (start >= at))
    while data[place : place + 4] == b"PK\x01\x02":
        (offset,) = struct.unpack_from("<I", data, place + 42)
        struct.pack_into("<I", data, place + 42, offset + gap * (offset >= at))
        (name,) = struct.unpack_from("<H", data, place + 28)
        place += 46 + name


def test_a_member_whose_stream_ends_before_its_place_does_is_a_damage() -> None:
    objects: dict[str, bytes] = {}
    segment = segment_of("users.csv", CONTENTS["users.csv"], objects)
    objects[segment.key] += b"\x03\x00 and more"
    layout = lay_out([Member("users.csv", [replace(segment, compressed=len(objects[segment.key]))])], MOMENT)
    assert damage(StoredObject(layout, objects), expected(layout)).member == "users.csv"


def test_the_headers_of_small_neighbours_come_with_one_request() -> None:
    noise = random.Random(7).randbytes(2000)  # noqa: S311 - longer deflated than any header
    found, archive = stored({f"{number}.csv": noise for number in range(9)})
    read_back(found, archive)
    assert len(found.ranges) == 3  # the end, the directory, the headers


LARGE = {"large.csv": 5 * GIB, "small.csv": GIB, "behind.csv": 2 * GIB}


def of_gigabytes() -> tuple[StoredObject, Archive]:
    """Members that are zeros where their deflated bytes should be, and a manifest."""
    segments = [Segment(name, name, 3 * size, size, 7, '"etag"') for name, size in LARGE.items()]
    members = [Member(segment.member, [segment]) for segment in segments]
    layout = lay_out([*members, Member("manifest.json", [b"{}"])], MOMENT)
    return StoredObject(layout, {}), expected(layout)


def test_of_an_archive_of_gigabytes_the_frame_is_read_however_little_time_there_is() -> None:
    found, archive = of_gigabytes()
    assert verify(found, archive, limit=1000) == archive.members[-1].compressed
    assert sum(end - start for start, end in found.ranges) < 2000
    with pytest.raises(ArchiveDamaged, match=r"small\.csv"):
        verify(found, archive, limit=2 * GIB)  # zeros are no deflate


def test_no_byte_of_the_frame_of_an_archive_of_gigabytes_can_be_another_one() -> None:
    found, archive = of_gigabytes()
    manifest = archive.members[-1].compressed
    begins = 0
    for number, piece in enumerate(found.pieces):
        if isinstance(piece, bytes):
            frame = set(range(len(piece)))
            if number:
                frame -= {0, 1}  # the end of the member before it, for whose content there is no time
            if piece is found.pieces[-1]:
                its_start = piece.index(b"manifest.json") + len("manifest.json")
                frame -= set(range(its_start, its_start + manifest))
            for place in frame:
                found.changed = {begins + place: piece[place] ^ 0x10}
                with pytest.raises(ArchiveDamaged):
                    verify(found, archive, limit=1000)
        begins += len(piece)


def test_members_are_inflated_from_the_smallest_on_as_far_as_time_allows() -> None:
    found, archive = stored(CONTENTS)
    whole = sorted(member.compressed for member in archive.members)
    for count in range(len(whole) + 1):
        assert verify(found, archive, limit=sum(whole[:count])) == sum(whole[:count])
        assert verify(found, archive, limit=sum(whole[:count]) - 0.5) == sum(whole[: max(0, count - 1)])


def test_what_a_function_with_all_its_time_reads_is_two_gibibytes_and_more() -> None:
    assert readable_bytes(895) >= 2 * GIB
    assert readable_bytes(60) == readable_bytes(0) == 0


def test_time_is_also_reckoned_for_content_that_deflate_made_very_small() -> None:
    found, archive = stored({"large.csv": bytes(2**20)})
    (member,) = archive.members
    assert member.compressed < 2**12
    assert verify(found, archive, limit=member.compressed) == 0


def test_memory_does_not_depend_on_what_a_member_inflates_to() -> None:
    found, archive = stored({"large.csv": bytes(64 * 2**20)})
    tracemalloc.start()
    try:
        verify(found, archive)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


def test_whether_it_is_still_wanted_is_asked_with_every_chunk_and_ends_the_reading() -> None:
    class NotWanted(Exception): ...

    found, archive = stored(CONTENTS)
    client: Any = found
    asked = 0

    def count() -> None:
        nonlocal asked
        asked += 1

    StoredArchive(client, DESTINATION, archive, count).verify_contents(math.inf)
    assert asked >= len(found.ranges)
    for last in range(1, asked + 1):
        left = last

        def until() -> None:
            nonlocal left
            left -= 1
            if not left:
                raise NotWanted

        with pytest.raises(NotWanted):
            StoredArchive(client, DESTINATION, archive, until).verify_contents(math.inf)


def test_a_members_content_is_given_whole() -> None:
    found, archive = stored(CONTENTS)
    assert read_back(found, archive).content("files.csv") == CONTENTS["files.csv"]
