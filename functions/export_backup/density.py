"""How the bytes of a table lie along its proofs: measured where pages were read, guessed between them.

    position   x           k              x'
               |--- page --|---- gap -----|--- page --| ...
               measured     guessed        measured

Positions are proof ids as numbers. Between two pages a table is taken to be as dense as it is at the gap's
two ends, on average; the denser of the two says how wrong that may be, and so which gap to look into next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

_CHUNKS: Final = 4
"""In so many pieces a page is taken to be even: the outer ones say how dense the gaps beside it are."""


@dataclass(frozen=True)
class Stretch:
    """The positions from `start` up to, and without, `end`."""

    start: int
    end: int
    bytes: float
    at_most: float = 0
    """Of a gap: what it may hold, as dense as its denser end. 0 where the bytes were measured."""

    @property
    def density(self) -> float:
        return self.bytes / (self.end - self.start)


@dataclass(frozen=True)
class Sample:
    """A page that was read from position `start` on."""

    start: int
    positions: Sequence[int]
    """Of its records, in their order; none before `start`."""
    bytes: float
    more: bool
    """The table goes on behind it."""

    def measured(self, end: int) -> list[Stretch]:
        """What it shows of the positions before `end`; what comes after the last record is left out."""
        within = self.positions[: bisect_right(self.positions, end - 1)]
        per_record = self.bytes / max(len(self.positions), 1)
        size = -(-len(within) // _CHUNKS) or 1
        stretches: list[Stretch] = []
        start = self.start
        for first in range(0, len(within), size):
            chunk = within[first : first + size]
            held = len(chunk) * per_record
            if chunk[-1] < start:  # still the proof in which the last chunk ended
                last = stretches.pop()
                stretches.append(Stretch(last.start, last.end, last.bytes + held))
                continue
            stretches.append(Stretch(start, chunk[-1] + 1, held))
            start = chunk[-1] + 1
        return stretches


def stretches(samples: Sequence[Sample], end: int) -> list[Stretch]:
    """The whole table, up to and without `end`, from samples in the order of their starts."""
    ends = [*(after.start for after in samples[1:]), end]
    shown = [sample.measured(ends[number]) for number, sample in enumerate(samples)]
    whole: list[Stretch] = []
    for number, (sample, found) in enumerate(zip(samples, shown, strict=True)):
        whole += found
        start = found[-1].end if found else sample.start
        if start >= ends[number]:
            continue
        if not sample.more or (sample.positions and sample.positions[-1] >= ends[number]):
            whole.append(Stretch(start, ends[number], 0))  # the page itself shows that nothing is there
            continue
        before = found[-1].density if found else 0
        # Before the first record of the next page there is nothing, which counts for that page's density.
        following = shown[number + 1 : number + 2]
        after = (following[0][0].density if following[0] else 0) if following else before
        length = ends[number] - start
        whole.append(Stretch(start, ends[number], length * (before + after) / 2, length * max(before, after)))
    return whole


def cuts(tables: Iterable[Sequence[Stretch]], into: int) -> Iterator[int]:
    """The positions that cut the tables, taken together, into so many parts of equal bytes."""
    sums = [_Sum(whole) for whole in tables]
    marks = sorted({mark for each in sums for mark in each.marks})
    below = [sum(each.below(mark) for each in sums) for mark in marks]
    steps = list(zip(pairwise(marks), pairwise(below), strict=True))
    number = 1
    for (start, end), (less, more) in steps:
        while number < into and (wanted := below[-1] * number / into) <= more:
            share = (wanted - less) / (more - less) if more > less else 0
            yield start + round((end - start) * share)
            number += 1


class _Sum:
    """The bytes of one table below any position."""

    def __init__(self, whole: Sequence[Stretch]) -> None:
        self.marks = [whole[0].start, *(stretch.end for stretch in whole)]
        self._whole = whole
        self._sums = [0.0, *accumulate(stretch.bytes for stretch in whole)]

    def below(self, position: int) -> float:
        number = bisect_right(self.marks, position) - 1
        if number < 0:
            return 0
        if number >= len(self._whole):
            return self._sums[-1]
        return self._sums[number] + (position - self.marks[number]) * self._whole[number].density
