"""What nobody waits for is tried again, and kept where an operator finds it; and nothing stays stuck."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from shared.leases import LEASE
from tests.unit.infra.stack import functions, listed, of_type, statements, translated

QUEUE = {"Fn::GetAtt": ["FailedInvocations", "Arn"]}


def rules() -> dict[str, Any]:
    return {name: rule["Properties"] for name, rule in of_type(translated(), "AWS::Events::Rule").items()}


def targets() -> list[dict[str, Any]]:
    return [target for rule in rules().values() for target in rule["Targets"]]


def name_in(arn: dict[str, Any]) -> str:
    name: str = arn["Fn::GetAtt"][0]
    return name


def asynchronously_invoked() -> set[str]:
    """The functions that EventBridge invokes, and those that a function may: it waits for few of them."""
    roles = {name_in(function["Role"]) for function in functions().values()}
    return {name_in(target["Arn"]) for target in targets()} | {
        name_in(arn)
        for role, statement in statements()
        if role in roles and "lambda:InvokeFunction" in listed(statement["Action"])
        for arn in listed(statement["Resource"])
    }


def test_there_are_functions_that_nobody_waits_for() -> None:
    assert asynchronously_invoked() == {"SweepBackupsFunction", "ExportBackupFunction", "NotifyFunction"}


def test_an_invocation_that_nobody_waits_for_is_tried_three_times_and_then_kept() -> None:
    configured = {
        one["Properties"]["FunctionName"]["Ref"]: one["Properties"]
        for one in of_type(translated(), "AWS::Lambda::EventInvokeConfig").values()
    }
    assert set(configured) == asynchronously_invoked()
    for name, config in configured.items():
        assert config["MaximumRetryAttempts"] == 2, name
        assert config["DestinationConfig"] == {"OnFailure": {"Destination": QUEUE}}, name


def test_a_function_may_send_what_failed_to_where_it_is_kept() -> None:
    allowed = {
        role
        for role, statement in statements()
        if listed(statement["Action"]) == ["sqs:SendMessage"] and statement["Resource"] == QUEUE
    }
    assert allowed == {name_in(functions()[name]["Role"]) for name in asynchronously_invoked()}


def test_an_event_that_cannot_be_delivered_is_kept() -> None:
    assert targets()
    assert [target["DeadLetterConfig"] for target in targets()] == [{"Arn": QUEUE}] * len(targets())
    (policy,) = of_type(translated(), "AWS::SQS::QueuePolicy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"], statement["Resource"]) == (
        "Allow",
        {"Service": "events.amazonaws.com"},
        "sqs:SendMessage",
        QUEUE,
    )
    senders = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sorted(map(name_in, senders)) == sorted(rules())


def test_what_failed_is_kept_for_fourteen_days_and_encrypted() -> None:
    (queue,) = of_type(translated(), "AWS::SQS::Queue").values()
    assert queue["Properties"]["MessageRetentionPeriod"] == timedelta(days=14).total_seconds()
    assert queue["Properties"]["SqsManagedSseEnabled"] is True


def test_the_sweeper_is_woken_by_every_end_of_our_workflow_and_of_no_other() -> None:
    (pattern,) = [rule["EventPattern"] for rule in rules().values() if "EventPattern" in rule]
    assert pattern == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [{"Ref": "BackupWorkflow"}],
            "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
        },
    }


def test_eventbridge_may_invoke_the_sweeper_and_nothing_else() -> None:
    granted = {
        (one["Properties"]["FunctionName"]["Ref"], name_in(one["Properties"]["SourceArn"]))
        for one in of_type(translated(), "AWS::Lambda::Permission").values()
        if one["Properties"]["Principal"] == "events.amazonaws.com"
    }
    assert granted == {("SweepBackupsFunction", rule) for rule in rules()}


def test_an_account_whose_backup_died_is_free_within_ten_minutes_even_if_no_event_comes() -> None:
    """Fault 1, 12, 13: the lease, which ends with a full minute, and the sweeper's period."""
    (schedule,) = [rule["ScheduleExpression"] for rule in rules().values() if "ScheduleExpression" in rule]
    period = re.fullmatch(r"rate\((\d+) minutes\)", schedule)
    assert period
    assert LEASE + timedelta(minutes=1) + timedelta(minutes=int(period[1])) < timedelta(minutes=10)
