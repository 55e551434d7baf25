"""Fault 22: a unit's report is written and its answer lost: no slice is there twice, and none missing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator

import pytest

from functions.export_backup.bucket_errors import BucketUnavailable
from functions.export_backup.event import unit_event, units_between
from tests.reading import csv_records
from tests.unit.export_backup.running_backup import ACCOUNT_ID, OWN, World, a_world, account_items

SEGMENTS = 8
"""Objects that a unit writes before its report."""
UNITS = [unit_event(unit) for unit in units_between(["000000000002"])]


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as world:
        world.fill(account_items())
        world.claim()
        world.take("plan")
        yield world


@pytest.mark.parametrize(
    "lose",
    [
        lambda world: world.bucket.lose_answer("PutObject", after=SEGMENTS),
        lambda world: world.bucket.lose_answer("PutObject", status=500, after=SEGMENTS),
        lambda world: world.bucket.lose_answer("PutObject", after=SEGMENTS - 1),
        lambda world: world.bucket.cut("PutObject", after=SEGMENTS),
    ],
    ids=["report written, no answer", "report written, 500", "last segment written", "report not written"],
)
def test_a_unit_that_is_taken_again_is_in_the_archive_once(
    world: World, lose: Callable[[World], None]
) -> None:
    lose(world)
    with pytest.raises(BucketUnavailable):
        world.take("export", unit=UNITS[0])
    world.bucket.mend()
    exported = [world.export(unit) for unit in UNITS]
    archive = world.take("assemble", exported=exported)
    world.take("verify", exported=exported, archive=archive)
    with zipfile.ZipFile(io.BytesIO(world.archive())) as opened:
        for member in ("files.csv", "recipients.csv", "comments.csv", "comment_responses.csv"):
            assert [row["id"] for row in csv_records(opened.read(member), "utf-8")] == ["1", "2", "3"]


def test_a_report_whose_first_answer_is_lost_is_kept_by_the_second(world: World) -> None:
    world.bucket.lose_answer("PutObject", after=SEGMENTS, times=1)
    exported = [world.export(unit) for unit in UNITS]
    assert world.attempts == len(UNITS)
    archive = world.take("assemble", exported=exported)
    assert world.take("verify", exported=exported, archive=archive)["verified"]


def test_an_attempts_last_word_whose_answer_is_lost_counts_once(world: World) -> None:
    """The record says that the unit is done; the workflow takes it again all the same."""
    first = world.export(UNITS[0])
    again = world.export(UNITS[0])
    assert first["attempt"] != again["attempt"]
    exported = [again, world.export(UNITS[1])]
    backup = world.store.find(ACCOUNT_ID, OWN)
    assert backup is not None
    assert backup.units_done == {0, 1}
    assert backup.records_done == sum(unit["records"] for unit in exported)
