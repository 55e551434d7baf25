"""Runs contenders in processes of their own against a server of their own, in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from bench import certificate, cores
from bench.aws import Place
from bench.ceiling import ceiling
from bench.contents import ask, fetch, prepare, require_same
from bench.recording import Recording
from bench.run import Measurement
from bench.series import Race, Rung
from bench.server import serving

_ROOT = Path(__file__).parents[1]
OF_BIG_ONES = 500_000
"""From so many comments on the peers, who take minutes, run once; from ten times as many not at all."""

Say = Callable[[str], None]


class Runner:
    """`before_each` is called before each series of runs: for what is to be measured all through the hour."""

    def __init__(
        self, directory: Path, say: Say, *, tls: bool, before_each: Callable[[], object] = lambda: None
    ) -> None:
        self.ceiling = ""
        """How fast the first race's server was by itself."""
        self._directory = directory
        self._say = say
        self._before_each = before_each
        self._tls = certificate.made(directory) if tls else None

    def race(self, made: Recording, contenders: Sequence[str], rounds: int) -> Race:
        """Interleaved runs, after all made the same once: see `in_turns`."""
        if made.comments >= OF_BIG_ONES * 10:
            contenders = [name for name in contenders if _is_fast(name)]
        with self._serving(made, cores.servers()) as url:
            place = self._place(url, made, "ceiling")
            self.ceiling = self.ceiling or ceiling(place)
            runs = self._checked(url, made, contenders)
            turns = in_turns(
                [name for name in contenders if _is_fast(name) or made.comments < OF_BIG_ONES], rounds
            )
            # The run that was checked counts only for those who had no other.
            runs |= {name: [] for name in turns}
            for name in turns:
                runs[name].append(self._run(url, made, name))
                ask(place, "/-/clear")
                count = f"{len(runs[name])}/{turns.count(name)}"
                self._say(f"· {count} {name}: {runs[name][-1].seconds:.2f} s")
        return Race(made.comments, made.records, made.bytes / 1e6, runs)

    def latencies(
        self, made: Recording, name: str, latencies: Mapping[str, float], rounds: int
    ) -> list[Rung]:
        """One contender on its one core, with so many seconds before each page, by label."""
        with self._serving(made, cores.servers()) as url:
            steps = {
                label: self._step(url, made, latency, lambda: self._run(url, made, name))
                for label, latency in latencies.items()
            }
            return self._climb({label: (1, step) for label, step in steps.items()}, lambda _: rounds)

    def check_units(self, made: Recording, counts: Sequence[int]) -> None:
        """That so many units make the archive that one makes. Raises contents.Different."""
        with self._serving(made, cores.all_cores()) as url:
            whole = self._directory / "whole.zip"
            self._run(url, made, "ours-xml")
            fetch(self._place(url, made, "ours-xml"), whole)
            for count in counts:
                self._run_units(url, made, "together", count)
                theirs = fetch(self._place(url, made, "units"), self._directory / "theirs.zip")
                rows = require_same(whole, theirs, theirs_escaped=True)
                self._say(f"· {count} units: the same {rows:,} rows")
                ask(self._place(url, made, ""), "/-/clear")

    def units(
        self,
        made: Recording,
        counts: Sequence[int],
        latency: float,
        rounds: Callable[[int], int],
        *,
        alone: bool = False,
    ) -> list[Rung]:
        """Ours in so many units: side by side on as many cores, which they share with a server, or each alone
        on its core. So many units run as often as `rounds` says."""
        way = "alone" if alone else "together"
        with ExitStack() as servers:
            urls: dict[tuple[int, ...], str] = {}
            steps: dict[str, tuple[int, Callable[[], Measurement]]] = {}
            for count in counts:
                on = tuple(cores.servers() if alone else cores.of_units(count))
                if on not in urls:
                    urls[on] = servers.enter_context(self._serving(made, on))
                    if not alone:  # the server learns where records lie, which would take of the same cores
                        self._run_units(urls[on], made, way, count)

                def run(count: int = count, url: str = urls[on]) -> Measurement:
                    return self._run_units(url, made, way, count)

                label = "1 unit" if count == 1 else f"{count} units"
                steps[label] = (count, self._step(urls[on], made, latency, run))
            return self._climb(steps, rounds)

    def _serving(self, made: Recording, on: Iterable[int]) -> AbstractContextManager[str]:
        self._before_each()
        return serving(made.directory, on, self._tls)

    def _step(
        self, url: str, made: Recording, latency: float, run: Callable[[], Measurement]
    ) -> Callable[[], Measurement]:
        place = self._place(url, made, "")

        def step() -> Measurement:
            ask(place, "/-/clear")
            ask(place, f"/-/latency?seconds={latency}")
            return run()

        return step

    def _climb(
        self,
        steps: Mapping[str, tuple[int, Callable[[], Measurement]]],
        rounds: Callable[[int], int],
    ) -> list[Rung]:
        rungs = [Rung(label, units, []) for label, (units, _) in steps.items()]
        for number in range(max(rounds(rung.units) for rung in rungs)):
            for rung in rungs:
                if number < (most := rounds(rung.units)):
                    rung.runs.append(steps[rung.label][1]())
                    self._say(f"· {number + 1}/{most} {rung.label}: {rung.runs[-1].seconds:.2f} s")
        return rungs

    def _checked(self, url: str, made: Recording, contenders: Sequence[str]) -> dict[str, list[Measurement]]:
        """One run of each: what they make is compared with ours, and ours gives the limit its bytes."""
        ours_ran = self._run(url, made, "ours-xml")
        ours = fetch(self._place(url, made, "ours-xml"), self._directory / "ours.zip")
        prepare(made.directory, ours)
        first: dict[str, list[Measurement]] = {}
        for name in contenders:
            first[name] = [ours_ran if name == "ours-xml" else self._run(url, made, name)]
            if not name.startswith("limit") and name != "ours-xml":
                theirs = fetch(self._place(url, made, name), self._directory / "theirs.zip")
                rows = require_same(ours, theirs, theirs_escaped=name.startswith("ours"))
                self._say(f"· {name}: the same {rows:,} rows")
        ask(self._place(url, made, ""), "/-/clear")
        return first

    def _run(self, url: str, made: Recording, name: str) -> Measurement:
        return self._measured("bench.run", [name], self._place(url, made, name))

    def _run_units(self, url: str, made: Recording, way: str, count: int) -> Measurement:
        return self._measured("bench.units", [way, str(count)], self._place(url, made, "units"))

    def _measured(self, module: str, what: Sequence[str], place: Place) -> Measurement:
        command = [sys.executable, "-m", module, *what, place.url, str(place.directory), place.key]
        if place.certificate:
            command.append(str(place.certificate))
        as_deployed = os.environ | {"MALLOC_ARENA_MAX": "1"}  # infra/template.yaml; every contender has it
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=_ROOT, env=as_deployed)
        return Measurement(**json.loads(finished.stdout))

    def _place(self, url: str, made: Recording, name: str) -> Place:
        return Place(url, made.directory, f"archives/{name}.zip", self._tls[0] if self._tls else None)


def in_turns(contenders: Sequence[str], rounds: int) -> list[str]:
    """Who runs when, in so many rounds. Ours and the limit run before each peer of a round: they take a tenth
    of a peer's time, in which the machine is as fast as it happens to be."""
    fast = [name for name in contenders if _is_fast(name)]
    one_round = [name for peer in contenders if not _is_fast(peer) for name in (*fast, peer)]
    return (one_round or fast) * rounds


def _is_fast(name: str) -> bool:
    return name.startswith(("ours", "limit"))
