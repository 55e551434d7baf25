from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from functions.export_backup.object_stream import PART_BYTES
from tests.unit.export_backup.running_backup import OTHER, World, a_world, account_items
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket, a_bucket


@pytest.fixture
def world() -> Iterator[World]:
    """Of an account with records, whose backup nobody has asked for yet."""
    with a_world() as world:
        world.fill(account_items())
        yield world


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with a_bucket() as made:
        yield made


@pytest.fixture(scope="session")
def incompressible() -> bytes:
    """Deflates to a little over two parts."""
    return random.Random(7).randbytes(2 * PART_BYTES + 1_000_000)  # noqa: S311 - data, not a secret


@pytest.fixture
def neighbour(world: World) -> Iterator[list[str]]:
    """Keys of another backup, which are there, objects and open uploads alike, also when the test is over."""
    keys = [f"backups/{'0' * 32}/other.zip", f"staging/{OTHER}/00000/{OTHER}/files.csv.deflate"]
    for key in keys:
        world.bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=b"theirs")
        world.bucket.s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    yield keys
    assert set(keys) <= set(world.bucket.stored_keys())
    assert sorted(world.bucket.open_uploads()) == keys
