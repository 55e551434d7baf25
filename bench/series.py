"""What was measured, in the shapes that it is reported in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.run import Measurement


@dataclass
class Race:
    """The runs of several contenders over one recording, by contender."""

    comments: int
    records: int
    megabytes: float
    """Of DynamoDB's JSON."""
    runs: dict[str, list[Measurement]]

    def seconds(self, name: str) -> float:
        return seconds(self.runs[name])

    def cpu_seconds(self, name: str) -> float:
        return median(run.cpu_seconds for run in self.runs[name])

    def peak_mb(self, name: str) -> float:
        return median(run.peak_mb for run in self.runs[name])

    def times(self, name: str, other: str) -> float:
        """How many times as long as the other it took."""
        return self.seconds(name) / self.seconds(other)


@dataclass
class Rung:
    label: str
    units: int
    """Side by side; at best they take this part of one's time."""
    runs: list[Measurement]

    @property
    def seconds(self) -> float:
        """Of units that ran alone the slowest one's, of which each lap counts as in its fastest run, and that
        of assembling; of others the median."""
        units: list[float] = [
            sum(min(runs) for runs in zip(*laps, strict=True))
            for laps in zip(*(run.laps for run in self.runs), strict=True)
        ]
        if not units:
            return seconds(self.runs)
        return max(units) + min(run.assembly_seconds for run in self.runs)

    @property
    def busy(self) -> float:
        """Cores that computed, of those that the units had."""
        return median(
            run.cpu_seconds / (sum(map(sum, run.laps)) + run.assembly_seconds if run.laps else run.seconds)
            for run in self.runs
        )


@dataclass
class Ladder:
    """Ours alone, under one condition after another, each compared with the first."""

    title: str
    note: str
    records: int
    rungs: list[Rung]

    def share(self, rung: Rung) -> float:
        """Of the first one's time."""
        return rung.seconds / self.rungs[0].seconds

    def ideal(self, rung: Rung) -> float:
        """The seconds that it would take, did units not cost each other anything."""
        return self.rungs[0].seconds * self.rungs[0].units / rung.units


@dataclass
class ColdStart:
    """How long something is imported for, in processes that have imported nothing yet."""

    name: str
    milliseconds: list[float]
    cpu_milliseconds: list[float]
    """What other processes of the machine do not lengthen."""
    heaviest: Sequence[tuple[str, float]]
    """Modules and packages with their milliseconds, imports of their own not counted."""
    kilobytes: float | None
    """The package, zipped; only ours have one."""

    @property
    def ours(self) -> bool:
        return self.kilobytes is not None


def seconds(runs: Sequence[Measurement]) -> float:
    return median(run.seconds for run in runs)
