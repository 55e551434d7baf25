"""The events that the workflow (infra/workflow.asl.json) and the API send: which step of which backup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
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
class Gone:
    """What earlier goes at a unit came to."""

    goes: int
    attempt: str
    """The last one's, whose report names the one before it."""
    records: int
    """Written by all of them."""


@dataclass(frozen=True)
class NumberedUnit:
    """A unit of the plan that counts, or what earlier goes have left of one.

    `first_proof` and `before_proof` are those of `unit.Unit`.
    """

    number: int
    of: int
    """How many units the plan has."""
    first_proof: str | None
    before_proof: str | None
    gone: Gone | None = None

    @property
    def unit(self) -> Unit:
        """The range that is left, and what of the archive's frame belongs to it."""
        return Unit(
            self.first_proof,
            self.before_proof,
            first=self.number == 0 and self.gone is None,
            last=self.number == self.of - 1,
        )

    def left(self, resume_at: str, attempt: str, records: int) -> NumberedUnit:
        """What is left after one more go, which stopped there; `records` counts all goes."""
        goes = self.gone.goes + 1 if self.gone else 1
        return replace(self, first_proof=resume_at, gone=Gone(goes, attempt, records))


@dataclass(frozen=True)
class Exported:
    """A unit that is done, and the attempt whose segments count: the one at its last go."""

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


def units_between(cuts: Sequence[str]) -> list[NumberedUnit]:
    """The units that meet at these proofs: all proofs there are and may be, each in one of them."""
    ranges = enumerate(pairwise((None, *cuts, None)))
    return [NumberedUnit(number, len(cuts) + 1, first, before) for number, (first, before) in ranges]


def unit_event(unit: NumberedUnit) -> dict[str, object]:
    """A unit as it travels through the workflow's state."""
    event: dict[str, object] = {
        "number": unit.number,
        "of": unit.of,
        "first_proof": unit.first_proof,
        "before_proof": unit.before_proof,
    }
    return event | ({"gone": vars(unit.gone)} if unit.gone else {})


def unit_of(step: Step) -> NumberedUnit:
    """The inverse. Raises ForeignEvent."""
    match step.payload.get("unit"):
        case {
            "number": int(number),
            "first_proof": str() | None as first_proof,
            "before_proof": str() | None as before_proof,
            **more,
        } if _is_count(number):
            of = more.get("of", 1)  # a plan of before there were several units does not say
            if isinstance(of, int) and not isinstance(of, bool) and number < of <= 100_000:
                return NumberedUnit(number, of, first_proof, before_proof, _gone(more))
    raise ForeignEvent("not a unit")


def _gone(more: Mapping[object, Any]) -> Gone | None:
    match more:
        case {"gone": {"goes": int(goes), "attempt": attempt, "records": int(records)}} if (
            _is_count(goes) and is_backup_id(attempt) and _is_count(records)
        ):
            return Gone(goes, attempt, records)
        case {"gone": _}:
            raise ForeignEvent("not what a unit's goes came to")
        case _:
            return None


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
