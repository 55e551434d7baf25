"""The workflow is a machine that Step Functions takes, and ends whatever fails."""

from __future__ import annotations

import pytest

from tests.unit.infra.stack import functions, workflow
from tests.unit.infra.states import EXPORT_STEPS, MAILS, MAPS, machines, nexts, states, tasks

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
