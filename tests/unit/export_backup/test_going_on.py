"""Units that stop because their time runs out, and go on: the archive, and what is said meanwhile."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.export_backup.catalogue import COMMENTS, FILES, PROOF_TABLES, RECIPIENTS, RESPONSES, Table
from functions.export_backup.export_step import UnitEndless
from functions.export_backup.forming import Form
from functions.export_backup.limits import Limits
from functions.export_backup.outcomes import of_error
from functions.export_backup.page import Page
from functions.export_backup.source import SourceUnavailable
from functions.export_backup.steps import Steps
from shared.backup import Failure, Reason
from shared.store import Superseded
from tests.unit.export_backup.account_in_memory import AccountInMemory, Item, item
from tests.unit.export_backup.running_backup import ACCOUNT_ID, OWN, WHOLE, World, a_world, account_items

PROOFS = 24
RESERVE = 100.0
LIMITS = Limits(reserve_seconds=int(RESERVE))


def busy_account(seed: int) -> dict[str, list[Item]]:
    """Proofs of several versions, some in the trash, comments with responses, and some that hang on none."""
    chance = random.Random(seed)  # noqa: S311
    items = account_items(PROOFS)
    for number in range(1, PROOFS + 1):
        if chance.random() < 0.3:
            key = f"{number:012d}#000002"
            status = chance.choice(["active", "trashed"])
            items["FILES"].append(item(FILES, key, status=status, uploaded_at=None))
        for table, depth in ((RECIPIENTS, 1), (COMMENTS, 1), (RESPONSES, 2)):
            for _ in range(chance.randrange(4)):
                place = "#".join(f"{chance.randrange(1, 6):012d}" for _ in range(depth))
                key = f"{number:012d}#{chance.randrange(1, 4):06d}#{place}"
                if all(one["sk"]["S"] != key for one in items[table.name]):
                    items[table.name].append(item(table, key, created_at=None))
    return items


class Slow(AccountInMemory):
    """The account in pages of one record, each of which takes so many seconds, or fails."""

    def __init__(self, world: World, items: dict[str, list[Item]], seconds: float = 1) -> None:
        super().__init__(items, page_size=lambda: 1)
        self._world = world
        self._pause = timedelta(seconds=seconds)
        self.fails_after: int | None = None

    def pages(
        self, table: Table, first: str | None = None, before: str | None = None, form: Form | None = None
    ) -> Iterator[Page]:
        for page in super().pages(table, first, before, form):
            self._world.now += self._pause
            if self.fails_after is not None:
                self.fails_after -= 1
                if self.fails_after < 0:
                    raise SourceUnavailable(table.name)
            yield page


def steps_on(world: World, source: AccountInMemory, limits: Limits = LIMITS, concurrency: int = 8) -> Steps:
    return world.steps_with(lambda _: source, limits=limits, concurrency=concurrency)  # type: ignore[arg-type, return-value]


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as world:
        world.claim()
        yield world


def archived(world: World, exported: list[dict[str, Any]]) -> dict[str, bytes]:
    """The members of the archive, which was read back."""
    archive = world.take("assemble", exported=exported)
    assert world.take("verify", exported=exported, archive=archive)["verified"]
    with zipfile.ZipFile(io.BytesIO(world.archive())) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def said(world: World) -> tuple[int, int]:
    """Records and units that are done, as users see them."""
    backup = world.store.find(ACCOUNT_ID, OWN)
    assert backup is not None
    return backup.records_done, len(backup.units_done)


def in_one_go(items: dict[str, list[Item]], *cuts: str) -> dict[str, bytes]:
    with a_world() as world:
        world.claim()
        steps = steps_on(world, AccountInMemory(items))
        units = world.planned(*cuts)
        return archived(world, [world.export(unit, steps=steps) for unit in units])


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**16), st.sets(st.integers(1, PROOFS), max_size=2))
def test_units_that_stop_at_random_moments_fail_and_are_taken_again_make_the_archive_that_one_go_makes(
    seed: int, bounds: set[int]
) -> None:
    """Member by member to the byte, the manifest too; and what is said never goes back."""
    chance, items = random.Random(seed), busy_account(seed)  # noqa: S311
    cuts = [f"{bound:012d}" for bound in sorted(bounds)]
    with a_world() as world:
        world.claim()
        source = Slow(world, items, seconds=0.2)
        steps = steps_on(world, source)
        goes, seen, exported = 0, [(0, 0)], []

        def go(unit: dict[str, Any]) -> dict[str, Any]:
            left = RESERVE + chance.uniform(0, 1)
            result = world.take("export", steps=steps, unit=unit, seconds_left=left)
            seen.append(said(world))
            return result

        for planned in world.planned(*cuts):
            unit: dict[str, Any] | None = planned
            while unit is not None:
                if chance.random() < 0.2:
                    go(unit)  # whose answer is lost
                if chance.random() < 0.2:
                    source.fails_after = chance.randrange(6)
                    with suppress(SourceUnavailable):  # where so many pages are left
                        go(unit)
                    source.fails_after = None
                result = go(unit)
                unit = result["left"]
                goes += 1
            exported.append({name: result[name] for name in ("unit", "attempt", "records")})

        assert goes >= 20
        assert seen == sorted(seen, key=lambda each: each[0])
        assert [units for _, units in seen] == sorted(units for _, units in seen)
        whole = archived(world, exported)
        records = json.loads(whole["manifest.json"])["records"]
        assert said(world) == (sum(count["written"] for count in records.values()), len(cuts) + 1)
    assert whole == in_one_go(items)


def test_a_unit_with_time_enough_is_done_in_one_go(world: World) -> None:
    result = world.take(
        "export",
        steps=steps_on(world, Slow(world, account_items(3))),
        unit=world.planned()[0],
        seconds_left=RESERVE + 60,
    )
    assert result["left"] is None


@pytest.mark.parametrize("seconds", [-50, 0, 1])
def test_a_unit_without_any_time_does_one_proof_and_no_more(world: World, seconds: int) -> None:
    """What is left of a unit is smaller after every go."""
    steps = steps_on(world, Slow(world, account_items(3)))
    unit: dict[str, Any] | None = world.planned()[0]
    begun = []
    while unit is not None:
        begun.append(unit["first_proof"])
        unit = world.take("export", steps=steps, unit=unit, seconds_left=RESERVE + seconds)["left"]
    assert begun == [None, *(f"{number:012d}#000001" for number in range(2, 5))]


def test_the_reserve_is_kept_to_the_second(world: World) -> None:
    """One record a second: proofs are begun as long as there is more than the reserve, and none is cut."""
    ended: list[float] = []
    for seconds in (20, 40):
        source = Slow(world, account_items(PROOFS))
        began = world.now
        world.take("export", steps=steps_on(world, source), unit=WHOLE, seconds_left=RESERVE + seconds)
        ended.append((world.now - began).total_seconds() - seconds)
    assert all(0 <= late <= len(PROOF_TABLES) for late in ended)


def test_segments_of_all_goes_are_there_and_those_of_a_go_that_was_taken_again_are_its_own(
    world: World,
) -> None:
    steps = steps_on(world, Slow(world, account_items(3)))
    first = world.take("export", steps=steps, unit=world.planned()[0], seconds_left=RESERVE)
    before = {key: world.bucket.get(key) for key in world.bucket.stored_keys()}
    assert len({key.split("/")[3] for key in before}) == 1
    for _ in range(2):
        world.take("export", steps=steps, unit=first["left"], seconds_left=RESERVE)
    assert {key: world.bucket.get(key) for key in before} == before
    assert len({key.split("/")[3] for key in world.bucket.stored_keys()}) == 3


def test_a_unit_that_never_comes_to_its_end_fails_and_says_why(world: World) -> None:
    limits = Limits(reserve_seconds=int(RESERVE), most_goes=3)
    steps = steps_on(world, Slow(world, account_items(PROOFS)), limits)
    unit = world.planned()[0]
    for _ in range(3):
        unit = world.take("export", steps=steps, unit=unit, seconds_left=RESERVE)["left"]
    stored = world.bucket.stored_keys()
    with pytest.raises(UnitEndless) as endless:
        world.take("export", steps=steps, unit=unit, seconds_left=RESERVE)
    assert of_error(endless.value) == (endless.value, Failure(Reason.TIMED_OUT))
    assert world.bucket.stored_keys() == stored


def test_a_backup_that_ended_while_a_unit_stopped_is_not_gone_on_with(world: World) -> None:
    steps = steps_on(world, Slow(world, account_items(3)))
    unit = world.planned()[0]
    world.bucket.before("PutObject", world.cancel)
    with pytest.raises(Superseded):
        world.take("export", steps=steps, unit=unit, seconds_left=RESERVE)
    assert world.bucket.stored_keys() == []


# --- what is said ---


def test_a_unit_that_goes_on_counts_from_where_it_stopped(world: World) -> None:
    steps = steps_on(world, Slow(world, account_items(3)))
    first = world.take("export", steps=steps, unit=world.planned()[0], seconds_left=RESERVE)
    assert said(world) == (first["records"], 0)
    second = world.take("export", steps=steps, unit=first["left"], seconds_left=RESERVE)
    assert second["records"] == first["records"] + 4
    assert said(world) == (second["records"], 0)


def test_a_plan_that_comes_late_does_not_say_how_many_units_there_are(world: World) -> None:
    """Its answer was lost, and the one that was made after it counts."""
    units = world.planned("000000000002")
    world.store.begin(ACCOUNT_ID, OWN, units=7, now=world.now)
    world.take("export", steps=steps_on(world, AccountInMemory(account_items(3))), unit=units[0])
    backup = world.store.find(ACCOUNT_ID, OWN)
    assert backup is not None
    assert backup.units == 2


@pytest.mark.parametrize(("units", "concurrency", "every"), [(1, 500, 1), (500, 8, 1), (500, 500, 20)])
def test_of_many_units_at_once_each_says_less_often_how_far_it_is(
    world: World, units: int, concurrency: int, every: int
) -> None:
    unit = WHOLE | {"number": units - 1, "of": units, "first_proof": None}
    steps = steps_on(world, Slow(world, account_items(PROOFS)), concurrency=concurrency)
    world.store.begin(ACCOUNT_ID, OWN, units=units, now=world.now)
    before, began = world.calls["UpdateItem"], world.now
    world.take("export", steps=steps, unit=unit)
    seconds = (world.now - began).total_seconds()
    assert world.calls["UpdateItem"] - before == pytest.approx(seconds / every, abs=2)
