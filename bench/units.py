"""One account in several units, each exported by a process of its own as by a Lambda, then assembled by one.

    python -m bench.units COUNT URL RECORDING KEY [CERTIFICATE]    prints a Measurement as JSON

Unlike `bench.run` it uses every core, one after another for the units; so does the server. Processes, imports
and clients are there before the clock begins, as in `bench.run`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from bench import cores
from bench.aws import Place
from bench.ours import Export, cut
from bench.run import Measurement, peak_mb
from functions.export_backup.segments import Segment
from functions.export_backup.unit import Unit

_processes = get_context("fork")  # a new one each would import everything again, 64 times


class _Worker:
    """One unit's process, ready to begin."""

    def __init__(self, export: Export, number: int, unit: Unit) -> None:
        self._pipe, theirs = _processes.Pipe()
        self._process = _processes.Process(target=_work, args=(theirs, export, number, unit))
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def begin(self) -> None:
        self._pipe.send("begin")

    def result(self) -> tuple[Sequence[Segment], float, float]:
        """Its segments, its CPU seconds and its peak memory in MB. Raises EOFError where it failed."""
        segments, cpu_seconds, peak = self._pipe.recv()
        self._process.join()
        return segments, cpu_seconds, peak


def _work(pipe: Connection, export: Export, number: int, unit: Unit) -> None:
    there = cores.all_cores()
    cores.stay_on([there[number % len(there)]])
    pipe.send("ready")
    pipe.recv()
    before = _cpu_seconds()
    segments = export.unit(unit, number)
    pipe.send((segments, _cpu_seconds() - before, peak_mb()))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(place: Place, count: int) -> Measurement:
    """The memory is the unit's that took most, the CPU seconds are those of all, without the server's."""
    export = Export(place, xml=True)
    workers = [_Worker(export, number, unit) for number, unit in enumerate(cut(place.recording, count))]
    before = _cpu_seconds()
    begun = time.perf_counter()
    for worker in workers:
        worker.begin()
    results = [worker.result() for worker in workers]
    exported = time.perf_counter()
    export.assemble(segment for segments, _, _ in results for segment in segments)
    done = time.perf_counter()
    cpu_seconds = _cpu_seconds() - before + sum(cpu for _, cpu, _ in results)
    return Measurement(done - begun, cpu_seconds, max(peak for _, _, peak in results), done - exported)


def main() -> None:
    count, url, directory, key, *certificate = sys.argv[1:]
    place = Place(url, Path(directory), key, Path(certificate[0]) if certificate else None)
    print(json.dumps(asdict(measured(place, int(count)))))


if __name__ == "__main__":
    main()
