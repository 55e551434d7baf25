"""When the next backup of a schedule is: across changes of the clocks, leap days and short months."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backup import Person, UnknownFormat
from shared.schedule import LONGEST_DAYS, Every, Rhythm, Schedule, from_record, to_record

AMSTERDAM = "Europe/Amsterdam"
ANN = Person("sub-of-ann", "Ann", "ann@example.com", "nl")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def nexts(rhythm: Rhythm, begin: datetime, count: int) -> list[str]:
    """The local times of the next ones, as the clocks there show them."""

    def all_of_them() -> list[datetime]:
        found = [rhythm.after(begin)]
        while len(found) < count:
            found.append(rhythm.after(found[-1]))
        return found

    return [
        f"{due.astimezone(ZoneInfo(rhythm.zone)):%a %Y-%m-%d %H:%M}" for due in islice(all_of_them(), count)
    ]


def test_a_time_of_day_stays_that_across_the_change_to_summer_time_and_back() -> None:
    daily = Rhythm(Every.DAILY, time(7), AMSTERDAM)
    assert [daily.after(moment(f"2027-03-{day} 12:00")) for day in (26, 27, 28)] == [
        moment("2027-03-27 06:00"),
        moment("2027-03-28 05:00"),
        moment("2027-03-29 05:00"),
    ]
    assert daily.after(moment("2027-10-30 12:00")) == moment("2027-10-31 06:00")


def test_a_time_that_the_change_skips_is_an_hour_later_on_that_day_and_is_not_left_out() -> None:
    daily = Rhythm(Every.DAILY, time(2, 30), AMSTERDAM)
    assert nexts(daily, moment("2027-03-26 12:00"), 3) == [
        "Sat 2027-03-27 02:30",
        "Sun 2027-03-28 03:30",
        "Mon 2027-03-29 02:30",
    ]


def test_of_a_time_that_comes_twice_the_first_counts_and_it_runs_once() -> None:
    daily = Rhythm(Every.DAILY, time(2, 30), AMSTERDAM)
    first = daily.after(moment("2027-10-30 12:00"))
    assert first == moment("2027-10-31 00:30")  # in summer time still; 01:30 shows 02:30 again
    assert daily.after(first) == moment("2027-11-01 01:30")


def test_a_month_without_the_day_has_its_last_one() -> None:
    monthly = Rhythm(Every.MONTHLY, time(2), "UTC", day=31)
    assert nexts(monthly, moment("2027-01-01 00:00"), 4) == [
        "Sun 2027-01-31 02:00",
        "Sun 2027-02-28 02:00",
        "Wed 2027-03-31 02:00",
        "Fri 2027-04-30 02:00",
    ]


def test_a_leap_day_counts_where_there_is_one() -> None:
    monthly = Rhythm(Every.MONTHLY, time(2), "UTC", day=29)
    assert nexts(monthly, moment("2028-02-01 00:00"), 2) == ["Tue 2028-02-29 02:00", "Wed 2028-03-29 02:00"]
    assert nexts(monthly, moment("2027-02-01 00:00"), 1) == ["Sun 2027-02-28 02:00"]
    assert nexts(Rhythm(Every.DAILY, time(2), "UTC"), moment("2028-02-28 12:00"), 2) == [
        "Tue 2028-02-29 02:00",
        "Wed 2028-03-01 02:00",
    ]


def test_weekdays_are_those_of_the_account_s_own_calendar() -> None:
    mondays = Rhythm(Every.WEEKLY, time(0, 30), "Pacific/Auckland", weekday=1)
    assert nexts(mondays, moment("2026-11-26 00:00"), 2) == ["Mon 2026-11-30 00:30", "Mon 2026-12-07 00:30"]
    assert mondays.after(moment("2026-11-26 00:00")).astimezone(UTC).isoweekday() == 7


ZONES = st.sampled_from([AMSTERDAM, "UTC", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"])
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
RHYTHMS = st.one_of(
    st.builds(Rhythm, st.just(Every.DAILY), TIMES, ZONES),
    st.builds(Rhythm, st.just(Every.WEEKLY), TIMES, ZONES, weekday=st.integers(1, 7)),
    st.builds(Rhythm, st.just(Every.MONTHLY), TIMES, ZONES, day=st.integers(1, 31)),
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(RHYTHMS, MOMENTS)
def test_the_next_is_later_and_never_far(rhythm: Rhythm, now: datetime) -> None:
    due = [rhythm.after(now)]
    for _ in range(3):
        due.append(rhythm.after(due[-1]))
    assert now < due[0]
    most = {Every.DAILY: 1, Every.WEEKLY: 7, Every.MONTHLY: LONGEST_DAYS - 1}[rhythm.every]
    for one, another in pairwise(due):
        assert timedelta(0) < another - one <= timedelta(days=most, hours=2)


@given(RHYTHMS, MOMENTS, st.none() | st.integers(1, 100))
def test_a_record_holds_all_of_a_schedule(rhythm: Rhythm, now: datetime, keep: int | None) -> None:
    kept = Rhythm(rhythm.every, rhythm.at, rhythm.zone, rhythm.weekday, rhythm.day, keep)
    schedule = Schedule("9789", kept, ANN, kept.after(now))
    assert from_record(to_record(schedule)) == schedule


def test_a_schedule_of_a_newer_version_is_refused() -> None:
    schedule = Schedule("9789", Rhythm(Every.DAILY, time(2), "UTC"), ANN, moment("2026-11-27 02:00"))
    with pytest.raises(UnknownFormat):
        from_record(to_record(schedule) | {"format": 2})
