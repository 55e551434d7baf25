"""`make bench`: ours against what others do, and against the limit. Prints all, keeps table and pictures.

python -m bench [--quick] [--huge] [--sizes 1000 10000 …] [--rounds N] [--tls]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import both_cores, cold_start, pictures, report
from bench.copies import repeated
from bench.pages import recorded
from bench.report import Results
from bench.run import CONTENDERS
from bench.runner import Runner
from bench.series import ColdStart, Ladder
from bench.units import LAPS

_ROOT = Path(__file__).parents[1]
_REAL_LATENCY = 0.045  # seconds until a page of 1 MB comes from a real table
_NEAR = 0.02  # where the table is near and idle
_IN_TWO_UNITS = 650_000  # comments: 530 MB, which `plan` cuts in two
_TIMES = 8  # of that account: 4.2 GB, which `plan` cuts in 15
_UNITS = (1, 4, 16, 64)
_COMPARED = 16
_ROUNDS_OF_LAPS = 4
_SHORT_RUNS = 4  # in a round: they take a second or two, and the machine changes its speed between them
_CSV_ONLY = tuple(name for name in CONTENDERS if not name.endswith("-xml"))
_HUGE = _IN_TWO_UNITS * _TIMES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="small sizes, about two minutes")
    parser.add_argument(
        "--sizes", type=_from_one, nargs="+", help="numbers of comments; the first is the main one"
    )
    parser.add_argument("--huge", action="store_true", help="ten million records as well")
    parser.add_argument(
        "--rounds",
        type=_from_one,
        help="how often each peer runs; 3, with --quick 2. What takes a second runs more often",
    )
    parser.add_argument("--tls", action="store_true", help="HTTPS, with a certificate made for it")
    arguments = parser.parse_args()
    quick: bool = arguments.quick
    # A comment comes with another record: recipients, responses, files.
    main_size, *sizes = arguments.sizes or (
        [5_000, 500] if quick else [100_000, 500, 5_000, 50_000, _IN_TWO_UNITS]
    )
    sizes += [_HUGE] if arguments.huge else []
    rounds = arguments.rounds or (2 if quick else 3)
    with TemporaryDirectory() as directory, cold_start.imports(_say) as imports:
        runner = Runner(Path(directory), _say, tls=arguments.tls, before_each=lambda: imports.run(1))
        results = _measured(runner, imports.starts, main_size, sizes, rounds, quick=quick)
    text = report.markdown(results, quick=quick)
    (_ROOT / "bench" / "results.md").write_text(text)
    for name, picture in pictures.drawn(results).items():
        (_ROOT / "docs" / name).write_text(picture)
    print(text)


def _from_one(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)


def _measured(
    runner: Runner, starts: list[ColdStart], main_size: int, sizes: list[int], rounds: int, *, quick: bool
) -> Results:
    whole = recorded(main_size)
    _say(f"· {whole.records:,} records")
    races = [runner.race(whole, tuple(CONTENDERS), rounds)]
    ladders = []
    for name, kind in (("ours", "CSV only"), ("ours-xml", "with XML")):
        latencies = {"no latency": 0, f"{_REAL_LATENCY * 1000:.0f} ms": _REAL_LATENCY}
        ladders.append(
            Ladder(
                f"One unit, {kind}, without and with {_REAL_LATENCY * 1000:.0f} ms before each page",
                "On one core.",
                whole.records,
                runner.latencies(whole, name, latencies, rounds * (1 if quick else _SHORT_RUNS)),
            )
        )
    in_two = whole if quick else recorded(_IN_TWO_UNITS)
    runner.check_units(in_two, (2, *_UNITS[1:]))
    gains = both_cores.gains(rounds)
    two_units = [
        Ladder(
            f"Two units on two cores, {latency * 1000:.0f} ms before each page",
            "Each on a core of its own, which the server works on as well; then assembled by one.",
            in_two.records,
            runner.units(in_two, (1, 2), latency, lambda _: rounds),
        )
        for latency in (0, _REAL_LATENCY)
    ]
    gains += both_cores.gains(rounds)

    def often(units: int) -> int:
        """That of each lap one run meets no neighbour; more units than are compared run once."""
        return 1 if quick or units > _COMPARED else _ROUNDS_OF_LAPS

    side_by_side = Ladder(
        f"Units side by side, {_NEAR * 1000:.0f} ms before each page",
        "Lambdas have a core each. So here each unit runs alone, and the time is the slowest one's and that "
        f"of assembling; each of {LAPS} parts is timed by itself and counts as in its fastest run. "
        f"The account is that of two units, {_TIMES} times over.",
        in_two.records * _TIMES,
        runner.units(repeated(in_two, _TIMES), _UNITS, _NEAR, often, alone=True),
    )
    for size in sizes:
        made = repeated(in_two, _TIMES) if size == in_two.comments * _TIMES else recorded(size)
        _say(f"· {made.records:,} records")
        races.append(runner.race(made, _CSV_ONLY, rounds))
    return Results(races, ladders, two_units, gains, side_by_side, starts, runner.ceiling)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
