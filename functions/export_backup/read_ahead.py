"""Query's answers for a range of sort keys, in the order of the keys, several of them under way at once.

One chain of pages leaves the processor idle: the next page can be asked for only when the last one has come,
which takes longer than writing it out. So the range is cut into stretches that hold about a page each, and a
few of them are asked for at the same time. How wide a stretch of keys holds a page is learned from the
answers: the digits of a key are read as one number, and a stretch is cut where that number is as far on as
the last full page reached. Where that is wrong, no more is lost than time: a stretch that holds more than a
page goes on like any Query, and behind one that is empty the whole rest is asked for, which leaps every gap.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Final

_UNDER_WAY: Final = 4
"""Answers of one table that are asked for or wait, of at most a megabyte each. A page takes 10 ms to write
out and some 45 ms to come. One that holds hardly anything takes nobody's place."""
_PERCENT_FULL: Final = 90
"""How full of a page a stretch should be: one that overflows takes a second request."""

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


class ReadAhead:
    """Yields each answer with its stretch. The first request is made at once, not when the first is wanted,
    and each answer that comes has the next ones made.

    `ask` is called on the executor's threads. Raises what it raises, where its answer would have come.
    """

    def __init__(self, ask: Ask, lanes: Executor, whole: Stretch) -> None:
        self._ask = ask
        self._lanes = lanes
        self._lock = threading.RLock()  # for all below: it is the lanes that go on from what came
        self._closed = False
        self._under_way: list[_UnderWay] = [_UnderWay(whole)]
        self._scale: _Scale | None = None
        self._width: int | None = None  # of keys that fill a page as far as wanted; None: ask for all
        self._full_page = 0  # bytes
        self._begin()

    def __iter__(self) -> Iterator[tuple[Stretch, Any]]:
        try:
            while self._under_way:
                head = self._under_way[0]
                answer = head.answer.result() if head.answer else None
                with self._lock:
                    self._learn()
                    self._under_way.pop(0)
                    self._begin()
                if answer is not None:
                    yield head.stretch, answer.content
        finally:
            with self._lock:
                self._closed = True
            for one in self._under_way:
                if one.answer is not None:
                    one.answer.cancel()

    def _came(self, _: Future[Answer]) -> None:
        with self._lock:
            if not self._closed:
                self._learn()
                self._begin()

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
            self._scale = self._scale or _Scale.of(answer.next_sort_key)
            self._full_page = answer.size
        if self._scale is None:
            return
        start = self._scale.number(stretch.first or answer.first_sort_key or "")
        end = self._scale.number(answer.next_sort_key or stretch.before)
        if self._is_gap(answer):
            self._width = None
        elif start is not None and end is not None and end > start:
            self._width = max(1, (end - start) * self._full_page * _PERCENT_FULL // (100 * answer.size))

    def _begin(self) -> None:
        """Asks for the next stretches, as many as may be under way, and for the very next one in any case."""
        while (place := self._next_to_ask()) is not None:
            self._cut(place)
            one = self._under_way[place]
            one.answer = self._lanes.submit(self._ask, one.stretch)
            one.answer.add_done_callback(self._came)

    def _next_to_ask(self) -> int | None:
        place = next((place for place, one in enumerate(self._under_way) if one.answer is None), None)
        if place and sum(map(self._holds_a_page, self._under_way)) >= _UNDER_WAY:
            return None
        return place

    def _holds_a_page(self, one: _UnderWay) -> bool:
        """Whether it takes memory, or may: not where there were no records, or hardly any."""
        return one.answer is not None and not (one.learned and self._is_gap(one.answer.result()))

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
    learned: bool = False


@dataclass(frozen=True, slots=True)
class _Scale:
    """Keys of one form, `000000000012#000001`, read as numbers: their digits, in a row."""

    form: str
    """The key with a 0 for every digit."""
    digits: int

    @classmethod
    def of(cls, key: str) -> _Scale:
        form = _form(key)
        return cls(form, form.count("0"))

    def number(self, key: str | None) -> int | None:
        """Of a key of this form, or of the beginning of one; None of any other."""
        if key is None or not self.form.startswith(_form(key)):
            return None
        return int(_NO_DIGIT.sub("", key).ljust(self.digits, "0") or "0")

    def key(self, number: int) -> str | None:
        """None where the number has too many digits, or there are none to count with."""
        digits = str(number).rjust(self.digits, "0")
        if not self.digits or len(digits) > self.digits:
            return None
        left = iter(digits)
        return "".join(next(left) if sign == "0" else sign for sign in self.form)


_NO_DIGIT = re.compile("[^0-9]+")
_ZEROS = str.maketrans("123456789", "000000000")


def _form(key: str) -> str:
    return key.translate(_ZEROS)
