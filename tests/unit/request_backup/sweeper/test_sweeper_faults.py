"""The sweeper among others, and in trouble. Each fault has its number:

7 DynamoDB throttles; 8 the answer to the end was lost; 11 a step's Lambda lives on; 13 the status event is
lost, late, or comes twice; 15 two sweepers at once; 16 a redrive.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from functions.request_backup.sweeper import SweepIncomplete, WorkflowUnclear
from shared.backup import Backup, Failure, MailState, Reason
from shared.store import Superseded, cancelled
from tests.unit.request_backup.sweep_world import WORKFLOW_THROTTLED, SweepWorld
from tests.unit.shared.backups_table import BOB, THROTTLED

# --- events that are late, doubled, or of others ---


def test_fault_13_the_late_event_of_an_older_backup_touches_nothing(world: SweepWorld, account: str) -> None:
    older = world.begun(account)
    world.end(older, "ABORTED")
    world.sweeper.look(account, older.id)
    world.store.mark_mail(account, older.id, MailState.SENT)
    newer = world.begun(account)
    world.begin_anew()
    before = world.table.records(account)
    world.sweeper.look(account, older.id)
    assert world.table.records(account) == before
    assert world.states(account) == {older.id: "failed", newer.id: "running"}
    assert (world.line.calls, world.functions.asked) == ({}, [])


def test_fault_13_an_event_that_comes_twice_does_what_one_does(world: SweepWorld, account: str) -> None:
    backup = world.begun(account)
    world.end(backup, "ABORTED")
    world.sweeper.look(account, backup.id)
    before = world.table.records(account)
    world.sweeper.look(account, backup.id)
    assert world.table.records(account) == before


@pytest.mark.parametrize("make", ["ready", "failed"])
def test_the_event_of_a_backup_that_ended_as_it_should_changes_nothing(
    world: SweepWorld, account: str, make: str
) -> None:
    backup: Backup = getattr(world.table, make)(account)
    world.store.mark_mail(account, backup.id, MailState.SENT)
    before = world.table.records(account)
    world.sweeper.look(account, backup.id)
    assert world.table.records(account) == before
    assert (world.line.calls, world.functions.asked) == ({}, [])


def test_the_event_of_a_cancelled_backup_changes_nothing(world: SweepWorld, account: str) -> None:
    backup = world.begun(account)
    world.store.finish(cancelled(backup, BOB, world.table.now))
    world.workflow.stop(backup)
    before = world.table.records(account)
    world.begin_anew()
    world.sweeper.look(account, backup.id)
    assert world.table.records(account) == before
    assert (world.line.calls, world.functions.asked) == ({}, [])


def test_the_event_of_a_backup_that_nobody_knows_changes_nothing(world: SweepWorld, account: str) -> None:
    world.sweeper.look(account, world.table.backup(account).id)
    assert world.table.records(account) == {}


def test_an_event_that_is_quicker_than_step_functions_own_answer_ends_nothing(
    world: SweepWorld, account: str
) -> None:
    backup = world.begun(account)
    before = world.table.records(account)
    world.sweeper.look(account, backup.id)  # DescribeExecution still says that it runs
    assert world.table.records(account) == before


def test_an_event_about_which_step_functions_is_silent_is_tried_again(
    world: SweepWorld, account: str
) -> None:
    backup = world.begun(account)
    world.line.refuse("StartExecution", *WORKFLOW_THROTTLED)
    with pytest.raises(WorkflowUnclear):
        world.sweeper.look(account, backup.id)


def test_fault_16_a_redriven_run_of_a_swept_backup_can_write_nothing(world: SweepWorld, account: str) -> None:
    old = world.begun(account)
    world.end(old, "FAILED")
    world.sweeper.look(account, old.id)
    world.redrive(old)
    newer = world.begun(account)
    before = world.table.records(account)
    now = world.table.now
    writes: list[Callable[[], None]] = [
        lambda: world.store.begin(account, old.id, units=1, now=now),
        lambda: world.store.advance(account, old.id, unit=0, records=9, now=now, done=True),
        lambda: world.store.note_failure(account, old.id, Failure(Reason.INTERNAL)),
        lambda: world.store.finish(world.table.ended_well(old)),
    ]
    for write in writes:
        with pytest.raises(Superseded):
            write()
    world.end(old, "FAILED")
    world.sweeper.look(account, old.id)
    after = world.table.records(account)
    assert after["PENDING"] == before["PENDING"]
    assert world.states(account) == {old.id: "failed", newer.id: "running"}


# --- two at once, and DynamoDB's own troubles ---


def test_fault_15_a_second_sweeper_in_the_midst_of_the_first_changes_nothing(
    world: SweepWorld, account: str
) -> None:
    dead, slow, lost = world.begun(account), world.begun(account + "1"), world.table.pending(account + "2")
    world.end(dead, "ABORTED")
    world.pass_time()
    world.table.line.before("TransactWriteItems", world.another_sweeper().sweep)
    world.sweeper.sweep()
    assert world.states(account) == {dead.id: "failed"}
    assert world.states(slow.account_id) == {slow.id: "running"}
    assert world.states(lost.account_id) == {lost.id: "pending"}
    assert world.executions().count(lost.id) == 1
    assert set(world.told()) == {dead.id}  # notify's claim makes one e-mail of both


@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems", "UpdateItem"])
def test_fault_15_whoever_ends_the_backup_first_wins(world: SweepWorld, account: str, operation: str) -> None:
    backup = world.begun(account)
    if operation != "UpdateItem":
        world.end(backup, "ABORTED")
    world.pass_time()
    world.table.line.before(operation, lambda: world.store.finish(cancelled(backup, BOB, world.table.now)))
    world.sweeper.sweep()
    assert world.states(account) == {backup.id: "cancelled"}
    assert world.functions.asked == []


@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems"])
def test_fault_7_under_throttling_nothing_is_half_written_and_the_next_sweep_does_it(
    world: SweepWorld, account: str, operation: str
) -> None:
    backup = world.begun(account)
    world.end(backup, "ABORTED")
    world.pass_time()
    before = world.table.records(account)
    world.table.line.refuse(operation, *THROTTLED)
    with pytest.raises(SweepIncomplete):
        world.sweeper.sweep()
    world.table.line.mend()
    assert world.table.records(account) == before
    assert world.functions.asked == []
    world.sweeper.sweep()
    assert world.states(account) == {backup.id: "failed"}


def test_fault_7_a_table_that_does_not_say_which_there_are_is_no_empty_one(
    world: SweepWorld, account: str
) -> None:
    world.table.pending(account)
    world.pass_time()
    world.table.line.refuse("Query", *THROTTLED)
    with pytest.raises(ClientError):
        world.sweeper.sweep()


def test_fault_8_an_end_whose_answer_was_lost_counts(world: SweepWorld, account: str) -> None:
    backup = world.begun(account)
    world.end(backup, "ABORTED")
    world.pass_time()
    world.table.line.lose_answer("TransactWriteItems", times=1)
    world.sweeper.sweep()
    assert world.states(account) == {backup.id: "failed"}
    assert world.told() == [backup.id]


def test_a_late_lambda_of_a_dead_workflow_cannot_finish_what_was_swept(
    world: SweepWorld, account: str
) -> None:
    """Fault 11: Step Functions has given the task up, and its Lambda lives on."""
    backup = world.begun(account)
    world.end(backup, "TIMED_OUT")
    world.pass_time()
    world.sweeper.sweep()
    with pytest.raises(Superseded):
        world.store.finish(world.table.ended_well(backup))
    assert world.states(account) == {backup.id: "failed"}
