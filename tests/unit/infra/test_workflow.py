"""The workflow: a machine that Step Functions takes, and that knows the functions' outcomes by name."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
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
from shared.mail_claims import MAIL_CLAIM
from shared.moments import from_text
from tests.unit.infra.stack import ROOT, functions, workflow

ACCOUNT, BACKUP, ATTEMPT = "9789", "01KAQ4M2C0" + "0" * 16, "01KAQ4M2C1" + "0" * 16
EXPORT_STEPS = ["Plan", "Export", "Export in a child", "Assemble", "Verify", "Ready"]
MAPS = ["Export units", "Export many units"]
MAILS = ["Tell that it is ready", "Tell that it failed"]

# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
AWS_ERRORS = {
    "States.ALL",
    "States.Timeout",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
}

State = dict[str, Any]


def machines(machine: State) -> Iterator[State]:
    """The machine, and those inside its Map states."""
    yield machine
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            yield from machines(state["ItemProcessor"])


def states() -> dict[str, State]:
    found: dict[str, State] = {}
    for machine in machines(workflow()):
        assert not found.keys() & machine["States"].keys(), "names are unique in a whole machine"
        found |= machine["States"]
    return found


def tasks() -> dict[str, State]:
    return {name: state for name, state in states().items() if state["Type"] == "Task"}


def nexts(state: State) -> list[str]:
    branches = [*state.get("Choices", []), *state.get("Catch", [])]
    return [state[key] for key in ("Next", "Default") if key in state] + [one["Next"] for one in branches]


def errors(state: State) -> Iterator[str]:
    for rule in state.get("Retry", []) + state.get("Catch", []):
        yield from rule["ErrorEquals"]


# --- the language ---


def test_every_state_leads_to_one_that_exists_and_is_reached_from_the_start() -> None:
    for machine in machines(workflow()):
        reached: set[str] = set()
        waiting = [machine["StartAt"]]
        while waiting:
            name = waiting.pop()
            assert name in machine["States"], name
            if name not in reached:
                reached.add(name)
                waiting += nexts(machine["States"][name])
        assert reached == set(machine["States"])


def test_every_state_goes_on_or_ends() -> None:
    for name, state in states().items():
        ends = state["Type"] in {"Succeed", "Fail"}
        goes_on = "Default" if state["Type"] == "Choice" else "Next"
        assert ends != ((goes_on in state) != state.get("End", False)), name
        assert not (ends and nexts(state)), name


def test_states_have_only_fields_that_their_type_knows() -> None:
    common = {
        "Type",
        "Comment",
        "Next",
        "End",
        "InputPath",
        "OutputPath",
        "ResultPath",
        "ResultSelector",
        "Retry",
    }
    known = {
        "Task": common | {"Catch", "Resource", "Parameters", "TimeoutSeconds", "HeartbeatSeconds"},
        "Map": common | {"Catch", "ItemsPath", "ItemSelector", "MaxConcurrencyPath", "ItemProcessor"},
        "Choice": {"Type", "Comment", "Choices", "Default"},
        "Succeed": {"Type", "Comment", "OutputPath"},
        "Fail": {"Type", "Comment", "Error", "Cause"},
    }
    distributed = {"Label", "ToleratedFailurePercentage"}
    for name, state in states().items():
        mode = state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode")
        more = distributed if mode == "DISTRIBUTED" else set()
        assert set(state) <= known[state["Type"]] | more, name


def test_states_all_stands_alone_and_last() -> None:
    # https://states-language.net/#errors
    for name, state in states().items():
        for rules in (state.get("Retry", []), state.get("Catch", [])):
            for number, rule in enumerate(rules):
                if "States.ALL" in rule["ErrorEquals"]:
                    assert rule["ErrorEquals"] == ["States.ALL"], name
                    assert number == len(rules) - 1, name


def test_retries_have_numbers_that_step_functions_takes() -> None:
    for name, state in states().items():
        for rule in state.get("Retry", []):
            assert set(rule) <= {
                "ErrorEquals",
                "IntervalSeconds",
                "MaxAttempts",
                "BackoffRate",
                "MaxDelaySeconds",
                "JitterStrategy",
            }, name
            assert rule["IntervalSeconds"] >= 1, name
            assert rule["MaxAttempts"] >= 1, name
            assert rule.get("BackoffRate", 2) >= 1, name
            assert rule["IntervalSeconds"] < rule.get("MaxDelaySeconds", 31_622_400) <= 31_622_400, name


def test_no_error_is_named_by_two_retries_of_one_state() -> None:
    for name, state in states().items():
        named = [error for rule in state.get("Retry", []) for error in rule["ErrorEquals"]]
        assert len(named) == len(set(named)), name


# --- what can fail ---


def test_every_task_ends_in_time_is_retried_and_its_failure_is_caught() -> None:
    inside = {name for machine in list(machines(workflow()))[1:] for name in machine["States"]}
    assert set(tasks()) == {*EXPORT_STEPS, *MAILS, "Failed"}
    for name, state in tasks().items():
        assert state["TimeoutSeconds"] > 0, name
        assert state["Retry"], name
        assert ("Catch" in state) != (name in inside), name  # what is inside is caught by its Map


def test_a_task_is_given_up_only_after_its_function_was() -> None:
    for name, state in tasks().items():
        function = state["Parameters"]["FunctionName"].strip("${}")
        assert state["TimeoutSeconds"] > functions()[function]["Timeout"], name


@pytest.mark.parametrize("name", ["Plan", *MAPS, "Assemble", "Verify", "Ready"])
def test_a_step_that_fails_frees_the_account_and_an_overtaken_one_leaves_it_alone(name: str) -> None:
    overtaken, anything_else = states()[name]["Catch"]
    assert overtaken == {"ErrorEquals": ["Superseded"], "Next": "Overtaken"}
    assert anything_else == {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}


def test_freeing_the_account_is_followed_by_the_mail_and_ends_as_failed_whatever_happens() -> None:
    failed = states()["Failed"]
    assert failed["Next"] == "Tell that it failed"
    assert {catch["Next"] for catch in failed["Catch"]} == {"Overtaken", "Backup failed"}
    assert states()["Tell that it failed"]["Next"] == "Backup failed"
    assert states()["Backup failed"]["Type"] == states()["Overtaken"]["Type"] == "Fail"


def test_a_mail_that_cannot_be_sent_changes_no_outcome() -> None:
    for name, outcome in zip(MAILS, ["Done", "Backup failed"], strict=True):
        state = states()[name]
        assert state["Next"] == outcome
        assert [(catch["ErrorEquals"], catch["Next"]) for catch in state["Catch"]] == [
            (["States.ALL"], outcome)
        ]
    assert states()["Done"]["Type"] == "Succeed"


def test_nothing_is_offered_that_was_not_read_back() -> None:
    for machine in machines(workflow()):
        ways = [name for name, state in machine["States"].items() if "Ready" in nexts(state)]
        assert ways in ([], ["Verify"])
    assert states()["Assemble"]["Next"] == "Verify"


def test_ready_comes_before_the_mail() -> None:
    assert states()["Ready"]["Next"] == "Tell that it is ready"


# --- errors by name ---


def own_exceptions() -> dict[str, list[tuple[str, str]]]:
    """Package and docstring of every class of exceptions that has no subclass, by name."""
    classes: list[tuple[str, ast.ClassDef]] = []
    for path in [*(ROOT / "functions").glob("*/*.py"), *(ROOT / "shared").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                classes.append((path.parent.name, node))
    bases = {base.id for _, node in classes for base in node.bases if isinstance(base, ast.Name)}
    exceptions = {"Exception"}
    for _ in range(3):
        exceptions |= {
            node.name
            for _, node in classes
            if exceptions & {base.id for base in node.bases if isinstance(base, ast.Name)}
        }
    found: dict[str, list[tuple[str, str]]] = {}
    for package, node in classes:
        if node.name in exceptions - bases:
            text = " ".join((ast.get_docstring(node) or "").split())
            found.setdefault(node.name, []).append((package, text))
    return found


def retried(names: list[str]) -> set[str]:
    return {error for name in names for rule in states()[name]["Retry"] for error in rule["ErrorEquals"]}


def test_errors_of_aws_are_spelled_as_aws_spells_them() -> None:
    named = {error for state in states().values() for error in errors(state) if "." in error}
    assert named <= AWS_ERRORS


def test_errors_of_our_own_are_classes_that_nothing_is_derived_from() -> None:
    # Step Functions sees the name of the class that was raised, and nothing of its bases.
    named = {error for state in states().values() for error in errors(state) if "." not in error}
    assert named
    assert named <= set(own_exceptions())


@pytest.mark.parametrize(("package", "names"), [("export_backup", EXPORT_STEPS), ("notify", MAILS)])
def test_what_says_that_the_workflow_retries_it_is_retried_and_nothing_else_of_ours(
    package: str, names: list[str]
) -> None:
    says_so = {
        name
        for name, places in own_exceptions().items()
        for where, text in places
        if where == package and re.search(r"(?:workflow|Step Functions) (?:retries|tries|takes)", text)
    }
    assert says_so == {error for error in retried(names) if "." not in error}
    assert says_so


def test_nobody_retries_what_says_that_nobody_does() -> None:
    final = {
        name
        for name, places in own_exceptions().items()
        if any("obody retries" in text or "obody tries again" in text for _, text in places)
    }
    assert {"Superseded", "ForeignEvent", "SourceRefused", "BucketRefused"} <= final
    assert not final & retried(list(tasks()))


def test_all_steps_of_the_export_are_retried_alike() -> None:
    first, *others = (states()[name]["Retry"] for name in EXPORT_STEPS)
    assert all(other == first for other in others)


def test_freeing_the_account_is_retried_like_the_steps_but_for_what_it_does_not_touch() -> None:
    assert retried(EXPORT_STEPS) - retried(["Failed"]) == {"SourceUnavailable", "BucketUnavailable"}
    assert not retried(["Failed"]) - retried(EXPORT_STEPS)


def test_a_function_that_dies_or_runs_out_of_time_is_called_again() -> None:
    """Faults 9 and 10, by AWS's names for them."""
    for name in tasks():
        deaths = {"Runtime.ExitError", "Sandbox.Timedout", "Lambda.Unknown", "States.Timeout"}
        assert deaths <= retried([name]), name


