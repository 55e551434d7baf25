"""A schedule: how often an account is backed up by itself, and when next.

    pk = ACCOUNT#<id>   sk = SCHEDULE    next_at: the moment of the next backup

Times are the account's local times, by the rules of its time zone (IANA's names and data, RFC 6557). A time
that the change to summer time skips is taken as if there had been none, so 02:30 is 03:30 on that day; of a
time that comes twice in autumn, the first counts (Python's PEP 495, fold 0). In a month that has not the
day, it is the month's last one.
"""

from __future__ import annotations

import calendar
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from shared.backup import Person, UnknownFormat, person_from, person_record
from shared.moments import from_text, to_text

SCHEDULE_FORMAT = 1
"""Version of the record below; a reader refuses a higher one."""

LONGEST_DAYS = 33
"""Between two days of any schedule lie fewer: the 31st of January and the last of February, 30 at most."""


class Every(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True)
class Rhythm:
    """`weekday` is 1 (Monday, ISO 8601) to 7 of a weekly one, `day` 1 to 31 of a monthly one, else None.

    `keep` is how many files of scheduled backups are kept, None for each until it expires.
    """

    every: Every
    at: time
    zone: str
    weekday: int | None = None
    day: int | None = None
    keep: int | None = None

    def after(self, moment: datetime) -> datetime:
        """The first moment of the rhythm, in UTC, that is after this one."""
        zone = ZoneInfo(self.zone)
        return next(
            due
            for day in _days(moment.astimezone(zone).date())
            if self._fits(day) and (due := datetime.combine(day, self.at, zone).astimezone(UTC)) > moment
        )

    def _fits(self, day: date) -> bool:
        match self.every:
            case Every.DAILY:
                return True
            case Every.WEEKLY:
                return day.isoweekday() == self.weekday
            case Every.MONTHLY:
                _, last = calendar.monthrange(day.year, day.month)
                return day.day == min(self.day or 1, last)


@dataclass(frozen=True)
class Schedule:
    """`by` is who set it: the one who asks for its backups, and whom their e-mails go to."""

    account_id: str
    rhythm: Rhythm
    by: Person
    next_at: datetime

    def moved_on(self, now: datetime) -> Schedule:
        """The schedule after a backup at `now`. Of several that were missed, one makes up for all."""
        return dataclasses.replace(self, next_at=self.rhythm.after(now))


def _days(first: date) -> Iterator[date]:
    for number in range(LONGEST_DAYS):
        yield first + timedelta(days=number)


def to_record(schedule: Schedule) -> dict[str, object]:
    """The schedule as plain values for DynamoDB, without keys. Absent values are left out."""
    rhythm = schedule.rhythm
    record: dict[str, object | None] = {
        "format": SCHEDULE_FORMAT,
        "account_id": schedule.account_id,
        "every": rhythm.every.value,
        "at": f"{rhythm.at:%H:%M}",
        "zone": rhythm.zone,
        "weekday": rhythm.weekday,
        "day": rhythm.day,
        "keep": rhythm.keep,
        "by": person_record(schedule.by),
        "next_at": to_text(schedule.next_at),
    }
    return {name: value for name, value in record.items() if value is not None}


def from_record(record: Mapping[str, Any]) -> Schedule:
    """The inverse of `to_record`; numbers may be Decimal. Raises UnknownFormat."""
    if int(record["format"]) > SCHEDULE_FORMAT:
        raise UnknownFormat(f"schedule format {record['format']}")
    return Schedule(
        account_id=record["account_id"],
        rhythm=Rhythm(
            every=Every(record["every"]),
            at=time.fromisoformat(record["at"]),
            zone=record["zone"],
            weekday=_number(record, "weekday"),
            day=_number(record, "day"),
            keep=_number(record, "keep"),
        ),
        by=person_from(record["by"]),
        next_at=from_text(record["next_at"]),
    )


def _number(record: Mapping[str, Any], name: str) -> int | None:
    return int(record[name]) if name in record else None
