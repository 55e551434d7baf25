"""What the machine's two cores give to two processes that share nothing, in the minutes of two units.

Two cores of a virtual machine may be two threads of one core, or a neighbour's as well.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from bench import cores

_TURNS = 8_000_000  # about a second
_LOOP = """
import os, sys, time
os.sched_setaffinity(0, [int(sys.argv[1])])
begun, counts = time.perf_counter(), {}
for number in range(int(sys.argv[2])):
    counts[number % 5000] = number
print(time.perf_counter() - begun)
"""


def gains(rounds: int, turns: int = _TURNS) -> list[float]:
    """Of so many rounds how many times as long a plain loop takes on one core as its halves do on two."""
    one, *others = cores.all_cores()
    there = [one, others[0] if others else one]
    return [_seconds([one], turns) / _seconds(there, turns // 2) for _ in range(rounds)]


def _seconds(on: Sequence[int], turns: int) -> float:
    """The slowest one's of as many processes as there are cores."""
    loops = [
        subprocess.Popen(
            [sys.executable, "-S", "-c", _LOOP, str(core), str(turns)], stdout=subprocess.PIPE, text=True
        )
        for core in on
    ]
    return max(float(loop.communicate()[0]) for loop in loops)
