"""The dashboard is one that CloudWatch takes, and shows what there is and nothing that there is not."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from local.cloudwatch.dashboard import (
    COLUMNS,
    Alarms,
    Data,
    Graph,
    LogLine,
    Numbers,
    Panel,
    Place,
    Table,
    asked,
    panels,
    searched,
)
from local.cloudwatch.picture import draw
from local.cloudwatch.points import Point, points_in, series
from shared import metrics
from shared.metrics import Metric
from tests.doubles import log_of
from tests.unit.infra.stack import of_type, operations, resolved
from tests.unit.operations import causes
from tests.unit.operations.test_alarms import NAMES
from tests.unit.operations.whole_service import STACK, WholeService, whole_service

ALARM_ARN = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:"
LOGS = {name: f"/aws/lambda/{name}" for name in operations()["Parameters"] if name.endswith("Logs")}
SOURCES = {
    name: arn for name in of_type(operations(), "AWS::CloudWatch::Alarm") for arn in [ALARM_ARN + name]
}
BOARD: dict[str, Any] = json.loads(
    resolved(
        operations()["Resources"]["Dashboard"]["Properties"]["DashboardBody"],
        NAMES
        | LOGS
        | {"AWS::Region": "eu-west-1", "RequestBackupFunction": "api-1a2b"}
        | {f"{name}.Arn": arn for name, arn in SOURCES.items()},
    ).replace("${!", "${")
)
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
OF_AWS = {
    "AWS/Lambda": ({"Errors", "Throttles", "ConcurrentExecutions"}, {"FunctionName"}),
    "AWS/ApiGateway": ({"Count", "4XXError", "5XXError", "Latency"}, {"ApiName", "Stage"}),
    "AWS/SQS": ({"ApproximateNumberOfMessagesVisible"}, {"QueueName"}),
    "AWS/DynamoDB": ({"ConsumedReadCapacityUnits"}, {"TableName"}),
}


@pytest.fixture
def service() -> Iterator[WholeService]:
    with whole_service() as service:
        yield service


@pytest.fixture
def run(service: WholeService, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the functions print while most goes well and some goes wrong."""
    causes.health(service)
    causes.the_source_is_busy(service)
    causes.a_backup_failed(service)
    causes.ses_refuses(service)
    return capsys.readouterr().out.splitlines()


def shown(points: list[Point], logs: list[LogLine] | None = None) -> dict[str, Panel]:
    now = time.time()
    states = {arn: (name, "OK") for name, arn in SOURCES.items()}
    return {panel.title: panel for panel in panels(BOARD, Data(now - 3600, now, points, states, logs or ()))}


def widgets(kind: str) -> list[dict[str, Any]]:
    return [widget["properties"] for widget in BOARD["widgets"] if widget["type"] == kind]


# --- what CloudWatch takes ---


