"""A backup that is cancelled while it is made: out of API, workflow and bucket within seconds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from tests.e2e.page_server import asks_for_comments_from, serving
from tests.e2e.world import PATIENCE_SECONDS, World, eventually

COMMENTS = 50_000
FAR_ON = 44_000
"""So many comments are more than a part of an upload, and fewer than there are by more than a page."""

MOMENTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    # Uploads of segments are open.
    "reading": lambda call: asks_for_comments_from(FAR_ON, call),
    # The segments are in the bucket.
    "exported": lambda call: "ADD units_done" in call.get("UpdateExpression", ""),
    # The archive is there as well.
    "assembled": lambda call: "TransactItems" in call,
}
"""Calls of the export to DynamoDB, before which it can be held up."""


def noise(number: int) -> str:
    """A text that deflate can do little about, so that the segments outgrow their first parts."""
    return random.Random(number).randbytes(150).hex()  # noqa: S311


@contextmanager
def export_held_up(
    world: World, moment: Callable[[dict[str, Any]], bool], reached: Event, go_on: Event
) -> Iterator[None]:
    """Exports read a large account, and at that moment wait until they are told to go on."""

    def before(call: dict[str, Any]) -> None:
        if moment(call):
            reached.set()
            go_on.wait(PATIENCE_SECONDS)

    table = world.outputs["SourceTable"]
    with (
        serving(world.aws.endpoint, table, COMMENTS, text=noise, before=before) as dynamodb,
        world.exporting_with({"AWS_ENDPOINT_URL_DYNAMODB": dynamodb}),
    ):
        try:
            yield
        finally:
            go_on.set()


def left_in_the_bucket(world: World, backup_id: str, object_key: str) -> list[str]:
    """Objects and open uploads of the backup."""
    uploads = world.client("s3").list_multipart_uploads(Bucket=world.outputs["Bucket"]).get("Uploads", [])
    keys = world.objects() + [str(upload["Key"]) for upload in uploads]
    return [key for key in keys if key.startswith(f"staging/{backup_id}/") or key == object_key]


def logged(world: World, backup_id: str) -> list[tuple[str, str]]:
    """Level and message of what the functions said of the backup."""
    entries = [json.loads(line) for line in world.logs() if line.startswith("{") and backup_id in line]
    return [(entry["level"], entry["message"]) for entry in entries if "message" in entry]


@pytest.mark.parametrize("moment", MOMENTS)
def test_of_a_cancelled_backup_nothing_is_left_after_ten_seconds(world: World, moment: str) -> None:
    reached, go_on = Event(), Event()
    account = world.account()
    token = world.token(account.id)
    with export_held_up(world, MOMENTS[moment], reached, go_on):
        backup_id = world.ask(token)
        assert reached.wait(PATIENCE_SECONDS)
        running = world.store().running(account.id)
        assert running is not None
        # Pages are read ahead, so the ones before may still be under way.
        eventually(
            lambda: left_in_the_bucket(world, backup_id, running.object_key) != [],
            "the bucket to hold something of the backup",
        )

        answer = world.call("DELETE", f"/backups/{backup_id}", token)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        go_on.set()  # the Lambda that is at work is not interrupted
        eventually(
            lambda: world.call("GET", f"/backups/{backup_id}", token).json()["state"] == "cancelled",
            "the API to show that the backup is cancelled",
            seconds=3,
        )
        eventually(
            lambda: left_in_the_bucket(world, backup_id, running.object_key) == [],
            "the bucket to hold nothing of the backup",
            seconds=10,
        )
        assert world.outcome_of(backup_id) == "ABORTED"

        following = world.ended(token, world.ask(token))
        assert following["state"] == "ready"
        assert following["progress"]["records"] == COMMENTS + 1
    # By now the late Lambda has ended too, of itself, and has left nothing behind the cleaning's back.
    assert left_in_the_bucket(world, backup_id, running.object_key) == []
    said = logged(world, backup_id)
    assert ("INFO", "step stopped: this backup is no longer the running one") in said
    assert [entry for entry in said if entry[0] == "ERROR"] == []
    assert world.mails_about(running.file_name) == []
