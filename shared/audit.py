"""Entries of the audit trail: who took a copy of what, and what became of it.

    pk = ACCOUNT#<id>   sk = <moment>_<backup id>_<step>-<event>

The sort key is the entry's id: a repeated write is the same entry, and entries sort by time. They lie in a
table of their own, in which no function may change or delete anything. IAM could tell keys apart too
(dynamodb:LeadingKeys), but how it does so within a transaction stands nowhere.

Nobody writes at the moment at which a file expires. So that entry is written with `ready`, dated at the
promised moment, and shown from then on. Where the file is deleted before, a withdrawal is put right behind
it, since nothing in a trail is changed or taken away:

    day 0  ready    day 14  expired                       shown, once its moment has come
    day 0  ready    day 14  expired  expired_withdrawn    neither is ever shown
    day 3  deleted
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shared.backup import Backup, Person, Reason, State, UnknownFormat
from shared.moments import from_text, to_text

if TYPE_CHECKING:
    from shared.link import Link

ENTRY_FORMAT = 1
"""Version of the entries below; a reader refuses a higher one."""


class Event(StrEnum):
    """What happened, as the API and the page name it."""

    REQUESTED = "requested"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LINK_MADE = "link_made"
    """Somebody was about to be handed a download link: it was signed, and this was written first."""
    EXPIRED = "expired"
    DELETED = "deleted"
    SETTINGS_CHANGED = "settings_changed"
    SCHEDULE_CHANGED = "schedule_changed"


class Way(StrEnum):
    """How a link goes to its reader."""

    TAB = "tab"
    """To the one who asked for it, as the answer of the API."""
    MAIL = "mail"
    """To the one who had asked for the backup, by e-mail."""


_STEPS = {
    Event.REQUESTED: 0,
    Event.READY: 1,
    Event.FAILED: 1,
    Event.CANCELLED: 1,
    Event.LINK_MADE: 2,
    Event.EXPIRED: 3,
    Event.DELETED: 4,
    Event.SETTINGS_CHANGED: 0,
    Event.SCHEDULE_CHANGED: 0,
}
"""The order of what happens to one backup at one moment."""

ENTRY_ID = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z_"
    r"(settings_0-(settings|schedule)_changed_[0-9a-f]{16}"
    r"|[0-7][0-9A-HJKMNP-TV-Z]{25}_"
    r"(0-requested|1-ready|1-failed|1-cancelled|2-link_made_[0-9a-f]{16}|3-expired|4-deleted))"
)
_ENTRY_ID = re.compile(ENTRY_ID, re.ASCII)
WITHDRAWN = "_withdrawn"
"""Behind the id of an `expired` that will not be shown."""


@dataclass(frozen=True)
class Actor:
    """Who did it, as the verified token said at that moment. No address: the id tells namesakes apart."""

    id: str
    name: str


@dataclass(frozen=True)
class MadeLink:
    """What is kept of a link: never the link itself. `id` is in the name of the session that signed it."""

    id: str
    way: Way
    ends_at: datetime


@dataclass(frozen=True)
class Entry:
    """One entry. Of all but changed settings and schedules, `backup_id` and `requested_at` say which backup
    it is about.

    `by` is who did it; of a link in an e-mail, who it is for. `reason` is that of a failure, `expires_at`
    what was promised of a ready backup, `encoding` what was chosen. `mark` tells changes of settings apart,
    and of schedules.
    """

    account_id: str
    at: datetime
    event: Event
    backup_id: str | None = None
    requested_at: datetime | None = None
    by: Actor | None = None
    reason: Reason | None = None
    expires_at: datetime | None = None
    link: MadeLink | None = None
    encoding: str | None = None
    mark: str = ""

    @property
    def id(self) -> str:
        mark = self.link.id if self.link else self.mark
        what = f"{_STEPS[self.event]}-{self.event.value}"
        parts = [moment_key(self.at), self.backup_id or "settings", what]
        return "_".join([*parts, mark] if mark else parts)


def is_entry_id(value: object) -> bool:
    return isinstance(value, str) and _ENTRY_ID.fullmatch(value) is not None


def moment_key(moment: datetime) -> str:
    """The moment as ids begin with it: always to the millisecond, so that text sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- what is entered ---


def requested(backup: Backup) -> Entry:
    return _about(backup, Event.REQUESTED, backup.requested_at, by=_actor(backup.requested_by))


