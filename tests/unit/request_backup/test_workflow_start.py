"""Starting an execution: exactly one, and an honest word on whether there is one; and stopping it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ReadTimeoutError

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


# --- stopping ---


def test_the_backup_s_own_execution_is_stopped_and_no_other(
    world: ApiWorld, workflow: Workflow, account: str
) -> None:
    mine, other = world.table.backup(account), world.table.backup(account)
    workflow.start(mine)
    workflow.start(other)
    workflow.stop(mine)
    assert (world.status_of(mine.id), world.status_of(other.id)) == ("ABORTED", "RUNNING")


def test_an_execution_that_never_was_is_as_good_as_stopped(
    world: ApiWorld, workflow: Workflow, account: str
) -> None:
    workflow.stop(world.table.backup(account))
    assert world.calls == {"StopExecution": 1}


def test_stopping_again_does_no_harm(world: ApiWorld, workflow: Workflow, account: str) -> None:
    backup = world.table.backup(account)
    workflow.start(backup)
    for _ in range(2):
        workflow.stop(backup)
    assert world.status_of(backup.id) == "ABORTED"


@pytest.mark.parametrize(
    "fault", [(400, "ThrottlingException"), (400, "AccessDeniedException"), (400, "InvalidArn")]
)
def test_a_stop_that_was_refused_is_not_taken_for_done(
    world: ApiWorld, workflow: Workflow, account: str, fault: tuple[int, str]
) -> None:
    world.lines["sfn"].refuse("StopExecution", *fault)
    with pytest.raises(ClientError):
        workflow.stop(world.table.backup(account))


def test_a_stop_that_nobody_answered_is_not_taken_for_done(
    world: ApiWorld, workflow: Workflow, account: str
) -> None:
    world.lines["sfn"].cut("StopExecution")
    with pytest.raises(ReadTimeoutError):
        workflow.stop(world.table.backup(account))
