from __future__ import annotations

from collections.abc import Iterator

import pytest

from local import stack
from local.aws import STATE, running
from tests.e2e.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The real template, built and deployed by SAM CLI, on a local AWS that enforces IAM."""
    template = stack.build()
    # Retry pauses of minutes become seconds; what is retried stays what it is.
    with running(log=STATE / "e2e-ministack.log", settings={"_SFN_WAIT_SCALE": "0.02"}) as aws:
        yield World(aws, stack.deploy(aws, template))
