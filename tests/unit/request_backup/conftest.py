from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from tests.doubles import aws_in_process, log_of
from tests.unit.request_backup.api_world import ApiWorld
from tests.unit.shared.backups_table import next_account_id


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    with aws_in_process():
        yield


@pytest.fixture(scope="module")
def log() -> Iterator[io.StringIO]:
    with log_of("request_backup") as lines:
        yield lines


@pytest.fixture(scope="module")
def one_world(aws: None, log: io.StringIO) -> ApiWorld:  # noqa: ARG001
    return ApiWorld(log)


@pytest.fixture
def world(one_world: ApiWorld) -> ApiWorld:
    one_world.begin_anew()
    return one_world


@pytest.fixture
def account(world: ApiWorld) -> str:
    """An account that may have backups and that no other test knows."""
    account_id = next_account_id()
    world.table.set_account(account_id)
    world.table.line.mend()
    return account_id
