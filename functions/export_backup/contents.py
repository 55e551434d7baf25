"""What the units of a backup left, as the members of its archive: told by their reports, not read yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from functions.export_backup.accounts import check_counts
from functions.export_backup.catalogue import DATA_MEMBERS, MANIFEST_MEMBER
from functions.export_backup.event import Exported
from functions.export_backup.manifest import manifest
from functions.export_backup.segments import Segment
from functions.export_backup.staging import Staging
from functions.export_backup.unit_report import UnitReport, total
from functions.export_backup.zip_layout import Member, add_up
from shared.backup import Backup


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


def contents_of(backup: Backup, staging: Staging, exported: Iterable[Exported]) -> Contents:
    """Gather the units' reports. Called again, it gives the same members, to the byte.

    Here, before anything is published, is where all counts first stand together: so here they are checked.
    Raises BucketUnavailable, BucketRefused, SegmentMissing, SegmentDamaged, RecordsUnaccounted.
    """
    contents: dict[str, list[Segment]] = {name: [] for name in DATA_MEMBERS}
    reports: list[UnitReport] = []
    for unit in exported:
        segments, report = staging.report(unit)
        reports.append(report)
        for segment in segments:
            contents[segment.member].append(segment)
    whole = total(reports)
    check_counts(whole)
    totals = [add_up(name, content) for name, content in contents.items()]
    members = [Member(name, content) for name, content in contents.items()]
    # Every moment in the archive is the snapshot's, so that a repeated assembly makes the same bytes.
    document = manifest(backup, totals, whole, backup.snapshot_at)
    return Contents((*members, Member(MANIFEST_MEMBER, [document])), whole)
