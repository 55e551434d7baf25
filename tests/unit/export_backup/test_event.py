"""The workflow's events: what is taken, and that nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.event import (
    STEPS,
    Exported,
    ForeignEvent,
    Gone,
    NumberedUnit,
    Step,
    archive_of,
    exported_of,
    step_of,
    unit_event,
    unit_of,
    units_between,
)
from functions.export_backup.unit import Unit

ACCOUNT, BACKUP, ATTEMPT = "9789", "01KAQ4M2C0" + "0" * 16, "01KAQ4M2C1" + "0" * 16
EVENT = {"step": "plan", "account_id": ACCOUNT, "backup_id": BACKUP}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
proofs = st.none() | st.integers(0, 10**12 - 1).map(lambda number: f"{number:012d}")


def step(**payload: Any) -> Step:
    return Step("export", ACCOUNT, BACKUP, payload)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_step_of_a_backup_is_taken_with_all_else_it_was_sent(name: str) -> None:
    taken = step_of(EVENT | {"step": name, "unit": {"number": 0}})
    assert taken == Step(name, ACCOUNT, BACKUP, {"unit": {"number": 0}})


@given(json_values)
def test_whatever_json_is_no_step_is_foreign(event: object) -> None:
    with pytest.raises(ForeignEvent):
        step_of(event)


@given(st.sampled_from(sorted(EVENT)), json_values)
def test_a_step_with_one_field_of_another_kind_is_foreign(field: str, value: object) -> None:
    if field == "account_id" and isinstance(value, str) and value.isascii() and value.isdigit():
        return
    with pytest.raises(ForeignEvent):
        step_of(EVENT | {field: value})


@pytest.mark.parametrize("field", sorted(EVENT))
def test_a_step_without_a_field_is_foreign(field: str) -> None:
    with pytest.raises(ForeignEvent):
        step_of({name: value for name, value in EVENT.items() if name != field})


@pytest.mark.parametrize(
    "changed",
    [
        {"step": "delete"},
        {"step": "Plan"},
        {"account_id": 9789},
        {"account_id": "٩٧٨٩"},
        {"account_id": "9789#FILES"},
        {"account_id": "9789\n"},
        {"account_id": ""},
        {"backup_id": BACKUP.lower()},
        {"backup_id": BACKUP + "\n"},
        {"backup_id": "../" + BACKUP[3:]},
        {"backup_id": "PENDING"},
    ],
)
def test_ids_that_look_otherwise_are_foreign(changed: dict[str, Any]) -> None:
    with pytest.raises(ForeignEvent):
        step_of(EVENT | changed)


def test_what_is_refused_is_not_quoted() -> None:
    with pytest.raises(ForeignEvent) as refusal:
        step_of(EVENT | {"account_id": "sven@example.org"})
    assert "sven" not in str(refusal.value)


gone = st.none() | st.builds(Gone, st.integers(0), st.just(ATTEMPT), st.integers(0))


@given(st.integers(0, 99_998), st.integers(1, 10), proofs, proofs, gone)
def test_a_unit_travels_through_the_state_and_back(
    number: int, after: int, first_proof: str | None, before_proof: str | None, gone: Gone | None
) -> None:
    unit = NumberedUnit(number, min(number + after, 100_000), first_proof, before_proof, gone)
    assert unit_of(step(unit=json.loads(json.dumps(unit_event(unit))))) == unit


@given(json_values)
def test_whatever_json_is_no_unit_is_foreign(value: object) -> None:
    with pytest.raises(ForeignEvent):
        unit_of(step(unit=value))


GONE = Gone(goes=2, attempt=ATTEMPT, records=7)
UNIT = unit_event(NumberedUnit(0, 3, None, "000000000002", GONE))


@pytest.mark.parametrize(
    "changed",
    [
        {"number": -1},
        {"number": 3},
        {"number": 0.0},
        {"number": "0"},
        {"number": True},
        {"of": 0},
        {"of": 100_001},
        {"of": True},
        {"of": "3"},
        {"of": None},
        {"first_proof": 1},
        {"before_proof": []},
        {"gone": None},
        {"gone": {}},
        {"gone": vars(GONE) | {"goes": -1}},
        {"gone": vars(GONE) | {"goes": True}},
        {"gone": vars(GONE) | {"attempt": "../../" + ATTEMPT}},
        {"gone": vars(GONE) | {"records": "7"}},
    ],
)
def test_a_unit_with_one_field_of_another_kind_is_foreign(changed: dict[str, Any]) -> None:
    with pytest.raises(ForeignEvent):
        unit_of(step(unit=UNIT | changed))


@pytest.mark.parametrize("field", ["number", "first_proof", "before_proof"])
def test_a_unit_without_a_field_is_foreign(field: str) -> None:
    with pytest.raises(ForeignEvent):
        unit_of(step(unit={name: value for name, value in UNIT.items() if name != field}))


def test_units_meet_at_the_cuts_and_leave_nothing_out() -> None:
    assert units_between([]) == [NumberedUnit(0, 1, None, None)]
    assert units_between(["02", "05"]) == [
        NumberedUnit(0, 3, None, "02"),
        NumberedUnit(1, 3, "02", "05"),
        NumberedUnit(2, 3, "05", None),
    ]


def test_the_first_unit_writes_what_opens_the_files_and_the_last_what_closes_them() -> None:
    assert [unit.unit for unit in units_between(["02", "05"])] == [
        Unit(None, "02", first=True, last=False),
        Unit("02", "05", first=False, last=False),
        Unit("05", None, first=False, last=True),
    ]
    assert units_between([])[0].unit == Unit(None, None, first=True, last=True)


def test_what_is_left_of_a_unit_begins_where_it_stopped_and_opens_nothing_again() -> None:
    (whole,) = units_between([])
    once = whole.left("03#000001", ATTEMPT, 7)
    assert once == NumberedUnit(0, 1, "03#000001", None, Gone(1, ATTEMPT, 7))
    assert once.unit == Unit("03#000001", None, first=False, last=True)
    assert once.left("04#000001", BACKUP, 9) == NumberedUnit(0, 1, "04#000001", None, Gone(2, BACKUP, 9))


def test_a_unit_is_as_small_in_the_state_after_many_goes_as_after_one() -> None:
    unit = units_between(["000000000009"])[0]
    sizes = set()
    for number in range(1, 9):
        unit = unit.left(f"{number:012d}#000001", ATTEMPT, 1000 + number)
        sizes.add(len(json.dumps(unit_event(unit))))
    assert len(sizes) == 1


def done(*numbers: int) -> list[dict[str, Any]]:
    return [{"unit": number, "attempt": ATTEMPT, "records": 7} for number in numbers]


def test_what_units_returned_is_taken_in_their_order() -> None:
    assert exported_of(step(exported=done(0, 1))) == [Exported(0, ATTEMPT, 7), Exported(1, ATTEMPT, 7)]


@given(json_values)
def test_whatever_json_no_units_returned_is_foreign(value: object) -> None:
    with pytest.raises(ForeignEvent):
        exported_of(step(exported=value))


@pytest.mark.parametrize(
    "exported",
    [
        [],
        None,
        {},
        done(1),
        done(1, 0),
        done(0, 0),
        done(0, 2),
        [*done(0), None],
        [done(0)[0] | {"attempt": "../../" + ATTEMPT}],
        [done(0)[0] | {"records": "7"}],
        [done(0)[0] | {"records": -7}],
        [done(0)[0] | {"unit": False}],
    ],
)
def test_units_that_are_missing_twice_there_or_out_of_order_are_foreign(exported: object) -> None:
    with pytest.raises(ForeignEvent):
        exported_of(step(exported=exported))


@given(st.integers(0), st.integers(0), st.integers(0))
def test_what_assembling_returned_is_taken(size: int, records: int, replaced: int) -> None:
    archive = {"bytes": size, "records": records, "replaced": replaced}
    assert archive_of(step(archive=archive)) == (size, records, replaced)


@given(json_values)
def test_whatever_json_assembling_did_not_return_is_foreign(value: object) -> None:
    with pytest.raises(ForeignEvent):
        archive_of(step(archive=value))


@pytest.mark.parametrize("field", ["bytes", "records", "replaced"])
@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None])
def test_an_archive_with_a_count_that_is_none_is_foreign(field: str, value: object) -> None:
    with pytest.raises(ForeignEvent):
        archive_of(step(archive={"bytes": 1, "records": 1, "replaced": 1} | {field: value}))
