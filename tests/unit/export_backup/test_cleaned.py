"""A backup that is cleaned, has failed or is ready: what is in the bucket afterwards, whatever comes late."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from functions.export_backup.bucket_errors import BucketUnavailable
from functions.export_backup.event import ForeignEvent
from shared.backup import Backup, State
from shared.store import Superseded
from tests.doubles import log_of
from tests.unit.export_backup.running_backup import (
    ACCOUNT_ID,
    OTHER,
    OWN,
    WHOLE,
    World,
    own_keys,
)
from tests.unit.export_backup.s3_bucket import EACH_REFUSAL

LATE = ["plan", "export", "assemble", "verify", "ready", "fail"]


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


@EACH_REFUSAL
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
