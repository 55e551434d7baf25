"""What the units of a backup left, as the members of its archive: told by their reports, not read yet."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from functions.export_backup.accounts import check_counts
from functions.export_backup.catalogue import DATA_MEMBERS, MANIFEST_MEMBER
from functions.export_backup.event import Exported
from functions.export_backup.manifest import manifest
from functions.export_backup.segments import Segment
from functions.export_backup.staging import Go, Staging
from functions.export_backup.unit_report import UnitReport, total
from functions.export_backup.zip_layout import Member, add_up
from shared.backup import Backup

_AT_ONCE: Final = 8  # reports that are read; botocore's pool has ten connections


class UnitsApart(Exception):
    """Between the units that were exported proofs are left out, or some are in two of them: what was handed
    over is not one plan. Nobody retries it: the archive would not be whole."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The archive's members in their order, and the sum of all units' counts."""

    members: tuple[Member, ...]
    counts: UnitReport

    @property
    def records(self) -> int:
        return sum(count.written for count in self.counts.tables.values())

    @property
    def replaced(self) -> int:
        return sum(sum(count.replaced.values()) for count in self.counts.members.values())


def contents_of(backup: Backup, staging: Staging, exported: Sequence[Exported]) -> Contents:
    """Gather the units' reports. Called again, it gives the same members, to the byte.

    Here, before anything is published, is where all ranges and counts first stand together: so here they are
    checked. Raises BucketUnavailable, BucketRefused, SegmentMissing, SegmentDamaged, RecordsUnaccounted,
    UnitsApart.
    """
    units = _goes(staging, exported)
    _check_ranges(units)
    contents: dict[str, list[Segment]] = {name: [] for name in DATA_MEMBERS}
    for goes in units:
        for go in goes:
            for segment in go.segments:
                contents[segment.member].append(segment)
    whole = total(go.report for goes in units for go in goes)
    check_counts(whole)
    totals = [add_up(name, content) for name, content in contents.items()]
    members = [Member(name, content) for name, content in contents.items()]
    # Every moment in the archive is the snapshot's, so that a repeated assembly makes the same bytes.
    document = manifest(backup, totals, whole, backup.snapshot_at)
    return Contents((*members, Member(MANIFEST_MEMBER, [document])), whole)


def _goes(staging: Staging, exported: Sequence[Exported]) -> list[list[Go]]:
    """Of each unit its goes."""
    if len(exported) == 1:  # which is nearly every account, and needs no threads
        return [staging.goes(exported[0])]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(staging.goes, exported))


def _check_ranges(units: Sequence[Sequence[Go]]) -> None:
    """Each unit begins where the one before it ends, the first at the very first proof, and after the last
    comes nothing."""
    begun = [goes[0].first_proof for goes in units]
    *cuts, end = [goes[-1].before_proof for goes in units]
    rising = all(one is not None and other is not None and one < other for one, other in pairwise(cuts))
    if begun != [None, *cuts] or end is not None or None in cuts or not rising:
        raise UnitsApart("the units are not all that there is, once")