def test_throttling_of_lambda_is_waited_out_longer_and_in_disorder() -> None:
    for name, state in tasks().items():
        (rule,) = [
            rule for rule in state["Retry"] if "Lambda.TooManyRequestsException" in rule["ErrorEquals"]
        ]
        assert rule["ErrorEquals"] == ["Lambda.TooManyRequestsException"], name
        assert rule["JitterStrategy"] == "FULL", name
        assert sum(waits(rule)) > 600, name


def waits(rule: dict[str, Any]) -> list[float]:
    rate, most = rule.get("BackoffRate", 2), rule.get("MaxDelaySeconds", float("inf"))
    return [min(rule["IntervalSeconds"] * rate**number, most) for number in range(rule["MaxAttempts"])]


@pytest.mark.parametrize("name", MAILS)
def test_a_delayed_mail_is_tried_until_long_after_a_dead_claim_has_ended(name: str) -> None:
    (rule,) = [rule for rule in states()[name]["Retry"] if "MailDelayed" in rule["ErrorEquals"]]
    assert sum(waits(rule)) > 2 * MAIL_CLAIM.total_seconds()


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_whose_sender_died_is_tried_once_its_claim_has_ended(name: str) -> None:
    (rule,) = [rule for rule in states()[name]["Retry"] if "Sandbox.Timedout" in rule["ErrorEquals"]]
    assert waits(rule)[0] > MAIL_CLAIM.total_seconds()


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
