"""The sweeper's function as EventBridge invokes it, wired by its environment; and what it does not take."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import pytest

from functions.request_backup.sweep_event import ExecutionEnded, ForeignEvent, TimeToSweep, woken_by
from functions.request_backup.sweeper import SweepIncomplete
from shared.backup import Backup
from shared.environment import SettingMissing
from tests.unit.request_backup.sweep_world import (
    EXPORT,
    NOTIFY,
    SweepWorld,
    schedule_event,
    status_event,
)
from tests.unit.shared.backups_table import TABLE, next_account_id

ENDS = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
CHILD = "b2ad4e0f-3b9a-4f9c-8f0e-4d2f6a8f3a11"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:backup"


class Context:
    function_name = "sweep_backups"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:sweep_backups"
    aws_request_id = "r-1"


@pytest.fixture
def backup(world: SweepWorld) -> Backup:
    return world.begun(next_account_id())


def imported(monkeypatch: pytest.MonkeyPatch, world: SweepWorld, **other: str | None) -> Any:
    environment = {
        "STACK_NAME": "account-backup",
        "TABLE_NAME": TABLE,
        "STATE_MACHINE_ARN": world.machine,
        "EXPORT_FUNCTION_NAME": EXPORT,
        "NOTIFY_FUNCTION_NAME": NOTIFY,
        "HISTORY_DAYS": "730",
        "AUDIT_TABLE_NAME": "audit",
        "AUDIT_DAYS": "1096",
    }
    for name, value in (environment | other).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "functions.request_backup.sweep_handler", raising=False)
    return importlib.import_module("functions.request_backup.sweep_handler")


def function_of(monkeypatch: pytest.MonkeyPatch, world: SweepWorld) -> Any:
    """The function, with the world's clock and its Lambda service."""
    function = imported(monkeypatch, world)
    monkeypatch.setattr(function, "sweeper", world.sweeper)
    return function


@pytest.mark.parametrize("source", ["aws.events", "aws.scheduler"])
def test_a_schedule_sweeps(
    world: SweepWorld, backup: Backup, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    function = function_of(monkeypatch, world)
    world.end(backup, "ABORTED")
    world.pass_time()
    assert function.handler(schedule_event(source), Context()) is None
    assert world.states(backup.account_id) == {backup.id: "failed"}
    assert {line["function_request_id"] for line in world.logged()} == {"r-1"}


def test_the_end_of_an_execution_is_looked_at_before_any_lease_runs_out(
    world: SweepWorld, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = function_of(monkeypatch, world)
    world.end(backup, "ABORTED")
    function.handler(status_event(backup, "ABORTED", world.machine), Context())
    assert world.states(backup.account_id) == {backup.id: "failed"}


@pytest.mark.parametrize("status", ENDS)
def test_an_end_names_account_and_backup(world: SweepWorld, backup: Backup, status: str) -> None:
    event = status_event(backup, status, world.machine)
    assert woken_by(event, world.machine) == ExecutionEnded(backup.account_id, backup.id)
    assert woken_by(schedule_event(), world.machine) == TimeToSweep()


def foreign_events() -> dict[str, Any]:
    account, other = "9789", "01JDA8Z4T0ZZZZZZZZZZZZZZZZ"
    backup = type("Ids", (), {"account_id": account, "id": "01JDA8Z4T00000000000000000"})()

    def event(status: str = "FAILED", **detail: Any) -> dict[str, Any]:
        return status_event(backup, status, MACHINE, **detail)

    def with_input(given: Any) -> dict[str, Any]:
        return event(input=given if isinstance(given, str) else json.dumps(given))

    ids = {"account_id": account, "backup_id": backup.id}
    return {
        "nothing": {},
        "null": None,
        "a list": [schedule_event()],
        "a text": "Scheduled Event",
        "a step of the workflow": {"step": "clean", **ids},
        "what notify is sent": ids,
        "a schedule of somebody's own": schedule_event("com.example"),
        "another word of EventBridge": {**schedule_event(), "detail-type": "Something Else"},
        "no detail": {**event(), "detail": None},
        "another machine": event(stateMachineArn=MACHINE + "-of-somebody-else"),
        "a unit's own execution": event(stateMachineArn=f"{MACHINE}/units", name=CHILD),
        "one that says it is of this machine": event(name=CHILD),
        "another source": {**event(), "source": "com.example"},
        "a beginning": event("RUNNING"),
        "an unknown status": event("CANCELLED"),
        "a status that is a list": {**event(), "detail": {**event()["detail"], "status": ["FAILED"]}},
        "no input, which was too large": event(input=None),
        "an input that is no JSON": with_input("{"),
        "an input that is deep": with_input("[" * 100_000),
        "an input that is a list": with_input([ids]),
        "an input of a backup that it is not named by": with_input({**ids, "backup_id": other}),
        "an account that is none": with_input({**ids, "account_id": "../9789"}),
        "an account that is a number": with_input({**ids, "account_id": 9789}),
        "a backup that is none": event(name="x", input=json.dumps({**ids, "backup_id": "x"})),
        "only an account": with_input({"account_id": account}),
    }


FOREIGN = foreign_events()


@pytest.mark.parametrize("name", FOREIGN)
def test_anything_else_is_refused_and_nothing_read_or_written(
    world: SweepWorld, backup: Backup, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    function = function_of(monkeypatch, world)
    world.end(backup, "ABORTED")
    world.begin_anew()
    with pytest.raises(ForeignEvent):
        woken_by(FOREIGN[name], MACHINE)
    with pytest.raises(ForeignEvent):
        function.handler(FOREIGN[name], Context())
    assert (world.table.line.calls, world.line.calls, world.functions.calls) == ({}, {}, {})
    assert "event refused" in [line["message"] for line in world.logged()]


def test_an_incomplete_sweep_is_an_error_of_the_function(
    world: SweepWorld, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = function_of(monkeypatch, world)
    world.pass_time()
    world.line.refuse("DescribeExecution", 400, "ThrottlingException")
    with pytest.raises(SweepIncomplete):
        function.handler(schedule_event(), Context())
    assert world.is_locked(backup.account_id)


@pytest.mark.parametrize("kind", ["schedule", "end"])
def test_no_text_of_aws_gets_out(
    world: SweepWorld, backup: Backup, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    function = function_of(monkeypatch, world)
    for operation in ("GetItem", "Query"):
        world.table.line.refuse(operation, 400, "AccessDeniedException")
    event = schedule_event() if kind == "schedule" else status_event(backup, "FAILED", world.machine)
    with pytest.raises(function.SweepFailed, match=r"^ClientError$"):
        function.handler(event, Context())
    assert "made up" not in world.log.getvalue()
    assert backup.id in world.log.getvalue() or kind == "schedule"


def test_the_waits_end_before_the_function_s_time(world: SweepWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    function = imported(monkeypatch, world)
    for config in (function._config, function._patient):
        longest = (config.connect_timeout + config.read_timeout) * config.retries["total_max_attempts"]
        assert longest < 150


@pytest.mark.parametrize("name", ["TABLE_NAME", "STATE_MACHINE_ARN", "NOTIFY_FUNCTION_NAME", "HISTORY_DAYS"])
def test_a_missing_setting_is_named_at_start(
    world: SweepWorld, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(SettingMissing, match=f"^{name}$"):
        imported(monkeypatch, world, **{name: None})
