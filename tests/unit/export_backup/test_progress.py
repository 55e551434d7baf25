"""Progress: told often, written once a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from functions.export_backup.progress import INTERVAL, OnceASecond
from shared.store import Superseded

START = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_the_first_word_is_written_at_once() -> None:
    written: list[int] = []
    tell = OnceASecond(written.append, Clock())
    tell(3)
    assert written == [3]


@pytest.mark.parametrize(
    ("later", "writes"), [(INTERVAL - timedelta(microseconds=1), 1), (INTERVAL, 2), (INTERVAL * 1.5, 2)]
)
def test_the_next_word_is_written_a_second_later_and_not_before(later: timedelta, writes: int) -> None:
    clock = Clock()
    written: list[int] = []
    tell = OnceASecond(written.append, clock)
    tell(3)
    clock.now += later
    tell(8)
    assert written == [3, 8][:writes]


def test_the_interval_counts_from_the_last_write() -> None:
    clock = Clock()
    written: list[timedelta] = []
    tell = OnceASecond(lambda: written.append(clock.now - START), clock)
    for _ in range(12):
        tell()
        clock.now += INTERVAL * 0.75
    assert written == [INTERVAL * 1.5 * number for number in range(6)]


def test_a_thousand_words_within_a_second_are_one_write() -> None:
    written: list[int] = []
    tell = OnceASecond(written.append, Clock())
    for records in range(1000):
        tell(records)
    assert written == [0]


def test_who_is_no_longer_wanted_hears_it_on_every_word() -> None:
    def write(_records: int) -> None:
        raise Superseded

    tell = OnceASecond(write, Clock())
    for records in (1, 2):
        with pytest.raises(Superseded):
            tell(records)
