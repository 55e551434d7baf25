"""What is counted of what happens, and that counting harms nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.cloudwatch.points import Point, points_in
from shared import metrics
from shared.backup import State
from shared.logs import get_logger
from shared.metrics import Meter, Metric
from tests.doubles import log_of
from tests.unit.operations import causes
from tests.unit.operations.whole_service import STACK, WholeService, whole_service

ALL = {name: metric for name, metric in vars(metrics).items() if isinstance(metric, Metric)}


@pytest.fixture
def service() -> Iterator[WholeService]:
    with whole_service() as service:
        yield service


def emitted(capsys: pytest.CaptureFixture[str]) -> list[Point]:
    return points_in(capsys.readouterr().out.splitlines())


def counted(points: list[Point]) -> dict[str, float]:
    """The sum of each metric that counts something, `Refused[reason=…]` for one with another dimension."""
    sums: Counter[str] = Counter()
    for point in points:
        namespace, name, dimensions = point.series
        assert namespace == metrics.NAMESPACE
        assert ("stack", STACK) in dimensions
        more = ",".join(f"{key}={value}" for key, value in sorted(dimensions) if key != "stack")
        if point.unit == "Count" and name not in {"Records"}:
            sums[f"{name}[{more}]" if more else name] += int(point.value)
    return dict(sums)


def test_a_life_of_two_backups_is_counted_thing_by_thing(
    service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    causes.health(service)
    assert counted(emitted(capsys)) == {
        "Requested": 2,
        "Refused": 2,
        "Refused[reason=BackupRunning]": 1,
        "Refused[reason=PlanWithoutBackups]": 1,
        "Ready": 1,
        "Mails[outcome=sent]": 1,
        "LinksMade": 1,
        "Deleted": 1,
        "Cancelled": 1,
    }


def test_a_failure_is_counted_once_however_often_it_was_tried(
    service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    account = service.account()
    backup = service.request(account)
    service.line("export", "records").refuse("Query", 400, "AccessDeniedException")
    for _ in range(2):
        service.run(account, backup)
    assert counted(emitted(capsys)) == {
        "Requested": 1,
        "Failed": 1,
        "Failed[reason=source_refused]": 1,
        "Mails[outcome=sent]": 1,
    }


def test_a_ready_backup_says_how_long_it_took_and_how_much_it_was(
    service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    account = service.account()
    backup_id = service.request(account)
    service.run(account, backup_id)
    backup = service.store.find(account, backup_id)
    assert backup is not None
    assert backup.finished_at is not None
    points = {point.series[1]: point for point in emitted(capsys)}
    assert (points["Bytes"].value, points["Bytes"].unit) == (backup.bytes, "Bytes")
    assert points["Records"].value == backup.records
    took = (backup.finished_at - backup.requested_at).total_seconds()
    assert points["ReadyAfter"].value == pytest.approx(took, abs=0.001)
    assert points["ReadyAfter"].unit == "Seconds"


def test_what_the_sweeper_starts_is_counted_and_what_it_finds_at_work_is_not(
    service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.left_pending(service.account("1"), timedelta(minutes=20))
    begun = service.left_pending(service.account("2"), timedelta(minutes=10))
    service.store.begin("2", begun, units=1, now=service.store.running("2").requested_at)  # type: ignore[union-attr]
    service.sweep()
    points = emitted(capsys)
    assert counted(points) == {"StartedBySweeper": 1}
    (oldest,) = [point for point in points if point.series[1] == "OldestPending"]
    assert 1200 <= oldest.value < 1260


def test_where_nothing_is_pending_every_sweep_says_so(
    service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.sweep()
    assert [(point.series[1], point.value) for point in emitted(capsys)] == [("OldestPending", 0.0)]


def test_a_record_of_a_newer_version_counts_as_pending(
    service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    account = service.account()
    service.left_pending(account, timedelta(hours=3))
    service.dynamodb.update_item(
        TableName="backups",
        Key={"pk": {"S": f"ACCOUNT#{account}"}, "sk": {"S": "PENDING"}},
        UpdateExpression="SET #format = :newer",
        ExpressionAttributeNames={"#format": "format"},
        ExpressionAttributeValues={":newer": {"N": "99"}},
    )
    with pytest.raises(Exception, match="SweepIncomplete"):
        service.sweep()
    (oldest,) = [point for point in emitted(capsys) if point.series[1] == "OldestPending"]
    assert oldest.value >= 3 * 3600


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("429 TooManyRequestsException", "delayed"), ("400 MessageRejected", "refused")],
)
def test_an_e_mail_is_counted_by_what_came_of_the_try(
    service: WholeService, capsys: pytest.CaptureFixture[str], fault: str, outcome: str
) -> None:
    status, code = fault.split()
    account = service.account()
    backup = service.request(account)
    service.ses_line().refuse("SendEmail", int(status), code)
    if outcome == "delayed":
        with pytest.raises(Exception, match="MailDelayed"):
            service.run(account, backup)
    else:
        service.run(account, backup)
    assert counted(emitted(capsys))[f"Mails[outcome={outcome}]"] == 1


# --- what a metric may be ---


def test_every_metric_that_there_is_gets_written_and_no_other(
    service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    causes.health(service)
    causes.a_backup_hangs(service)
    service.dynamodb.delete_item(
        TableName="backups", Key={"pk": {"S": "ACCOUNT#9789"}, "sk": {"S": "PENDING"}}
    )
    causes.a_scheduled_backup_is_missed(service)
    service.dynamodb.delete_item(
        TableName="backups", Key={"pk": {"S": "ACCOUNT#9789"}, "sk": {"S": "PENDING"}}
    )
    causes.the_source_is_busy(service)
    causes.a_backup_failed(service)
    written = {(point.series[1], point.unit) for point in emitted(capsys)}
    assert written == {(metric.name, metric.unit.value) for metric in ALL.values()}


def test_no_dimension_knows_a_tenant(service: WholeService, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose backup it was is beside the metric, for those who look into the log."""
    account = service.account("90817263")
    backup = service.request(account)
    service.run(account, backup)
    lines = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert lines
    for line in lines:
        dimensions = json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
        assert {key for keys in dimensions for key in keys} <= {"stack", "reason", "outcome"}
        assert json.loads(line)["backup_id"] == backup
        assert account not in line


