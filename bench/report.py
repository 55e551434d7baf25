"""The results as Markdown, ratios first."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import cores
from bench.series import ColdStart, Ladder, Race

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


@dataclass
class Results:
    races: Sequence[Race]
    """The first is the main one, of all contenders."""
    latencies: Sequence[Ladder]
    two_units: Sequence[Ladder]
    both_cores: Sequence[float]
    """What two cores gave to a plain loop, of each round; no contender's work."""
    side_by_side: Ladder
    cold_starts: Sequence[ColdStart]
    server: str


def markdown(results: Results, *, quick: bool) -> str:
    notes = [
        "# Speed of the export",
        "",
        f"Printed by `make bench{' QUICK=1' if quick else ''}` on {os.cpu_count()} cores of {_processor()}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}.",
        "Runs are interleaved, each in a fresh process; medians, with the fastest and the slowest. "
        "All archives of one size held the same rows.",
        _one_core(),
        f"The other side, alone: {results.server}.",
    ]
    ladders = [*results.latencies, *results.two_units, results.side_by_side]
    return "\n".join(
        [
            *notes,
            "",
            summary(results, quick=quick),
            cold_starts(results.cold_starts),
            *(ladder(one) for one in ladders),
            *(table(race) for race in results.races),
        ]
    )


def _one_core() -> str:
    if len(cores.all_cores()) == 1:
        return "The machine has one core, which contenders and server share."
    return (
        "Every contender, the limit too, is bound to one core, and the server to the others; "
        "one unit that two are compared with shares its core with the server, and two share two."
    )


def summary(results: Results, *, quick: bool) -> str:
    lines = ["### In one look", ""]
    if quick:
        lines += ["The accounts are too small for the aims: beginning takes longer than exporting.", ""]
    lines += ["| | measured | aim |", "|---|--:|--:|"]
    lines += [f"| {what} | **{value}** | {'' if quick else aim} |" for what, value, aim in _promises(results)]
    return "\n".join(lines) + "\n"


def _promises(results: Results) -> Iterator[tuple[str, str, str]]:
    main = results.races[0]
    for name in main.runs:
        if not name.startswith(("ours", "limit")):
            ours = "ours-xml" if name.endswith("-xml") else "ours"
            yield f"{TITLES[name]} ÷ {TITLES[ours]}, time", f"{main.times(name, ours):.2f}", "≥ 10"
    for ours, limit, aim in (("ours", "limit", "≤ 1.80"), ("ours-xml", "limit-xml", "≤ 2.50")):
        yield f"{TITLES[ours]} ÷ {TITLES[limit]}, time", f"{main.times(ours, limit):.2f}", aim
    for one in results.latencies:
        yield f"{one.title}: with ÷ without", f"{one.share(one.rungs[-1]):.2f}", "≤ 1.25"
    for one in results.two_units:
        yield f"{one.title}: 1 unit ÷ 2 units", f"{1 / one.share(one.rungs[-1]):.2f}", "≥ 1.70"
    gains = results.both_cores
    what = "A plain loop on one core ÷ its halves on two"
    yield f"{what}: what the machine gives", f"{median(gains):.2f} ({min(gains):.2f}–{max(gains):.2f})", ""
    one = results.side_by_side
    for rung in one.rungs[1:]:
        aim = "≤ 1.15" if rung.units <= 16 else ""
        yield f"{one.title}: {rung.label} ÷ ideal", f"{rung.seconds / one.ideal(rung):.2f}", aim
    # A page of a smaller account is not yet full, so that growing to one would count as growing.
    full = [race for race in results.races if race.records > 5_000] or results.races
    memory = {race.records: race.peak_mb("ours") for race in full}
    few, many = min(memory), max(memory)
    yield f"peak memory, {many:,} records ÷ {few:,}", f"{memory[many] / memory[few]:.2f}", "≤ 1.10"
    yield "peak memory, the most of all sizes", f"{max(memory.values()):.0f} MB", "≤ 150 MB"
    for start in results.cold_starts:
        aim = "≤ 400 ms" if start.ours else ""
        yield f"import of {start.name}", f"{median(start.milliseconds):.0f} ms", aim


def cold_starts(starts: Sequence[ColdStart]) -> str:
    lines = [
        "### Import of each package, as SAM builds and zips it",
        "",
        "Settings and clients are made while importing, and counted under the handler's own name. "
        "boto3 alone is as pip leaves it, with clients of DynamoDB and S3: any Lambda with boto3 takes that.",
        "",
        "| | ms (from–to) | CPU ms | KB zipped | runs | heaviest, with ms under the profiler |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for start in starts:
        took = start.milliseconds
        size = f"{start.kilobytes:,.0f}" if start.kilobytes else ""
        heaviest = ", ".join(f"{name} {took:.0f}" for name, took in start.heaviest)
        lines.append(
            f"| {start.name} | **{median(took):.0f}** ({min(took):.0f}–{max(took):.0f}) "
            f"| {median(start.cpu_milliseconds):.0f} | {size} | {len(took)} | {heaviest} |"
        )
    return "\n".join(lines) + "\n"


def ladder(one: Ladder) -> str:
    """Medians; each against the first, and against what it would be if units cost each other nothing."""
    lines = [
        f"### {one.title}",
        "",
        f"{one.records:,} records. {one.note}",
        "",
        "| | time ÷ first | time ÷ ideal | seconds (from–to) | of it assembling | cores busy | CPU s "
        "| peak MB of a unit | runs |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for rung in one.rungs:
        times = [run.seconds for run in rung.runs]
        cpu = median(run.cpu_seconds for run in rung.runs)
        assembling = median(run.assembly_seconds for run in rung.runs)
        lines.append(
            f"| {rung.label} | **{one.share(rung):.2f}** | {rung.seconds / one.ideal(rung):.2f} "
            f"| {rung.seconds:.2f} ({min(times):.2f}–{max(times):.2f}) "
            f"| {f'{assembling:.2f}' if assembling else ''} | {rung.busy:.2f} | {cpu:.2f} "
            f"| {max(run.peak_mb for run in rung.runs):.0f} | {len(times)} |"
        )
    return "\n".join(lines) + "\n"


def table(race: Race) -> str:
    """Medians; what is compared with ours, is with ours of the same kind."""
    lines = [
        f"### {race.records:,} records, {race.megabytes:,.0f} MB of DynamoDB JSON",
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
            against = f"**{race.times(name, ours):.2f}**"
            cpu_against = f"{race.cpu_seconds(name) / race.cpu_seconds(ours):.2f}"
        to_limit = f"**{race.times(name, limit):.2f}**" if name == ours and limit in race.runs else ""
        times = [run.seconds for run in runs]
        lines.append(
            f"| {TITLES[name]} | {against} | {cpu_against} | {to_limit} "
            f"| {seconds:.2f} ({min(times):.2f}–{max(times):.2f}) | {race.cpu_seconds(name):.2f} "
            f"| {race.peak_mb(name):.0f} | {race.records / seconds:,.0f} | {len(runs)} |"
        )
    return "\n".join(lines) + "\n"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.processor() or "an unnamed processor"
