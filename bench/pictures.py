"""The results as SVG pictures, for the README."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from bench import svg
from bench.report import TITLES, Results
from bench.series import Race

_SHORT = TITLES | {
    "ordinary": "(a) boto3, zipfile",
    "streamed": "(b) paginator, zipfile",
    "zipstream": "(c) zipstream-ng",
    "ordinary-xml": "(a) with XML",
}


def drawn(results: Results) -> Mapping[str, str]:
    """SVG by file name."""
    main = results.races[0]
    made = {
        "bench-ratio.svg": _ratios(main, f"Time against ours, CSV only, {main.records:,} records", ""),
        "bench-ratio-xml.svg": _ratios(
            main, f"Time against ours, CSV and XML, {main.records:,} records", "-xml"
        ),
        "bench-cores.svg": _two_units(results),
        "bench-units.svg": _side_by_side(results),
        "bench-cold-start.svg": svg.bars(
            "Import of a package, as SAM zips it, and of boto3 alone",
            {start.name: median(start.milliseconds) for start in results.cold_starts},
            "ms",
            [start.name for start in results.cold_starts if start.ours],
        ),
    }
    if len({race.records for race in results.races}) > 1:
        made["bench-time.svg"] = _against_records(results.races, "seconds", Race.seconds)
        made["bench-memory.svg"] = _against_records(results.races, "peak MB", Race.peak_mb)
    return made


def _ratios(main: Race, title: str, kind: str) -> str:
    ours = f"ours{kind}"
    names = [name for name in main.runs if name.endswith("-xml") == bool(kind) and name != ours]
    times = {_SHORT[name]: main.times(name, ours) for name in [ours, *names]}
    return svg.bars(title, times, "×", [_SHORT[ours]])


def _two_units(results: Results) -> str:
    seconds: dict[str, float] = {}
    for ladder, when in zip(results.two_units, ("", ", 45 ms a page"), strict=True):
        seconds |= {f"{rung.label}{when}": rung.seconds for rung in ladder.rungs}
    return svg.bars(f"Units on two cores, {results.two_units[0].records:,} records", seconds, "s", seconds)


def _side_by_side(results: Results) -> str:
    ladder = results.side_by_side
    return svg.lines(
        ladder.title,
        "units",
        "seconds",
        {
            "measured": [(rung.units, rung.seconds) for rung in ladder.rungs],
            "ideal": [(rung.units, ladder.ideal(rung)) for rung in ladder.rungs],
        },
        "measured",
    )


def _against_records(races: Sequence[Race], up: str, of: Callable[[Race, str], float]) -> str:
    series: dict[str, list[tuple[float, float]]] = {}
    for race in races:
        for name in race.runs:
            if not name.endswith("-xml"):
                series.setdefault(_SHORT[name], []).append((race.records, of(race, name)))
    return svg.lines(
        f"{up[0].upper()}{up[1:]} against number of records", "records", up, series, _SHORT["ours"]
    )