def test_the_number_of_metrics_that_are_paid_for_is_bounded(
    service: WholeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/operations.md names the most there can be, and their price."""
    for number in range(3):
        account = service.account(str(100 + number))
        service.run(account, service.request(account))
    assert len({point.series for point in emitted(capsys)}) == 7


# --- it harms nothing ---


def test_a_metric_that_cannot_be_written_breaks_nothing(
    service: WholeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("builtins.print", explode)
    account = service.account()
    backup_id = service.request(account)
    service.run(account, backup_id)
    service.sweep()
    backup = service.store.find(account, backup_id)
    assert backup is not None
    assert backup.state is State.READY


@pytest.mark.parametrize(
    ("values", "by"),
    [({}, None), ({metrics.FAILED: 1}, None), ({metrics.READY: 1}, "ready"), ({metrics.READY: "one"}, None)],
)
def test_a_metric_that_is_noted_wrongly_is_left_out_and_logged(
    values: dict[Metric, Any], by: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with log_of("export_backup") as log:
        Meter(STACK, get_logger("export_backup")).note(values, by=by)
    assert emitted(capsys) == []
    assert "metric not written" in log.getvalue()


# --- a trace ---


def test_the_workflow_goes_on_with_the_trace_of_the_request(
    service: WholeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step Functions takes X-Amzn-Trace-Id, and hands it to the functions that it invokes; so one trace goes
    from the request to the e-mail. https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "api")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    sent: list[str] = []

    def look(request: Any, **_: Any) -> None:
        sent.append(str(request.headers["X-Amzn-Trace-Id"]))

    service.modules["api"].workflow._client.meta.events.register(
        "request-created.stepfunctions.StartExecution", look
    )
    service.request(service.account())
    assert sent == [trace]
