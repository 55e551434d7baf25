"""Each alarm fires by its cause and rests in health; and what it says leads to a section of the runbook.

The service's own metrics come out of its functions as they are deployed. Those of AWS are made up here,
under the names and dimensions that AWS says it publishes; e2e/test_operations.py has some of them for real.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.cloudwatch.alarms import state_of, watched
from local.cloudwatch.points import Point, points_in, series
from tests.unit.infra.stack import of_type, operations, resolved, written
from tests.unit.operations import causes
from tests.unit.operations.causes import STUCK_SECONDS
from tests.unit.operations.runbook import RUNBOOK, sections
from tests.unit.operations.whole_service import STACK, Failed, WholeService, whole_service

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
NAMES = {
    "Stack": STACK,
    "Stage": "v1",
    "ExportBackupFunction": "export-1a2b",
    "NotifyFunction": "notify-1a2b",
    "SweepBackupsFunction": "sweep-1a2b",
    "Workflow": "arn:aws:states:eu-west-1:123456789012:stateMachine:account-backup-backup",
    "SourceTable": "source-1a2b",
    "FailedInvocations": "failed-1a2b",
    "StuckSeconds": str(STUCK_SECONDS),
    "AlarmTopicArn": TOPIC,
}
ALARMS: dict[str, dict[str, Any]] = {
    name: resolved(alarm["Properties"], NAMES, {"SomebodyIsTold": True})
    for name, alarm in of_type(operations(), "AWS::CloudWatch::Alarm").items()
}
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
AWS_SAYS = {
    "DeadLetters": (
        series("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "failed-1a2b"}),
        1,
    ),
    "SweeperFails": (series("AWS/Lambda", "Errors", {"FunctionName": "sweep-1a2b"}), 1),
    "MailsDelayed": (series("AWS/Lambda", "Errors", {"FunctionName": "notify-1a2b"}), 3),
    "ApiFaults": (series("AWS/ApiGateway", "5XXError", {"ApiName": STACK, "Stage": "v1"}), 3),
    "Throttled": (series("AWS/Lambda", "Throttles", {"FunctionName": "export-1a2b"}), 1),
    "TimedOut": (series("AWS/States", "ExecutionsTimedOut", {"StateMachineArn": NAMES["Workflow"]}), 1),
}


@pytest.fixture
def service() -> Iterator[WholeService]:
    with whole_service() as service:
        yield service


OWN: dict[str, Callable[[WholeService], None]] = {
    "Failed": causes.a_backup_failed,
    "Stuck": causes.a_backup_hangs,
    "MailsRefused": causes.ses_refuses,
    "SourceThrottled": causes.the_source_is_busy,
    "NearTimeLimit": causes.a_unit_ends_late,
}


def lasting(points: list[Point], alarm: dict[str, Any]) -> tuple[list[Point], float]:
    """The points in each period that the alarm looks at, as if the cause lasted; and the moment after."""
    period = int(alarm["Period"])
    end = int(time.time()) // period * period
    spread = [
        Point(point.series, end - back * period + 1, point.value, point.unit)
        for back in range(1, int(alarm["EvaluationPeriods"]) + 1)
        for point in points
    ]
    return spread, end


def state(name: str, points: list[Point], before: str = "OK") -> str:
    spread, end = lasting(points, ALARMS[name])
    return state_of(ALARMS[name], spread, end, before)


@pytest.mark.parametrize("name", OWN)
def test_an_alarm_on_a_metric_of_ours_fires_by_its_cause(
    name: str, service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    OWN[name](service)
    points = points_in(capsys.readouterr().out.splitlines())
    assert state(name, points) == "ALARM"
    others = {other for other in ALARMS if other != name and state(other, points) == "ALARM"}
    assert others == set()


@pytest.mark.parametrize("name", AWS_SAYS)
def test_an_alarm_on_a_metric_of_aws_fires_by_its_cause(name: str) -> None:
    where, value = AWS_SAYS[name]
    assert state(name, [Point(where, 0, value)]) == "ALARM"
    assert state(name, [Point(where, 0, value - 1)]) == "OK"


def test_there_is_a_cause_for_every_alarm() -> None:
    assert sorted([*OWN, *AWS_SAYS]) == sorted(ALARMS)


def test_no_alarm_fires_in_health(service: WholeService, capsys: pytest.CaptureFixture[str]) -> None:
    causes.health(service)
    points = points_in(capsys.readouterr().out.splitlines())
    points += [Point(where, 0, 0) for where, _ in AWS_SAYS.values()]
    assert {name: state(name, points) for name in ALARMS} == dict.fromkeys(ALARMS, "OK")


def test_a_new_deployment_is_not_alarmed_before_anything_has_happened() -> None:
    assert {name for name in ALARMS if state(name, [], "INSUFFICIENT_DATA") == "ALARM"} == set()


def test_somebody_is_told_when_the_sweeper_is_silent() -> None:
    assert state("Stuck", []) == "INSUFFICIENT_DATA"
    assert ALARMS["Stuck"]["InsufficientDataActions"] == [TOPIC]


def test_what_lies_in_the_queue_is_alarmed_until_it_is_taken_out() -> None:
    """SQS says nothing of a queue that nobody touches for six hours."""
    assert state("DeadLetters", [], "ALARM") == "ALARM"


@pytest.mark.parametrize("name", ["SweeperFails", "Throttled", "SourceThrottled"])
def test_what_passes_by_itself_is_not_alarmed(name: str) -> None:
    alarm = ALARMS[name]
    end = int(time.time()) // 300 * 300
    once = [Point(watched(alarm), end - 400, 100)]
    assert state_of(alarm, once, end) == "OK"


def test_a_sweep_that_fails_says_all_the_same_how_old_the_oldest_is(
    service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.left_pending(service.account(), timedelta(seconds=STUCK_SECONDS + 60))
    service.modules["sweeper"].sweeper._workflow._client.meta.events.register(
        "before-call.stepfunctions", _explode
    )
    with pytest.raises(Failed, match="SweepIncomplete"):
        service.sweep()
    assert state("Stuck", points_in(capsys.readouterr().out.splitlines())) == "ALARM"


def _explode(**_: Any) -> None:
    raise RuntimeError


# --- what it says, and to whom ---


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_s_text_says_what_to_do_and_where_the_runbook_says_more(name: str) -> None:
    text = ALARMS[name]["AlarmDescription"]
    assert len(text) <= 1024
    named = re.search(r" docs/operations\.md#([a-z0-9-]+)$", text)
    assert named, text
    assert named[1] in sections(RUNBOOK)
    assert (
        sections(RUNBOOK)[named[1]]
        .strip()
        .startswith(f"`{ALARMS[name]['AlarmName'].removeprefix(STACK + '-')}`")
    )


@pytest.mark.parametrize("name", ALARMS)
def test_the_operator_s_topic_is_told_of_the_alarm_and_of_its_end(name: str) -> None:
    assert ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == [TOPIC]


def test_without_a_topic_there_are_alarms_and_nobody_is_told() -> None:
    for alarm in of_type(operations(), "AWS::CloudWatch::Alarm").values():
        silent = resolved(alarm["Properties"], NAMES, {"SomebodyIsTold": False})
        assert not {name for name in silent if name.endswith("Actions")}


def test_the_stack_hands_over_all_that_its_nested_one_wants() -> None:
    given = written()["Resources"]["Operations"]["Properties"]["Parameters"]
    assert set(given) == set(operations()["Parameters"])
