"""Cuts an account into units of about equal work, by the keys of a few pages instead of all its data.

One page per table tells small from big: a small account is one unit, and nothing more is asked. Of a big one
the widest gaps between the pages that were read are halved, until none can hold more than half a unit. What
the probes say decides how even the units are, and nothing else: whatever they say, each proof is in exactly
one unit, because units meet at texts without `#`, which cannot fall between two records of one proof, whose
keys all begin with its id and `#`. A unit that turns out bigger than it looked goes on for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol

from functions.export_backup.catalogue import PROOF_TABLES, Table
from functions.export_backup.density import Sample, Stretch, cuts, stretches
from functions.export_backup.limits import Limits
from functions.export_backup.probes import AT_ONCE, PAGE_BYTES, Page

MOST_PROBES: Final = 128
"""Pages that are read to plan with, 128 MB: as much as half a unit."""

_LOWEST: Final = "0"  # what ids that are numbers begin with, at the least
_MOST_DIGITS: Final = 40  # of a proof's id that count; a cut is no longer, however long ids are


class Prober(Protocol):
    """Where keys are looked at: `probes.Probes`, and an account in memory in the tests."""

    def pages(self, starts: Sequence[tuple[Table, str]], /) -> list[Page]: ...

    def last_pages(self, tables: Sequence[Table], /) -> list[Page]: ...


@dataclass(frozen=True)
class _Ids:
    """Proof ids as numbers: their digits, filled up on the right, so that numbers sort as the texts do.

    Zero-padded ids of one width, as the source should have them, are the numbers that they say.
    """

    width: int

    def position(self, proof: str) -> int:
        return int(proof[: self.width].ljust(self.width, "0"))

    def proof(self, position: int) -> str:
        return str(position).zfill(self.width)


def plan(probes: Prober, limits: Limits) -> list[str]:
    """The proof ids at which the second unit and the following ones begin, in order; none for one unit.

    Ids that are not numbers decide nothing: an account that has no others is one unit. Raises what the
    probes raise.
    """
    pages = probes.pages([(table, _LOWEST) for table in PROOF_TABLES])
    # A table that ends within its first page weighs nothing beside one that does not.
    big = {table: page for table, page in zip(PROOF_TABLES, pages, strict=True) if page.more}
    ends = {
        table: (page, last)
        for (table, page), last in zip(big.items(), probes.last_pages([*big]) if big else [], strict=True)
        if _numbers(page.proofs) and _numbers(last.proofs)
    }
    if not ends:
        return []
    firsts = [_numbers(page.proofs)[0] for page, _ in ends.values()]
    lasts = [_numbers(last.proofs)[-1] for _, last in ends.values()]
    ids = _Ids(min(max(map(len, firsts + lasts)), _MOST_DIGITS))
    start, end = min(map(ids.position, firsts)), max(map(ids.position, lasts)) + 1
    if end - start < 2:
        return []
    survey = _Survey(probes, ids, start, end)
    for table, (page, last) in ends.items():
        survey.begin(table, page, last)
    survey.refine(limits)
    return survey.cuts(limits)


class _Survey:
    """The tables of an account from position `start` up to `end`, and what was found out of them so far."""

    def __init__(self, probes: Prober, ids: _Ids, start: int, end: int) -> None:
        self._probes = probes
        self._ids = ids
        self._start = start
        self._end = end
        self._samples: dict[Table, list[Sample]] = {}

    def begin(self, table: Table, page: Page, last: Page) -> None:
        positions = self._positions(self._start, last)
        self._samples[table] = [
            Sample(self._start, self._positions(self._start, page), PAGE_BYTES, more=True),
            Sample(positions[0], positions, PAGE_BYTES, more=False),
        ]

    def refine(self, limits: Limits) -> None:
        """Look into the gaps that may hold half a unit, the widest first, as long as there are probes."""
        left = MOST_PROBES
        while left:
            known = self._known()
            total = sum(stretch.bytes for whole in known.values() for stretch in whole)
            unit = max(limits.unit_bytes, total / limits.most_units)
            gaps = [
                (gap.at_most, table, (gap.start + gap.end) // 2)
                for table, whole in known.items()
                for gap in whole
                if gap.at_most > unit / 2
            ]
            gaps.sort(key=lambda gap: gap[0], reverse=True)
            chosen = gaps[: min(left, AT_ONCE)]
            if not chosen:
                return
            left -= len(chosen)
            pages = self._probes.pages([(table, self._ids.proof(middle)) for _, table, middle in chosen])
            for (_, table, middle), page in zip(chosen, pages, strict=True):
                self._add(table, middle, page)

    def cuts(self, limits: Limits) -> list[str]:
        known = self._known()
        total = sum(stretch.bytes for whole in known.values() for stretch in whole)
        units = min(limits.most_units, round(total / limits.unit_bytes))
        found = sorted({cut for cut in cuts(known.values(), units) if self._start < cut < self._end})
        return [self._ids.proof(cut) for cut in found]

    def _known(self) -> dict[Table, list[Stretch]]:
        return {table: stretches(samples, self._end) for table, samples in self._samples.items()}

    def _add(self, table: Table, start: int, page: Page) -> None:
        samples, positions = self._samples[table], self._positions(start, page)
        # One that ends with its table has as many records as it has, of the size of others.
        share = 1 if page.more else min(len(positions) / len(samples[0].positions), 1)
        samples.append(Sample(start, positions, PAGE_BYTES * share, page.more))
        samples.sort(key=lambda sample: sample.start)

    def _positions(self, start: int, page: Page) -> list[int]:
        """Of the page's records, none before `start`, and none before the one before it, whatever it says."""
        positions = (self._ids.position(proof) for proof in _numbers(page.proofs))
        return list(accumulate(positions, max, initial=start))[1:]


def _numbers(proofs: Sequence[str]) -> list[str]:
    return [proof for proof in proofs if proof.isascii() and proof.isdigit()]
