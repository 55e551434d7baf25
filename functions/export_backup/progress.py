"""Telling how far a unit is, not too often, and learning on the way whether it is still wanted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, Generic, ParamSpec

from shared.moments import Clock

SECOND: Final = timedelta(seconds=1)
_What = ParamSpec("_What")


def interval(units: int, at_once: int) -> timedelta:
    """How often each of so many units, of which so many are at work, says how far it is: once a second, or
    more seldom where there are many of both.

    All write to one record of about 20 bytes per unit, each time for a write unit per KB, and a key takes
    1000 a second: this leaves them a quarter. Of 500 units at once each writes every 20 seconds.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
    """
    return max(SECOND, SECOND * (min(units, at_once) * units / 12_500))


class Paced(Generic[_What]):
    """To be called as often as one likes; `action` is called, with the same, once in a while."""

    def __init__(self, action: Callable[_What, object], clock: Clock, every: timedelta = SECOND) -> None:
        self._action = action
        self._clock = clock
        self._every = every
        self._next = clock()

    def __call__(self, *what: _What.args, **named: _What.kwargs) -> None:
        """Raises what `action` raises: Superseded, where the work is no longer wanted."""
        now = self._clock()
        if now >= self._next:
            self._action(*what, **named)
            self._next = now + self._every
