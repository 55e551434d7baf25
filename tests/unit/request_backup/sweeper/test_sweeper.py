"""What the sweeper makes of backups that nobody else looks after. Each fault has its number:

1 the start never happened; 2 it happened and the answer was lost; 3 it was throttled; 4 it is refused;
12 the execution was aborted; 14 the export is slow and healthy.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from functions.request_backup.sweeper import SweepIncomplete
from functions.request_backup.workflow import Start
from shared.backup import Backup, Failure, Reason, State
from shared.leases import until
from shared.store import failed
from tests.unit.request_backup.sweep_world import WORKFLOW_THROTTLED, SweepWorld, ended
from tests.unit.shared.backups_table import next_account_id

BROKEN = (500, "InternalServerError")
BAD_ENDS = ["FAILED", "TIMED_OUT", "ABORTED"]


# --- a start that was lost ---


def test_fault_1_a_backup_that_was_never_started_is_started_once(world: SweepWorld, account: str) -> None:
    backup = world.table.pending(account)
    world.pass_time()
    for _ in range(3):
        world.sweeper.sweep()
        world.pass_time()
    assert world.executions() == [backup.id]
    assert world.states(account) == {backup.id: "pending"}


def test_fault_1_a_backup_whose_request_is_still_being_answered_is_left_alone(
    world: SweepWorld, account: str
) -> None:
    world.table.pending(account)
    world.pass_time(timedelta(seconds=29))
    world.sweeper.sweep()
    assert world.executions() == []


def test_fault_2_a_start_whose_answer_was_lost_is_not_done_twice(world: SweepWorld, account: str) -> None:
    backup = world.table.pending(account)
    world.line.lose_answer("StartExecution", times=2)
    assert world.workflow.start(backup) is Start.UNCLEAR
    world.pass_time()
    world.sweeper.sweep()
    assert world.executions() == [backup.id]
    assert world.is_locked(account)


def test_fault_3_a_start_that_is_throttled_changes_nothing_and_the_next_sweep_makes_it(
    world: SweepWorld, account: str
) -> None:
    backup = world.table.pending(account)
    before = world.table.records(account)
    world.pass_time()
    world.line.refuse("StartExecution", *WORKFLOW_THROTTLED)
    with pytest.raises(SweepIncomplete):
        world.sweeper.sweep()
    assert (world.executions(), world.table.records(account)) == ([], before)
    world.line.mend()
    world.sweeper.sweep()
    assert world.executions() == [backup.id]


@pytest.mark.parametrize("code", ["StateMachineDoesNotExist", "AccessDeniedException"])
def test_fault_4_a_start_that_is_refused_fails_the_backup_and_frees_the_account(
    world: SweepWorld, account: str, code: str
) -> None:
    backup = world.table.pending(account)
    world.pass_time()
    world.line.refuse("StartExecution", 400, code)
    world.sweeper.sweep()
    assert ended(world, backup).failure == Failure(Reason.START_REFUSED)
    assert not world.is_locked(account)
    assert world.told() == [backup.id]


def test_fault_4_a_refusal_to_start_says_nothing_of_an_execution_that_runs(
    world: SweepWorld, account: str
) -> None:
    backup = world.begun(account)
    world.pass_time()
    world.line.refuse("StartExecution", 400, "AccessDeniedException")
    world.sweeper.sweep()
    assert world.states(account) == {backup.id: "running"}


# --- what Step Functions says ---


def test_fault_14_a_slow_export_is_left_alone_for_another_lease(world: SweepWorld, account: str) -> None:
    backup = world.begun(account)
    for _ in range(5):
        world.pass_time()
        world.sweeper.sweep()
        assert world.lease_of(account) == until(world.table.now)
        world.line.calls.clear()
        world.sweeper.sweep()
        assert world.line.calls == {}  # not even asked about before the lease has run out
    assert world.states(account) == {backup.id: "running"}
    assert world.functions.asked == []


def test_fault_14_a_backup_that_shows_signs_of_life_is_not_even_asked_about(
    world: SweepWorld, account: str
) -> None:
    backup = world.begun(account)
    world.pass_time()
    world.store.advance(account, backup.id, unit=0, records=5, now=world.table.now)
    world.line.calls.clear()
    world.sweeper.sweep()
    assert world.line.calls == {}


@pytest.mark.parametrize("status", BAD_ENDS)
@pytest.mark.parametrize("woken", ["by the schedule", "by the event"])
def test_fault_12_a_dead_workflow_s_backup_is_failed_the_account_free_and_the_person_told(
    world: SweepWorld, account: str, status: str, woken: str
) -> None:
    backup = world.begun(account)
    world.end(backup, status)
    if woken == "by the event":
        world.sweeper.look(account, backup.id)
    else:
        world.pass_time()
        world.sweeper.sweep()
    found = ended(world, backup)
    assert found.state is State.FAILED
    assert found.failure == Failure(Reason.TIMED_OUT if status == "TIMED_OUT" else Reason.INTERNAL)
    assert found.finished_at == world.table.now
    assert not world.is_locked(account)
    assert world.cleaned() == world.told() == [backup.id]
    world.table.pending(account)  # may ask again


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        ("FAILED", "BackupFailed", Reason.SOURCE_REFUSED),
        ("FAILED", "States.Runtime", Reason.INTERNAL),
        ("ABORTED", "", Reason.INTERNAL),
        ("TIMED_OUT", "", Reason.TIMED_OUT),
    ],
)
def test_the_reason_that_a_step_noted_counts_where_the_workflow_came_to_its_own_end(
    world: SweepWorld, account: str, status: str, error: str, reason: Reason
) -> None:
    backup = world.begun(account)
    world.store.note_failure(account, backup.id, Failure(Reason.SOURCE_REFUSED, "comments"))
    world.end(backup, status, error=error)
    world.pass_time()
    world.sweeper.sweep()
    failure = ended(world, backup).failure
    assert failure is not None
    assert failure.reason is reason


def test_an_execution_that_is_not_shown_yet_is_waited_for(world: SweepWorld, account: str) -> None:
    backup = world.table.pending(account)
    world.pass_time()
    world.line.refuse("DescribeExecution", 400, "ExecutionDoesNotExist")
    world.sweeper.sweep()
    assert world.executions() == [backup.id]
    assert world.states(account) == {backup.id: "pending"}
    assert world.lease_of(account) == until(world.table.now)


def test_after_ninety_days_the_name_is_free_and_the_backup_begins_again(
    world: SweepWorld, account: str
) -> None:
    backup = world.begun(account)
    world.end(backup, "FAILED")
    world.forget(backup)
    world.pass_time(timedelta(days=91))
    world.sweeper.sweep()
    assert world.executions() == [backup.id]
    assert world.states(account) == {backup.id: "running"}


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        *(("StartExecution", fault) for fault in (WORKFLOW_THROTTLED, BROKEN, None)),
        *(("DescribeExecution", fault) for fault in (WORKFLOW_THROTTLED, BROKEN, None)),
        ("DescribeExecution", (400, "AccessDeniedException")),  # to the start it would be an answer
    ],
)
def test_where_step_functions_does_not_say_how_it_is_nothing_is_changed(
    world: SweepWorld, account: str, operation: str, fault: tuple[int, str] | None
) -> None:
    backup = world.begun(account)
    world.end(backup, "ABORTED")
    before = world.table.records(account)
    world.pass_time()
    if fault:
        world.line.refuse(operation, *fault)
    else:
        world.line.cut(operation)
    with pytest.raises(SweepIncomplete):
        world.sweeper.sweep()
    assert world.table.records(account) == before
    assert world.functions.asked == []
    world.line.mend()
    world.sweeper.sweep()
    assert world.states(account) == {backup.id: "failed"}


# --- many accounts ---


def test_one_account_s_trouble_stops_no_other_one_and_is_heard_of(world: SweepWorld) -> None:
    backups = [world.begun(next_account_id()) for _ in range(5)]
    for backup in backups:
        world.end(backup, "ABORTED")
    broken = backups[1].account_id
    world.table.dynamodb.update_item(
        TableName="backups",
        Key={"pk": {"S": f"ACCOUNT#{broken}"}, "sk": {"S": "PENDING"}},
        UpdateExpression="SET #format = :newer",
        ExpressionAttributeNames={"#format": "format"},
        ExpressionAttributeValues={":newer": {"N": "99"}},
    )
    world.pass_time()
    with pytest.raises(SweepIncomplete, match=r"^1 of 5$"):
        world.sweeper.sweep()
    assert [world.is_locked(backup.account_id) for backup in backups] == [False, True, False, False, False]
    (line,) = [line for line in world.logged() if line["level"] == "ERROR"]
    assert line["account_id"] == broken
    assert line["error"][0].startswith("UnknownFormat at")


def test_as_many_are_looked_after_as_there_are(world: SweepWorld) -> None:
    """DynamoDB gives pages; moto would at a megabyte, here it does at every third record."""
    backups = [world.table.pending(next_account_id()) for _ in range(10)]
    world.pass_time()
    query = world.table.dynamodb.meta.events
    query.register("provide-client-params.dynamodb.Query", lambda params, **_: {**params, "Limit": 3})
    world.sweeper.sweep()
    assert sorted(world.executions()) == sorted(backup.id for backup in backups)


def test_the_index_names_accounts_and_the_record_decides(world: SweepWorld, account: str) -> None:
    """Between the index and the reading the account has begun another backup."""
    old = world.begun(account)
    world.end(old, "ABORTED")
    world.pass_time()
    newer: list[Backup] = []

    def overtake() -> None:
        world.store.finish(failed(old, Failure(Reason.INTERNAL), world.table.now))
        newer.append(world.table.pending(account))

    world.table.line.before("GetItem", overtake)
    world.sweeper.sweep()
    assert world.states(account) == {old.id: "failed", newer[0].id: "pending"}
    assert world.executions() == [old.id]  # the newer one's own request is still at it


def test_whoever_is_not_in_the_index_is_not_looked_at(world: SweepWorld, account: str) -> None:
    world.table.ready(account)
    world.table.set_account(account)
    world.pass_time(timedelta(days=400))
    world.table.line.calls.clear()
    world.sweeper.sweep()
    assert world.table.line.calls == {"Query": 3}
