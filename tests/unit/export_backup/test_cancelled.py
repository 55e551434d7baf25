"""A backup that is cancelled, fails or is overtaken at any moment: what is in the bucket afterwards."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.event import ForeignEvent, NumberedUnit
from functions.export_backup.progress import SECOND
from functions.export_backup.staging import Staging
from functions.export_backup.unit_report import MemberCount, UnitReport
from shared.backup import Backup, State
from shared.store import Superseded
from tests.doubles import log_of
from tests.unit.export_backup.running_backup import (
    ACCOUNT_ID,
    OTHER,
    OWN,
    RECORDS,
    WHOLE,
    SlowSource,
    World,
)
from tests.unit.export_backup.s3_bucket import BUCKET

MIB = 1024**2
NOISE = random.Random(7).randbytes(11 * MIB)  # noqa: S311 - data that deflate cannot make smaller
LATE = ["plan", "export", "assemble", "verify", "ready", "fail"]


@pytest.fixture
def neighbour(world: World) -> Iterator[list[str]]:
    """Keys of another backup, which are there, objects and open uploads alike, also when the test is over."""
    keys = [f"backups/{'0' * 32}/other.zip", f"staging/{OTHER}/00000/{OTHER}/files.csv.deflate"]
    for key in keys:
        world.bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=b"theirs")
        world.bucket.s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    yield keys
    assert set(keys) <= set(world.bucket.stored_keys())
    assert sorted(world.bucket.open_uploads()) == keys


def own_keys(world: World, neighbour: list[str]) -> list[str]:
    return [key for key in world.bucket.stored_keys() if key not in neighbour]


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


# --- clean ---


def test_cleaning_twice_changes_nothing(world: World, neighbour: list[str]) -> None:
    world.claim()
    world.assembled()
    world.cancel()
    for _ in range(2):
        assert world.take("clean") == {}
        assert own_keys(world, neighbour) == []


def test_a_running_backup_is_not_cleaned(world: World) -> None:
    world.claim()
    world.assembled()
    before, calls = world.bucket.stored_keys(), world.writes()
    with pytest.raises(ForeignEvent, match="not ended"):
        world.take("clean")
    assert world.bucket.stored_keys() == before
    assert world.writes() == calls


def test_an_unknown_backup_is_not_cleaned(world: World, neighbour: list[str]) -> None:
    world.claim()
    world.assembled()
    world.free()
    before = own_keys(world, neighbour)
    with pytest.raises(ForeignEvent, match="unknown"):
        world.take("clean")
    assert own_keys(world, neighbour) == before


def test_cleaning_a_ready_backup_leaves_its_archive(world: World) -> None:
    backup = world.claim()
    world.run()
    world.take("clean")
    assert world.bucket.stored_keys() == [backup.object_key]


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [(503, "SlowDown", BucketUnavailable), (403, "AccessDenied", BucketRefused)],
)
def test_a_cleaning_that_did_not_work_says_so_for_lambda_to_repeat_it(
    world: World, status: int, code: str, outcome: type[Exception]
) -> None:
    world.claim()
    world.assembled()
    world.cancel()
    world.bucket.refuse("DeleteObjects", status, code)
    with pytest.raises(outcome):
        world.take("clean")


# --- failed and ready ---


def test_of_a_failed_backup_nothing_is_left(world: World, neighbour: list[str]) -> None:
    world.claim()
    world.assembled()
    world.take("fail", error="States.Timeout")
    assert own_keys(world, neighbour) == []


def test_an_export_that_outlives_the_failing_of_its_backup_leaves_nothing(
    world: World, neighbour: list[str]
) -> None:
    world.claim()
    world.take("plan")
    world.bucket.before("PutObject", lambda: world.take("fail", error="States.Timeout"))
    with pytest.raises(Superseded):
        world.take("export", unit=WHOLE)
    assert own_keys(world, neighbour) == []


def test_of_a_ready_backup_the_archive_alone_is_left(world: World, neighbour: list[str]) -> None:
    backup = world.claim()
    world.run()
    assert own_keys(world, neighbour) == [backup.object_key]


@pytest.mark.parametrize("late", LATE)
def test_a_late_step_of_a_ready_backup_leaves_its_archive_and_the_next_ones_segments_alone(
    world: World, late: str
) -> None:
    backup = world.claim()
    units = world.exported()
    archive = world.take("assemble", exported=units)
    world.take("ready", archive=archive)
    published = world.archive()
    world.claim(OTHER)
    world.take("plan", OTHER)
    world.take("export", OTHER, unit=WHOLE)
    before = world.bucket.stored_keys()
    payload: dict[str, Any] = {"unit": WHOLE, "exported": units, "archive": archive, "error": "Oops"}
    if late in ("ready", "fail"):
        assert world.take(late, **payload) == {}
    else:
        with pytest.raises(Superseded):
            world.take(late, **payload)
    assert world.bucket.stored_keys() == before
    assert world.bucket.get(backup.object_key) == published


def test_an_assembly_that_outlives_ready_leaves_the_archive_alone(world: World) -> None:
    backup = world.claim()
    units = world.exported()
    archive = world.take("assemble", exported=units)
    world.bucket.before("PutObject", lambda: world.take("ready", archive=archive))
    with pytest.raises(Superseded):
        world.take("assemble", exported=units)
    assert world.bucket.stored_keys() == [backup.object_key]


@pytest.mark.parametrize("operation", ["DeleteObjects", "ListObjectsV2", "ListMultipartUploads"])
@pytest.mark.parametrize(("last", "state"), [("ready", State.READY), ("fail", State.FAILED)])
def test_a_bucket_that_refuses_the_removal_fails_nothing_and_a_retry_removes(
    world: World, operation: str, last: str, state: State
) -> None:
    world.claim()
    payload: dict[str, Any] = {"archive": world.assembled(), "error": "Oops"}
    world.bucket.refuse(operation, 403, "AccessDenied", times=1)
    with log_of("export_backup") as lines:
        assert world.take(last, **payload) == {}
    (line,) = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (line["level"], line["message"]) == ("WARNING", "leftovers not removed")
    assert line["error"][0].startswith("BucketRefused")
    assert line["error"][-1].endswith("AccessDenied)")
    ended = world.store.find(ACCOUNT_ID, OWN)
    assert ended is not None
    assert ended.state is state
    world.now += timedelta(minutes=1)
    assert world.take(last, **payload) == {}
    assert len(world.bucket.stored_keys()) == (state is State.READY)
    assert world.store.find(ACCOUNT_ID, OWN) == ended


@pytest.mark.parametrize("last", ["ready", "fail"])
def test_an_end_whose_answer_was_lost_is_taken_again_and_not_overtaken(world: World, last: str) -> None:
    """The end stands, though the step does not know: Superseded would keep its e-mail from being sent."""
    world.claim()
    payload: dict[str, Any] = {"archive": world.assembled(), "error": "Oops"}

    class Lost(Exception):
        pass

    finish = world.store.finish

    def finish_and_lose(backup: Backup, *, untold: bool = False) -> None:
        finish(backup, untold=untold)
        raise Lost

    world.store.finish = finish_and_lose  # type: ignore[method-assign]
    with pytest.raises(Lost):
        world.take(last, **payload)
    world.store.finish = finish  # type: ignore[method-assign]
    assert world.take(last, **payload) == {}


def test_a_table_that_does_not_answer_while_looking_for_the_end_hides_no_error(world: World) -> None:
    world.claim()
    world.take("plan")
    world.bucket.refuse("PutObject", 503, "SlowDown")
    world.bucket.before("PutObject", lambda: world.refused.update(GetItem=("InternalServerError", 500)))
    with pytest.raises(BucketUnavailable, match="SlowDown"):
        world.take("export", unit=WHOLE)


def test_a_step_that_fails_while_its_backup_runs_leaves_what_others_wrote(world: World) -> None:
    world.claim()
    world.exported()
    before = world.bucket.stored_keys()
    world.bucket.refuse("PutObject", 503, "SlowDown")
    with pytest.raises(BucketUnavailable):
        world.take("export", unit=WHOLE)
    assert world.bucket.stored_keys() == before
