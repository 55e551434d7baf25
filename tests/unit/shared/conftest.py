from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from moto import mock_aws

from tests.unit.shared.backups_table import BackupsTable, next_account_id


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment, patch("time.sleep"):  # botocore's pauses
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        with mock_aws():
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
