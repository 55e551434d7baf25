"""Starting an execution: exactly one, and an honest word on whether there is one."""

from __future__ import annotations

import pytest
from botocore.exceptions import NoCredentialsError

from functions.request_backup.workflow import Start, Workflow
from tests.unit.request_backup.api_world import ApiWorld


@pytest.fixture
def workflow(world: ApiWorld) -> Workflow:
    return Workflow(world.sfn, world.machine)


def test_the_execution_is_named_by_the_backup_and_gets_ids_alone(
    world: ApiWorld, workflow: Workflow, account: str
) -> None:
    backup = world.table.backup(account)
    assert workflow.start(backup) is Start.STARTED
    assert world.executions(backup.id) == [{"account_id": account, "backup_id": backup.id}]


def test_starting_again_starts_no_second_one(world: ApiWorld, workflow: Workflow, account: str) -> None:
    backup = world.table.backup(account)
    assert [workflow.start(backup) for _ in range(3)] == [Start.STARTED] * 3
    assert len(world.executions(backup.id)) == 1


def test_an_execution_that_has_ended_counts_as_started(
    world: ApiWorld, workflow: Workflow, account: str
) -> None:
    world.lines["sfn"].refuse("StartExecution", 400, "ExecutionAlreadyExists")
    assert workflow.start(world.table.backup(account)) is Start.STARTED
    assert world.calls["StartExecution"] == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ThrottlingException"),
        (400, "ExecutionLimitExceeded"),
        (429, "TooManyRequestsException"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ],
)
def test_a_busy_step_functions_leaves_it_open(
    world: ApiWorld, workflow: Workflow, account: str, status: int, code: str
) -> None:
    world.lines["sfn"].refuse("StartExecution", status, code)
    backup = world.table.backup(account)
    assert workflow.start(backup) is Start.UNCLEAR
    assert world.executions(backup.id) == []


def test_throttled_once_then_well_is_one_execution_of_the_same_name(
    world: ApiWorld, workflow: Workflow, account: str
) -> None:
    world.lines["sfn"].refuse("StartExecution", 400, "ThrottlingException", times=1)
    backup = world.table.backup(account)
    assert workflow.start(backup) is Start.STARTED
    assert len(world.executions(backup.id)) == 1


def test_a_lost_answer_leaves_it_open_and_the_execution_runs(
    world: ApiWorld, workflow: Workflow, account: str
) -> None:
    world.lines["sfn"].lose_answer("StartExecution")
    backup = world.table.backup(account)
    assert workflow.start(backup) is Start.UNCLEAR
    assert len(world.executions(backup.id)) == 1


@pytest.mark.parametrize(
    "code",
    [
        "StateMachineDoesNotExist",
        "StateMachineDeleting",
        "AccessDeniedException",
        "InvalidArn",
        "ValidationException",
    ],
)
def test_a_no_is_a_no(world: ApiWorld, workflow: Workflow, account: str, code: str) -> None:
    world.lines["sfn"].refuse("StartExecution", 400, code)
    assert workflow.start(world.table.backup(account)) is Start.REFUSED
    assert world.calls["StartExecution"] == 1


def test_a_call_that_never_left_is_open(world: ApiWorld, workflow: Workflow, account: str) -> None:
    def no_credentials() -> None:
        raise NoCredentialsError

    world.lines["sfn"].before("StartExecution", no_credentials)
    assert workflow.start(world.table.backup(account)) is Start.UNCLEAR
