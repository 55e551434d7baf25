"""What the bucket may hold once all is over: archives of ready backups, and what live ones are at work on."""

from __future__ import annotations

import time
from collections.abc import Iterator

from functions.export_backup.staging import corner_of
from shared.backup import State, from_record
from tests.e2e.world import PATIENCE_SECONDS, World

LIVE = (State.PENDING, State.RUNNING)


def left_over(world: World) -> list[str]:
    """Objects that no ready or live backup accounts for, and open uploads, each with a word on it.

    Lambdas that nobody waits for any more may still be cleaning up, so it looks again for a while.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while (found := sorted(_found(world))) and time.monotonic() < end:
        time.sleep(0.5)
    return found


def _found(world: World) -> Iterator[str]:
    # The bucket before the records: of what has just ended, nothing is found that was there only before.
    uploads = world.client("s3").get_paginator("list_multipart_uploads")
    for page in uploads.paginate(Bucket=world.outputs["Bucket"]):
        yield from (f"open upload: {upload['Key']}" for upload in page.get("Uploads", []))
    keys = world.objects()
    backups = [from_record(record) for record in world.records() if "backup_id" in record]
    archives = {one.object_key for one in backups if one.state in (State.READY, *LIVE)}
    corners = tuple(corner_of(one.id) for one in backups if one.state in LIVE)
    yield from (f"object: {key}" for key in keys if key not in archives and not key.startswith(corners))