def test_every_widget_has_a_place_of_its_own_on_the_grid() -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"""
    taken: set[tuple[int, int]] = set()
    for widget in BOARD["widgets"]:
        place = Place(widget["x"], widget["y"], widget["width"], widget["height"])
        assert place.x >= 0
        assert place.x + place.width <= COLUMNS
        cells = set(
            itertools.product(range(place.x, place.x + place.width), range(place.y, place.y + place.height))
        )
        assert not cells & taken, widget["properties"]["title"]
        taken |= cells


def test_every_alarm_is_on_it() -> None:
    (alarms,) = widgets("alarm")
    assert sorted(alarms["alarms"]) == sorted(SOURCES.values())


def test_the_first_row_answers_whether_all_is_well() -> None:
    first = [widget["properties"]["title"] for widget in BOARD["widgets"] if widget["y"] == 0]
    assert first == ["Is anything wrong?", "Backups", "Seconds", "E-mails"]


# --- what there is to show ---


def test_every_metric_of_ours_on_it_is_one_that_the_code_writes_and_none_is_missing() -> None:
    known = {metric.name: metric for metric in vars(metrics).values() if isinstance(metric, Metric)}
    on_it: set[str] = set()
    for properties in widgets("metric"):
        for entry in properties["metrics"]:
            if isinstance(entry, dict):
                search = searched(entry["expression"])
                namespace, name = search["namespace"], search["name"]
                dimensions = set(search["keys"].split(","))
                assert (search["key"], search["value"]) == ("stack", STACK)
            else:
                namespace, name = entry[:2]
                dimensions = set(entry[2:-1:2])
            if namespace in OF_AWS:
                names, keys = OF_AWS[namespace]
                assert name in names
                assert dimensions == keys
                continue
            assert namespace == metrics.NAMESPACE
            by = known[name].by
            both = {metrics.STACK} | ({by} if by else set())
            in_all = [{metrics.STACK}] if by is None or known[name].in_all else []
            assert dimensions in [both, *in_all], (name, dimensions)
            on_it.add(name)
    assert set(known) - on_it == {"LinksMade", "Deleted"}  # which say nothing about health


def test_outcomes_of_e_mails_on_it_are_those_that_there_are() -> None:
    by_name = [
        entry[entry.index("outcome") + 1]
        for properties in widgets("metric")
        for entry in properties["metrics"]
        if "outcome" in entry
    ]
    source = Path(str(metrics.__file__)).read_text()
    documented = re.search(r"MAILS = .*?came of a try: ([a-z_, ]+)\.", source, re.DOTALL)
    assert documented
    assert set(by_name) == set(documented[1].split(", "))


def test_it_shows_what_a_run_has_done(run: list[str]) -> None:
    on_it = shown(points_in(run))
    backups, mails, seconds = on_it["Backups"], on_it["E-mails"], on_it["Seconds"]
    assert isinstance(backups, Numbers)
    assert isinstance(mails, Numbers)
    assert isinstance(seconds, Numbers)
    counted = {label: value for label, value, _ in backups.values}
    assert counted == {"Requested": 5, "Ready": 2, "Failed": 2, "Cancelled": 1}
    assert {label: value for label, value, _ in mails.values} == {
        "sent": 3,
        "no address or file": None,
        "refused": 1,
    }
    assert all(value is not None for _, value, _ in seconds.values)
    failed, refused = on_it["Failed, by reason"], on_it["Requests refused, by reason"]
    assert isinstance(failed, Graph)
    assert isinstance(refused, Graph)
    assert [(curve.label, sum(curve.values.values())) for curve in failed.curves] == [("source_refused", 2)]
    assert [curve.label for curve in refused.curves] == ["BackupRunning", "PlanWithoutBackups"]


def test_the_list_of_what_went_wrong_has_the_fields_that_the_logs_have(service: WholeService) -> None:
    with log_of("export_backup") as steps, log_of("notify") as mails:
        causes.a_backup_failed(service)
        causes.ses_refuses(service)
    lines = [json.loads(line) for log in (steps, mails) for line in log.getvalue().splitlines()]
    logs = [LogLine(LOGS["ExportBackupLogs"], at, line) for at, line in enumerate(lines)]
    (query,) = widgets("log")
    for name in re.findall(r"\| fields @timestamp, ([\w, ]+) \|", query["query"])[0].split(", "):
        assert any(name in line for line in lines), name
    table = shown([], logs)["What went wrong last, and to which backup"]
    assert isinstance(table, Table)
    wrong = [line["message"] for line in lines if line["level"] in {"ERROR", "WARNING"}]
    assert wrong == ["step failed", "step failed", "mail was not sent"]
    assert [row[2] for row in table.rows] == wrong[::-1]


def test_its_picture_is_an_image_that_says_all_of_it(run: list[str]) -> None:
    now = time.time()
    data = Data(now - 600, now, points_in(run), {arn: (name, "OK") for name, arn in SOURCES.items()})
    picture = draw(STACK, list(panels(BOARD, data, period=60)), data, 60)
    texts = {element.text for element in ElementTree.fromstring(picture).iter() if element.text}  # noqa: S314 - ours
    assert {widget["properties"]["title"] for widget in BOARD["widgets"]} <= texts
    assert set(SOURCES) <= texts


def test_where_nothing_has_happened_it_can_be_shown_all_the_same() -> None:
    on_it = shown([])
    assert {type(panel) for panel in on_it.values()} == {Alarms, Graph, Numbers, Table}
    backups = on_it["Backups"]
    assert isinstance(backups, Numbers)
    assert {value for _, value, _ in backups.values} == {None}


def test_a_metric_of_another_stack_is_not_on_it() -> None:
    other = Point(
        series(metrics.NAMESPACE, "Failed", {"stack": "another", "reason": "internal"}), time.time(), 1
    )
    failed = shown([other])["Failed, by reason"]
    assert isinstance(failed, Graph)
    assert failed.curves == []


def test_every_metric_is_found_by_its_widget() -> None:
    for properties in widgets("metric"):
        assert list(asked(properties, [])) or "SEARCH" in json.dumps(properties)
