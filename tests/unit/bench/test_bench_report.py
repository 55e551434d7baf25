"""The benchmark's words and pictures say what was measured."""

from __future__ import annotations

from xml.etree import ElementTree

from bench import pictures, report
from bench.report import Results
from bench.run import CONTENDERS, Measurement
from bench.series import ColdStart, Ladder, Race, Rung


def race(records: int, *contenders: str) -> Race:
    seconds = {
        "limit": 1.0,
        "ours": 2.0,
        "ordinary": 24.0,
        "limit-xml": 2.0,
        "ours-xml": 3.0,
        "ordinary-xml": 36,
    }
    runs = {
        name: [Measurement(s * f, s, 90.0) for f in (3, 1, 0.5)]
        for name, s in seconds.items()
        if name in contenders or not contenders
    }
    return Race(records // 2, records, records / 2500, runs)


def ladder(title: str, **seconds_of_units: float) -> Ladder:
    """Rungs of as many units as the keyword `units_4` says."""
    rungs = [
        Rung(
            f"{name[6:]} units",
            int(name[6:]),
            [Measurement(seconds * f, 3.0, 80.0, 0.25) for f in (2, 1, 0.9)],
        )
        for name, seconds in seconds_of_units.items()
    ]
    return Ladder(title, "Of a test.", 48_000, rungs)


def results() -> Results:
    late = Ladder(
        "Late pages", "", 48_000, [Rung(f"{t}", 1, [Measurement(t, 3.0, 80.0)]) for t in (10.0, 11.0)]
    )
    return Results(
        [race(48_000), race(480_000, "limit", "ours")],
        [late],
        [ladder("Two units", units_1=9, units_2=5), ladder("Two late units", units_1=18, units_2=10)],
        [1.5, 1.9, 1.4],
        ladder("Side by side", units_1=32, units_4=8, units_16=2.2),
        [
            ColdStart("NotifyFunction", [300, 900, 310], [250, 260, 270], [("botocore", 90.0)], 6_900),
            ColdStart("boto3 alone", [410, 400, 420], [410, 400, 420], [("boto3", 80.0)], None),
        ],
        "fast",
    )


def row(text: str, title: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip(" *") for cell in line.strip("|").split("|")]


def test_the_table_has_medians_spread_and_ratios() -> None:
    table = report.table(race(48_000))
    assert row(table, "ours")[1:5] == ["1.00", "1.00", "2.00", "2.00 (1.00–6.00)"]
    ordinary = row(table, report.TITLES["ordinary"])
    assert ordinary[1:5] == ["12.00", "12.00", "", "24.00 (12.00–72.00)"]
    assert ordinary[5:] == ["24.00", "90", "2,000", "3"]


def test_units_are_compared_with_one_and_with_the_ideal() -> None:
    table = report.ladder(ladder("Side by side", units_1=32, units_4=8, units_16=2.2))
    assert row(table, "4 units")[1:4] == ["0.25", "1.00", "8.00 (7.20–16.00)"]
    assert row(table, "16 units")[1:3] == ["0.07", "1.10"]
    assert row(table, "4 units")[4:] == ["0.25", "0.38", "3.00", "80", "3"]


def test_units_that_ran_alone_take_as_long_as_the_slowest_without_what_neighbours_took() -> None:
    one = [Measurement(20.0, 3.0, 80.0, 1.0, laps) for laps in (((5.0, 3.0),), ((4.0, 9.0),))]
    two = [Measurement(9.0, 3.0, 80.0, assembling, laps) for assembling, laps in (
        (0.5, ((9.0,), (4.0,))), (0.25, ((3.0,), (7.0,))))]  # fmt: skip
    table = report.ladder(Ladder("Alone", "", 48_000, [Rung("1 unit", 1, one), Rung("2 units", 2, two)]))
    assert row(table, "1 unit")[1:5] == ["1.00", "1.00", "8.00 (20.00–20.00)", "1.00"]
    assert row(table, "2 units")[1:6] == ["0.53", "1.06", "4.25 (9.00–9.00)", "0.38", "0.26"]


def test_what_was_promised_stands_first_with_what_was_measured() -> None:
    text = report.markdown(results(), quick=False)
    assert text.index("In one look") < text.index("48,000 records")
    assert row(text, f"{report.TITLES['ordinary']} ÷ ours, time")[1:] == ["12.00", "≥ 10"]
    assert row(text, "ours, with XML ÷ the limit, with XML, time")[1:] == ["1.50", "≤ 2.50"]
    assert row(text, "Late pages: with ÷ without")[1] == "1.10"
    assert row(text, "Two units: 1 unit ÷ 2 units")[1] == "1.80"
    machine = "A plain loop on one core ÷ its halves on two: what the machine gives"
    assert row(text, machine)[1:] == ["1.50 (1.40–1.90)", ""]
    assert row(text, "Side by side: 16 units ÷ ideal")[1] == "1.10"
    assert row(text, "peak memory, 480,000 records ÷ 48,000")[1] == "1.00"
    assert row(text, "import of NotifyFunction")[1:] == ["310 ms", "≤ 400 ms"]
    assert row(text, "import of boto3 alone")[1:] == ["410 ms", ""]  # nobody's promise


def test_a_quick_run_is_compared_with_no_aim() -> None:
    text = report.markdown(results(), quick=True)
    assert "too small" in text
    assert row(text, "import of NotifyFunction")[1:] == ["310 ms", ""]
    assert "too small" not in report.markdown(results(), quick=False)


def test_imports_are_shown_next_to_boto3_alone() -> None:
    text = report.cold_starts(results().cold_starts)
    assert row(text, "NotifyFunction")[1:] == ["310** (300–900)", "260", "6,900", "3", "botocore 90"]
    assert row(text, "boto3 alone")[1:] == ["410** (400–420)", "410", "", "3", "boto3 80"]


def test_every_contender_has_a_title() -> None:
    assert report.TITLES.keys() == CONTENDERS.keys()


def test_pictures_are_svg_that_shows_everybody() -> None:
    drawn = pictures.drawn(results())
    words = {
        name: " ".join(text.text or "" for text in ElementTree.fromstring(picture).iter())  # noqa: S314  ours
        for name, picture in drawn.items()
    }
    for name in ("bench-ratio.svg", "bench-time.svg", "bench-memory.svg"):
        assert "the limit" in words[name]
        assert "(a) boto3, zipfile" in words[name]
    assert "12.00 ×" in words["bench-ratio.svg"]
    assert "12.00 ×" in words["bench-ratio-xml.svg"]
    assert "10.00 s" in words["bench-cores.svg"]
    assert "ideal" in words["bench-units.svg"]
    assert "310 ms" in words["bench-cold-start.svg"]


def test_what_is_ours_is_green_in_every_picture() -> None:
    drawn = pictures.drawn(results())
    for name, ours, others in (
        ("bench-ratio.svg", 1, 2),
        ("bench-cold-start.svg", 1, 1),
        ("bench-cores.svg", 4, 0),
        ("bench-memory.svg", 1, 2),
    ):
        picture = ElementTree.fromstring(drawn[name])  # noqa: S314  ours
        bars = [rect.get("fill") for rect in picture.iter("{http://www.w3.org/2000/svg}rect")][1:]
        assert (bars.count("#0a6e5c"), len(bars) - bars.count("#0a6e5c")) == (ours, others), name
