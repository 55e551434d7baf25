"""The archive's bytes: what unzippers make of them, and the headers field by field."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.segments import Deflater, Segment
from functions.export_backup.zip_layout import Layout, Member, MemberTotal, add_up, lay_out
from tests.unzippers import LISTERS, UNZIPPERS, check_with_java_stream

MOMENT = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
GIB = 1024**3


class Store:
    """Segments' objects by key, as a bucket has them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def add(self, member: str, content: bytes) -> Segment:
        deflater = Deflater()
        data = deflater.compress(content) + deflater.flush()
        key = f"{len(self.objects)}/{member}.deflate"
        self.objects[key] = data
        return Segment(member, key, len(content), len(data), deflater.crc32, '"etag"', zlib.crc32(data))

    def render(self, layout: Layout) -> bytes:
        return b"".join(
            piece if isinstance(piece, bytes) else self.objects[piece.segment.key][piece.start : piece.end]
            for piece in layout.pieces
        )


def declared(member: str, size: int, compressed: int) -> Segment:
    """A segment of any size, of which there is nothing but the declaration."""
    return Segment(member, f"{member}.deflate", size, compressed, 0x12345678, '"etag"')


def opened(data: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(data))


# --- read back ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contents() -> dict[str, list[bytes]]:
    """The nine members of a backup by their segments: none, one, empty ones, many; the last is inline."""
    line = b'17,proof,"Flyer, final ""3""",flyer.pdf\r\n'
    return {
        "organisation.csv": [b"id,name\r\n9789,ACME\r\n"],
        "users.csv": [],
        "contacts.csv": [b"id,name\r\n", b"", b"1,x\r\n"],
        "files.csv": [line * count for count in range(1, 400)],
        "recipients.csv": [b""],
        "comments.csv": [line * 50_000, line, line * 50_000],
        "comment_responses.csv": [bytes(range(256)) * 5000],
        "backup.xml": [b"<backup>", b"<proof/>" * 100_000, b"</backup>"],
        "manifest.json": [b'{"format": 1}', b"\n"],
    }


@pytest.fixture(scope="module")
def archive(contents: dict[str, list[bytes]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store()
    members = [
        Member(name, parts if name == "manifest.json" else [store.add(name, part) for part in parts])
        for name, parts in contents.items()
    ]
    path = tmp_path_factory.mktemp("archive") / "9789_22_11_2026_61703.zip"
    path.write_bytes(store.render(lay_out(members, MOMENT)))
    return path


@pytest.mark.parametrize("unzipper", UNZIPPERS)
def test_unzippers_give_every_member_back(
    unzipper: str, archive: Path, contents: dict[str, list[bytes]], tmp_path: Path
) -> None:
    UNZIPPERS[unzipper](archive, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        name: b"".join(parts) for name, parts in contents.items()
    }


def test_members_stand_in_the_order_given_with_sizes_and_sums(
    archive: Path, contents: dict[str, list[bytes]]
) -> None:
    with zipfile.ZipFile(archive) as zip_file:
        entries = zip_file.infolist()
    assert [entry.filename for entry in entries] == list(contents)
    assert [entry.CRC for entry in entries] == [zlib.crc32(b"".join(parts)) for parts in contents.values()]


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1),
        st.lists(st.tuples(st.binary(max_size=500), st.booleans()), max_size=6),
        max_size=6,
    )
)
def test_any_members_made_of_any_segments_read_back(contents: dict[str, list[tuple[bytes, bool]]]) -> None:
    store = Store()
    members = [
        Member(name, [part if inline else store.add(name, part) for part, inline in parts])
        for name, parts in contents.items()
    ]
    layout = lay_out(members, MOMENT)
    data = store.render(layout)
    assert len(data) == layout.size
    assert zlib.crc32(data) == layout.crc32
    with opened(data) as zip_file:
        assert zip_file.namelist() == list(contents)
        assert zip_file.testzip() is None
        for member, total in zip(members, layout.members, strict=True):
            whole = b"".join(part for part, _ in contents[member.name])
            entry = zip_file.getinfo(member.name)
            assert zip_file.read(entry) == whole
            assert total == add_up(member.name, member.content)
            assert total == MemberTotal(member.name, len(whole), entry.compress_size, zlib.crc32(whole))


