"""A backup that is cancelled in the middle of its export: out of API, workflow and bucket within seconds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from tests.e2e.page_server import PAGE_ITEMS, serving
from tests.e2e.world import PATIENCE_SECONDS, World, eventually

COMMENTS = 50_000
HELD_BACK = PAGE_ITEMS * 10
"""The first comment of the page that the source does not give before it is told to."""


def noise(number: int) -> str:
    """A text that deflate can do little about, so that the segments outgrow their first parts."""
    return random.Random(number).randbytes(150).hex()  # noqa: S311


@contextmanager
def export_held_back(world: World, reached: Event, go_on: Event) -> Iterator[None]:
    """Exports read a large account, and in its middle wait until they are told to go on."""

    def before_page(first: int) -> None:
        if first == HELD_BACK:
            reached.set()
            go_on.wait(PATIENCE_SECONDS)

    functions, name = world.client("lambda"), world.resource("ExportBackupFunction")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    table = world.outputs["SourceTable"]
    with serving(world.aws.endpoint, table, COMMENTS, text=noise, before_page=before_page) as dynamodb:
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": before | {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb}}
        )
        try:
            yield
        finally:
            go_on.set()
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def left_in_the_bucket(world: World, backup_id: str, object_key: str) -> list[str]:
    """Objects and open uploads of the backup."""
    uploads = world.client("s3").list_multipart_uploads(Bucket=world.outputs["Bucket"]).get("Uploads", [])
    open_keys = [str(upload["Key"]) for upload in uploads]
    return [
        key
        for key in world.objects() + open_keys
        if key.startswith(f"staging/{backup_id}/") or key == object_key
    ]


def test_a_backup_cancelled_in_the_middle_of_its_export_leaves_nothing(world: World) -> None:
    reached, go_on = Event(), Event()
    account = world.account()
    token = world.token(account.id)
    with export_held_back(world, reached, go_on):
        backup_id = world.ask(token)
        assert reached.wait(PATIENCE_SECONDS)
        running = world.store().running(account.id)
        assert running is not None
        assert left_in_the_bucket(world, backup_id, running.object_key) != []  # uploads have begun

        answer = world.call("DELETE", f"/backups/{backup_id}", token)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        go_on.set()  # the Lambda that is at work lives on, and reads the rest
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
    # The late Lambda ended of itself, and whatever it still wrote is gone too.
    stopped = [line for line in world.logs() if backup_id in line and "no longer the running one" in line]
    assert stopped
    assert not [line for line in world.logs() if backup_id in line and '"level":"ERROR"' in line]
    assert left_in_the_bucket(world, backup_id, running.object_key) == []
    assert world.mails_about(running.file_name) == []
