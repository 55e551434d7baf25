from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doubles import aws_in_process, log_of
from tests.unit.request_backup.sweep_world import SweepWorld
from tests.unit.shared.backups_table import next_account_id


@pytest.fixture
def world() -> Iterator[SweepWorld]:
    with log_of("sweep_backups") as log, aws_in_process():
        yield SweepWorld(log)


@pytest.fixture
def account() -> str:
    return next_account_id()
