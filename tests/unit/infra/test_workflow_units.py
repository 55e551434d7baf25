"""The workflow's units, and what travels between its steps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.export_backup.event import (
    Exported,
    NumberedUnit,
    archive_of,
    exported_of,
    step_of,
    unit_event,
    unit_of,
)
from functions.export_backup.limits import INLINE_UNITS, Limits
from functions.notify.event import ended_backup
from functions.request_backup.workflow import Workflow
from shared.backup import Person, new_backup
from shared.moments import from_text
from tests.unit.infra.stack import functions, workflow
from tests.unit.infra.states import MAILS, MAPS, states, tasks

ACCOUNT, BACKUP, ATTEMPT = "9789", "01KAQ4M2C0" + "0" * 16, "01KAQ4M2C1" + "0" * 16


# --- units ---


def test_many_units_are_exported_as_few_are_each_in_an_execution_of_its_own() -> None:
    """The language has no name for a machine that two Maps share: the copies differ in their names alone."""
    few, many = (dict(states()[name]) for name in MAPS)
    processors = [state.pop("ItemProcessor") for state in (few, many)]
    configs = [processor.pop("ProcessorConfig") for processor in processors]
    assert configs == [{"Mode": "INLINE"}, {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}]
    in_a_child = json.dumps(processors[1]).replace(" in a child", "")
    assert json.loads(in_a_child) == processors[0]
    assert (many.pop("Label"), many.pop("ToleratedFailurePercentage")) == ("units", 0)
    assert {state.pop("Comment") for state in (few, many)}
    assert few == many


def test_as_many_units_are_inline_as_run_at_once_there() -> None:
    assert f"At most {INLINE_UNITS} units" in states()["Export units"]["Comment"]
    choice = states()["How many units?"]
    assert choice["Choices"] == [
        {"Variable": "$.plan.many", "BooleanEquals": True, "Next": "Export many units"}
    ]
    assert choice["Default"] == "Export units"


def test_what_is_left_of_a_unit_goes_round_until_nothing_is() -> None:
    result = {"unit": 0, "attempt": ATTEMPT, "records": 7, "left": unit_event(WHOLE.left("2#1", ATTEMPT, 7))}
    go = selected(states()["Export"]["ResultSelector"], {"Payload": result})
    assert go == {"unit": result["left"], "exported": {"unit": 0, "attempt": ATTEMPT, "records": 7}}
    assert states()["Export"]["ResultPath"] == "$.go"
    assert states()["Export"]["Parameters"]["Payload"]["unit.$"] == "$.go.unit"
    choice = states()["Done?"]
    assert choice["Choices"] == [{"Variable": "$.go.unit", "IsNull": False, "Next": "Export"}]
    assert choice["Default"] == "Exported"
    assert states()["Exported"] == {"Type": "Succeed", "OutputPath": "$.go.exported"}


def selected(selector: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What a ResultSelector makes of a result."""
    found: dict[str, Any] = {}
    for name, value in selector.items():
        if isinstance(value, dict):
            found[name] = selected(value, result)
            continue
        at: Any = result
        for part in value.removeprefix("$.").split("."):
            at = at[part]
        found[name.removesuffix(".$")] = at
    return found


