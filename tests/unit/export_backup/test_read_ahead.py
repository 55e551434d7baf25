"""Reading ahead: every key once and in order, whatever the keys are, with several requests under way."""

from __future__ import annotations

import random
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


PARTS = st.lists(st.integers(0, 40) | st.integers(0, 10**6 - 1), min_size=1, max_size=3)
EVEN = PARTS.map(lambda parts: "#".join(f"{part:06d}" for part in parts))
UNEVEN = st.text("0123456789#ab٣", min_size=1, max_size=6)
BOUND = st.none() | EVEN | UNEVEN


@settings(max_examples=300)
@given(
    keys=st.sets(EVEN, max_size=120) | st.sets(UNEVEN, max_size=60) | st.sets(EVEN | UNEVEN, max_size=60),
    first=BOUND,
    before=BOUND,
    at_once=st.booleans(),
    tells=st.booleans(),
)
def test_every_key_of_the_range_comes_once_and_in_order(
    keys: set[str], first: str | None, before: str | None, at_once: bool, tells: bool
) -> None:
    table = Table(sorted(keys), page=10, tells=tells)
    wanted = [
        key for key in table.keys if (first is None or key >= first) and (before is None or key < before)
    ]
    assert read(table, AtOnce() if at_once else Later(), first, before) == wanted
    assert len(table.asked) <= 4 * len(keys) + 12


def even_table(records: int, step: int = 1) -> Table:
    return Table([f"{number * step:012d}#{1:06d}" for number in range(records)])


def test_several_stretches_are_under_way_at_once_and_no_more_than_five() -> None:
    lanes = Later()
    table = even_table(2_000)
    assert read(table, lanes) == table.keys
    assert 4 <= lanes.most <= 5


@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_few_more_requests_are_made_than_there_are_pages(step: int) -> None:
    table = even_table(20_000, step)
    assert read(table, AtOnce()) == table.keys
    assert len(table.asked) <= 1.5 * len(table.keys) / PAGE


def uneven_table(proofs: int) -> Table:
    numbers = random.Random(1)  # noqa: S311  not for secrets
    return Table(
        [
            f"{proof:012d}#{number:06d}"
            for proof in range(proofs)
            for number in range(numbers.choice((1, 2, 3, 4, 5)))
        ]
    )


def test_where_some_proofs_have_more_than_others_few_stretches_overflow() -> None:
    table = uneven_table(20_000)
    assert read(table, AtOnce()) == table.keys
    assert sum(stretch.after is not None for stretch in table.asked) <= 10.2 * len(table.asked)


def test_what_is_left_of_a_stretch_that_overflowed_is_no_gap() -> None:
    table = uneven_table(20_000)
    assert read(table, AtOnce()) == table.keys
    assert sum(stretch.before is None for stretch in table.asked) <= 3


def test_it_soon_learns_that_records_lie_closer_or_wider() -> None:
    numbers = [
        begin + number * step
        for begin, step in ((0, 1), (10**5, 100), (10**6, 1), (10**7, 1_000))
        for number in range(2_000)
    ]
    table = Table([f"{number:012d}" for number in numbers])
    assert read(table, AtOnce()) == table.keys
    assert len(table.asked) <= 200
    assert sum(stretch.after is not None for stretch in table.asked) <= 10


def test_tables_that_end_together_are_asked_for_their_ends_together() -> None:
    lanes = RoundTrips()
    tables = [Table(even_table(300).keys, page) for page in (50, 40, 30, 20)]
    shared = ahead(lanes, 10)
    readers = [iter(ReadAhead(table.ask, shared, Stretch(None, None))) for table in tables]
    last: dict[Any, str] = dict.fromkeys(readers, "")
    while last:  # the walk through the four
        reader = min(last, key=last.__getitem__)
        _, keys = next(reader, (None, None))
        if keys is None:
            del last[reader]
        elif keys:
            last[reader] = keys[-1]
    assert lanes.trips <= 7


