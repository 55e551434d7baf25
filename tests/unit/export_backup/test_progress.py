"""Progress: told often, written once a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from functions.export_backup.progress import INTERVAL, Progress
from shared.store import Superseded

START = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_the_first_word_is_written_at_once() -> None:
    written: list[tuple[int, datetime]] = []
    progress = Progress(lambda records, now: written.append((records, now)), Clock())
    progress.tell(3)
    assert written == [(3, START)]


@pytest.mark.parametrize(
    ("later", "writes"), [(INTERVAL - timedelta(microseconds=1), 1), (INTERVAL, 2), (INTERVAL * 1.5, 2)]
)
def test_the_next_word_is_written_a_second_later_and_not_before(later: timedelta, writes: int) -> None:
    clock = Clock()
    written: list[int] = []
    progress = Progress(lambda records, _now: written.append(records), clock)
    progress.tell(3)
    clock.now += later
    progress.tell(8)
    assert written == [3, 8][:writes]


def test_the_interval_counts_from_the_last_write() -> None:
    clock = Clock()
    written: list[timedelta] = []
    progress = Progress(lambda _records, now: written.append(now - START), clock)
    for _ in range(12):
        progress.tell(1)
        clock.now += INTERVAL * 0.75
    assert written == [INTERVAL * 1.5 * number for number in range(6)]


def test_a_thousand_words_within_a_second_are_one_write() -> None:
    written: list[int] = []
    progress = Progress(lambda records, _now: written.append(records), Clock())
    for records in range(1000):
        progress.tell(records)
    assert written == [0]


def test_who_is_no_longer_wanted_hears_it_on_every_word() -> None:
    def write(_records: int, _now: datetime) -> None:
        raise Superseded

    progress = Progress(write, Clock())
    for records in (1, 2):
        with pytest.raises(Superseded):
            progress.tell(records)