MOST_EVENTS = 25_000
"""Of an execution's history: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""


def test_the_history_holds_all_goes_that_its_units_may_have_and_many_retries_besides() -> None:
    """Of a Task: entered, scheduled, started, succeeded, exited; of a Choice and a Succeed: entered, exited.
    A try that fails: scheduled, started, failed. An iteration: started, succeeded."""
    a_go, an_iteration, a_retry = 5 + 2, 2 + 2, 3
    besides_units = 100  # the other steps, a retry or two of each
    retries = sum(rule["MaxAttempts"] for rule in states()["Export"]["Retry"])
    inline = besides_units + INLINE_UNITS * (an_iteration + Limits.most_goes * a_go)
    assert inline + INLINE_UNITS * retries * a_retry < MOST_EVENTS
    in_a_child = besides_units + Limits.most_goes * (a_go + retries * a_retry)
    assert in_a_child < MOST_EVENTS


def test_a_unit_has_all_its_goes_before_the_machine_is_out_of_time() -> None:
    """So that the failure names what went wrong, and not only that it took too long."""
    function = functions()["ExportBackupFunction"]
    a_go = function["Timeout"] - Limits.reserve_seconds
    assert Limits.most_goes * a_go < workflow()["TimeoutSeconds"]
    assert 0 < Limits.reserve_seconds < function["Timeout"]


# --- what travels ---

WHOLE = NumberedUnit(0, 1, None, None)
STATE_OF_A_RUN: dict[str, Any] = {
    "account_id": ACCOUNT,
    "backup_id": BACKUP,
    "plan": {"units": [unit_event(WHOLE)], "concurrency": 8, "many": False},
    "go": {"unit": unit_event(WHOLE)},
    "exported": [{"unit": 0, "attempt": ATTEMPT, "records": 7}],
    "archive": {"bytes": 1000, "records": 7, "replaced": 1},
    "error": {"Error": "States.Timeout", "Cause": "…"},
}


def filled(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as Step Functions sends it."""
    event: dict[str, Any] = {}
    for name, value in payload.items():
        if name.endswith(".$"):
            found: Any = STATE_OF_A_RUN
            for part in value.removeprefix("$.").split("."):
                found = found[part]
            event[name.removesuffix(".$")] = found
        else:
            event[name] = value
    return event


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("Plan", "plan"),
        ("Export", "export"),
        ("Export in a child", "export"),
        ("Assemble", "assemble"),
        ("Verify", "verify"),
        ("Ready", "ready"),
        ("Failed", "fail"),
    ],
)
def test_a_step_is_sent_what_the_function_takes(name: str, step: str) -> None:
    taken = step_of(filled(tasks()[name]["Parameters"]["Payload"]))
    assert (taken.name, taken.account_id, taken.backup_id) == (step, ACCOUNT, BACKUP)
    wanted = {
        "plan": set(),
        "export": {"unit"},
        "assemble": {"exported"},
        "verify": {"exported", "archive"},
        "ready": {"archive"},
        "fail": {"error"},
    }
    assert set(taken.payload) == wanted[step]
    match step:
        case "export":
            assert unit_of(taken) == WHOLE
        case "assemble":
            assert exported_of(taken) == [Exported(0, ATTEMPT, 7)]
        case "verify":
            assert exported_of(taken) == [Exported(0, ATTEMPT, 7)]
            assert archive_of(taken) == (1000, 7, 1)
        case "ready":
            assert archive_of(taken) == (1000, 7, 1)
        case "fail":
            assert taken.payload["error"] == "States.Timeout"


@pytest.mark.parametrize("name", MAILS)
def test_notify_is_sent_two_ids_and_nothing_else(name: str) -> None:
    assert ended_backup(filled(tasks()[name]["Parameters"]["Payload"])) == (ACCOUNT, BACKUP)


@pytest.mark.parametrize("name", MAPS)
def test_each_unit_is_handed_over_with_the_ids(name: str) -> None:
    state = states()[name]
    assert state["ItemSelector"] == {
        "account_id.$": "$.account_id",
        "backup_id.$": "$.backup_id",
        "go": {"unit.$": "$$.Map.Item.Value"},
    }
    assert state["ItemsPath"] == "$.plan.units"
    assert state["MaxConcurrencyPath"] == "$.plan.concurrency"


def test_what_steps_return_stands_where_the_next_ones_look() -> None:
    assert states()["Plan"]["ResultPath"] == "$.plan"
    for name in MAPS:
        assert states()[name]["ResultPath"] == "$.exported"
    assert states()["Assemble"]["ResultPath"] == "$.archive"
    for name in ("Plan", "Assemble"):
        for field, path in states()[name]["ResultSelector"].items():
            assert path == f"$.Payload.{field.removesuffix('.$')}"
    for name in ("Verify", "Ready", "Failed", *MAILS):
        assert states()[name]["ResultPath"] is None


def test_the_workflow_begins_with_what_the_api_sends() -> None:
    sent: list[dict[str, Any]] = []

    class StepFunctions:
        class exceptions:  # noqa: N801
            class ExecutionAlreadyExists(Exception): ...

            class ExecutionLimitExceeded(Exception): ...

        def start_execution(self, **request: Any) -> None:
            sent.append(request)

    backup = new_backup(
        backup_id=BACKUP,
        account_id=ACCOUNT,
        account_name="Example",
        encoding="utf-8",
        requested_by=Person("sub", "Ann", None, "en"),
        now=from_text("2026-11-22T10:11:12Z"),
    )
    Workflow(StepFunctions(), "arn").start(backup)  # type: ignore[arg-type]
    assert json.loads(sent[0]["input"]) == {"account_id": ACCOUNT, "backup_id": BACKUP}
    assert sent[0]["name"] == BACKUP
