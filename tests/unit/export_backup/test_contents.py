"""What units left is an archive only where they are all that there is, once: those of one plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.export_backup.contents import UnitsApart
from functions.export_backup.event import unit_event, units_between
from functions.export_backup.outcomes import of_error
from shared.backup import Failure, Reason
from tests.unit.export_backup.running_backup import World, a_world, account_items

Units = list[dict[str, Any]]


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as world:
        world.fill(account_items())
        world.claim()
        yield world


def exported(world: World, *cuts: str) -> Units:
    return [world.export(unit_event(unit)) for unit in units_between(cuts)]


def test_the_units_of_a_plan_are_an_archive_whatever_was_exported_besides(world: World) -> None:
    world.take("plan")
    one, other = exported(world, "000000000002"), exported(world, "000000000001", "000000000003")
    assert world.take("assemble", exported=other)["records"] == sum(unit["records"] for unit in other)
    assert sum(unit["records"] for unit in one) == sum(unit["records"] for unit in other)


@pytest.mark.parametrize(
    "mixed",
    [
        lambda early, late: [early[0], late[1]],  # a proof is left out
        lambda early, late: [late[0], early[1]],  # a proof is there twice
        lambda early, late: [early[0]],  # noqa: ARG005  the end is left out
        lambda early, late: [late[0], late[0] | {"unit": 1}],  # noqa: ARG005  the same again
    ],
    ids=["gap", "overlap", "no end", "twice"],
)
def test_units_of_different_plans_are_no_archive(
    world: World, mixed: Callable[[Units, Units], Units]
) -> None:
    world.take("plan")
    early, late = exported(world, "000000000002"), exported(world, "000000000003")
    with pytest.raises(Exception) as refused:  # noqa: PT011
        world.take("assemble", exported=mixed(early, late))
    assert of_error(refused.value)[1].reason is Reason.ARCHIVE_DAMAGED
    assert not [key for key in world.bucket.stored_keys() if key.startswith("backups/")]


def test_two_units_of_everything_are_not_one(world: World) -> None:
    world.take("plan")
    (whole,) = exported(world)
    again = world.export({"number": 1, "of": 2, "first_proof": None, "before_proof": None})
    with pytest.raises(UnitsApart) as refused:
        world.take("assemble", exported=[whole, again])
    assert of_error(refused.value) == (refused.value, Failure(Reason.ARCHIVE_DAMAGED))
