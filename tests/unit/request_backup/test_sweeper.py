"""What the sweeper makes of backups that nobody else looks after. Each fault has its number:

1 the start never happened; 2 it happened and the answer was lost; 3 it was throttled; 4 it is refused;
7 DynamoDB throttles; 8 the answer to the end was lost; 12 the execution was aborted; 13 its status event is
lost, late, or comes twice; 14 the export is slow and healthy; 15 two sweepers at once; 16 a redrive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.request_backup.closing import NotClosed
from functions.request_backup.sweeper import SweepIncomplete, WorkflowUnclear
from functions.request_backup.workflow import Start
from shared.backup import Backup, Failure, MailState, Reason, State
from shared.leases import until
from shared.store import Superseded, cancelled, failed
from tests.doubles import aws_in_process, log_of
from tests.unit.request_backup.sweep_world import ARCHIVE, SweepWorld
from tests.unit.shared.backups_table import BOB, next_account_id

THROTTLED = (400, "ThrottlingException")
BROKEN = (500, "InternalServerError")
TABLE_THROTTLED = (400, "ProvisionedThroughputExceededException")
BAD_ENDS = ["FAILED", "TIMED_OUT", "ABORTED"]


@pytest.fixture
def world() -> Iterator[SweepWorld]:
    with log_of("sweep_backups") as log, aws_in_process():
        yield SweepWorld(log)


@pytest.fixture
def account() -> str:
    return next_account_id()


def ended(world: SweepWorld, backup: Backup) -> Backup:
    found = world.store.find(backup.account_id, backup.id)
    assert found is not None
    return found


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
    world.line.refuse("StartExecution", *THROTTLED)
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
        *(("StartExecution", fault) for fault in (THROTTLED, BROKEN, None)),
        *(("DescribeExecution", fault) for fault in (THROTTLED, BROKEN, None)),
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


# --- ended well, and not closed ---


def closes(world: SweepWorld, backup: Backup) -> Callable[[dict[str, Any]], None]:
    """The step `ready`, which closes the backup."""

    def ready(payload: dict[str, Any]) -> None:
        assert payload == {
            "step": "ready",
            "account_id": backup.account_id,
            "backup_id": backup.id,
            "archive": ARCHIVE,
        }
        world.store.finish(world.table.ended_well(backup))

    return ready


def succeeded(world: SweepWorld, account: str) -> Backup:
    backup = world.begun(account)
    world.end(backup, "SUCCEEDED", output={"account_id": account, "backup_id": backup.id, "archive": ARCHIVE})
    world.pass_time()
    return backup


def test_a_backup_whose_workflow_succeeded_without_closing_it_is_closed_as_ready(
    world: SweepWorld, account: str
) -> None:
    backup = succeeded(world, account)
    world.functions.answer(closes(world, backup))
    world.sweeper.sweep()
    assert world.states(account) == {backup.id: "ready"}
    assert world.told() == [backup.id]
    assert world.cleaned() == []


def test_an_archive_that_cannot_be_offered_fails_the_backup_with_the_step_s_reason(
    world: SweepWorld, account: str
) -> None:
    backup = succeeded(world, account)

    def missing(_payload: dict[str, Any]) -> str:
        world.store.note_failure(account, backup.id, Failure(Reason.ARCHIVE_DAMAGED))
        return "ArchiveMissing"

    world.functions.answer(missing)
    world.sweeper.sweep()
    assert ended(world, backup).failure == Failure(Reason.ARCHIVE_DAMAGED)
    assert world.cleaned() == world.told() == [backup.id]


@pytest.mark.parametrize("output", ["", "no JSON", "[1]", {"no": "archive"}])
def test_an_output_without_an_archive_is_for_the_step_to_refuse(
    world: SweepWorld, account: str, output: object
) -> None:
    backup = world.begun(account)
    world.end(backup, "SUCCEEDED", output=output)
    world.pass_time()
    world.functions.answer(lambda payload: "ForeignEvent" if payload["archive"] is None else None)
    world.sweeper.sweep()
    assert ended(world, backup).failure == Failure(Reason.INTERNAL)


@pytest.mark.parametrize("error", ["BucketUnavailable", "RecordsUnavailable", "Sandbox.Timedout", ""])
def test_a_step_that_may_go_well_later_is_taken_by_the_next_sweep(
    world: SweepWorld, account: str, error: str
) -> None:
    backup = succeeded(world, account)
    before = world.table.records(account)
    world.functions.answer(lambda _payload: error)
    with pytest.raises(SweepIncomplete):
        world.sweeper.sweep()
    with pytest.raises(NotClosed):
        world.sweeper.look(account, backup.id)
    assert world.table.records(account) == before
    world.functions.answer(closes(world, backup))
    world.sweeper.sweep()
    assert world.states(account) == {backup.id: "ready"}


def test_of_a_backup_that_was_cancelled_in_that_moment_nobody_is_told(
    world: SweepWorld, account: str
) -> None:
    backup = succeeded(world, account)

    def too_late(_payload: dict[str, Any]) -> str:
        world.store.finish(cancelled(backup, BOB, world.table.now))
        return "Superseded"

    world.functions.answer(too_late)
    world.sweeper.sweep()
    assert world.states(account) == {backup.id: "cancelled"}
    assert [function for function, kind, _ in world.functions.asked if kind == "Event"] == []


@pytest.mark.parametrize("answer", ["ArchiveMissing", "Superseded"])
def test_a_refusal_that_comes_when_a_newer_backup_runs_does_not_touch_that_one(
    world: SweepWorld, account: str, answer: str
) -> None:
    backup = succeeded(world, account)
    newer: list[Backup] = []

    def overtaken(_payload: dict[str, Any]) -> str:
        world.store.finish(cancelled(backup, BOB, world.table.now))
        newer.append(world.table.pending(account))
        return answer

    world.functions.answer(overtaken)
    world.sweeper.sweep()
    assert world.states(account) == {backup.id: "cancelled", newer[0].id: "pending"}


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
    world.line.refuse("StartExecution", *THROTTLED)
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
    world.table.line.refuse(operation, *TABLE_THROTTLED)
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
    world.table.line.refuse("Query", *TABLE_THROTTLED)
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
