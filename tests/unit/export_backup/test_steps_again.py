"""Steps that are taken again or late, in whatever order, do no harm."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from functions.export_backup.progress import SECOND
from shared.backup import State
from shared.store import Superseded
from tests.unit.export_backup.running_backup import (
    ACCOUNT_ID,
    ARCHIVE,
    OTHER,
    OWN,
    RECORDS,
    WHOLE,
    WRITTEN,
    SlowSource,
    World,
    account_items,
)


def test_a_late_attempt_at_a_unit_leaves_the_archive_untouched(world: World) -> None:
    """Faults 10 and 11: the attempt that the workflow gave up lives on."""
    world.claim()
    units = world.take("plan")["units"]
    counted = world.export(units[0])
    before = {key: world.bucket.get(key) for key in world.bucket.stored_keys()}
    world.fill(account_items(note="changed since "))
    late = world.export(units[0])
    assert late["attempt"] != counted["attempt"]
    assert {key: world.bucket.get(key) for key in before} == before
    archive = world.take("assemble", exported=[counted])
    published = world.archive()
    world.take("export", unit=units[0])
    assert world.archive() == published
    world.take("ready", archive=archive)
    with pytest.raises(Superseded):
        world.take("export", unit=units[0])
    assert world.archive() == published
    with zipfile.ZipFile(io.BytesIO(published)) as opened:
        assert b"changed since" not in opened.read("users.csv")


def test_assembling_again_after_a_lost_answer_finds_its_own_archive(world: World) -> None:
    """Faults 10 and 18."""
    world.claim()
    exported = world.exported()
    first = world.take("assemble", exported=exported)
    published = world.archive()
    world.now += timedelta(minutes=3)
    assert world.take("assemble", exported=exported) == first
    assert world.archive() == published
    assert world.bucket.open_uploads() == []


def test_ready_again_after_a_lost_answer_changes_nothing(world: World) -> None:
    world.claim()
    world.run()
    record = world.record(f"BACKUP#{OWN}")
    world.now += timedelta(minutes=3)
    assert world.take("ready", archive=ARCHIVE) == {}
    assert world.record(f"BACKUP#{OWN}") == record


def test_ready_again_while_the_next_backup_runs_leaves_that_one_alone(world: World) -> None:
    world.claim()
    world.run()
    world.claim(OTHER)
    lock = world.record("PENDING")
    assert world.take("ready", archive=ARCHIVE) == {}
    assert world.record("PENDING") == lock


def test_ready_after_failed_is_too_late(world: World) -> None:
    world.claim()
    world.take("fail", error="States.Timeout")
    record = world.record(f"BACKUP#{OWN}")
    with pytest.raises(Superseded):
        world.take("ready", archive=ARCHIVE)
    assert world.record(f"BACKUP#{OWN}") == record


PAYLOADS: dict[str, dict[str, Any]] = {
    "plan": {},
    "export": {"unit": WHOLE},
    "assemble": {"exported": [{"unit": 0, "attempt": OTHER, "records": 7}]},
    "verify": {"exported": [{"unit": 0, "attempt": OTHER, "records": 7}], "archive": ARCHIVE},
    "ready": {"archive": ARCHIVE},
    "fail": {"error": "States.Timeout"},
}


@pytest.mark.parametrize("step", PAYLOADS)
@pytest.mark.parametrize("running", [OTHER, None], ids=["another_runs", "none_runs"])
def test_a_step_of_an_overtaken_backup_stops_and_writes_nothing(
    world: World, step: str, running: str | None
) -> None:
    """Faults 11 and 16."""
    world.claim()
    if running is None:
        world.free()
    else:
        world.overtake()
    lock = world.record("PENDING")
    before = world.writes()
    with pytest.raises(Superseded):
        world.take(step, **PAYLOADS[step])
    written = world.writes() - before
    assert set(written) <= {"UpdateItem", "TransactWriteItems"}  # refused by their conditions
    assert world.record("PENDING") == lock
    assert world.bucket.stored_keys() == []
    assert world.store.history(ACCOUNT_ID, limit=9) == []
    if step != "plan":
        assert written == Counter()


@pytest.mark.parametrize("step", PAYLOADS)
def test_a_step_that_is_taken_again_after_its_backup_failed_changes_nothing(world: World, step: str) -> None:
    world.claim()
    world.take("fail", error="Oops")
    record = world.record(f"BACKUP#{OWN}")
    if step == "fail":
        world.take(step, **PAYLOADS[step])
    else:
        with pytest.raises(Superseded):
            world.take(step, **PAYLOADS[step])
    assert world.record(f"BACKUP#{OWN}") == record
    assert world.record("PENDING") is None
    assert world.bucket.stored_keys() == []


def test_an_export_stops_within_a_second_of_losing_the_lock(world: World) -> None:
    """Fault 11."""
    world.fill(account_items(proofs=30))
    world.claim()
    world.take("plan")
    taken_at = 20
    pages = []

    def on_page(number: int) -> None:
        pages.append(number)
        world.now += SECOND / 4
        if number == taken_at:
            world.overtake()

    steps = world.steps_with(lambda account: SlowSource(world.dynamodb, RECORDS, account, on_page))
    with pytest.raises(Superseded):
        world.take("export", steps=steps, unit=WHOLE)
    assert taken_at <= pages[-1] <= taken_at + 4  # four pages a second
    assert world.bucket.stored_keys() == []
    assert world.bucket.open_uploads() == []


def test_an_export_says_how_far_it_is_once_a_second_and_at_its_end(world: World) -> None:
    world.claim()
    world.take("plan")
    before = world.calls["UpdateItem"]

    def on_page(_: int) -> None:
        world.now += SECOND / 5

    steps = world.steps_with(lambda account: SlowSource(world.dynamodb, RECORDS, account, on_page))
    world.take("export", steps=steps, unit=WHOLE)
    pages = WRITTEN + 4
    # At once, then every fifth page; the last is that it is done.
    assert world.calls["UpdateItem"] - before == 1 + (pages - 1) // 5 + 1


def test_an_export_that_lost_the_lock_on_its_last_page_does_not_say_that_it_is_done(world: World) -> None:
    world.claim()
    world.take("plan")
    world.bucket.before("PutObject", world.overtake)
    with pytest.raises(Superseded):
        world.take("export", unit=WHOLE)
    assert world.backup(OTHER).units_done == frozenset()


@pytest.mark.parametrize("order", list(permutations(["assemble", "ready", "fail"])))
def test_in_whatever_order_late_steps_come_the_first_end_is_the_end(
    world: World, order: tuple[str, ...]
) -> None:
    world.claim()
    exported = world.exported()
    archive = world.take("assemble", exported=exported)
    payloads = PAYLOADS | {"assemble": {"exported": exported}, "ready": {"archive": archive}}
    end: dict[str, Any] | None = None
    for step in order:
        try:
            world.take(step, **payloads[step])
        except Superseded:
            assert end is not None
        if end is None:
            end = world.record(f"BACKUP#{OWN}")
        assert world.record(f"BACKUP#{OWN}") == end
    first_end = next(step for step in order if step in {"ready", "fail"})
    assert world.backup().state is {"ready": State.READY, "fail": State.FAILED}[first_end]
