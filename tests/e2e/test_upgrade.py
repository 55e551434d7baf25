"""Fault 28, deployed: a new version is built and deployed by SAM while an export runs.

On AWS a function at work ends with the code that it began with. This local AWS kills it when it is updated
(ministack 1.5.33, `invalidate_worker`), so what carries the backup over here is the workflow's retry.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import NamedTuple
from zipfile import ZipFile

import pytest

from local import stack
from local.aws import STATE, free_port, running
from tests.e2e import bucket
from tests.e2e.page_server import Call, in_front_of, table_of
from tests.e2e.test_units import COMMENTS, PROOFS, SEVERAL, BigAccount, archive_of, assert_whole
from tests.e2e.world import PATIENCE_SECONDS, World


class Change(NamedTuple):
    file: str
    old: str
    new: str


API = Change("functions/request_backup/openapi.yaml", 'version: "1"', 'version: "1.1"')
ARCHIVE = Change("functions/export_backup/manifest.py", "Plain decimal digits, exact.", "As in the source.")
MAIL = Change("shared/languages/en.toml", "Hello {name},", "Welcome back, {name}.")
NEXT_VERSION = (API, ARCHIVE, MAIL)
"""What users see of each function, in other words."""


class Halfway:
    """A DynamoDB that has exports wait in the unit after the first one that is done, until told to go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = Event(), Event()
        self._one_is_done = Event()

    def answer(self, operation: str, call: Call) -> None:
        if operation == "UpdateItem" and "units_done" in call["UpdateExpression"]:
            self._one_is_done.set()
        elif self._one_is_done.is_set() and table_of(call) == "COMMENTS":
            self.reached.set()
            self.go_on.wait(PATIENCE_SECONDS)


@pytest.fixture
def halfway() -> Iterator[Halfway]:
    moment = Halfway()
    yield moment
    moment.go_on.set()


@pytest.fixture
def world(halfway: Halfway) -> Iterator[World]:
    """A stack to itself, whose functions of either version read one unit at a time, by way of `halfway`."""
    port = free_port()
    with (
        in_front_of(f"http://127.0.0.1:{port}", halfway.answer) as dynamodb,
        running(
            log=STATE / "e2e-upgrade.log",
            port=port,
            settings=SEVERAL | {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb},
        ) as aws,
    ):
        deployed = World(aws, stack.deploy(aws, stack.build()))
        with deployed.workflow_with('"MaxConcurrencyPath": "$.plan.concurrency"', '"MaxConcurrency": 1'):
            yield deployed


@pytest.fixture
def next_version(clone: Path) -> Path:
    """The next version's built template."""
    for change in NEXT_VERSION:
        file = clone / change.file
        text = file.read_text("utf-8")
        assert change.old in text
        file.write_text(text.replace(change.old, change.new), "utf-8")
    return stack.build(sources=clone, to=clone / ".aws-sam" / "build")


def api_description(world: World) -> str:
    return world.call("GET", "/openapi.yaml").text


def progress(world: World, big: BigAccount, backup_id: str) -> tuple[str, int]:
    """State and units done, as the page shows them."""
    shown = world.call("GET", f"/backups/{backup_id}", big.token).json()
    return shown["state"], shown["progress"]["units_done"]


def assert_whole_and_of_the_next_version(world: World, big: BigAccount, backup_id: str, folder: Path) -> None:
    shown = world.ended(big.token, backup_id)
    assert shown["state"] == "ready", world.errors_of(backup_id)
    path = archive_of(world, big, shown, folder)
    assert_whole(path, big, shown)
    with ZipFile(path) as archive:
        assert ARCHIVE.new in archive.read("manifest.json").decode()
    (mail,) = world.mails_about(shown["file"]["name"])
    assert mail.text.startswith(MAIL.new.format(name="Ann Other"))


@pytest.mark.usefixtures("deaths_are_named")
def test_fault_28_a_backup_in_whose_middle_a_new_version_is_deployed_ends_whole_and_so_does_the_next(
    next_version: Path, world: World, halfway: Halfway, tmp_path: Path
) -> None:
    account = world.account(proofs=PROOFS, comments=COMMENTS)
    big = BigAccount(account, world.fill(account), world.token(account.id))
    assert API.old in api_description(world)
    backup_id = world.ask(big.token)
    assert halfway.reached.wait(PATIENCE_SECONDS)
    assert progress(world, big, backup_id) == ("running", 1)

    stack.deploy(world.aws, next_version)
    assert API.new in api_description(world)
    assert progress(world, big, backup_id) == ("running", 1)
    halfway.go_on.set()

    # Its remaining steps, the archive's and the e-mail's among them, are taken by the new version.
    assert_whole_and_of_the_next_version(world, big, backup_id, tmp_path)
    assert world.errors_of(backup_id) != []  # the deployment did interrupt it
    assert world.executions() == [backup_id]

    following = world.ask(big.token)
    assert_whole_and_of_the_next_version(world, big, following, tmp_path)
    assert world.errors_of(following) == []
    assert sorted(world.executions()) == [backup_id, following]
    assert bucket.left_over(world) == []