def test_one_proof_with_all_the_comments_is_cut_as_well() -> None:
    lanes = Later()
    table = Table([f"{7:012d}#{1:06d}#{number:012d}" for number in range(500, 13_000)])
    assert read(table, lanes) == table.keys
    assert 4 <= lanes.most <= 5
    assert len(table.asked) <= 1.5 * len(table.keys) / PAGE


def test_a_gap_costs_a_few_requests_however_wide_it_is() -> None:
    near, far = range(5_000), range(10**11, 10**11 + 5_000)
    table = Table([f"{number:012d}" for number in (*near, *far)])
    assert read(table, Later()) == table.keys
    assert len(table.asked) <= 1.5 * len(table.keys) / PAGE + 12


@pytest.mark.parametrize("tells", [True, False])
def test_what_was_asked_for_in_vain_takes_nobodys_place(tells: bool) -> None:
    """Where the first key is not known, the first stretches are far too wide, and those behind them empty."""
    lanes = Later()
    table = Table([f"{number:012d}" for number in range(100_000, 110_000)], tells=tells)
    assert read(table, lanes) == table.keys
    assert lanes.alone <= 4
    if tells:
        assert (table.asked[1].before or "~") < table.keys[5 * PAGE]  # cut to a page's width from the first
    assert len(table.asked) <= 1.5 * len(table.keys) / PAGE


def test_it_goes_on_by_itself_as_far_as_there_is_room() -> None:
    table = even_table(2_000)
    ReadAhead(table.ask, ahead(AtOnce()), Stretch(None, None))
    assert len(table.asked) == 2


def test_what_comes_in_time_waits_in_small_numbers() -> None:
    lanes, table = Later(seconds=0.0001), even_table(5_000)
    assert read(table, lanes) == table.keys
    assert lanes.most <= 3


def test_one_answer_that_comes_late_has_few_more_asked_for() -> None:
    lanes, table = Later(seconds=0.024), even_table(5_000)
    answers = iter(ReadAhead(table.ask, ahead(lanes, 10), Stretch(None, None)))
    next(answers)
    lanes.seconds = 0.0
    for _ in answers:
        pass
    assert lanes.most == 3


def test_once_nothing_is_waited_for_any_more_less_is_under_way() -> None:
    lanes, table = Later(), even_table(20_000)
    answers = iter(ReadAhead(table.ask, ahead(lanes, 10), Stretch(None, None)))
    for _ in range(50):
        next(answers)
    assert lanes.most >= 9
    lanes.seconds = 0.0
    for _ in range(200):
        next(answers)
    lanes.most = 0
    for _ in range(50):
        next(answers)
    assert lanes.most <= 3


def test_of_several_tables_those_records_are_asked_for_that_are_come_to_first() -> None:
    """Of one that has ten records to the other's one, more is under way than of the other."""
    sparse = even_table(2_000, step=10)
    dense = even_table(20_000)
    shared = Lookahead(AtOnce(), 8, count().__next__)  # every answer is waited for
    of_sparse, of_dense = (
        iter(ReadAhead(table.ask, shared, Stretch(None, None))) for table in (sparse, dense)
    )
    _, come_to = next(of_sparse)
    taken = 1
    for number in range(1, 200):
        _, keys = next(of_dense)
        while come_to[-1] < keys[-1]:
            _, come_to = next(of_sparse)
            taken += 1
        if number > 10:
            assert len(sparse.asked) - taken <= 2
            assert len(dense.asked) - number >= 6


def two_tables() -> tuple[Table, Table]:
    return even_table(5_000), Table([f"{number:06d}" for number in range(900_000, 905_000)])


