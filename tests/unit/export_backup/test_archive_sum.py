"""The CRC-32 of a whole archive: S3 is told it, compares it, and tells it."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from typing import Any

import pytest

from functions.export_backup.archive import ArchiveKeyTaken, ArchiveMissing, head_of_ours
from functions.export_backup.bucket_errors import BucketUnavailable
from functions.export_backup.segments import Segment
from functions.export_backup.zip_layout import Member
from tests.unit.export_backup.s3_bucket import Bucket
from tests.unit.export_backup.staged_archive import (
    DESTINATION,
    KEY,
    LARGE,
    SMALL,
    assemble_in,
    assert_holds,
    assert_nothing_is_left,
    staged,
)


def in_base64(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def asked_of(bucket: Bucket, operation: str) -> dict[str, Any]:
    (request,) = [request for name, request in bucket.requests if name == operation]
    return request


def answering(bucket: Bucket, operation: str, **fields: str | None) -> None:
    """Let S3 say this to the operation; None leaves a field out."""

    def say(parsed: dict[str, Any], **_: Any) -> None:
        for name, value in fields.items():
            parsed.pop(name, None)
            if value is not None:
                parsed[name] = value

    bucket.s3.meta.events.register(f"after-call.s3.{operation}", say)


def test_s3_is_told_the_sum_of_the_whole_and_of_each_part(bucket: Bucket) -> None:
    archive = assemble_in(bucket, staged(bucket, LARGE))
    begun = asked_of(bucket, "CreateMultipartUpload")
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == ("CRC32", "FULL_OBJECT")
    ended = asked_of(bucket, "CompleteMultipartUpload")
    assert ended["ChecksumType"] == "FULL_OBJECT"
    assert ended["ChecksumCRC32"] == in_base64(zlib.crc32(bucket.get(KEY)))
    # moto makes none of a part that is copied; S3 does.
    assert ["ChecksumCRC32" in part for part in ended["MultipartUpload"]["Parts"]] == [
        True,
        False,
        True,
        False,
        True,
    ]
    found = head_of_ours(bucket.s3, DESTINATION, archive.size, archive.crc32)
    assert (found["ChecksumType"], found["ChecksumCRC32"]) == ("FULL_OBJECT", ended["ChecksumCRC32"])


def test_s3_is_told_the_sum_of_a_small_archive(bucket: Bucket) -> None:
    assemble_in(bucket, staged(bucket, SMALL))
    assert asked_of(bucket, "PutObject")["ChecksumCRC32"] == in_base64(zlib.crc32(bucket.get(KEY)))


def test_a_store_that_takes_no_sum_of_a_whole_is_told_none(bucket: Bucket) -> None:
    """As the local AWS, which would compare it with another."""
    members = staged(bucket, LARGE)
    answering(bucket, "CreateMultipartUpload", ChecksumType="COMPOSITE")
    assert_holds(bucket, assemble_in(bucket, members), LARGE)
    assert not {"ChecksumType", "ChecksumCRC32"} & set(asked_of(bucket, "CompleteMultipartUpload"))


@pytest.mark.parametrize(
    ("contents", "operation"), [(SMALL, "PutObject"), (LARGE, "CompleteMultipartUpload")]
)
def test_segments_of_a_version_that_did_not_note_their_sums_are_assembled_without(
    bucket: Bucket, contents: dict[str, list[bytes]], operation: str
) -> None:
    members = staged(bucket, contents)
    first = members[0].content[0]
    assert isinstance(first, Segment)
    members[0] = Member(members[0].name, [replace(first, stored_crc32=None), *members[0].content[1:]])
    archive = assemble_in(bucket, members)
    assert archive.crc32 is None
    assert_holds(bucket, replace(archive, crc32=zlib.crc32(bucket.get(KEY))), contents)
    for name, request in bucket.requests:
        if name in {operation, "CreateMultipartUpload"}:
            assert not [field for field in request if field.startswith("Checksum")]
    if contents is LARGE:
        parts = asked_of(bucket, operation)["MultipartUpload"]["Parts"]
        assert not [part for part in parts if "ChecksumCRC32" in part]


@pytest.mark.parametrize(
    ("contents", "operation"), [(SMALL, "PutObject"), (LARGE, "CompleteMultipartUpload")]
)
def test_bytes_that_were_damaged_on_their_way_leave_nothing_and_are_sent_again_by_the_next_attempt(
    bucket: Bucket, contents: dict[str, list[bytes]], operation: str
) -> None:
    members = staged(bucket, contents)
    bucket.refuse(operation, 400, "BadDigest")
    with pytest.raises(BucketUnavailable, match="BadDigest"):
        assemble_in(bucket, members)
    assert_nothing_is_left(bucket)
    bucket.mend()
    assert_holds(bucket, assemble_in(bucket, members), contents)


@pytest.mark.parametrize("contents", [SMALL, LARGE])
def test_an_object_of_our_id_and_size_and_another_sum_is_not_ours(
    bucket: Bucket, contents: dict[str, list[bytes]]
) -> None:
    members = staged(bucket, contents)
    archive = assemble_in(bucket, members)
    answering(bucket, "HeadObject", ChecksumType="FULL_OBJECT", ChecksumCRC32=in_base64(0))
    with pytest.raises(ArchiveKeyTaken):
        assemble_in(bucket, members)
    with pytest.raises(ArchiveMissing):
        head_of_ours(bucket.s3, DESTINATION, archive.size, archive.crc32)


@pytest.mark.parametrize(
    "said",
    [
        {"ChecksumType": "COMPOSITE", "ChecksumCRC32": "AAAAAA==-5"},
        {"ChecksumType": "COMPOSITE", "ChecksumCRC32": None},
        {"ChecksumType": "FULL_OBJECT", "ChecksumCRC32": None, "ChecksumCRC64NVME": "AAAAAAAAAAA="},
        {"ChecksumType": None, "ChecksumCRC32": None},
    ],
)
def test_where_s3_knows_no_sum_of_the_whole_id_and_size_tell(bucket: Bucket, said: dict[str, Any]) -> None:
    members = staged(bucket, LARGE)
    archive = assemble_in(bucket, members)
    answering(bucket, "HeadObject", **said)
    assert assemble_in(bucket, members) == archive
    assert head_of_ours(bucket.s3, DESTINATION, archive.size, archive.crc32)


def test_a_segment_whose_bytes_are_not_those_that_were_sent_gives_an_archive_of_another_sum(
    bucket: Bucket,
) -> None:
    """On AWS it is refused in the moment of publishing; moto compares nothing, but tells the sum."""
    members = staged(bucket, LARGE)
    first = members[0].content[0]
    assert isinstance(first, Segment)
    assert first.stored_crc32 is not None
    members[0] = Member(
        "files.csv", [replace(first, stored_crc32=first.stored_crc32 ^ 1), *members[0].content[1:]]
    )
    archive = assemble_in(bucket, members)
    with pytest.raises(ArchiveMissing):
        head_of_ours(bucket.s3, DESTINATION, archive.size, archive.crc32)
