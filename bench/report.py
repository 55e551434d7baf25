"""The results as Markdown and pictures, ratios first."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import svg
from bench.run import Measurement

TITLES = {
    "limit": "the limit",
    "ours": "ours",
    "ordinary": "Table.query → DictWriter → zipfile",
    "streamed": "paginator → csv.writer → zipfile, streamed",
    "zipstream": "paginator → csv.writer → zipstream-ng",
    "limit-xml": "the limit, with XML",
    "ours-xml": "ours, with XML",
    "ordinary-xml": "Table.query → DictWriter + lxml → zipfile",
}
_SHORT = TITLES | {
    "ordinary": "(a) boto3, zipfile",
    "streamed": "(b) paginator, zipfile",
    "zipstream": "(c) zipstream-ng",
    "ordinary-xml": "(a) with XML",
}


@dataclass
class Race:
    """The runs of several contenders over one recording, by contender."""

    comments: int
    records: int
    megabytes: float
    """Of DynamoDB's JSON."""
    latency: float
    runs: dict[str, list[Measurement]]

    def seconds(self, name: str) -> float:
        return median(run.seconds for run in self.runs[name])

    def cpu_seconds(self, name: str) -> float:
        return median(run.cpu_seconds for run in self.runs[name])

    def peak_mb(self, name: str) -> float:
        return median(run.peak_mb for run in self.runs[name])


def table(race: Race) -> str:
    """Medians; what is compared with ours, is with ours of the same kind."""
    latency = f", {race.latency * 1000:.0f} ms before each page" if race.latency else ""
    lines = [
        f"### {race.records:,} records, {race.megabytes:,.0f} MB of DynamoDB JSON{latency}",
        "",
        "| | time ÷ ours | CPU ÷ ours | ours ÷ limit "
        "| seconds (from–to) | CPU s | peak MB | records/s | runs |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, runs in race.runs.items():
        seconds = race.seconds(name)
        kind = "-xml" if name.endswith("-xml") else ""
        ours, limit = f"ours{kind}", f"limit{kind}"
        against = cpu_against = ""
        if ours in race.runs:
            against = f"**{seconds / race.seconds(ours):.2f}**"
            cpu_against = f"{race.cpu_seconds(name) / race.cpu_seconds(ours):.2f}"
        to_limit = f"**{seconds / race.seconds(limit):.2f}**" if name == ours and limit in race.runs else ""
        times = [run.seconds for run in runs]
        lines.append(
            f"| {TITLES[name]} | {against} | {cpu_against} | {to_limit} "
            f"| {seconds:.2f} ({min(times):.2f}–{max(times):.2f}) | {race.cpu_seconds(name):.2f} "
            f"| {race.peak_mb(name):.0f} | {race.records / seconds:,.0f} | {len(runs)} |"
        )
    return "\n".join(lines) + "\n"


def markdown(races: Sequence[Race], server: str, *, quick: bool) -> str:
    notes = [
        "# Speed of the export",
        "",
        f"Printed by `make bench{' QUICK=1' if quick else ''}` on {os.cpu_count()} cores of {_processor()}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}.",
        "Runs are interleaved, each in a fresh process; medians, with the fastest and the slowest. "
        "All archives of one size held the same rows.",
        f"The other side, alone: {server}.",
    ]
    return "\n".join([*notes, "", *(table(race) for race in races)])


def pictures(races: Sequence[Race]) -> Mapping[str, str]:
    """SVG by file name."""
    main = max((race for race in races if not race.latency), key=lambda race: (len(race.runs), race.records))
    kinds = [name for name in main.runs if name != "ours" and not name.endswith("-xml")]
    drawn = {
        "bench-ratio.svg": svg.bars(
            f"Time against ours, CSV only, {main.records:,} records",
            {_SHORT[name]: main.seconds(name) / main.seconds("ours") for name in ["ours", *kinds]},
            "×",
        )
    }
    sized = [race for race in races if not race.latency]
    if len({race.records for race in sized}) > 1:
        for file, up, of in (("time", "seconds", Race.seconds), ("memory", "peak MB", Race.peak_mb)):
            series: dict[str, list[tuple[float, float]]] = {}
            for race in sized:
                for name in race.runs:
                    if not name.endswith("-xml"):
                        series.setdefault(_SHORT[name], []).append((race.records, of(race, name)))
            drawn[f"bench-{file}.svg"] = svg.lines(
                f"{up.capitalize()} against number of records", "records", up, series
            )
    return drawn


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.processor() or "an unnamed processor"
