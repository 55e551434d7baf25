"""What the sweeper makes of backups whose workflow has succeeded without closing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from functions.request_backup.closing import NotClosed
from functions.request_backup.sweeper import SweepIncomplete
from shared.backup import Backup, Failure, Reason
from shared.store import cancelled
from tests.unit.request_backup.sweep_world import ARCHIVE, SweepWorld, ended
from tests.unit.shared.backups_table import BOB


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
