"""The benchmark's words and pictures say what was measured."""

from __future__ import annotations

from xml.etree import ElementTree

from bench import report
from bench.report import Race
from bench.run import CONTENDERS, Measurement


def race(records: int, latency: float = 0) -> Race:
    seconds = {"limit": 1.0, "ours": 2.0, "ordinary": 24.0}
    runs = {name: [Measurement(s * f, s, 90.0) for f in (3, 1, 0.5)] for name, s in seconds.items()}
    return Race(records // 2, records, records / 2500, latency, runs)


def row(table: str, title: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {report.TITLES[title]} |")]
    return [cell.strip(" *") for cell in line.strip("|").split("|")]


def test_the_table_has_medians_spread_and_ratios() -> None:
    table = report.table(race(48_000))
    assert row(table, "ours")[1:5] == ["1.00", "1.00", "2.00", "2.00 (1.00–6.00)"]
    assert row(table, "ordinary")[1:5] == ["12.00", "12.00", "", "24.00 (12.00–72.00)"]
    assert row(table, "ordinary")[5:] == ["24.00", "90", "2,000", "3"]


def test_every_contender_has_a_title() -> None:
    assert report.TITLES.keys() == CONTENDERS.keys()


def test_pictures_are_svg_that_shows_every_contender() -> None:
    drawn = report.pictures([race(2_000), race(48_000), race(48_000, latency=0.045)])
    assert set(drawn) == {"bench-ratio.svg", "bench-time.svg", "bench-memory.svg"}
    for picture in drawn.values():
        words = " ".join(text.text or "" for text in ElementTree.fromstring(picture).iter())  # noqa: S314  ours
        assert "the limit" in words
        assert "(a) boto3, zipfile" in words
    assert "12.00 ×" in drawn["bench-ratio.svg"]
