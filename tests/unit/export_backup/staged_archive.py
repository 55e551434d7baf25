"""Archives in a bucket of the test's own process, from their segments on, and what is to be seen of them."""

from __future__ import annotations

import io
import random
import threading
import zipfile
import zlib
from datetime import UTC, datetime

from functions.export_backup.archive import Archive, Destination, assemble
from functions.export_backup.segments import Segment, SegmentWriters
from functions.export_backup.zip_layout import Member
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket

MIB = 1024**2
MOMENT = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
BACKUP_ID = "01JD0000000000000000000000"
KEY = "backups/0123456789abcdef0123456789abcdef/backup.zip"
DESTINATION = Destination(BUCKET, KEY, "9789_22_11_2026_61703.zip", BACKUP_ID)
NOISE = random.Random(7).randbytes(11 * MIB)  # noqa: S311 - data that deflate cannot make smaller
# By member and unit: small ones are glued, those over 5 MiB are copied.
LARGE = {
    "files.csv": [b"id,type\r\n", NOISE, b"1,proof\r\n" * 1000],
    "comments.csv": [NOISE[: 5 * MIB + 9], NOISE[: 6 * MIB]],
    "backup.xml": [b"<backup/>"],
}
SMALL = {"files.csv": [b"id,type\r\n", b"1,proof\r\n"], "users.csv": []}
MANIFEST = b'{"format": 1}'


def staged(bucket: Bucket, contents: dict[str, list[bytes]]) -> list[Member]:
    """Members whose segments lie in the bucket, and an inline manifest behind them."""
    segments: dict[str, list[Segment]] = {name: [] for name in contents}
    for unit in range(max(map(len, contents.values()))):
        prefix = f"staging/{BACKUP_ID}/{unit:05d}/01JD0000000000000000000001/"
        with SegmentWriters(bucket.s3, BUCKET, prefix) as writers:
            for name, parts in contents.items():
                if unit < len(parts):
                    writers[name].write(parts[unit])
        for segment in writers.segments:
            segments[segment.member].append(segment)
    bucket.calls.clear()
    bucket.requests.clear()
    bucket.bytes_read = 0
    return with_manifest([Member(name, parts) for name, parts in segments.items()])


def with_manifest(members: list[Member]) -> list[Member]:
    return [*members, Member("manifest.json", [MANIFEST])]


def assemble_in(bucket: Bucket, members: list[Member]) -> Archive:
    return assemble(bucket.s3, DESTINATION, members, MOMENT, lambda: None)


def assert_holds(bucket: Bucket, archive: Archive, contents: dict[str, list[bytes]]) -> None:
    """That the object is the whole archive and that `archive` tells the truth of it."""
    head = bucket.s3.head_object(Bucket=BUCKET, Key=KEY)
    data = bucket.get(KEY)
    assert archive.size == head["ContentLength"] == len(data)
    assert archive.crc32 == zlib.crc32(data)
    assert head["Metadata"] == {"backup-id": BACKUP_ID}
    assert head["ContentType"] == "application/zip"
    assert head["ContentDisposition"] == 'attachment; filename="9789_22_11_2026_61703.zip"'
    with zipfile.ZipFile(io.BytesIO(data)) as zip_file:
        assert zip_file.testzip() is None
        read = {name: zip_file.read(name) for name in zip_file.namelist()}
        assert read == {name: b"".join(parts) for name, parts in contents.items()} | {
            "manifest.json": MANIFEST
        }
        assert [
            (entry.filename, entry.file_size, entry.compress_size, entry.CRC) for entry in zip_file.infolist()
        ] == [(member.name, member.bytes, member.compressed, member.crc32) for member in archive.members]
    assert_no_thread_is_left()


def assert_nothing_is_left(bucket: Bucket) -> None:
    assert KEY not in bucket.stored_keys()
    assert not bucket.open_uploads()
    assert_no_thread_is_left()


def assert_no_thread_is_left() -> None:
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lane")]
