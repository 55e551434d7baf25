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
from functions.export_backup.unit import Unit
from functions.notify.event import ended_backup
from functions.request_backup.workflow import Workflow
from shared.backup import Person, new_backup
from shared.mail_claims import MAIL_CLAIM
from shared.moments import from_text
from tests.unit.infra.stack import ROOT, functions, workflow

ACCOUNT, BACKUP, ATTEMPT = "9789", "01KAQ4M2C0" + "0" * 16, "01KAQ4M2C1" + "0" * 16
EXPORT_STEPS = ["Plan", "Export", "Assemble", "Verify", "Ready"]
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
    return [state[key] for key in ("Next",) if key in state] + [
        catch["Next"] for catch in state.get("Catch", [])
    ]


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
        assert ends != (("Next" in state) != state.get("End", False)), name
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
        "Succeed": {"Type", "Comment"},
        "Fail": {"Type", "Comment", "Error", "Cause"},
    }
    for name, state in states().items():
        assert set(state) <= known[state["Type"]], name


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


@pytest.mark.parametrize("name", ["Plan", "Export units", "Assemble", "Verify", "Ready"])
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


# --- what travels ---

STATE_OF_A_RUN: dict[str, Any] = {
    "account_id": ACCOUNT,
    "backup_id": BACKUP,
    "plan": {"units": [unit_event(NumberedUnit(0, Unit()))], "concurrency": 8},
    "unit": unit_event(NumberedUnit(0, Unit())),
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
            assert unit_of(taken) == NumberedUnit(0, Unit())
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


def test_each_unit_is_handed_over_with_the_ids() -> None:
    selector = states()["Export units"]["ItemSelector"]
    assert set(selector) == {"account_id.$", "backup_id.$", "unit.$"}
    assert selector["unit.$"] == "$$.Map.Item.Value"
    assert states()["Export units"]["ItemsPath"] == "$.plan.units"
    assert states()["Export units"]["MaxConcurrencyPath"] == "$.plan.concurrency"


def test_what_steps_return_stands_where_the_next_ones_look() -> None:
    assert states()["Plan"]["ResultPath"] == "$.plan"
    assert states()["Export"]["OutputPath"] == "$.Payload"
    assert states()["Export units"]["ResultPath"] == "$.exported"
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