def test_an_archive_without_members_is_an_empty_archive() -> None:
    layout = lay_out([], MOMENT)
    assert layout.size == 22
    with opened(Store().render(layout)) as zip_file:
        assert zip_file.namelist() == []


def test_with_a_segment_that_does_not_tell_its_sum_that_of_the_archive_is_not_known() -> None:
    store = Store()
    members = [Member("a.csv", [store.add("a.csv", b"x"), declared("a.csv", 10, 9)]), Member("b.csv", [b"y"])]
    assert lay_out(members, MOMENT).crc32 is None


def test_one_input_gives_one_archive_and_another_moment_the_same_size() -> None:
    members = [Member("a.csv", [declared("a.csv", 10, 9), b"more"])]
    assert lay_out(members, MOMENT) == lay_out(members, MOMENT)
    assert lay_out(members, MOMENT + timedelta(days=99)).size == lay_out(members, MOMENT).size


# --- names and moments -------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["a", "a"], [""], ["a" * 65536]])
def test_names_that_a_zip_cannot_tell_apart_or_hold_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="name"):
        lay_out([Member(name, []) for name in names], MOMENT)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC), (2026, 11, 22, 10, 11, 12)),
        (datetime(2026, 11, 22, 10, 11, 13, 999999, tzinfo=UTC), (2026, 11, 22, 10, 11, 12)),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), (2025, 12, 31, 23, 30, 0)),
        (datetime(1980, 1, 1, tzinfo=UTC), (1980, 1, 1, 0, 0, 0)),
        (datetime(2107, 12, 31, 23, 59, 59, tzinfo=UTC), (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_members_carry_the_moment_in_utc(moment: datetime, expected: tuple[int, ...]) -> None:
    with opened(Store().render(lay_out([Member("a", [b"x"])], moment))) as zip_file:
        assert zip_file.infolist()[0].date_time == expected


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 22),  # noqa: DTZ001 - the naive one is the point
        datetime(1979, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2108, 1, 1, tzinfo=UTC),
    ],
)
def test_a_moment_that_a_zip_cannot_hold_is_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match=r"moment|ZIP"):
        lay_out([], moment)


# --- headers -----------------------------------------------------------------------------------------


def local_header(layout: Layout) -> tuple[int, int, int, int, bytes]:
    """(version needed, flags, compressed, size, extra) of the first member."""
    data = layout.pieces[0]
    assert isinstance(data, bytes)
    fields = struct.unpack_from("<4s5H3I2H", data)
    assert fields[0] == b"PK\x03\x04"
    end = 30 + fields[9]
    return fields[1], fields[2], fields[7], fields[8], data[end : end + fields[10]]


def directory_entry(layout: Layout) -> tuple[int, int, int, int, bytes]:
    """(version needed, compressed, size, offset, extra) of the last member."""
    data = layout.pieces[-1]
    assert isinstance(data, bytes)
    start = data.rindex(b"PK\x01\x02")
    fields = struct.unpack_from("<4s6H3I5H2I", data, start)
    end = start + 46 + fields[10]
    return fields[2], fields[8], fields[9], fields[16], data[end : end + fields[11]]


def has_zip64_directory(layout: Layout) -> bool:
    return b"PK\x06\x06" in layout.pieces[-1] if isinstance(layout.pieces[-1], bytes) else False


def test_local_headers_are_exact_and_plain() -> None:
    layout = lay_out([Member("a.csv", [declared("a.csv", 70, 40), declared("a.csv", 30, 20)])], MOMENT)
    assert local_header(layout) == (20, 0, 62, 100, b"")
    assert directory_entry(layout) == (20, 62, 100, 0, b"")
    assert not has_zip64_directory(layout)


def test_only_a_name_beyond_ascii_is_flagged_as_utf8() -> None:
    assert local_header(lay_out([Member("ü.csv", [])], MOMENT))[1] == 1 << 11


