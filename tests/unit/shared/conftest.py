from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.doubles import aws_in_process
from tests.unit.shared.backups_table import BackupsTable, next_account_id


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    with aws_in_process():
        yield


@pytest.fixture(scope="module")
def one_table(aws: None) -> BackupsTable:  # noqa: ARG001
    return BackupsTable()


@pytest.fixture
def table(one_table: BackupsTable) -> BackupsTable:
    one_table.now = datetime.now(UTC).replace(microsecond=0)
    one_table.line.mend()
    return one_table


@pytest.fixture
def account() -> str:
    """An account that no other test knows."""
    return next_account_id()
