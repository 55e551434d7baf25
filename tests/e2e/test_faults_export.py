"""The export's own deaths on the local AWS: killed in the middle, and out of time."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import requests

from tests.e2e.page_server import PAGE_ITEMS, comment_text, serving
from tests.e2e.test_cancel_export import MOMENTS, export_held_up
from tests.e2e.world import PATIENCE_SECONDS, World, eventually
from tests.reading import csv_records, xml_root

DEATHS = int(os.environ.get("DEATHS", "3"))
"""How often the export is killed; each time costs ten seconds. DEATHS=10 is the long mode."""

COMMENTS = PAGE_ITEMS + 1_000
CALLS = 16
"""Fewer than a whole backup's calls to DynamoDB, so that each of these numbers is one in its middle."""


@contextmanager
def functions_reading(
    world: World, before: Callable[[dict[str, Any]], object], **configuration: Any
) -> Iterator[None]:
    """The export function reads an account of so many comments; `before` is told each of its calls."""
    with (
        serving(world.aws.endpoint, world.outputs["SourceTable"], COMMENTS, before=before) as dynamodb,
        world.exporting_with({"AWS_ENDPOINT_URL_DYNAMODB": dynamodb}, **configuration),
    ):
        yield


def kill_export(world: World) -> int:
    """kill -9 every process of the export function that is at work; returns how many there were.

    One that only starts is left alone: where such a one dies, this local AWS ends all its processes
    (ministack 1.5.33, `_execute_function_warm`), also those that the workflow has called again since, and on
    a slow machine they end one another until no retry is left. On AWS they know nothing of each other.
    """
    name = f"AWS_LAMBDA_FUNCTION_NAME={world.resource('ExportBackupFunction')}".encode()
    killed = 0
    for children in Path(f"/proc/{world.aws.pid}/task").glob("*/children"):
        for child in children.read_text().split():
            with suppress(OSError):  # it has ended by itself
                ours = name in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
                if ours and is_connected(child):
                    os.kill(int(child), signal.SIGKILL)
                    killed += 1
    return killed


def is_connected(process: str) -> bool:
    """Whether the process has called anyone, by the sockets that it holds."""
    files = Path(f"/proc/{process}/fd")
    return any(os.readlink(files / name).startswith("socket:") for name in os.listdir(files))


class Deaths:
    """One after another: of the export's processes, some time after a call of theirs to DynamoDB."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._calls = itertools.count(1)  # of a C function's own, so no two threads get the same number
        self._number, self._delay = 0, 0.0
        self._killed: Future[int] = Future()

    def due_after(self, number: int, delay: float) -> None:
        """Once: so many seconds after the call of this number from now on."""
        self._number, self._delay = number, delay
        self._calls, self._killed = itertools.count(1), Future()

    def before(self, _call: dict[str, Any]) -> None:
        if next(self._calls) == self._number:
            killed = self._killed
            threading.Timer(self._delay, lambda: killed.set_result(kill_export(self._world))).start()

    def happened(self) -> bool:
        return self._killed.result(PATIENCE_SECONDS) > 0


def open_uploads(world: World, backup_id: str) -> list[str]:
    """The keys to which the backup's segments are being uploaded."""
    uploads = world.client("s3").list_multipart_uploads(
        Bucket=world.outputs["Bucket"], Prefix=f"staging/{backup_id}/"
    )
    return [str(upload["Key"]) for upload in uploads.get("Uploads", [])]


def assert_whole(world: World, token: str, shown: dict[str, Any]) -> None:
    """That the link brings an archive with every comment in its place, in CSV and XML."""
    link = world.call("POST", f"/backups/{shown['id']}/download-url", token).json()["url"]
    content = requests.get(link, timeout=60).content
    assert len(content) == shown["file"]["bytes"]
    with ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        rows = csv_records(archive.read("comments.csv"), "utf-8")
        manifest = json.loads(archive.read("manifest.json"))
        root = xml_root(archive.read("backup.xml"))
    expected = [(str(number), comment_text(number)) for number in range(COMMENTS)]
    assert [(row["id"], row["comment"]) for row in rows] == expected
    in_xml = [(one.findtext("id"), one.findtext("comment")) for one in root.iter("comment") if len(one)]
    assert in_xml == expected
    assert manifest["records"]["COMMENTS"] == {"read": COMMENTS, "written": COMMENTS, "left_out": {}}


@pytest.mark.usefixtures("deaths_are_named")
def test_fault_9_an_export_that_is_killed_at_any_moment_is_taken_again_and_ends_whole(
    world: World,
) -> None:
    chance = random.Random()  # noqa: S311 - moments, which a failure tells
    moments = {number: chance.uniform(0, 0.2) for number in chance.sample(range(1, CALLS + 1), DEATHS)}
    account = world.account()
    token = world.token(account.id)
    deaths = Deaths(world)
    with functions_reading(world, deaths.before):
        for number, delay in moments.items():
            deaths.due_after(number, delay)
            shown = world.ended(token, world.ask(token))
            assert deaths.happened(), moments
            assert shown["state"] == "ready", (number, delay)  # the retries take more than one death
            assert_whole(world, token, shown)
            assert [key for key in world.objects() if shown["id"] in key] == []  # of its segments
            assert world.store().running(account.id) is None


@pytest.mark.usefixtures("deaths_are_named")
def test_fault_9_an_export_that_is_killed_amid_its_uploads_leaves_none_open(world: World) -> None:
    reached, go_on = threading.Event(), threading.Event()
    token = world.token(world.account().id)
    with export_held_up(world, MOMENTS["reading"], reached, go_on):
        backup_id = world.ask(token)
        assert reached.wait(PATIENCE_SECONDS)
        eventually(lambda: open_uploads(world, backup_id), "an upload to be open")
        assert kill_export(world) > 0
        go_on.set()
        assert world.ended(token, backup_id)["state"] == "ready"
    assert open_uploads(world, backup_id) == []


def test_fault_10_an_export_that_runs_out_of_time_is_taken_again_and_the_late_one_counts_for_nothing(
    world: World,
) -> None:
    held, go_on = threading.Event(), threading.Event()

    def before(call: dict[str, Any]) -> None:
        if "ExclusiveStartKey" in call and not held.is_set():
            held.set()
            go_on.wait(PATIENCE_SECONDS)

    account = world.account()
    token = world.token(account.id)
    with functions_reading(world, before, Timeout=4):
        try:
            shown = world.ended(token, world.ask(token))
        finally:
            go_on.set()
        assert held.is_set()
        assert shown["state"] == "ready"
        assert_whole(world, token, shown)
