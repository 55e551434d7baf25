"""Which cores work for whom, so that "one core" is true: of the contender, and of the limit as well.

On a machine with one core nobody is bound to any.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


def all_cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def contenders() -> list[int]:
    """The one core of whoever is measured."""
    return all_cores()[-1:]


def servers() -> list[int]:
    """The cores of the server that a contender speaks with: all the others."""
    return all_cores()[:-1] or all_cores()


def of_units(count: int) -> list[int]:
    """Those of so many units side by side: one for each, as far as there are, which are the server's as well.

    Had the server more, it would work beside one unit on a core that two units have to share with it.
    """
    return all_cores()[:count]


def stay_on(cores: Iterable[int]) -> None:
    """Binds this process to these cores, with every thread and every process that it starts from now on."""
    os.sched_setaffinity(0, cores)
