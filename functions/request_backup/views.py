"""Backups as the API shows them (the schemas of openapi.yaml)."""

from __future__ import annotations

from datetime import datetime

from functions.request_backup.desk import AuditPage, Overview
from functions.request_backup.problems import type_of
from functions.request_backup.refusals import Refusal
from shared.audit import Entry
from shared.backup import Backup, State
from shared.encodings import ENCODING_NAMES
from shared.link import Link
from shared.moments import to_text
from shared.schedule import Schedule


def backup_view(backup: Backup, now: datetime) -> dict[str, object]:
    state = backup.state_at(now)
    view: dict[str, object] = {
        "id": backup.id,
        "state": state.value,
        "requested_at": to_text(backup.requested_at),
        "requested_by": {"name": backup.requested_by.name},
        "scheduled": backup.scheduled,
        "encoding": backup.encoding,
        "progress": {
            "units": backup.units,
            "units_done": len(backup.units_done),
            "records": backup.records_done,
        },
    }
    if state in (State.READY, State.EXPIRED, State.DELETED) and backup.finished_at and backup.expires_at:
        view["created_at"] = to_text(backup.finished_at)
        view["expires_at"] = to_text(backup.expires_at)
        view["file"] = {"name": backup.file_name, "bytes": backup.bytes, "replaced": backup.replaced}
    if backup.state is State.FAILED and backup.finished_at and backup.failure:
        view["failed_at"] = to_text(backup.finished_at)
        view["failure"] = {"reason": backup.failure.reason.value, "detail": backup.failure.detail}
    if state is State.CANCELLED and backup.finished_at:
        view["cancelled_at"] = to_text(backup.finished_at)
    if backup.deleted_at:
        view["deleted_at"] = to_text(backup.deleted_at)
    if backup.ended_by is not None:
        view["ended_by"] = {"name": backup.ended_by}
    if backup.mail:
        view["mail"] = backup.mail.value
    return view


def overview_view(overview: Overview, now: datetime) -> dict[str, object]:
    why_not = overview.why_not
    return {
        "account": {
            "id": overview.account.account_id,
            "name": overview.account.name,
            "encoding": overview.account.encoding,
            "encodings": list(ENCODING_NAMES),
        },
        "may_manage": overview.may_manage,
        "may_request": why_not is None,
        "why_not": None if why_not is None else why_not_view(why_not),
        "running": backup_view(overview.running, now) if overview.running else None,
        "last_ready": backup_view(overview.last_ready, now) if overview.last_ready else None,
        "history": [backup_view(backup, now) for backup in overview.history],
        "next": f"?before={overview.next_before}" if overview.next_before else None,
        **schedule_view(overview.schedule),
    }


def schedule_view(schedule: Schedule | None) -> dict[str, object]:
    if schedule is None:
        return {"schedule": None}
    rhythm = schedule.rhythm
    of_every = {"weekday": rhythm.weekday, "day": rhythm.day}
    view: dict[str, object] = {
        "every": rhythm.every.value,
        "at": f"{rhythm.at:%H:%M}",
        "zone": rhythm.zone,
        **{name: value for name, value in of_every.items() if value is not None},
        "keep": rhythm.keep,
        "set_by": {"name": schedule.by.name},
        "next_at": to_text(schedule.next_at),
    }
    return {"schedule": view}


def why_not_view(refusal: Refusal) -> dict[str, object]:
    """What a program may compare and show of the problem that the refusal would be."""
    return {"type": type_of(refusal), "detail": refusal.detail, **refusal.members}


def link_view(backup: Backup, link: Link) -> dict[str, object]:
    return {
        "url": link.url,
        "ends_at": to_text(link.ends_at),
        "file": {"name": backup.file_name, "bytes": backup.bytes},
    }


def audit_view(page: AuditPage) -> dict[str, object]:
    return {
        "entries": [_entry_view(entry) for entry in page.entries],
        "next": f"?before={page.next_before}" if page.next_before else None,
    }


def _entry_view(entry: Entry) -> dict[str, object]:
    view: dict[str, object] = {"id": entry.id, "at": to_text(entry.at), "event": entry.event.value}
    if entry.backup_id and entry.requested_at:
        view["backup"] = {"id": entry.backup_id, "requested_at": to_text(entry.requested_at)}
    if entry.by:
        view["by"] = {"id": entry.by.id, "name": entry.by.name}
    if entry.reason:
        view["reason"] = entry.reason.value
    if entry.expires_at:
        view["expires_at"] = to_text(entry.expires_at)
    if entry.link:
        link = entry.link
        view["link"] = {"id": link.id, "way": link.way.value, "ends_at": to_text(link.ends_at)}
    if entry.encoding:
        view["encoding"] = entry.encoding
    return view
