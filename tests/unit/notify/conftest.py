from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from moto import mock_aws

from shared.logs import get_logger
from tests.unit.notify.world import World


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.fixture
def world(aws: None) -> World:  # noqa: ARG001
    return World()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the function logs, as CloudWatch gets it."""
    lines = io.StringIO()
    logger = get_logger("notify")
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    yield lines
    logging.getLogger(logger.name).removeHandler(handler)
