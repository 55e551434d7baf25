"""Progress: told often, written once a second."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from functions.export_backup.limits import Limits
from functions.export_backup.progress import SECOND, Paced, interval
from shared.backup import Person, new_backup, to_record
from shared.store import Superseded

START = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_the_first_word_is_written_at_once() -> None:
    written: list[int] = []
    tell = Paced(written.append, Clock())
    tell(3)
    assert written == [3]


@pytest.mark.parametrize(
    ("later", "writes"), [(SECOND - timedelta(microseconds=1), 1), (SECOND, 2), (SECOND * 1.5, 2)]
)
def test_the_next_word_is_written_a_second_later_and_not_before(later: timedelta, writes: int) -> None:
    clock = Clock()
    written: list[int] = []
    tell = Paced(written.append, clock)
    tell(3)
    clock.now += later
    tell(8)
    assert written == [3, 8][:writes]


def test_the_interval_counts_from_the_last_write() -> None:
    clock = Clock()
    written: list[timedelta] = []
    tell = Paced(lambda: written.append(clock.now - START), clock)
    for _ in range(12):
        tell()
        clock.now += SECOND * 0.75
    assert written == [SECOND * 1.5 * number for number in range(6)]


def test_a_thousand_words_within_a_second_are_one_write() -> None:
    written: list[int] = []
    tell = Paced(written.append, Clock())
    for records in range(1000):
        tell(records)
    assert written == [0]


def test_who_is_no_longer_wanted_hears_it_on_every_word() -> None:
    def write(_records: int) -> None:
        raise Superseded

    tell = Paced(write, Clock())
    for records in (1, 2):
        with pytest.raises(Superseded):
            tell(records)


# --- many units, one record ---


@pytest.mark.parametrize(
    ("units", "at_once", "seconds"), [(1, 8, 1), (40, 40, 1), (500, 8, 1), (500, 40, 1.6), (500, 500, 20)]
)
def test_many_units_at_once_write_more_seldom(units: int, at_once: int, seconds: float) -> None:
    assert interval(units, at_once) == timedelta(seconds=seconds)


@pytest.mark.parametrize("units", [1, 8, 40, 100, Limits.most_units])
@pytest.mark.parametrize("at_once", [1, 8, 40, 100, 500])
def test_all_units_together_take_less_than_a_quarter_of_what_a_key_takes_or_write_once_a_second(
    units: int, at_once: int
) -> None:
    """1000 write units a second, one for each KB of the record."""
    every = interval(units, at_once)
    write_units = -(-record_bytes(units) // 1024)
    at_work = min(units, at_once)
    assert every == SECOND or at_work * write_units / every.total_seconds() < 300
    assert at_work * write_units / every.total_seconds() < 400


@pytest.mark.parametrize("units", [1, 40, Limits.most_units])
def test_the_record_of_a_running_backup_stays_far_below_what_an_item_may_have(units: int) -> None:
    assert record_bytes(units) < 2_000 + 25 * units < 400 * 1024


def record_bytes(units: int) -> int:
    """About what DynamoDB counts of the pending record: names and values; of a number half its digits, and
    one more; of each element of a map or set one, and three for the whole.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    backup = dataclasses.replace(
        new_backup(
            backup_id="0" * 26,
            account_id="9" * 20,
            account_name="Example " * 10,
            encoding="windows-1252",
            requested_by=Person("sub" * 12, "Ann Other", "ann.other@example.com", "en"),
            now=START,
        ),
        units=units,
        progress=dict.fromkeys(range(units), 10**9),
        units_done=frozenset(range(units)),
    )
    return _bytes(to_record(backup))


def _bytes(value: object) -> int:
    match value:
        case dict():
            return 3 + sum(len(name) + _bytes(one) + 1 for name, one in value.items())
        case set():
            return 3 + sum(_bytes(one) + 1 for one in value)
        case int():
            return 1 + -(-len(str(value)) // 2)
        case _:
            return len(str(value))