def ended(backup: Backup) -> list[Entry]:
    """What is entered with a backup's end: how it ended; and when its file will expire, where it has one."""
    if backup.finished_at is None:
        raise ValueError("a finished backup says when")
    at = backup.finished_at
    match backup.state:
        case State.READY:
            ready = _about(backup, Event.READY, at, expires_at=backup.expires_at)
            expiry = expired(backup)
            return [ready] if expiry is None else [ready, expiry]
        case State.CANCELLED:
            return [_about(backup, Event.CANCELLED, at, by=_ended_by(backup))]
        case State.FAILED:
            reason = backup.failure.reason if backup.failure else Reason.INTERNAL
            return [_about(backup, Event.FAILED, at, reason=reason)]
        case state:
            raise ValueError(f"{state} is no end")


def expired(backup: Backup) -> Entry | None:
    """Entered with `ready`, and dated at the promised moment; None where nothing was promised."""
    return None if backup.expires_at is None else _about(backup, Event.EXPIRED, backup.expires_at)


def deleted(backup: Backup, at: datetime) -> Entry:
    return _about(backup, Event.DELETED, at, by=_ended_by(backup))


def link_made(backup: Backup, link: Link, way: Way, person: Person, at: datetime) -> Entry:
    made = MadeLink(link.id, way, link.ends_at)
    return _about(backup, Event.LINK_MADE, at, by=_actor(person), link=made)


def encoding_chosen(account_id: str, encoding: str, person: Person, at: datetime) -> Entry:
    mark = secrets.token_hex(8)
    return Entry(account_id, at, Event.SETTINGS_CHANGED, by=_actor(person), encoding=encoding, mark=mark)


def schedule_changed(account_id: str, person: Person | None, at: datetime) -> Entry:
    """Somebody has set a schedule, or turned it off; nobody, where the plan has no backups any more."""
    by = None if person is None else _actor(person)
    return Entry(account_id, at, Event.SCHEDULE_CHANGED, by=by, mark=secrets.token_hex(8))


def _about(backup: Backup, event: Event, at: datetime, **more: Any) -> Entry:
    return Entry(backup.account_id, at, event, backup.id, backup.requested_at, **more)


def _actor(person: Person) -> Actor:
    return Actor(person.sub, person.name)


def _ended_by(backup: Backup) -> Actor | None:
    return None if backup.ended_by is None else Actor(backup.ended_by_sub or "", backup.ended_by)


# --- as it lies in the table ---


def to_record(entry: Entry) -> dict[str, object]:
    """The entry as plain values for DynamoDB, without keys. Absent values are left out."""
    link = entry.link and {
        "id": entry.link.id,
        "way": entry.link.way.value,
        "ends_at": to_text(entry.link.ends_at),
    }
    record: dict[str, object | None] = {
        "format": ENTRY_FORMAT,
        "account_id": entry.account_id,
        "event": entry.event.value,
        "at": to_text(entry.at),
        "backup_id": entry.backup_id,
        "requested_at": entry.requested_at and to_text(entry.requested_at),
        "by": entry.by and {"id": entry.by.id, "name": entry.by.name},
        "reason": entry.reason and entry.reason.value,
        "expires_at": entry.expires_at and to_text(entry.expires_at),
        "link": link,
        "encoding": entry.encoding,
        "mark": entry.mark or None,
    }
    return {name: value for name, value in record.items() if value is not None}


def from_record(record: Mapping[str, Any]) -> Entry:
    """The inverse of `to_record`; numbers may be Decimal. Raises UnknownFormat."""
    if int(record["format"]) > ENTRY_FORMAT:
        raise UnknownFormat(f"audit entry format {record['format']}")
    by, link = record.get("by"), record.get("link")
    return Entry(
        account_id=record["account_id"],
        at=from_text(record["at"]),
        event=Event(record["event"]),
        backup_id=record.get("backup_id"),
        requested_at=_moment(record, "requested_at"),
        by=by and Actor(by["id"], by["name"]),
        reason=Reason(record["reason"]) if "reason" in record else None,
        expires_at=_moment(record, "expires_at"),
        link=link and MadeLink(link["id"], Way(link["way"]), from_text(link["ends_at"])),
        encoding=record.get("encoding"),
        mark=record.get("mark", ""),
    )


def _moment(record: Mapping[str, Any], name: str) -> datetime | None:
    return from_text(record[name]) if name in record else None
