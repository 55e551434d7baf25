"""How an archive is cut: S3's limits kept, and few bytes brought back."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from functions.export_backup.parts import ArchiveNotDivisible, CopiedPart, GluedPart, Part, cut
from functions.export_backup.segments import Segment
from functions.export_backup.zip_layout import Member, Piece, Stored, lay_out

MIB = 1024**2
GIB = 1024**3
TIB = 1024**4
FLOOR = 5 * MIB  # S3's, for every part but the last and for a source that a range is copied of


def stored(size: int, key: str = "k") -> Stored:
    return Stored(Segment("files.csv", key, 4 * size, size, 0, '"etag"'), 0, size)


def sizes(parts: Sequence[Part]) -> list[tuple[str, int]]:
    return [("copied" if isinstance(part, CopiedPart) else "glued", part.size) for part in parts]


def read_back(parts: Sequence[Part]) -> int:
    """Bytes that come back from S3."""
    return sum(
        len(piece)
        for part in parts
        if isinstance(part, GluedPart)
        for piece in part.pieces
        if isinstance(piece, Stored)
    )


def flattened(parts: Sequence[Part]) -> list[Piece]:
    """The pieces that the parts hold, stretches that were cut apart made one again."""
    flat: list[Piece] = []
    for part in parts:
        for piece in [part.source] if isinstance(part, CopiedPart) else part.pieces:
            last = flat[-1] if flat else b""
            if isinstance(piece, bytes) and isinstance(last, bytes) and last:
                flat[-1] = last + piece
            elif (
                isinstance(piece, Stored)
                and isinstance(last, Stored)
                and last.segment is piece.segment
                and last.end == piece.start
            ):
                flat[-1] = Stored(piece.segment, last.start, piece.end)
            else:
                flat.append(piece)
    return flat


near_a_limit = st.builds(
    lambda limit, offset: limit + offset,
    st.sampled_from([FLOOR, 2 * FLOOR, 3 * FLOOR, 512 * MIB, GIB, 5 * GIB]),
    st.integers(-2, 2),
)
segment_sizes = st.one_of(
    near_a_limit, st.integers(1, 2 * FLOOR), st.integers(FLOOR, 5 * GIB), st.integers(1, 5 * TIB)
)
archives = st.lists(
    st.one_of(segment_sizes.map(stored), st.binary(min_size=1, max_size=200)), max_size=40
).map(lambda pieces: [piece for last, piece in pairwise([stored(1), *pieces]) if is_apart(last, piece)])


def is_apart(last: Piece, piece: Piece) -> bool:
    """As a layout has it: no two literal pieces side by side."""
    return isinstance(last, Stored) or isinstance(piece, Stored)


@given(archives)
def test_parts_keep_to_every_limit_of_s3_and_hold_all_bytes_in_order(pieces: list[Piece]) -> None:
    assume(sum(map(len, pieces)) <= 40 * TIB)
    parts = cut(pieces)
    assert flattened(parts) == pieces
    assert_keep_to_every_limit(parts)


def assert_keep_to_every_limit(parts: Sequence[Part]) -> None:
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert len(parts) <= 10_000
    for part in parts:
        assert 0 < part.size <= 5 * GIB
        assert part.size >= FLOOR or part is parts[-1]
        if isinstance(part, CopiedPart):
            assert part.source.segment.compressed > FLOOR
            assert 0 <= part.source.start < part.source.end <= part.source.segment.compressed
        else:
            assert part.size <= 80 * MIB


@given(archives)
def test_of_a_segment_that_can_be_copied_less_than_a_part_comes_back(pieces: list[Piece]) -> None:
    assume(sum(map(len, pieces)) <= TIB)  # where parts have to grow, so does what is read
    parts = cut(pieces)
    least = sum(len(piece) for piece in pieces if isinstance(piece, Stored) and len(piece) < 2 * FLOOR)
    heads = sum(FLOOR for piece in pieces if isinstance(piece, Stored) and len(piece) >= 2 * FLOOR)
    assert read_back(parts) <= least + heads
    assert all(part.size <= 2 * FLOOR for part in parts if isinstance(part, GluedPart))


SIZES: list[Callable[[random.Random], int]] = [
    lambda at_random: at_random.randint(1, 100_000),
    lambda at_random: at_random.randint(1, 2 * FLOOR),
    lambda at_random: FLOOR + at_random.randint(-2, 2),
    lambda at_random: int(2 ** at_random.uniform(0, 30)),
    lambda at_random: at_random.randint(FLOOR, 100 * MIB),
    lambda at_random: at_random.randint(1, 6 * GIB),
]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 6000), st.sampled_from(SIZES)), min_size=1, max_size=5),
)
def test_an_archive_of_thousands_of_segments_fits_or_is_larger_than_every_such_archive_may_be(
    seed: int, members: list[tuple[int, Callable[[random.Random], int]]]
) -> None:
    """500 units that each went on five times, as many members as proofs have, and sizes of every kind."""
    at_random = random.Random(seed)  # noqa: S311 - sizes, not secrets
    layout = lay_out(
        [
            Member(
                f"{name}.csv",
                [stored(size(at_random), f"{name}/{number}").segment for number in range(count)],
            )
            for name, (count, size) in enumerate(members)
        ],
        datetime(2026, 11, 22, tzinfo=UTC),
    )
    try:
        parts = cut(layout.pieces)
    except ArchiveNotDivisible:
        assert layout.size > 9_999 * 40 * MIB
        return
    assert_keep_to_every_limit(parts)
    assert sum(part.size for part in parts) == layout.size
    assert flattened(parts) == list(layout.pieces)


def test_the_largest_object_that_s3_takes_is_ten_thousand_full_parts() -> None:
    parts = cut([stored(5 * GIB, f"{number}") for number in range(10_000)])
    assert [part.size for part in parts] == [5 * GIB] * 10_000
    assert sum(part.size for part in parts) == 53_687_091_200_000  # 48.8 TiB
    with pytest.raises(ArchiveNotDivisible):
        cut([*(stored(5 * GIB, f"{number}") for number in range(10_000)), b"end"])


def test_an_archive_of_390_gib_fits_however_small_its_segments_are() -> None:
    smallest_of_a_part = [stored(40 * MIB - 1, f"{number}") for number in range(9_998)]
    parts = cut([b"header", *smallest_of_a_part, b"end"])
    assert_keep_to_every_limit(parts)


def test_nothing_is_no_part() -> None:
    assert cut([]) == ()


def test_a_small_archive_is_one_glued_part() -> None:
    assert sizes(cut([b"header", stored(100), b"end"])) == [("glued", 109)]


def test_segments_behind_one_another_are_copied_whole() -> None:
    pieces: list[Piece] = [b"h" * 50, stored(100 * MIB), stored(FLOOR + 1), stored(6 * MIB), b"end"]
    parts = cut(pieces)
    assert sizes(parts) == [
        ("glued", FLOOR),
        ("copied", 95 * MIB + 50),
        ("copied", FLOOR + 1),
        ("copied", 6 * MIB),
        ("glued", 3),
    ]
    assert read_back(parts) == FLOOR - 50


def test_a_segment_of_exactly_five_mib_is_never_copied() -> None:
    assert sizes(cut([stored(FLOOR), stored(FLOOR), b"end"])) == [("glued", 2 * FLOOR), ("glued", 3)]


def test_a_segment_too_short_to_lend_its_head_is_glued_whole_so_that_the_next_is_copied() -> None:
    parts = cut([b"header", stored(6 * MIB), stored(6 * MIB), b"end"])
    assert sizes(parts) == [("glued", 6 * MIB + 6), ("copied", 6 * MIB), ("glued", 3)]


def test_a_header_behind_a_glued_part_goes_with_it_so_that_the_next_segment_is_copied_whole() -> None:
    parts = cut([b"header", stored(6 * MIB), b"final block, header", stored(50 * MIB), b"end"])
    assert sizes(parts) == [("glued", 6 * MIB + 25), ("copied", 50 * MIB), ("glued", 3)]


def test_a_large_segment_is_copied_in_stretches_of_one_size() -> None:
    parts = cut([stored(1025 * MIB), b"end"])
    assert [part.size // MIB for part in parts] == [341, 341, 341, 0]
    assert read_back(parts) == 0


def test_an_archive_of_forty_tib_fits_into_ten_thousand_parts() -> None:
    pieces: list[Piece] = [b"header", stored(5 * TIB)]
    parts = cut(8 * pieces)
    assert len(parts) <= 10_000
    assert max(part.size for part in parts) <= 5 * GIB
    assert read_back(parts) <= 8 * 40 * MIB


def test_very_many_small_segments_make_larger_glued_parts() -> None:
    pieces = [stored(6 * MIB, f"{number}") for number in range(20_000)]
    parts = cut([b"header", *pieces, b"end"])
    assert len(parts) <= 10_000
    assert max(part.size for part in parts) <= 20 * MIB


def test_more_small_segments_than_parts_can_hold_are_refused() -> None:
    with pytest.raises(ArchiveNotDivisible):
        cut([stored(9 * MIB, f"{number}") for number in range(90_000)])
