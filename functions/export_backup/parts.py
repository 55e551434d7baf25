"""How the archive is cut into the parts of a multipart upload, so that few bytes come back from S3.

What S3 allows: parts of 5 MiB (but for the last) to 5 GiB, at most 10 000 of them, and an object of 48.8 TiB,
which is 10 000 x 5 GiB; until the end of 2025 it was 5 TiB. UploadPartCopy takes a range only of a source
larger than 5 MiB. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html

What follows for an archive: a copied segment takes a part for each 5 GiB begun, so 10 000 segments of 5 GiB
are S3's 48.8 TiB. Small ones can be glued to parts of 40 MiB and more, so up to 10 000 x 40 MiB = 390 GiB fit
whatever the segments are like. In between their number counts: a unit that takes all the time of a Lambda
function leaves five of together some 8 GiB, and 2 000 times that is 16 TiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from functions.export_backup.zip_layout import Piece, Stored

MIN_PART_BYTES = 5 * 1024**2  # for every part but the last
MAX_PART_BYTES = 5 * 1024**3
MAX_PARTS = 10_000

# (least bytes of a part, most bytes of a copied part). A glued part is held in memory and has at most twice
# the least; a copied one should be answered well within botocore's read time-out of 60 s, and many of them
# can be copied side by side. Only where that would make more than 10 000 parts is the next row taken.
_SIZES = (
    (MIN_PART_BYTES, 512 * 1024**2),
    (2 * MIN_PART_BYTES, 1024**3),
    (4 * MIN_PART_BYTES, 2 * 1024**3),
    (8 * MIN_PART_BYTES, MAX_PART_BYTES),
)


class ArchiveNotDivisible(Exception):
    """The archive does not fit into 10 000 parts: it has more than 390 GiB, in too many segments.

    Nobody retries it: the units have to be made larger.
    """


@dataclass(frozen=True, slots=True)
class CopiedPart:
    """A part that S3 takes from the segment by itself."""

    number: int
    source: Stored

    @property
    def size(self) -> int:
        return len(self.source)


@dataclass(frozen=True, slots=True)
class GluedPart:
    """A part that the assembler puts together in memory."""

    number: int
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


Part = CopiedPart | GluedPart


def cut(pieces: Iterable[Piece]) -> tuple[Part, ...]:
    """Cut the pieces, laid end to end, into parts numbered from 1; no bytes, no parts.

    Raises ArchiveNotDivisible.
    """
    pieces = tuple(pieces)
    for least, most_copied in _SIZES:
        parts = tuple(islice(_cut(pieces, least, most_copied), MAX_PARTS + 1))
        if len(parts) <= MAX_PARTS:
            return parts
    raise ArchiveNotDivisible(f"{sum(map(len, pieces))} bytes in {len(pieces)} pieces")


def _cut(pieces: Iterable[Piece], least: int, most_copied: int) -> Iterator[Part]:
    """Parts of `least` bytes and more; copied ones up to `most_copied`, glued ones up to 2 x `least`."""
    number = 1
    glue = _Glue(2 * least)
    for piece in pieces:
        rest: Piece = piece
        while len(rest):
            missing = max(0, least - glue.size) if glue.size else 0
            if _is_copyable(rest, least) and len(rest) - missing >= least:
                rest = glue.add(rest, missing)
                if glue.size:
                    yield GluedPart(number, glue.take())
                    number += 1
                assert isinstance(rest, Stored)
                for source in _split(rest, most_copied):
                    yield CopiedPart(number, source)
                    number += 1
                break
            # Not worth or not able to be copied. The part stays open even when it is long enough, so that
            # a header that follows comes along and the segment behind it can be copied whole.
            rest = glue.add(rest, len(rest))
            if glue.size == 2 * least:
                yield GluedPart(number, glue.take())
                number += 1
    if glue.size:
        yield GluedPart(number, glue.take())


class _Glue:
    """The part that is being put together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: list[Piece] = []
        self.size = 0

    def add(self, piece: Piece, count: int) -> Piece:
        """Take up to `count` bytes off the piece's front, as far as there is room; the rest is returned."""
        count = min(count, self._most - self.size)
        if count:
            self._pieces.append(_slice(piece, 0, count))
            self.size += count
        return _slice(piece, count, len(piece))

    def take(self) -> tuple[Piece, ...]:
        pieces = tuple(self._pieces)
        self._pieces.clear()
        self.size = 0
        return pieces


def _is_copyable(piece: Piece, least: int) -> bool:
    return isinstance(piece, Stored) and piece.segment.compressed > MIN_PART_BYTES and len(piece) >= least


def _slice(piece: Piece, start: int, end: int) -> Piece:
    if isinstance(piece, bytes):
        return piece[start:end]
    return Stored(piece.segment, piece.start + start, piece.start + end)


def _split(source: Stored, most: int) -> Iterator[Stored]:
    """The source in as few stretches of at most `most` bytes as will do, all about the same size."""
    count = -(-len(source) // most)
    edges = [source.start + len(source) * index // count for index in range(count + 1)]
    for start, end in pairwise(edges):
        yield Stored(source.segment, start, end)
