from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.export_backup.running_backup import World, a_world, account_items


@pytest.fixture
def world() -> Iterator[World]:
    """Of an account with records, whose backup nobody has asked for yet."""
    with a_world() as world:
        world.fill(account_items())
        yield world
