"""DELETE /backups/{id}: what is being made is cancelled, what is ready deleted, and neither by mistake."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.backup import Backup, State
from shared.moments import to_text
from shared.store import Superseded, cancelled
from tests.unit.request_backup.api_world import EXPORT_FUNCTION, NOBODY, ApiWorld, claims_of
from tests.unit.shared.backups_table import ANN, BOB, THROTTLED

RUNNING, READY = {"expect": "running"}, {"expect": "ready"}


def logged(world: ApiWorld) -> list[dict[str, Any]]:
    return [json.loads(line) for line in world.log.getvalue().splitlines()]


def with_archive(world: ApiWorld, account: str) -> Backup:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    return ready


# --- cancelling ---


@pytest.mark.parametrize("query", [None, RUNNING])
@pytest.mark.parametrize("state", ["pending", "running"])
def test_a_backup_that_is_being_made_is_cancelled_and_the_account_free_at_once(
    world: ApiWorld, account: str, state: str, query: dict[str, str] | None
) -> None:
    backup_id = world.request(account).body["id"]
    if state == "running":
        world.store.begin(account, backup_id, units=3, now=world.table.now)
    world.table.now += timedelta(minutes=1)
    answer = world.remove(account, backup_id, query=query)
    assert answer.status == 200
    assert answer.body["state"] == "cancelled"
    assert answer.body["cancelled_at"] == to_text(world.table.now)
    assert answer.body["ended_by"] == {"name": "Ann"}
    assert world.get(account, f"/backups/{backup_id}").body == answer.body
    assert world.status_of(backup_id) == "ABORTED"
    clean = {"step": "clean", "account_id": account, "backup_id": backup_id}
    assert world.functions.asked == [(EXPORT_FUNCTION, "Event", clean)]
    assert world.request(account).status == 202


def test_the_run_of_a_cancelled_backup_stops_at_its_next_write(world: ApiWorld, account: str) -> None:
    running = world.table.pending(account)
    world.remove(account, running.id)
    before = world.table.records(account)
    with pytest.raises(Superseded):
        world.store.advance(account, running.id, unit=0, records=1, now=world.table.now)
    with pytest.raises(Superseded):
        world.store.finish(world.table.ended_well(running))
    assert world.table.records(account) == before


def test_the_fence_is_up_before_the_run_is_stopped_and_the_cleaning_begins(
    world: ApiWorld, account: str
) -> None:
    backup_id = world.request(account).body["id"]
    fenced: list[bool] = []
    world.lines["sfn"].before("StopExecution", lambda: fenced.append(world.store.running(account) is None))
    world.functions.before("Invoke", lambda: fenced.append(world.status_of(backup_id) == "ABORTED"))
    world.remove(account, backup_id)
    assert fenced == [True, True]


@pytest.mark.parametrize("code", ["ExecutionDoesNotExist", "ValidationException"])
def test_a_backup_whose_execution_never_was_or_has_ended_is_cancelled_all_the_same(
    world: ApiWorld, account: str, code: str
) -> None:
    world.lines["sfn"].refuse("StopExecution", 400, code)
    assert world.remove(account, world.table.pending(account).id).body["state"] == "cancelled"
    assert len(world.functions.asked) == 1
    assert [line["message"] for line in logged(world)] == ["backup cancelled"]


@pytest.mark.parametrize("fault", [THROTTLED, (500, "InternalFailure"), (400, "AccessDeniedException")])
def test_a_run_that_cannot_be_stopped_is_cancelled_cleaned_up_and_logged(
    world: ApiWorld, account: str, fault: tuple[int, str]
) -> None:
    backup_id = world.request(account).body["id"]
    world.lines["sfn"].refuse("StopExecution", *fault)
    answer = world.remove(account, backup_id)
    assert (answer.status, answer.body["state"]) == (200, "cancelled")
    assert len(world.functions.asked) == 1
    (line,) = [line for line in logged(world) if line["level"] == "WARNING"]
    assert (line["message"], line["backup_id"]) == ("workflow not stopped", backup_id)
    assert fault[1] in str(line["error"])
    assert "made up" not in world.log.getvalue()


@pytest.mark.parametrize(
    "fault", [(429, "TooManyRequestsException"), (500, "ServiceException"), (403, "AccessDeniedException")]
)
def test_a_cleaning_that_cannot_be_asked_for_is_logged_and_no_more(
    world: ApiWorld, account: str, fault: tuple[int, str]
) -> None:
    backup_id = world.request(account).body["id"]
    world.functions.refuse(*fault)
    answer = world.remove(account, backup_id)
    assert (answer.status, answer.body["state"]) == (200, "cancelled")
    assert world.status_of(backup_id) == "ABORTED"
    (line,) = [line for line in logged(world) if line["level"] == "WARNING"]
    assert (line["message"], line["backup_id"]) == ("cleaning not asked for", backup_id)


@pytest.mark.parametrize("fault", [THROTTLED, (500, "InternalServerError")])
def test_under_throttling_nothing_is_cancelled_and_nothing_stopped(
    world: ApiWorld, account: str, fault: tuple[int, str]
) -> None:
    backup_id = world.request(account).body["id"]
    world.table.line.refuse("TransactWriteItems", *fault)
    assert world.remove(account, backup_id).status == 503
    assert world.status_of(backup_id) == "RUNNING"
    assert world.functions.asked == []
    world.table.line.mend()
    assert world.remove(account, backup_id).body["state"] == "cancelled"


def test_a_cancellation_whose_answer_was_lost_counts(world: ApiWorld, account: str) -> None:
    backup_id = world.request(account).body["id"]
    world.table.line.lose_answer("TransactWriteItems", times=1)
    assert world.remove(account, backup_id).body["state"] == "cancelled"
    assert world.status_of(backup_id) == "ABORTED"


@pytest.mark.parametrize("query", [None, RUNNING])
def test_a_cancellation_that_comes_as_the_backup_gets_ready_deletes_nothing(
    world: ApiWorld, account: str, query: dict[str, str] | None
) -> None:
    backup = world.table.pending(account)
    world.put_archive(backup.object_key)
    world.table.line.before("TransactWriteItems", lambda: world.store.finish(world.table.ended_well(backup)))
    answer = world.remove(account, backup.id, query=query)
    assert (answer.status, answer.problem, answer.body["state"]) == (409, "moved-on", "ready")
    assert backup.object_key in world.archives()
    assert world.functions.asked == []
    assert world.calls["StopExecution"] == 0
    assert world.get(account, f"/backups/{backup.id}").body["state"] == "ready"


def test_cancelling_again_stops_and_cleans_what_the_first_try_could_not(
    world: ApiWorld, account: str
) -> None:
    backup_id = world.request(account).body["id"]
    running = world.store.running(account)
    assert running is not None
    world.store.finish(cancelled(running, BOB, world.table.now))  # and there it died
    assert world.remove(account, backup_id).status == 200
    assert world.status_of(backup_id) == "ABORTED"
    assert [payload["backup_id"] for _, _, payload in world.functions.asked] == [backup_id]


def test_after_a_deletion_what_a_late_run_may_have_written_is_cleaned(world: ApiWorld, account: str) -> None:
    ready = with_archive(world, account)
    said: list[State] = []

    def look() -> None:
        found = world.store.find(account, ready.id)
        assert found is not None
        said.append(found.state)

    world.functions.before("Invoke", look)
    assert world.remove(account, ready.id).status == 200
    assert said == [State.DELETED]


def test_of_two_who_cancel_at_once_both_are_told_the_first(world: ApiWorld, account: str) -> None:
    backup = world.table.pending(account)
    now = world.table.now
    world.table.line.before("TransactWriteItems", lambda: world.store.finish(cancelled(backup, BOB, now)))
    answer = world.remove(account, backup.id)
    assert (answer.status, answer.body["ended_by"]) == (200, {"name": "Bob"})


# --- deleting ---


@pytest.mark.parametrize("query", [None, READY])
@pytest.mark.parametrize("days", [0, 15])
def test_the_file_of_a_ready_or_expired_backup_is_deleted_and_the_entry_stays(
    world: ApiWorld, account: str, days: int, query: dict[str, str] | None
) -> None:
    older, ready = with_archive(world, account), with_archive(world, account)
    world.table.now += timedelta(days=days)
    answer = world.remove(account, ready.id, query=query)
    assert answer.status == 200
    assert answer.body["state"] == "deleted"
    assert answer.body["deleted_at"] == to_text(world.table.now)
    assert world.get(account, f"/backups/{ready.id}").body == answer.body
    assert ready.object_key not in world.archives()
    assert older.object_key in world.archives()
    clean = {"step": "clean", "account_id": account, "backup_id": ready.id}
    assert world.functions.asked == [(EXPORT_FUNCTION, "Event", clean)]
    tab = world.get(account, "/backups").body
    assert [one["state"] for one in tab["history"]] == ["deleted", "expired" if days else "ready"]


def test_the_running_backup_does_not_mind_that_an_older_one_is_deleted(world: ApiWorld, account: str) -> None:
    ready = with_archive(world, account)
    running = world.request(account).body["id"]
    assert world.remove(account, ready.id).status == 200
    assert world.get(account, "/backups").body["running"]["id"] == running
    assert world.status_of(running) == "RUNNING"


@pytest.mark.parametrize(("fault", "status"), [((503, "SlowDown"), 503), ((403, "AccessDenied"), 500)])
def test_where_the_file_cannot_be_deleted_the_backup_is_not_said_to_be(
    world: ApiWorld, account: str, fault: tuple[int, str], status: int
) -> None:
    ready = with_archive(world, account)
    world.lines["s3"].refuse("DeleteObject", *fault)
    answer = world.remove(account, ready.id)
    assert answer.status == status
    assert ready.object_key not in answer.text
    assert world.get(account, f"/backups/{ready.id}").body["state"] == "ready"
    world.lines["s3"].mend()
    assert world.remove(account, ready.id).body["state"] == "deleted"
    assert ready.object_key not in world.archives()


def test_doing_it_again_mends_a_deletion_that_stopped_half_way(world: ApiWorld, account: str) -> None:
    ready = with_archive(world, account)
    world.table.line.refuse("TransactWriteItems", *THROTTLED)
    assert world.remove(account, ready.id).status == 503
    assert ready.object_key not in world.archives()
    assert world.download(account, ready.id).status == 410
    world.table.line.mend()
    assert world.remove(account, ready.id).body["state"] == "deleted"


def test_an_entry_that_the_history_forgets_meanwhile_is_unknown(world: ApiWorld, account: str) -> None:
    ready = with_archive(world, account)
    key = {"pk": {"S": f"ACCOUNT#{account}"}, "sk": {"S": f"BACKUP#{ready.id}"}}
    world.lines["s3"].before(
        "DeleteObject", lambda: world.table.dynamodb.delete_item(TableName="backups", Key=key)
    )
    answer = world.remove(account, ready.id)
    assert (answer.status, answer.problem) == (404, "unknown-backup")
    assert set(world.table.records(account)) == {"SETTINGS"}


# --- once more, too late, and not at all ---


@pytest.mark.parametrize("again", [None, "the same"])
@pytest.mark.parametrize(("make", "query"), [("pending", RUNNING), ("ready", READY)])
def test_doing_it_again_is_answered_alike_and_changes_nothing(
    world: ApiWorld, account: str, make: str, query: dict[str, str], again: str | None
) -> None:
    backup: Backup = getattr(world.table, make)(account)
    first = world.remove(account, backup.id)
    before = world.table.records(account)
    calls = world.calls
    world.table.now += timedelta(hours=1)
    second = world.remove(
        account, backup.id, query=query if again else None, claims=claims_of(account, name="Bob")
    )
    assert (second.status, second.text) == (200, first.text)
    assert set(world.calls - calls) <= {"GetItem", "StopExecution", "Invoke"}
    assert world.table.records(account) == before
    assert len([line for line in logged(world) if line["message"].startswith("backup ")]) == 1


def test_a_failed_backup_has_nothing_to_take_away(world: ApiWorld, account: str) -> None:
    answer = world.remove(account, world.table.failed(account).id)
    assert (answer.status, answer.problem, answer.body["state"]) == (409, "not-ready", "failed")


def deleted(world: ApiWorld, account: str) -> Backup:
    ready = with_archive(world, account)
    return world.store.delete(ready, by=ANN, now=world.table.now)


def ended_by_hand(world: ApiWorld, account: str) -> Backup:
    ended = cancelled(world.table.pending(account), ANN, world.table.now)
    world.store.finish(ended)
    return ended


def expired(world: ApiWorld, account: str) -> Backup:
    ready = with_archive(world, account)
    world.table.now += timedelta(days=15)
    return ready


@pytest.mark.parametrize(
    ("make", "query", "state"),
    [
        (with_archive, RUNNING, "ready"),
        (expired, RUNNING, "expired"),
        (deleted, RUNNING, "deleted"),
        (lambda world, account: world.table.failed(account), RUNNING, "failed"),
        (lambda world, account: world.table.failed(account), READY, "failed"),
        (lambda world, account: world.table.pending(account), READY, "pending"),
        (ended_by_hand, READY, "cancelled"),
    ],
)
def test_what_is_not_any_more_what_it_was_taken_for_is_left_alone(
    world: ApiWorld,
    account: str,
    make: Callable[[ApiWorld, str], Backup],
    query: dict[str, str],
    state: str,
) -> None:
    backup = make(world, account)
    before, archives = world.table.records(account), world.archives()
    answer = world.remove(account, backup.id, query=query)
    assert (answer.status, answer.problem, answer.body["state"]) == (409, "moved-on", state)
    assert world.table.records(account) == before
    assert world.archives() == archives
    assert world.functions.asked == []
    assert not {"StopExecution", "DeleteObject"} & set(world.calls)


def test_only_admins_take_backups_away(world: ApiWorld, account: str) -> None:
    ready, running = with_archive(world, account), world.table.pending(account)
    before = world.table.records(account)
    for backup in (ready, running):
        answer = world.remove(account, backup.id, claims=claims_of(account, **NOBODY))
        assert (answer.status, answer.problem) == (403, "not-an-admin")
    assert world.table.records(account) == before
    assert ready.object_key in world.archives()


def test_a_downgraded_account_can_still_take_away_what_was_made(world: ApiWorld, account: str) -> None:
    ready, running = with_archive(world, account), world.table.pending(account)
    world.table.set_account(account, plan="Select")
    assert world.remove(account, ready.id).body["state"] == "deleted"
    assert world.remove(account, running.id).body["state"] == "cancelled"


def test_another_account_s_backups_are_out_of_reach(world: ApiWorld, account: str) -> None:
    other = account + "0"
    world.table.set_account(other)
    ready, running = with_archive(world, other), world.table.pending(other)
    before = world.table.records(other)
    for backup in (ready, running):
        assert world.remove(account, backup.id).status == 404
    assert world.table.records(other) == before
    assert ready.object_key in world.archives()


@pytest.mark.parametrize(("make", "message"), [("pending", "backup cancelled"), ("ready", "backup deleted")])
def test_who_took_it_away_is_logged(world: ApiWorld, account: str, make: str, message: str) -> None:
    backup: Backup = getattr(world.table, make)(account)
    world.remove(account, backup.id)
    (line,) = logged(world)
    assert (line["message"], line["backup_id"], line["account_id"]) == (message, backup.id, account)
    assert line["user"] == claims_of(account)["sub"]
    assert backup.object_key not in world.log.getvalue()
    assert "Ann" not in world.log.getvalue()


def test_a_backup_that_ended_without_a_name_is_shown_without_one(world: ApiWorld, account: str) -> None:
    """A lock that an operator freed by hand, as a cancelled backup."""
    backup = world.table.pending(account)
    world.store.finish(dataclasses.replace(backup, state=State.CANCELLED, finished_at=world.table.now))
    assert "ended_by" not in world.get(account, f"/backups/{backup.id}").body
