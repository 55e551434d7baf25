"""Units that fail, or whose answer is lost, and are taken again: no slice is there twice, none missing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.export_backup.bucket_errors import BucketUnavailable
from functions.export_backup.catalogue import Table
from functions.export_backup.event import unit_event, units_between
from functions.export_backup.forming import Form
from functions.export_backup.page import Page
from functions.export_backup.source import SourceUnavailable
from shared.backup import State
from tests.reading import csv_records
from tests.unit.export_backup.account_in_memory import AccountInMemory
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
    """Fault 22."""
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


# --- many of them ---

MANY = 64


def lost_answer(world: World, unit: dict[str, Any], _source: Refusing) -> None:
    world.take("export", unit=unit)


def source_that_fails(world: World, unit: dict[str, Any], source: Refusing) -> None:
    source.refuses_after = 2
    with pytest.raises(SourceUnavailable):
        world.take("export", steps=world.steps_with(lambda _: source), unit=unit)  # type: ignore[arg-type, return-value]


def segments_that_cannot_be_written(world: World, unit: dict[str, Any], _source: Refusing) -> None:
    world.bucket.refuse("PutObject", 503, "SlowDown")
    with pytest.raises(BucketUnavailable):
        world.take("export", unit=unit)
    world.bucket.mend()


def report_that_is_cut_off(world: World, unit: dict[str, Any], _source: Refusing) -> None:
    world.bucket.cut("PutObject", after=3)
    with pytest.raises(BucketUnavailable):
        world.take("export", unit=unit)
    world.bucket.mend()


def record_that_does_not_answer(world: World, unit: dict[str, Any], _source: Refusing) -> None:
    world.refused["UpdateItem"] = ("ProvisionedThroughputExceededException", 400)
    with pytest.raises(ClientError):
        world.take("export", unit=unit)
    world.refused.clear()


FAULTS = (
    lost_answer,
    source_that_fails,
    segments_that_cannot_be_written,
    report_that_is_cut_off,
    record_that_does_not_answer,
)


class Refusing(AccountInMemory):
    """Pages of one record, and then none."""

    refuses_after = 0

    def pages(
        self, table: Table, first: str | None = None, before: str | None = None, form: Form | None = None
    ) -> Iterator[Page]:
        for page in super().pages(table, first, before, form):
            self.refuses_after -= 1
            if self.refuses_after < 0:
                raise SourceUnavailable(table.name)
            yield page


def test_sixty_four_units_of_which_each_fails_once_are_ready_and_have_no_record_twice() -> None:
    items = account_items(proofs=MANY)
    with a_world() as world:
        world.fill(items)
        world.claim()
        units = world.planned(*(f"{number:012d}" for number in range(2, MANY + 1)))
        assert len(units) == MANY
        source = Refusing(items, page_size=lambda: 1)
        for number, unit in enumerate(units):
            FAULTS[number % len(FAULTS)](world, unit, source)
        exported = [world.export(unit) for unit in units]
        archive = world.take("assemble", exported=exported)
        assert world.take("verify", exported=exported, archive=archive)["verified"]
        world.take("ready", archive=archive)
        ready = world.store.find(ACCOUNT_ID, OWN)
        assert ready is not None
        assert (ready.state, ready.units, len(ready.units_done)) == (State.READY, MANY, MANY)
        assert ready.records == ready.records_done == 3 + 4 * MANY
        with zipfile.ZipFile(io.BytesIO(world.archive())) as opened:
            for member in ("files.csv", "recipients.csv", "comments.csv", "comment_responses.csv"):
                ids = [row["id"] for row in csv_records(opened.read(member), "utf-8")]
                assert ids == [str(number) for number in range(1, MANY + 1)]
        assert not [key for key in world.bucket.stored_keys() if key.startswith("staging/")]
        assert world.bucket.open_uploads() == []
