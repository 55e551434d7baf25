"""A backup that is cancelled at any moment: what is in the bucket afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from functions.export_backup.event import NumberedUnit
from functions.export_backup.progress import SECOND
from functions.export_backup.staging import Staging
from functions.export_backup.unit_report import MemberCount, UnitReport
from shared.backup import State
from shared.store import Superseded
from tests.unit.export_backup.running_backup import (
    ACCOUNT_ID,
    OTHER,
    OWN,
    RECORDS,
    WHOLE,
    SlowSource,
    World,
    own_keys,
)
from tests.unit.export_backup.s3_bucket import BUCKET

MIB = 1024**2
NOISE = random.Random(7).randbytes(11 * MIB)  # noqa: S311 - data that deflate cannot make smaller


def cancelled_and_cleaned(world: World, backup_id: str = OWN) -> None:
    world.cancel(backup_id)
    world.take("clean", backup_id)


def exported_at_length(world: World) -> list[dict[str, Any]]:
    """A unit whose segments are long enough for an archive of several parts, one of them copied."""
    world.take("plan")
    staging = Staging(world.bucket.s3, BUCKET, OWN)
    with staging.writers(0, OTHER) as writers:
        writers["files.csv"].write(NOISE)
        writers["comments.csv"].write(NOISE)
        writers["organisation.csv"].write(b"id\r\n9789\r\n")
        writers["backup.xml"].write(b"<backup/>")
    one = MemberCount(rows=1)
    report = UnitReport({"organisation.csv": one, "backup.xml": one}, {})
    staging.keep_report(NumberedUnit(0, 1, None, None), OTHER, writers.segments, report)
    return [{"unit": 0, "attempt": OTHER, "records": 0}]


# --- cancelled ---


def test_cancelled_in_the_middle_of_an_export(world: World, neighbour: list[str]) -> None:
    world.claim()
    world.take("plan")

    def on_page(number: int) -> None:
        world.now += SECOND
        if number == 5:
            world.cancel()

    steps = world.steps_with(lambda account: SlowSource(world.dynamodb, RECORDS, account, on_page))
    with pytest.raises(Superseded):
        world.take("export", steps=steps, unit=WHOLE)
    assert own_keys(world, neighbour) == []


@pytest.mark.parametrize("cancel", [World.cancel, cancelled_and_cleaned])
def test_cancelled_while_the_export_publishes_its_segments(
    world: World, neighbour: list[str], cancel: Callable[[World], None]
) -> None:
    world.claim()
    world.take("plan")
    world.bucket.before("PutObject", lambda: cancel(world))
    with pytest.raises(Superseded):
        world.take("export", unit=WHOLE)
    assert world.bucket.calls["PutObject"] > len(neighbour) + 5  # after the cleaning too
    assert own_keys(world, neighbour) == []


def test_cancelled_between_export_and_assembly_the_next_step_cleans_up(
    world: World, neighbour: list[str]
) -> None:
    world.claim()
    units = world.exported()
    assert own_keys(world, neighbour) != []
    world.cancel()
    with pytest.raises(Superseded):
        world.take("assemble", exported=units)
    assert own_keys(world, neighbour) == []


def test_cancelled_between_export_and_assembly_the_cleaning_alone_will_do(
    world: World, neighbour: list[str]
) -> None:
    world.claim()
    world.exported()
    cancelled_and_cleaned(world)
    assert own_keys(world, neighbour) == []


@pytest.mark.parametrize("operation", ["GetObject", "UploadPart", "UploadPartCopy"])
@pytest.mark.parametrize("cancel", [World.cancel, cancelled_and_cleaned])
def test_cancelled_while_parts_are_sent(
    world: World, neighbour: list[str], operation: str, cancel: Callable[[World], None]
) -> None:
    world.claim()
    units = exported_at_length(world)

    def a_second_later() -> None:
        cancel(world)
        world.now += SECOND

    world.bucket.before(operation, a_second_later)
    world.bucket.calls.clear()
    with pytest.raises(Superseded):
        world.take("assemble", exported=units)
    assert world.bucket.calls["CompleteMultipartUpload"] == 0
    assert own_keys(world, neighbour) == []


def test_an_assembly_asks_once_a_second_whether_it_is_still_wanted(world: World) -> None:
    world.claim()
    units = exported_at_length(world)
    before = world.calls["GetItem"]
    world.take("assemble", exported=units)
    assert world.calls["GetItem"] - before == 1 + 1 + 1  # before, among the parts, and after


@pytest.mark.parametrize("at_length", [False, True])
@pytest.mark.parametrize("cancel", [World.cancel, cancelled_and_cleaned])
def test_cancelled_in_the_moment_of_publishing(
    world: World, neighbour: list[str], at_length: bool, cancel: Callable[[World], None]
) -> None:
    world.claim()
    units = exported_at_length(world) if at_length else world.exported()
    world.bucket.before("CompleteMultipartUpload" if at_length else "PutObject", lambda: cancel(world))
    with pytest.raises(Superseded):
        world.take("assemble", exported=units)
    assert own_keys(world, neighbour) == []


def test_cancelled_just_after_publishing(world: World, neighbour: list[str]) -> None:
    world.claim()
    units = world.exported()
    # The next that the step does after it has published is to ask whether the backup still runs.
    world.bucket.before("PutObject", lambda: world.before.update(GetItem=world.cancel))
    with pytest.raises(Superseded):
        world.take("assemble", exported=units)
    assert own_keys(world, neighbour) == []


def test_cancelled_after_the_assembly_has_looked_for_the_last_time(
    world: World, neighbour: list[str]
) -> None:
    world.claim()
    world.assembled()
    cancelled_and_cleaned(world)
    assert own_keys(world, neighbour) == []


@pytest.mark.parametrize("cancel", [World.cancel, cancelled_and_cleaned])
def test_at_whatever_call_it_is_cancelled_nothing_is_left(
    world: World, neighbour: list[str], cancel: Callable[[World, str], None]
) -> None:
    """Before the first call that the steps make to AWS, before the second, and so on to the last."""
    calls, due = 0, 0
    backup_id = ""

    def before_each_call(**_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == due:
            with suppress(Superseded):  # where it is ready by now
                cancel(world, backup_id)

    for client in (world.dynamodb, world.bucket.s3):
        client.meta.events.register("before-parameter-build", before_each_call)
    ends = []
    for moment in range(1, 200):
        backup_id = f"01KAQ4M2C5{moment:016d}"
        backup = world.claim(backup_id)
        calls, due = 0, moment
        try:
            plan = world.take("plan", backup_id)
            units = [world.take("export", backup_id, unit=unit) for unit in plan["units"]]
            archive = world.take("assemble", backup_id, exported=units)
            world.take("ready", backup_id, archive=archive)
        except Superseded:
            pass
        reached, due = calls >= moment, 0
        ended = world.store.find(ACCOUNT_ID, backup_id)
        assert ended is not None
        left = [backup.object_key] if ended.state is State.READY else []
        assert own_keys(world, neighbour) == left, moment
        assert sorted(world.bucket.open_uploads()) == neighbour, moment
        ends.append(ended.state)
        for key in left:
            world.bucket.s3.delete_object(Bucket=BUCKET, Key=key)
        if not reached:
            break
    else:
        pytest.fail("the steps make more calls than that")
    assert ends.count(State.CANCELLED) > 30
    assert ends[-1] is State.READY


def test_a_cancelled_backup_does_not_fail_and_nobody_is_told_that_it_did(world: World) -> None:
    world.claim()
    world.cancel()
    record = world.record(f"BACKUP#{OWN}")
    with pytest.raises(Superseded):
        world.take("fail", error="Sandbox.Timedout")
    assert world.record(f"BACKUP#{OWN}") == record
