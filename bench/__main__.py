"""`make bench`: ours against what others do, and against the limit. Prints all, keeps table and pictures.

python -m bench [--quick] [--sizes 1000 10000 …] [--rounds N] [--tls]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import certificate, report
from bench.aws import Place
from bench.ceiling import ceiling
from bench.contents import ask, fetch, prepare, require_same
from bench.pages import recorded
from bench.recording import Recording
from bench.report import Race
from bench.run import CONTENDERS, Measurement
from bench.server import serving

_ROOT = Path(__file__).parents[1]
_REAL_LATENCY = 0.045  # seconds until a page of 1 MB comes from a real table
_CSV_ONLY = tuple(name for name in CONTENDERS if not name.endswith("-xml"))
_OF_BIG_ONES = 1_000_000
"""From so many comments on the peers, who take minutes, run once; from ten times as many not at all."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="small sizes, under two minutes")
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of comments; the first is the main one")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--tls", action="store_true", help="HTTPS, with a certificate made for it")
    arguments = parser.parse_args()
    main_size, *sizes = arguments.sizes or (
        [10_000, 1_000] if arguments.quick else [100_000, 1_000, 10_000, 1_000_000]
    )
    rounds = arguments.rounds or (2 if arguments.quick else 5)
    with TemporaryDirectory() as directory:
        bench = _Bench(Path(directory), tls=arguments.tls)
        races = [bench.race(main_size, tuple(CONTENDERS), rounds)]
        races.append(bench.race(main_size, ("ours",), rounds, latency=_REAL_LATENCY))
        races += [bench.race(size, _CSV_ONLY, min(rounds, 3)) for size in sizes]
    results = report.markdown(races, bench.ceiling, quick=arguments.quick)
    (_ROOT / "bench" / "results.md").write_text(results)
    for name, picture in report.pictures(races).items():
        (_ROOT / "docs" / name).write_text(picture)
    print(results)


class _Bench:
    def __init__(self, directory: Path, *, tls: bool) -> None:
        self.ceiling = ""
        self._directory = directory
        self._tls = certificate.made(directory) if tls else None
        self._checked_sizes: set[int] = set()

    def race(self, comments: int, contenders: Sequence[str], rounds: int, latency: float = 0) -> Race:
        """Interleaved runs, after all made the same once."""
        _say(f"· recording of {comments:,} comments")
        made = recorded(comments)
        if comments >= _OF_BIG_ONES * 10:
            contenders = [name for name in contenders if name.startswith(("ours", "limit"))]
        with serving(made.directory, self._tls) as url:
            place = self._place(url, made, "ceiling")
            self.ceiling = self.ceiling or ceiling(place)
            runs = self._checked(url, made, contenders)
            ask(place, f"/-/latency?seconds={latency}")
            for number in range(rounds):
                for name in contenders:
                    if comments < _OF_BIG_ONES or name.startswith(("ours", "limit")):
                        runs[name].append(self._run(url, made, name))
                        ask(place, "/-/clear")
                        _say(f"· {number + 1}/{rounds} {name}: {runs[name][-1].seconds:.2f} s")
            # The run that was checked counts only for those who had no other.
            kept = {name: done[-rounds:] for name, done in runs.items()}
        return Race(comments, made.records, made.bytes / 1e6, latency, kept)

    def _checked(self, url: str, made: Recording, contenders: Sequence[str]) -> dict[str, list[Measurement]]:
        """One run of each, once per size: what they make is compared with ours, and ours gives the limit its
        bytes."""
        if made.comments in self._checked_sizes:
            return {name: [] for name in contenders}
        self._checked_sizes.add(made.comments)
        ours_ran = self._run(url, made, "ours-xml")
        ours = fetch(self._place(url, made, "ours-xml"), self._directory / "ours.zip")
        prepare(made.directory, ours)
        first: dict[str, list[Measurement]] = {}
        for name in contenders:
            first[name] = [ours_ran if name == "ours-xml" else self._run(url, made, name)]
            if not name.startswith("limit") and name != "ours-xml":
                theirs = fetch(self._place(url, made, name), self._directory / "theirs.zip")
                rows = require_same(ours, theirs, theirs_escaped=name.startswith("ours"))
                _say(f"· {name}: the same {rows:,} rows")
        ask(self._place(url, made, ""), "/-/clear")
        return first

    def _run(self, url: str, made: Recording, name: str) -> Measurement:
        place = self._place(url, made, name)
        command = [sys.executable, "-m", "bench.run", name, url, str(made.directory), place.key]
        if place.certificate:
            command.append(str(place.certificate))
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=_ROOT)
        return Measurement(**json.loads(finished.stdout))

    def _place(self, url: str, made: Recording, name: str) -> Place:
        return Place(url, made.directory, f"archives/{name}.zip", self._tls[0] if self._tls else None)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
