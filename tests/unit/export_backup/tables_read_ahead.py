"""Tables whose answers come when a test wants them to, for what is read ahead of them."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from functions.export_backup.read_ahead import Answer, Lookahead, ReadAhead, Stretch

PAGE = 50


@dataclass
class Table:
    """Keys in order, given in answers of fifty, as Query does it."""

    keys: list[str]
    page: int = PAGE
    tells: bool = True
    """Whether an answer's first key is found in it."""
    asked: list[Stretch] = field(default_factory=list)

    def ask(self, stretch: Stretch) -> Answer:
        self.asked.append(stretch)
        start = 0 if stretch.first is None else bisect_left(self.keys, stretch.first)
        if stretch.after is not None:
            after = stretch.after["sk"]["S"]
            assert stretch.first is not None
            assert after >= stretch.first, "DynamoDB refuses a key outside the condition"
            start = bisect_right(self.keys, after)
        end = len(self.keys) if stretch.before is None else bisect_left(self.keys, stretch.before)
        found = self.keys[start : max(start, end)][: self.page]
        more = len(found) == self.page and start + self.page < end
        next_key = {"pk": {"S": "p"}, "sk": {"S": found[-1]}} if more else None
        first = found[0] if found and self.tells else None
        return Answer(found, 100 * len(found), first, next_key, found[-1] if more else None)


class AtOnce(Executor):
    """Does each thing when it is asked for."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*given, **named))
        except Exception as error:  # noqa: BLE001 - what an executor does with any
            done.set_exception(error)
        return done


class Later(Executor):
    """Does nothing until it is told to, which takes as many seconds; of what waits, any may be done first."""

    def __init__(self, seconds: float = 0.045) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []
        self.most = 0
        self.alone = 0
        """How often somebody waited, and nothing but one thing was under way."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = _Awaited(self)
        self.waiting.append((done, lambda: work(*given, **named)))
        self.most = max(self.most, len(self.waiting))
        return done

    def until(self, wanted: Future[Any]) -> None:
        self.alone += len(self.waiting) == 1 and not wanted.done()
        while not wanted.done():
            self.now += self.seconds
            done, work = self.waiting.pop(random.randrange(len(self.waiting)))  # noqa: S311
            done.set_result(work())


class RoundTrips(Later):
    """All that is under way at one time comes at the same time."""

    trips = 0

    def until(self, wanted: Future[Any]) -> None:
        while not wanted.done():
            self.trips += 1
            self.now += self.seconds
            waiting, self.waiting = self.waiting, []
            for done, work in waiting:
                done.set_result(work())


class _Awaited(Future[Any]):
    def __init__(self, executor: Later) -> None:
        super().__init__()
        self._executor = executor

    def result(self, timeout: float | None = None) -> Any:
        self._executor.until(self)
        return super().result(timeout)


def ahead(lanes: Executor, most: int = 4) -> Lookahead:
    return Lookahead(lanes, most, (lambda: lanes.now) if isinstance(lanes, Later) else lambda: 0.0)


def read(table: Table, lanes: Executor, first: str | None = None, before: str | None = None) -> list[str]:
    return [key for _, keys in ReadAhead(table.ask, ahead(lanes), Stretch(first, before)) for key in keys]


def even_table(records: int, step: int = 1) -> Table:
    return Table([f"{number * step:012d}#{1:06d}" for number in range(records)])
