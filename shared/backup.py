"""A backup: what it is, which states it goes through, and how long it is kept.

    pending ──► running ──► ready ──► expired (by the clock: `Backup.state_at`)
       ├───────────┼──────► failed  └──► deleted
       └───────────┴──────► cancelled

Pending and running live in the account's one pending record, which is the lock; the others live in the
account's history. `shared.store` writes them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.moments import from_text, to_text

RECORD_FORMAT = 1
"""Version of the records below; a reader refuses a higher one."""


class State(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Ended by an administrator of the account before it was ready. There is no file, and no e-mail."""
    DELETED = "deleted"
    """Was ready; an administrator of the account has deleted the file. The entry stays."""


class Reason(StrEnum):
    """Why a backup failed, as users and operators are told it; page and e-mail hold the words."""

    START_REFUSED = "start_refused"
    """The workflow could not be started: a fault of the deployment."""
    SOURCE_UNAVAILABLE = "source_unavailable"
    """The account's data could not be read for longer than the retries last."""
    SOURCE_REFUSED = "source_refused"
    """The account's data may not be read, or its table is not there: a fault of the deployment."""
    STORAGE_UNAVAILABLE = "storage_unavailable"
    """The archive could not be written for longer than the retries last."""
    STORAGE_REFUSED = "storage_refused"
    """The bucket may not be written or read, or is not there: a fault of the deployment."""
    ARCHIVE_DAMAGED = "archive_damaged"
    """A part of the archive was missing or not what had been written."""
    TIMED_OUT = "timed_out"
    """A step took longer than it may."""
    OTHER_RUNNING = "other_running"
    """It was due by the account's schedule, and another one was still being made."""
    PLAN_CHANGED = "plan_changed"
    """It was due by the account's schedule, and the plan has no backups any more."""
    INTERNAL = "internal"
    """Anything else: a bug, or a function that died."""


class MailState(StrEnum):
    SENDING = "sending"
    """Claimed by a run of notify; also what stays when that run died before it could say more."""
    SENT = "sent"
    """Accepted by SES."""
    NOT_SENT = "not_sent"
    """Refused by SES, or nobody heard SES take it, or there is no address it could go to."""


@dataclass(frozen=True)
class Person:
    """Who asked, as the verified token said at that moment."""

    sub: str
    name: str
    email: str | None
    language: str


@dataclass(frozen=True)
class Failure:
    reason: Reason
    detail: str | None = None
    """A name out of our own code, such as the table that could not be read. Never text of the account."""


@dataclass(frozen=True)
class Backup:
    """One backup of one account, pending or finished.

    `scheduled`: the account's schedule asked for it, in the name of whoever set that. `progress` maps a
    unit's number to the records it has written so far, `units_done` names those that have written all.
    `finished_at`, `expires_at`, `bytes` and `replaced` are set on finished backups only (`expires_at`,
    `bytes` on ready ones).
    `ended_by` is the name of whoever cancelled the backup or deleted its file, `ended_by_sub` their id in the
    user pool, `deleted_at` when that was.
    """

    account_id: str
    id: str
    state: State
    requested_at: datetime
    requested_by: Person
    account_name: str
    encoding: str
    file_name: str
    object_key: str
    scheduled: bool = False
    units: int | None = None
    progress: Mapping[int, int] = field(default_factory=dict)
    units_done: frozenset[int] = frozenset()
    failure: Failure | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    bytes: int | None = None
    records: int | None = None
    replaced: int | None = None
    mail: MailState | None = None
    ended_by: str | None = None
    ended_by_sub: str | None = None
    deleted_at: datetime | None = None

    @property
    def snapshot_at(self) -> datetime:
        """Nothing created after this moment is in the archive: the moment of the request."""
        return self.requested_at

    @property
    def records_done(self) -> int:
        return self.records if self.records is not None else sum(self.progress.values())

    def state_at(self, now: datetime) -> State:
        """The state that users see: a ready backup has expired from the promised moment on.

        The bucket's lifecycle rule deletes up to a day later, so the record's promise is what counts.
        """
        if self.state is State.READY and self.expires_at is not None and now >= self.expires_at:
            return State.EXPIRED
        return self.state


def new_backup(
    *,
    backup_id: str,
    account_id: str,
    account_name: str,
    encoding: str,
    requested_by: Person,
    now: datetime,
    scheduled: bool = False,
) -> Backup:
    """A pending backup with its archive's name and place.

    The name (`9789_05_05_2011_61703.zip`) is no secret. The place is: 128 random bits (RFC 4086 calls
    that enough for a key nobody guesses), made here once, so that every retry writes to the same one.
    """
    file_name = f"{account_id}_{now:%d_%m_%Y}_{secrets.randbelow(90_000) + 10_000}.zip"
    return Backup(
        account_id=account_id,
        id=backup_id,
        state=State.PENDING,
        requested_at=now,
        requested_by=requested_by,
        account_name=account_name,
        encoding=encoding,
        file_name=file_name,
        object_key=f"backups/{secrets.token_hex(16)}/{file_name}",
        scheduled=scheduled,
    )


