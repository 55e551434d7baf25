"""Query's answers for a range of sort keys, in the order of the keys, several of them under way at once.

One chain of pages leaves the processor idle: the next page can be asked for only when the last one has come,
which takes longer than writing it out. So the range is cut into stretches that hold about a page each, and a
few of them are asked for at the same time: of all the tables that a unit reads side by side, those whose
records it comes to first. How wide a stretch of keys holds a page is learned from the answers: the digits of
a key are read as one number, and a stretch is cut where that number is as far on as the last pages reached.
Where that is wrong, no more is lost than time: a stretch that holds more than a page goes on like any Query,
and behind one that is empty the whole rest is asked for, which leaps every gap.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from math import ceil
from operator import itemgetter
from typing import Any, Final

from functions.export_backup.key_scale import Scale

UNDER_WAY: Final = 10
"""Answers of all tables that are asked for or wait, at the most, each of a megabyte at the most; botocore
keeps as many connections."""
_AT_FIRST: Final = 2
_A_PAGE: Final = 0.008  # seconds that it takes to write one out
_A_WHILE: Final = 16  # answers
_TOLERATED: Final = 0.02  # seconds that they may be waited for, together
_PERCENT_FULL: Final = 90
"""How full of a page a stretch should be: one that overflows takes a second request."""
_MEAN_OF: Final = 4
"""The mean over so many answers says how far a page reaches: by the last one alone, more stretches would
overflow. Only where records lie twice as close all at once, that one counts."""

Key = dict[str, Any]
"""A LastEvaluatedKey, as DynamoDB gives and takes it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The sort keys from `first` on and before `before`; None where it has no end on that side."""

    first: str | None
    before: str | None
    after: Key | None = None
    """The key behind which DynamoDB goes on, where an answer ended in the middle."""


@dataclass(frozen=True, slots=True)
class Answer:
    content: Any
    size: int
    """Bytes."""
    first_sort_key: str | None
    """Of its records; None where it has none, or does not tell."""
    next_key: Key | None
    next_sort_key: str | None


Ask = Callable[[Stretch], Answer]


class Lookahead:
    """What several tables have under way: together a few answers, and what is waited for in any case.

    How many depends on how long they take to come, some 45 ms, or less, or more. So they are two at first; as
    soon as more time is lost with waiting than is tolerated, as many more as could have been written out in
    the rest, up to `most`; and one less when for a while it was not. An answer that holds hardly anything
    takes nobody's place. `clock` gives seconds.
    """

    def __init__(
        self, lanes: Executor, most: int = UNDER_WAY, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.lanes = lanes
        self.clock = clock
        self.lock = threading.RLock()  # for all that readers know: it is the lanes that go on from what came
        self._most = most
        self._window = min(_AT_FIRST, most)
        self._waited, self._taken = 0.0, 0
        self._readers: list[ReadAhead] = []

    def add(self, reader: ReadAhead) -> None:
        with self.lock:
            self._readers.append(reader)
            reader.ask_next()

    def took(self, waited: float) -> None:
        """Told of each answer that was taken, and how many seconds it was waited for."""
        self._waited += waited
        self._taken += 1
        if self._waited > _TOLERATED:
            self._window = min(self._window + ceil((self._waited - _TOLERATED) / _A_PAGE), self._most)
        elif self._taken >= _A_WHILE:
            self._window = max(self._window - 1, min(_AT_FIRST, self._most))
        else:
            return
        self._waited, self._taken = 0.0, 0

    def go_on(self) -> None:
        """Has those ask for more whose records are come to first."""
        with self.lock:
            while sum(reader.held for reader in self._readers) < self._window:
                unknown = [reader.unknown for reader in self._readers if reader.unknown is not None]
                known = [
                    (reader.wanted, reader)
                    for reader in self._readers
                    if reader.wanted is not None
                    and (reader.wants_all or reader.wanted <= min(unknown, default=reader.wanted))
                ]
                if not known:
                    return
                min(known, key=itemgetter(0))[1].ask_next()


class ReadAhead:
    """Yields each answer with its stretch. The first request is made at once, not when the first is wanted,
    and each answer that comes has the next ones made.

    `ask` is called on the lookahead's threads. Raises what it raises, where its answer would have come.
    Tables of a lower `rank` are read first, those of the same side by side, in the order of their keys.
    """

    def __init__(self, ask: Ask, ahead: Lookahead, whole: Stretch, rank: int = 0) -> None:
        self._ask = ask
        self._ahead = ahead
        self._rank = rank
        self._under_way: list[_UnderWay] = [_UnderWay(whole)]
        self._scale: Scale | None = None
        self._width: int | None = None  # of keys that fill a page as far as wanted; None: ask for all
        self._full_page = 0  # bytes
        ahead.add(self)

    def __iter__(self) -> Iterator[tuple[Stretch, Any]]:
        try:
            while self._under_way:
                yield self._take()  # held by nobody here while it is written out
        finally:
            with self._ahead.lock:
                left, self._under_way = self._under_way, []
            for one in left:
                if one.answer is not None:
                    one.answer.cancel()

    @property
    def held(self) -> int:
        """How many of its answers take memory, or may: not those without records, or with hardly any."""
        return sum(
            one.answer is not None and not (one.learned and self._is_gap(one.answer.result()))
            for one in self._under_way
        )

    @property
    def wanted(self) -> tuple[int, str] | None:
        """Its rank, and the key from which on it can ask for more; None where all is asked for."""
        place = self._next_to_ask()
        return None if place is None else (self._rank, self._under_way[place].stretch.first or "")

    @property
    def wants_all(self) -> bool:
        """Whether it asks for all that is left: in one place, whatever others need."""
        return self._width is None

    @property
    def unknown(self) -> tuple[int, str] | None:
        """Its rank, and the key from which on it will only be known what it wants when an answer has come."""
        firsts = [one.stretch.first or "" for one in self._under_way if one.is_open and not one.learned]
        return (self._rank, min(firsts)) if firsts else None

    def ask_next(self) -> None:
        place = self._next_to_ask()
        assert place is not None
        self._cut(place)
        one = self._under_way[place]
        one.is_open = self._width is None
        one.answer = self._ahead.lanes.submit(self._ask, one.stretch)
        one.answer.add_done_callback(self._came)

    def _next_to_ask(self) -> int | None:
        return next((place for place, one in enumerate(self._under_way) if one.answer is None), None)

    def _take(self) -> tuple[Stretch, Any]:
        with self._ahead.lock:
            if self._under_way[0].answer is None:
                self.ask_next()
            head = self._under_way[0]
        assert head.answer is not None
        begun = self._ahead.clock()
        answer = head.answer.result()
        waited = self._ahead.clock() - begun
        with self._ahead.lock:
            self._ahead.took(waited)
            self._learn()
            self._under_way.pop(0)
            self._ahead.go_on()
        return head.stretch, answer.content

    def _came(self, _: Future[Answer]) -> None:
        with self._ahead.lock:
            self._learn()
            self._ahead.go_on()

    def _learn(self) -> None:
        """Puts what answers left over behind them, and takes their measure."""
        for place, one in reversed(list(enumerate(self._under_way))):
            if one.learned or one.answer is None or not one.answer.done() or one.answer.exception():
                continue
            one.learned = True
            answer: Answer = one.answer.result()
            if answer.next_key is not None:
                rest = Stretch(answer.next_sort_key, one.stretch.before, answer.next_key)
                self._under_way.insert(place + 1, _UnderWay(rest))
            self._measure(one.stretch, answer)

    def _measure(self, stretch: Stretch, answer: Answer) -> None:
        if answer.next_sort_key is not None:
            self._scale = self._scale or Scale.of(answer.next_sort_key)
            self._full_page = answer.size
        if self._scale is None:
            return
        if stretch.after is not None and answer.next_key is None:
            return  # what was left of one that overflowed says little of the others
        start = self._scale.number(stretch.first or answer.first_sort_key or "")
        end = self._scale.number(answer.next_sort_key or stretch.before)
        if self._is_gap(answer):
            self._width = None
        elif start is not None and end is not None and end > start:
            width = (end - start) * self._full_page * _PERCENT_FULL // (100 * answer.size)
            if self._width is not None and self._width < 2 * width:
                width = self._width + (width - self._width) // _MEAN_OF
            self._width = max(1, width)

    def _is_gap(self, answer: Answer) -> bool:
        return answer.size * 50 < self._full_page

    def _cut(self, place: int) -> None:
        """Cuts the stretch at this place, where it is wider than a page; the rest comes behind it."""
        stretch = self._under_way[place].stretch
        if self._scale is None or self._width is None:
            return
        start = self._scale.number(stretch.first or "")
        end = self._scale.number(stretch.before)
        if start is None or (end is not None and 4 * (end - start) <= 5 * self._width):
            return
        cut = self._scale.key(start + self._width)
        if cut is None or (stretch.before is not None and cut >= stretch.before):
            return
        self._under_way[place : place + 1] = [
            _UnderWay(Stretch(stretch.first, cut, stretch.after)),
            _UnderWay(Stretch(cut, stretch.before)),
        ]


@dataclass(slots=True)
class _UnderWay:
    stretch: Stretch
    answer: Future[Answer] | None = None
    is_open: bool = False
    """Whether it was asked for without knowing how much of it one answer holds."""
    learned: bool = False
