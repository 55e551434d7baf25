"""How much is under way at once, and of which of several tables."""

from __future__ import annotations

from itertools import count
from typing import Any

from functions.export_backup.read_ahead import Lookahead, ReadAhead, Stretch
from tests.unit.export_backup.tables_read_ahead import (
    AtOnce,
    Later,
    RoundTrips,
    Table,
    ahead,
    even_table,
    read,
)


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