def to_record(backup: Backup) -> dict[str, object]:
    """The backup as plain values for DynamoDB, without keys. Absent values are left out."""
    record: dict[str, object] = {
        "format": RECORD_FORMAT,
        "account_id": backup.account_id,
        "backup_id": backup.id,
        "state": backup.state.value,
        "requested_at": to_text(backup.requested_at),
        "requested_by": person_record(backup.requested_by),
        "account_name": backup.account_name,
        "encoding": backup.encoding,
        "file_name": backup.file_name,
        "object_key": backup.object_key,
        "progress": {str(unit): records for unit, records in backup.progress.items()},
    }
    optional: dict[str, object | None] = {
        "scheduled": backup.scheduled or None,
        "units": backup.units,
        "units_done": set(backup.units_done) or None,
        "failure": None if backup.failure is None else failure_record(backup.failure),
        "finished_at": backup.finished_at and to_text(backup.finished_at),
        "expires_at": backup.expires_at and to_text(backup.expires_at),
        "bytes": backup.bytes,
        "records": backup.records,
        "replaced": backup.replaced,
        "mail": backup.mail and backup.mail.value,
        "ended_by": backup.ended_by,
        "ended_by_sub": backup.ended_by_sub,
        "deleted_at": backup.deleted_at and to_text(backup.deleted_at),
    }
    return record | {name: value for name, value in optional.items() if value is not None}


def person_record(person: Person) -> dict[str, str]:
    email = {"email": person.email} if person.email else {}
    return {"sub": person.sub, "name": person.name, "language": person.language, **email}


def person_from(record: Mapping[str, object]) -> Person:
    """The inverse of `person_record`."""
    person = _Fields(record)
    return Person(
        sub=person.text("sub"),
        name=person.text("name"),
        email=person.optional_text("email"),
        language=person.text("language"),
    )


def failure_record(failure: Failure) -> dict[str, str]:
    detail = {"detail": failure.detail} if failure.detail else {}
    return {"reason": failure.reason.value, **detail}


class UnknownFormat(Exception):
    """A record written by a newer version of this service. Nobody retries; deploy that version."""


def from_record(record: Mapping[str, object]) -> Backup:
    """The inverse of `to_record`; numbers may be Decimal. Raises UnknownFormat."""
    fields = _Fields(record)
    if fields.number("format") > RECORD_FORMAT:
        raise UnknownFormat(f"record format {fields.number('format')}")
    failure = _Fields(fields.mapping("failure")) if "failure" in record else None
    mail = fields.optional_text("mail")
    return Backup(
        account_id=fields.text("account_id"),
        id=fields.text("backup_id"),
        state=State(fields.text("state")),
        requested_at=from_text(fields.text("requested_at")),
        requested_by=person_from(fields.mapping("requested_by")),
        account_name=fields.text("account_name"),
        encoding=fields.text("encoding"),
        file_name=fields.text("file_name"),
        object_key=fields.text("object_key"),
        scheduled="scheduled" in record,
        units=fields.optional_number("units"),
        progress={int(unit): int(str(done)) for unit, done in fields.mapping("progress").items()},
        units_done=frozenset(int(str(unit)) for unit in fields.set("units_done")),
        failure=Failure(Reason(failure.text("reason")), failure.optional_text("detail")) if failure else None,
        finished_at=fields.optional_moment("finished_at"),
        expires_at=fields.optional_moment("expires_at"),
        bytes=fields.optional_number("bytes"),
        records=fields.optional_number("records"),
        replaced=fields.optional_number("replaced"),
        mail=MailState(mail) if mail else None,
        ended_by=fields.optional_text("ended_by"),
        ended_by_sub=fields.optional_text("ended_by_sub"),
        deleted_at=fields.optional_moment("deleted_at"),
    )


class _Fields:
    """Typed reading of a record's attributes."""

    def __init__(self, record: Mapping[str, object]) -> None:
        self._record = record

    def text(self, name: str) -> str:
        return str(self._record[name])

    def optional_text(self, name: str) -> str | None:
        return str(self._record[name]) if name in self._record else None

    def number(self, name: str) -> int:
        return int(str(self._record[name]))

    def optional_number(self, name: str) -> int | None:
        return self.number(name) if name in self._record else None

    def optional_moment(self, name: str) -> datetime | None:
        return from_text(self.text(name)) if name in self._record else None

    def set(self, name: str) -> Set[object]:
        value = self._record.get(name, frozenset())
        if not isinstance(value, Set):
            raise TypeError(f"{name} is no set")
        return value

    def mapping(self, name: str) -> Mapping[str, object]:
        value = self._record[name]
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} is no map")
        return value
