from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from moto import mock_aws

from shared.logs import get_logger
from tests.unit.request_backup.api_world import ApiWorld
from tests.unit.shared.backups_table import next_account_id


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment, patch("time.sleep"):  # botocore's pauses
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        with mock_aws():
            yield


@pytest.fixture(scope="module")
def log() -> Iterator[io.StringIO]:
    """What the function logs, as CloudWatch gets it."""
    lines = io.StringIO()
    logger = get_logger("request_backup")
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    yield lines
    logging.getLogger(logger.name).removeHandler(handler)


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