@pytest.mark.parametrize(
    ("size", "compressed", "zip64"),
    [
        (0xFFFFFFFE, 100, False),
        (0xFFFFFFFF, 100, True),
        (100, 0xFFFFFFFE - 2, False),  # two bytes of final block are added
        (100, 0xFFFFFFFF - 2, True),
        (5 * 10**12, 10**12, True),
    ],
)
def test_zip64_sizes_stand_only_where_a_number_needs_them(size: int, compressed: int, zip64: bool) -> None:
    layout = lay_out([Member("a.csv", [declared("a.csv", size, compressed)])], MOMENT)
    compressed += 2
    needed, _, *sizes, extra = local_header(layout)
    if not zip64:
        assert (needed, sizes, extra) == (20, [compressed, size], b"")
        assert directory_entry(layout) == (20, compressed, size, 0, b"")
        return
    assert (needed, sizes) == (45, [0xFFFFFFFF, 0xFFFFFFFF])
    assert extra == struct.pack("<HHQQ", 1, 16, size, compressed)
    large = [number for number in (size, compressed) if number >= 0xFFFFFFFF]
    assert directory_entry(layout) == (
        45,
        min(compressed, 0xFFFFFFFF),
        min(size, 0xFFFFFFFF),
        0,
        struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large),
    )


@pytest.mark.parametrize(("before", "zip64"), [(0xFFFFFFFE, False), (0xFFFFFFFF, True)])
def test_zip64_offset_stands_only_where_the_member_begins_too_far(before: int, zip64: bool) -> None:
    filler = [declared("a", 10, 0x7FFFFFFF - 33), declared("b", 10, before - 0x7FFFFFFF - 33)]
    layout = lay_out([*(Member(part.member, [part]) for part in filler), Member("c", [])], MOMENT)
    needed, _, _, offset, extra = directory_entry(layout)
    assert offset == min(before, 0xFFFFFFFF)
    assert extra == (struct.pack("<HHQ", 1, 8, before) if zip64 else b"")
    assert needed == (45 if zip64 else 20)


LARGE = [
    ("small.csv", 700, 300),
    ("four-gib.csv", 4 * GIB, 1 * GIB),
    ("all-large.csv", 10 * GIB, 5 * GIB),
    ("beyond.csv", 900, 400),
]


@pytest.mark.parametrize("lister", LISTERS)
def test_listers_read_the_directory_of_an_archive_of_gigabytes(lister: str, tmp_path: Path) -> None:
    layout = lay_out([Member(name, [declared(name, *sizes)]) for name, *sizes in LARGE], MOMENT)
    assert has_zip64_directory(layout)
    path = tmp_path / "sparse.zip"
    with path.open("wb") as file:  # headers only: the segments are holes that take no room
        for piece in layout.pieces:
            if isinstance(piece, bytes):
                file.write(piece)
            else:
                file.seek(len(piece), io.SEEK_CUR)
        assert file.tell() == layout.size
    assert LISTERS[lister](path) == [(name, size) for name, size, _ in LARGE]


def test_the_pickiest_unzipper_streams_a_member_of_more_than_four_gib(tmp_path: Path) -> None:
    store = Store()
    stretch = store.add("large.csv", bytes(64 * 1024**2))
    members = [Member("large.csv", [stretch] * 64), Member("behind.csv", [b"id\r\n"])]
    path = tmp_path / "large.zip"
    path.write_bytes(store.render(lay_out(members, MOMENT)))
    with zipfile.ZipFile(path) as zip_file:
        assert [entry.file_size for entry in zip_file.infolist()] == [4 * GIB, 4]
    check_with_java_stream(path)


@pytest.mark.parametrize("count", [65534, 65535, 65536])
def test_an_archive_holds_more_members_than_a_short_can_count(count: int) -> None:
    layout = lay_out((Member(f"{number}", []) for number in range(count)), MOMENT)
    assert has_zip64_directory(layout) == (count >= 65535)
    with opened(Store().render(layout)) as zip_file:
        assert len(zip_file.namelist()) == count
