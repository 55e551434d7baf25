"""One account in several units, each exported by a process of its own as by a Lambda, then assembled by one.

    python -m bench.units together|alone COUNT URL RECORDING KEY [CERTIFICATE]    prints a Measurement as JSON

Together they have a core each, which the server works on as well. Where there are more units than cores, they
can be run alone, one after the other, as each Lambda has its own core: then the time is the slowest unit's
and that of assembling. Processes, imports and clients are there before the clock begins, as in `bench.run`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import asdict
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from bench import cores
from bench.aws import Place
from bench.ours import Export, cut
from bench.run import Measurement, peak_mb
from functions.export_backup.segments import Segment
from functions.export_backup.unit import Unit

LAPS = 64
"""Into which the account is cut to be timed, in however many units it is: what neighbours on the machine take
comes and goes within seconds, and of each lap some run knows nothing of it."""

Result = tuple[Sequence[Segment], float, float, tuple[float, ...]]
"""A unit's segments, its CPU seconds, its peak memory in MB, and the seconds of its laps."""

_processes = get_context("fork")  # a new one each would import everything again, 64 times


class _Worker:
    """One unit's process, ready to begin."""

    def __init__(self, export: Export, number: int, unit: Unit, laps: int, on: Collection[int]) -> None:
        self._pipe, theirs = _processes.Pipe()
        self._process = _processes.Process(target=_work, args=(theirs, export, number, unit, laps, on))
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def begin(self) -> None:
        self._pipe.send("begin")

    def result(self) -> Result:
        """Raises EOFError where it failed."""
        result: Result = self._pipe.recv()
        self._process.join()
        return result


def _work(pipe: Connection, export: Export, number: int, unit: Unit, laps: int, on: Collection[int]) -> None:
    cores.stay_on(on)
    pipe.send("ready")
    pipe.recv()
    before = _cpu_seconds()
    times = [(0, time.perf_counter())]
    segments = export.unit(unit, number, lambda records: times.append((records, time.perf_counter())))
    times.append((times[-1][0], time.perf_counter()))
    pipe.send((segments, _cpu_seconds() - before, peak_mb(), laps_of(times, laps)))


def laps_of(times: Sequence[tuple[int, float]], laps: int) -> tuple[float, ...]:
    """How long it took for each of so many laps of as many records; `times` says when there were how many.

    A lap ends with the page in which it is full, the last with the end.
    """
    records, end = times[-1]
    marks = [bisect_left(times, (records * lap / laps,)) for lap in range(laps)]
    ends = [*(times[mark][1] for mark in marks), end]
    return tuple(later - earlier for earlier, later in pairwise(ends))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def together(export: Export, units: Sequence[Unit]) -> tuple[list[Result], float]:
    """What all of them brought, and the seconds that they took side by side, on no more cores than they are.
    What this process does afterwards is done on the same ones."""
    there = cores.of_units(len(units))
    cores.stay_on(there)
    workers = [
        _Worker(export, number, unit, 1, [there[number % len(there)]]) for number, unit in enumerate(units)
    ]
    begun = time.perf_counter()
    for worker in workers:
        worker.begin()
    results = [worker.result() for worker in workers]
    return results, time.perf_counter() - begun


def alone(export: Export, units: Sequence[Unit]) -> tuple[list[Result], float]:
    """What all of them brought, and the seconds that the slowest took."""
    results: list[Result] = []
    for number, unit in enumerate(units):
        worker = _Worker(export, number, unit, max(1, LAPS // len(units)), cores.contenders())
        worker.begin()
        results.append(worker.result())
    return results, max(sum(laps) for *_, laps in results)


_WAYS = {"together": together, "alone": alone}


def measured(place: Place, way: str, count: int) -> Measurement:
    """The memory is the unit's that took most, the CPU seconds are those of all, without the server's."""
    export = Export(place, xml=True)
    results, exporting = _WAYS[way](export, cut(place.recording, count))
    before = _cpu_seconds()
    begun = time.perf_counter()
    export.assemble(segment for segments, *_ in results for segment in segments)
    assembling = time.perf_counter() - begun
    cpu_seconds = _cpu_seconds() - before + sum(cpu for _, cpu, *_ in results)
    peak = max(peak for _, _, peak, _ in results)
    laps = tuple(laps for *_, laps in results) if way == "alone" else ()
    return Measurement(exporting + assembling, cpu_seconds, peak, assembling, laps)


def main() -> None:
    way, count, url, directory, key, *certificate = sys.argv[1:]
    place = Place(url, Path(directory), key, Path(certificate[0]) if certificate else None)
    print(json.dumps(asdict(measured(place, way, int(count)))))


if __name__ == "__main__":
    main()
