from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from tests.doubles import aws_in_process, log_of
from tests.unit.notify.world import World


@pytest.fixture
def aws() -> Iterator[None]:
    with aws_in_process():
        yield


@pytest.fixture
def world(aws: None) -> World:  # noqa: ARG001
    return World()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with log_of("notify") as lines:
        yield lines
