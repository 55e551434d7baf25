"""The events that the workflow (infra/workflow.asl.json) and the API send: which step of which backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.export_backup.unit import Unit
from shared.ids import is_account_id, is_backup_id

STEPS = frozenset({"plan", "export", "assemble", "verify", "ready", "fail", "clean"})
"""All are the workflow's but `clean`, which the API sends, asynchronously, once it has ended a backup."""


class ForeignEvent(Exception):
    """The event is none that workflow or API would send. Nothing was written, and a retry changes nothing."""


@dataclass(frozen=True)
class Step:
    """One call: the step's name, whose backup, and what else the step needs (checked by the step)."""

    name: str
    account_id: str
    backup_id: str
    payload: Mapping[object, Any]


@dataclass(frozen=True)
class NumberedUnit:
    number: int
    unit: Unit


@dataclass(frozen=True)
class Exported:
    """A unit that is done, and the attempt whose segments count."""

    unit: int
    attempt: str
    records: int


def step_of(event: object) -> Step:
    """Raises ForeignEvent."""
    match event:
        case {"step": str(name), "account_id": account_id, "backup_id": backup_id, **payload} if (
            name in STEPS and is_account_id(account_id) and is_backup_id(backup_id)
        ):
            return Step(name, account_id, backup_id, payload)
        case _:
            raise ForeignEvent("not a step of a backup")


def unit_event(unit: NumberedUnit) -> dict[str, object]:
    """A unit as it travels through the workflow's state."""
    return {
        "number": unit.number,
        "first_proof": unit.unit.first_proof,
        "before_proof": unit.unit.before_proof,
        "first": unit.unit.first,
        "last": unit.unit.last,
    }


def unit_of(step: Step) -> NumberedUnit:
    """The inverse. Raises ForeignEvent."""
    match step.payload.get("unit"):
        case {
            "number": int(number),
            "first_proof": str() | None as first_proof,
            "before_proof": str() | None as before_proof,
            "first": bool(first),
            "last": bool(last),
        } if _is_count(number) and number < 100_000:
            return NumberedUnit(number, Unit(first_proof, before_proof, first, last))
        case _:
            raise ForeignEvent("not a unit")


def exported_of(step: Step) -> list[Exported]:
    """What the units returned, in their order: every one from 0 on, once. Raises ForeignEvent."""
    done: list[Exported] = []
    results = step.payload.get("exported")
    for number, result in enumerate(results if isinstance(results, list) else []):
        match result:
            case {"unit": int(unit), "attempt": str(attempt), "records": int(records)} if (
                _is_count(unit) and unit == number and is_backup_id(attempt) and _is_count(records)
            ):
                done.append(Exported(unit, attempt, records))
            case _:
                raise ForeignEvent("not what a unit returns")
    if not done:
        raise ForeignEvent("no unit was exported")
    return done


def archive_of(step: Step) -> tuple[int, int, int]:
    """What assembling returned: bytes, records, replaced characters. Raises ForeignEvent."""
    match step.payload.get("archive"):
        case {"bytes": int(size), "records": int(records), "replaced": int(replaced)} if (
            _is_count(size) and _is_count(records) and _is_count(replaced)
        ):
            return size, records, replaced
        case _:
            raise ForeignEvent("not what assembling returns")


def _is_count(number: int) -> bool:
    return number >= 0 and not isinstance(number, bool)  # True is an int in Python
