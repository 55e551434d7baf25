"""Telling how far a unit is, at most once a second, and learning on the way whether it is still wanted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Generic, ParamSpec

from shared.moments import Clock

INTERVAL = timedelta(seconds=1)
_What = ParamSpec("_What")


class OnceASecond(Generic[_What]):
    """To be called as often as one likes; `action` is called, with what it is called with, once a second."""

    def __init__(self, action: Callable[_What, object], clock: Clock) -> None:
        self._action = action
        self._clock = clock
        self._next = clock()

    def __call__(self, *what: _What.args, **named: _What.kwargs) -> None:
        """Raises what `action` raises: Superseded, where the work is no longer wanted."""
        now = self._clock()
        if now >= self._next:
            self._action(*what, **named)
            self._next = now + INTERVAL
