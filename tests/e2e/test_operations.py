"""What an operator sees of the deployed stack: alarms, and a dashboard of what its functions really wrote."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from local.cloudwatch.alarms import state_of
from local.cloudwatch.dashboard import Data, Graph, LogLine, Numbers, panels
from local.cloudwatch.picture import draw
from local.cloudwatch.points import points_in
from local.stack import STACK
from tests.e2e.browser import PICTURES
from tests.e2e.world import World

PERIOD = 5
"""Seconds, so that a run of seconds has a shape; CloudWatch draws five minutes."""


@pytest.fixture(scope="module")
def board(world: World) -> dict[str, Any]:
    name = world.outputs["Dashboard"].rpartition("name=")[2]
    body: dict[str, Any] = json.loads(
        world.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
    )
    return body


def alarms(world: World) -> dict[str, dict[str, Any]]:
    pages = world.client("cloudwatch").get_paginator("describe_alarms").paginate()
    return {alarm["AlarmArn"]: alarm for page in pages for alarm in page["MetricAlarms"]}


def test_all_alarms_are_deployed_and_watch_what_is_deployed(world: World, board: dict[str, Any]) -> None:
    deployed = alarms(world)
    (on_board,) = [widget["properties"] for widget in board["widgets"] if widget["type"] == "alarm"]
    assert sorted(deployed) == sorted(on_board["alarms"])
    assert len(deployed) == 11
    resources = {
        resource["PhysicalResourceId"]
        for resource in world.client("cloudformation").describe_stack_resources(StackName=STACK)[
            "StackResources"
        ]
    }
    for alarm in deployed.values():
        for dimension in alarm["Dimensions"]:
            if dimension["Name"] in {"FunctionName", "StateMachineArn"}:
                assert dimension["Value"] in resources, alarm["AlarmName"]
            if dimension["Name"] == "QueueName":
                assert any(one.endswith(f"/{dimension['Value']}") for one in resources)


def test_the_dashboard_shows_what_the_functions_wrote(world: World, board: dict[str, Any]) -> None:
    began = time.time()
    for number in range(3):
        account = world.account(seed=number)
        world.fill(account)
        token = world.token(account.id)
        backup_id = world.ask(token)
        assert world.call("POST", "/backups", token, json={}).status_code == 409
        if number:
            assert world.ended(token, backup_id)["state"] == "ready"
            assert world.call("POST", f"/backups/{backup_id}/download-url", token).status_code == 200
        else:
            assert world.call("DELETE", f"/backups/{backup_id}", token).status_code in {200, 202}
    data = data_of(world, began)
    drawn = list(panels(board, data, PERIOD))
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / "dashboard.svg").write_text(draw(STACK, drawn, data, PERIOD))

    on_it = {panel.title: panel for panel in drawn}
    backups, seconds, records = on_it["Backups"], on_it["Seconds"], on_it["Records and bytes in archives"]
    assert isinstance(backups, Numbers)
    assert isinstance(seconds, Numbers)
    assert isinstance(records, Graph)
    # Other backups, which the sweeper sees to meanwhile, may be among them.
    counted = {label: value or 0 for label, value, _ in backups.values}
    assert counted["Requested"] >= 3
    assert counted["Ready"] >= 2
    assert counted["Cancelled"] >= 1
    assert all(value for label, value, _ in seconds.values if label.startswith("request to ready"))
    assert all(sum(curve.values.values()) > 0 for curve in records.curves)
    refused = on_it["Requests refused, by reason"]
    assert isinstance(refused, Graph)
    assert "BackupRunning" in [curve.label for curve in refused.curves]


def data_of(world: World, began: float) -> Data:
    events = [event for event in world.log_events() if event["timestamp"] >= began * 1000]
    points = points_in(event["message"] for event in events)
    logs = [
        LogLine(event["group"], event["timestamp"] / 1000, json.loads(event["message"]))
        for event in events
        if event["message"].startswith('{"level"')
    ]
    now = time.time()
    # In the states that CloudWatch would find, which the local AWS does not look for.
    states = {
        arn: (alarm["AlarmName"].removeprefix(f"{STACK}-"), state_of(alarm, points, now, "OK"))
        for arn, alarm in alarms(world).items()
    }
    return Data(began, now, points, states, logs)
