from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from local import stack
from local.aws import ROOT, STATE, running
from tests.e2e import browser, bucket
from tests.e2e.browser import Windows
from tests.e2e.world import World

OWN_PAGE = "https://app.example.com"
"""Where the operator of this stack has a settings page of their own."""


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The real template, built and deployed by SAM CLI, on a local AWS that enforces IAM.

    Each of pytest's processes has one to itself, so that no test waits for another's. What all tests together
    have left in its bucket fails the run at its end.
    """
    template = stack.build()
    process = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with running(log=STATE / f"e2e-{process}.log") as aws:
        deployed = World(aws, stack.deploy(aws, template, {"TabOrigin": OWN_PAGE}))
        yield deployed
        assert bucket.left_over(deployed) == []


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as started:
        yield started


@pytest.fixture
def windows(chromium: Browser, world: World) -> Iterator[Windows]:
    """Windows for pages of the stack. What goes wrong in them unexpectedly fails the test at its end."""
    no_icon = f"{world.sign_in_url}/favicon.ico"  # the local hosted sign-in has none
    opened = Windows(chromium, [world.aws.endpoint, world.sign_in_url], [no_icon])
    yield opened
    assert opened.close() == []


@pytest.fixture
def deaths_are_named(world: World) -> Iterator[None]:
    """The workflow takes what this local AWS calls a killed function (ministack 1.5.33, `worker.invoke`:
    Runtime.HandlerError, as it calls everything a function raises) for what AWS calls it."""
    with world.workflow_with('"Runtime.ExitError"', '"Runtime.ExitError", "Runtime.HandlerError"'):
        yield


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git would bring of the working tree as it is."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    for tool in (".venv", ".local"):  # what `make` would set up again, for minutes
        (tmp_path / tool).symlink_to(ROOT / tool)
    return tmp_path