def test_a_table_that_is_read_before_another_is_asked_for_first() -> None:
    later, first = two_tables()
    shared = Lookahead(AtOnce(), 8, count().__next__)
    read_later = ReadAhead(later.ask, shared, Stretch(None, None), 1)
    answers = iter(ReadAhead(first.ask, shared, Stretch(None, None), 0))
    asked = len(later.asked)  # before there was another
    for _ in range(20):
        next(answers)
    assert len(later.asked) == asked
    assert len(first.asked) >= 26
    rest = [key for _, keys in answers for key in keys]
    assert rest == first.keys[-len(rest) :]
    assert [key for _, keys in read_later for key in keys] == later.keys


def test_nobody_takes_all_places_before_it_is_known_what_the_others_need() -> None:
    lanes, tables = Later(), (even_table(5_000), even_table(5_000))
    shared = ahead(lanes, 8)
    readers = [ReadAhead(table.ask, shared, Stretch(None, None)) for table in tables]
    shared.took(1.0)
    for under_way in (1, 6):
        done, work = lanes.waiting.pop(0)
        done.set_result(work())
        assert len(lanes.waiting) == under_way
    assert [key for _, keys in readers[0] for key in keys] == tables[0].keys


def test_what_is_wanted_now_is_asked_for_though_all_places_are_taken() -> None:
    near, far = two_tables()
    shared = Lookahead(AtOnce(), 8, count().__next__)
    ReadAhead(near.ask, shared, Stretch(None, None))  # whose answers nobody takes
    answers = ReadAhead(far.ask, shared, Stretch(None, None))
    assert [key for _, keys in answers for key in keys] == far.keys


def test_who_stops_reading_gives_all_places_back() -> None:
    near, far = two_tables()
    shared = Lookahead(AtOnce(), 8, count().__next__)
    stopped, goes_on = (iter(ReadAhead(table.ask, shared, Stretch(None, None))) for table in (near, far))
    for _ in range(10):
        next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    for _ in range(10):
        next(goes_on)
    assert len(far.asked) >= 17


def test_what_was_taken_is_held_by_nobody_else() -> None:
    class Content:
        pass

    def ask(stretch: Stretch) -> Answer:
        more = stretch.after is None
        key = {"sk": {"S": "1"}} if more else None
        return Answer(Content(), 100, "0", key, "1" if more else None)

    answers = iter(ReadAhead(ask, ahead(AtOnce()), Stretch(None, None)))
    taken = weakref.ref(next(answers)[1])
    assert taken() is None


def test_a_table_of_one_page_costs_one_request() -> None:
    table = even_table(PAGE)
    assert read(table, AtOnce()) == table.keys
    assert len(table.asked) == 1


def test_the_first_request_is_made_before_anything_is_wanted() -> None:
    table = even_table(3)
    ReadAhead(table.ask, ahead(AtOnce()), Stretch(None, None))
    assert table.asked == [Stretch(None, None)]


def test_a_failure_comes_where_the_answer_would_have_come() -> None:
    table = even_table(1_000)
    fails_from = table.keys[500]

    def ask(stretch: Stretch) -> Answer:
        if (stretch.first or "") >= fails_from:
            raise OSError("not reached")
        return table.ask(stretch)

    came: list[str] = []

    def read_on(lanes: Executor) -> None:
        for _, keys in ReadAhead(ask, ahead(lanes), Stretch(None, None)):
            came.extend(keys)

    with ThreadPoolExecutor(4) as lanes, pytest.raises(OSError, match="not reached"):
        read_on(lanes)
    assert came == table.keys[: len(came)]
    assert len(came) >= 400


def test_what_is_no_longer_wanted_is_not_asked_for() -> None:
    lanes = Later()
    table = even_table(2_000)
    answers = iter(ReadAhead(table.ask, ahead(lanes), Stretch(None, None)))
    for _ in range(10):
        next(answers)
    waiting = [done for done, _ in lanes.waiting]
    assert waiting
    answers.close()  # type: ignore[attr-defined]
    assert all(done.cancelled() for done in waiting)
