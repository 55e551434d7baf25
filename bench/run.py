"""One run of one contender in a process of its own, measured from inside.

    python -m bench.run NAME URL RECORDING KEY [CERTIFICATE]    prints a Measurement as JSON

It stays on one core, which the server does not use. Imports and the making of clients are not counted: a
Lambda does that before its first event. Everything from the first request to the published archive is.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from bench import cores
from bench.aws import Place

# Module and function: a run imports what it needs, and its memory is its own.
CONTENDERS = {
    "limit": "limit:limit",
    "ours": "ours:csv_only",
    "ordinary": "peers:ordinary",
    "streamed": "peers:streamed",
    "zipstream": "peers:zip_streamed",
    "limit-xml": "limit:limit_with_xml",
    "ours-xml": "ours:csv_and_xml",
    "ordinary-xml": "xml_peer:ordinary_with_xml",
}


@dataclass(frozen=True)
class Measurement:
    seconds: float
    cpu_seconds: float
    """User and system, of all threads."""
    peak_mb: float
    """The most memory that was resident, interpreter and libraries included."""
    assembly_seconds: float = 0
    """Those of `seconds` in which the archive was assembled, where that is measured."""
    laps: tuple[tuple[float, ...], ...] = ()
    """Where units ran alone, one after the other: of each the seconds that it took for the parts of it."""


def prepared(name: str, place: Place) -> Callable[[], None]:
    """The contender's work, ready to be timed."""
    module, _, function = CONTENDERS[name].partition(":")
    prepare: Callable[[Place], Callable[[], None]] = getattr(import_module(f"bench.{module}"), function)
    return prepare(place)


def measured(work: Callable[[], None]) -> Measurement:
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measurement(seconds, cpu, peak_mb())


def peak_mb() -> float:
    """The most memory of this process that was resident until now."""
    # Not ru_maxrss: a child begins with its parent's.
    status = Path("/proc/self/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    return int(peak[1]) / 1024


def main() -> None:
    cores.stay_on(cores.contenders())
    name, url, directory, key, *certificate = sys.argv[1:]
    place = Place(url, Path(directory), key, Path(certificate[0]) if certificate else None)
    print(json.dumps(asdict(measured(prepared(name, place)))))


if __name__ == "__main__":
    main()
