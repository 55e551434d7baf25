"""What a unit says of what it did: a report of counts, without a word of anybody's data but the
characters that were replaced. Reports of several units add up to the archive's."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from functions.export_backup.cells import EXCEL_LINES, Tally


class RecordsUnaccounted(Exception):
    """Records were read that are neither in the archive nor left out for a reason: a bug in this program, so
    nobody tries again, and the archive is never offered. `table` is a table's name, or the member's that
    has not what its tables have."""

    def __init__(self, table: str) -> None:
        super().__init__(f"not every record of {table} is accounted for")
        self.table = table


class Reason(StrEnum):
    """Why a record of the source is not in the archive."""

    TRASH = "trash"
    AFTER_SNAPSHOT = "after_snapshot"
    ORPHAN = "orphan"
    """Its file or its comment does not exist, or its key names none."""


@dataclass(frozen=True)
class MemberCount:
    rows: int = 0
    """Records; the header line of a CSV file does not count."""
    guarded: int = 0
    """Cells that got an apostrophe against being run as a formula."""
    long_cells: int = 0
    """Cells that Excel cuts at 32,767 characters."""
    replaced: Mapping[str, int] = field(default_factory=dict)
    """How often each character was written as an escape: `{"U+1F600": 3}`."""

    @classmethod
    def of(cls, tally: Tally) -> "MemberCount":
        replaced = {f"U+{ord(character):04X}": count for character, count in sorted(tally.replaced.items())}
        return cls(tally.rows, tally.guarded, tally.long_cells, replaced)

    @property
    def over_excel_lines(self) -> bool:
        """Whether Excel leaves out lines; to be asked of a whole CSV file, not of a unit's part."""
        return self.rows + 1 > EXCEL_LINES


@dataclass(frozen=True)
class TableCount:
    read: int = 0
    written: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Records by reason."""

    @property
    def is_accounted(self) -> bool:
        """Whether every record that was read was written, or left out for a reason."""
        return self.read == self.written + sum(self.left_out.values())


@dataclass(frozen=True)
class UnitReport:
    members: Mapping[str, MemberCount]
    tables: Mapping[str, TableCount]
    resume_at: str | None = None
    """The sort key at which a unit that was told to stop goes on: everything before it is done, nothing
    from it on was touched. None where the unit is done."""

    def to_json(self) -> dict[str, Any]:
        return {
            "members": {name: vars(count) for name, count in self.members.items()},
            "tables": {name: vars(count) for name, count in self.tables.items()},
            "resume_at": self.resume_at,
        }

    @classmethod
    def from_json(cls, report: Mapping[str, Any]) -> "UnitReport":
        return cls(
            members={name: MemberCount(**count) for name, count in report["members"].items()},
            tables={name: TableCount(**count) for name, count in report["tables"].items()},
            resume_at=report["resume_at"],
        )


def total(reports: Iterable[UnitReport]) -> UnitReport:
    """The sum of several units' reports, of parts that are all done."""
    members: dict[str, MemberCount] = {}
    tables: dict[str, TableCount] = {}
    for report in reports:
        for name, count in report.members.items():
            before = members.get(name, MemberCount())
            members[name] = MemberCount(
                rows=before.rows + count.rows,
                guarded=before.guarded + count.guarded,
                long_cells=before.long_cells + count.long_cells,
                replaced=dict(Counter(before.replaced) + Counter(count.replaced)),
            )
        for name, counted in report.tables.items():
            sofar = tables.get(name, TableCount())
            tables[name] = TableCount(
                read=sofar.read + counted.read,
                written=sofar.written + counted.written,
                left_out=dict(Counter(sofar.left_out) + Counter(counted.left_out)),
            )
    return UnitReport(members, tables)
