"""Telling how far a unit is, at most once a second, and learning on the way whether it is still wanted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.moments import Clock

INTERVAL = timedelta(seconds=1)


class Progress:
    """`tell(records)` as often as one likes; `write(records, now)` is called at most once a second."""

    def __init__(self, write: Callable[[int, datetime], None], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._next = clock()

    def tell(self, records: int) -> None:
        """Raises what `write` raises: Superseded, where the unit is no longer wanted."""
        now = self._clock()
        if now >= self._next:
            self._write(records, now)
            self._next = now + INTERVAL
