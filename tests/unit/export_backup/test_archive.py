"""Assembling: one whole ZIP at the key or nothing, and few calls and bytes for it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from functions.export_backup.archive import ArchiveKeyTaken, SegmentDamaged, SegmentMissing
from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.segments import Segment
from functions.export_backup.zip_layout import Member
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket
from tests.unit.export_backup.staged_archive import (
    BACKUP_ID,
    DESTINATION,
    KEY,
    LARGE,
    MIB,
    NOISE,
    SMALL,
    assemble_in,
    assert_holds,
    assert_nothing_is_left,
    staged,
)
from tests.unit.infra.stack import workflow

if TYPE_CHECKING:
    from _pytest._code import ExceptionInfo


# --- what is published and what it costs -------------------------------------------------------------


def test_a_small_archive_is_one_put(bucket: Bucket) -> None:
    members = staged(bucket, SMALL)
    archive = assemble_in(bucket, members)
    assert bucket.calls == {"GetObject": 2, "PutObject": 1}
    assert_holds(bucket, archive, SMALL)


def test_large_segments_are_copied_inside_s3(bucket: Bucket) -> None:
    members = staged(bucket, LARGE)
    archive = assemble_in(bucket, members)
    # glued: header, first segment and the head of NOISE; copied: its rest; glued: the small segment, header
    # and the head of comments' first, whole; copied: comments' second; glued: the rest.
    assert bucket.calls == {
        "CreateMultipartUpload": 1,
        "GetObject": 5,
        "UploadPart": 3,
        "UploadPartCopy": 2,
        "CompleteMultipartUpload": 1,
    }
    assert bucket.bytes_read < 11 * MIB < archive.size / 2
    assert_holds(bucket, archive, LARGE)
    assert not bucket.open_uploads()


def test_many_small_segments_are_glued(bucket: Bucket) -> None:
    contents = {"comments.csv": [NOISE[start : start + MIB] for start in range(0, 11 * MIB, MIB)]}
    archive = assemble_in(bucket, staged(bucket, contents))
    assert bucket.calls["UploadPartCopy"] == 0
    assert bucket.calls["UploadPart"] == 2
    assert_holds(bucket, archive, contents)


def test_every_read_and_copy_is_pinned_to_the_object_that_was_reported(bucket: Bucket) -> None:
    members = staged(bucket, LARGE)
    assemble_in(bucket, members)
    etags = {
        part.key: part.etag for member in members for part in member.content if isinstance(part, Segment)
    }
    seen = 0
    for operation, request in bucket.requests:
        if operation == "GetObject":
            assert request["IfMatch"] == etags[request["Key"]]
            seen += 1
        elif operation == "UploadPartCopy":
            assert request["CopySourceIfMatch"] == etags[request["CopySource"]["Key"]]
            seen += 1
        elif operation in {"PutObject", "CompleteMultipartUpload"}:
            assert request["IfNoneMatch"] == "*"
    assert seen == 7


@pytest.mark.parametrize("name", ["", 'a".zip', "a\r\nb.zip", "../a.zip", "ü.zip", ".zip", "a" * 300])
def test_a_file_name_that_could_break_the_header_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        replace(DESTINATION, file_name=name)


# --- faults: nothing is left -------------------------------------------------------------------------

BEFORE_COMPLETION = ["CreateMultipartUpload", "GetObject", "UploadPart", "UploadPartCopy"]


THROTTLED = (503, "SlowDown", BucketUnavailable)
DENIED = (403, "AccessDenied", BucketRefused)


@pytest.mark.parametrize(
    ("operation", "status", "code", "outcome"),
    [
        *((operation, *answer) for operation in BEFORE_COMPLETION for answer in (THROTTLED, DENIED)),
        ("UploadPart", 500, "InternalError", BucketUnavailable),
        ("UploadPart", 404, "NoSuchUpload", BucketUnavailable),
        ("CompleteMultipartUpload", *THROTTLED),
        ("CompleteMultipartUpload", *DENIED),
        ("CompleteMultipartUpload", 409, "ConditionalRequestConflict", BucketUnavailable),
        ("CompleteMultipartUpload", 404, "NoSuchUpload", BucketUnavailable),
        ("CompleteMultipartUpload", 200, "InternalError", BucketUnavailable),
    ],
)
def test_what_s3_keeps_refusing_ends_the_attempt_and_leaves_nothing(
    bucket: Bucket, operation: str, status: int, code: str, outcome: type[Exception]
) -> None:
    """Faults 17 and 18: a part, the end of the upload."""
    members = staged(bucket, LARGE)
    bucket.refuse(operation, status, code)
    with pytest.raises(outcome, match=code):
        assemble_in(bucket, members)
    assert_nothing_is_left(bucket)


@pytest.mark.parametrize("operation", BEFORE_COMPLETION)
def test_what_s3_does_not_answer_ends_the_attempt_and_leaves_nothing(bucket: Bucket, operation: str) -> None:
    """Fault 17: time-out."""
    members = staged(bucket, LARGE)
    bucket.cut(operation)
    with pytest.raises(BucketUnavailable, match="ReadTimeoutError"):
        assemble_in(bucket, members)
    assert_nothing_is_left(bucket)


@pytest.mark.parametrize(
    ("operation", "status", "code"),
    [
        *((operation, 503, "SlowDown") for operation in [*BEFORE_COMPLETION, "CompleteMultipartUpload"]),
        ("UploadPart", 500, "InternalError"),
        ("UploadPartCopy", 200, "InternalError"),
        ("CompleteMultipartUpload", 200, "InternalError"),
    ],
)
def test_what_s3_refuses_once_is_tried_again_and_the_bytes_are_the_same(
    bucket: Bucket, operation: str, status: int, code: str
) -> None:
    """Faults 17 and 18: 500, SlowDown, 200 with an error in its body."""
    members = staged(bucket, LARGE)
    bucket.refuse(operation, status, code, times=1)
    assert_holds(bucket, assemble_in(bucket, members), LARGE)


def test_what_s3_refuses_for_longer_the_workflow_takes_again_in_a_fresh_upload(bucket: Bucket) -> None:
    """Fault 17, once botocore has given up."""
    members = staged(bucket, LARGE)
    bucket.refuse("UploadPartCopy", 503, "SlowDown")
    with pytest.raises(Exception, match="SlowDown") as refusal:
        assemble_in(bucket, members)
    rules = workflow()["States"]["Assemble"]["Retry"]
    assert refusal.type.__name__ in {error for rule in rules for error in rule["ErrorEquals"]}
    bucket.mend()
    assert_holds(bucket, assemble_in(bucket, members), LARGE)
    assert bucket.calls["CreateMultipartUpload"] == 1


def test_a_put_that_s3_refuses_leaves_nothing(bucket: Bucket) -> None:
    members = staged(bucket, SMALL)
    bucket.refuse("PutObject", 503, "SlowDown")
    with pytest.raises(BucketUnavailable, match="SlowDown"):
        assemble_in(bucket, members)
    assert_nothing_is_left(bucket)


def test_when_the_abort_fails_the_first_error_is_the_one_reported(bucket: Bucket) -> None:
    """Fault 19."""
    members = staged(bucket, LARGE)
    bucket.refuse("UploadPartCopy", 503, "SlowDown")
    bucket.refuse("AbortMultipartUpload", 403, "AccessDenied")
    with pytest.raises(BucketUnavailable, match="SlowDown") as caught:
        assemble_in(bucket, members)
    assert caught.value.__notes__ == ["the upload could not be aborted: AccessDenied"]
    assert KEY not in bucket.stored_keys()


def test_an_interrupt_leaves_nothing(bucket: Bucket) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    members = staged(bucket, LARGE)
    bucket.before("UploadPartCopy", interrupt)
    with pytest.raises(KeyboardInterrupt):
        assemble_in(bucket, members)
    assert_nothing_is_left(bucket)


# --- segments that are not what they were ------------------------------------------------------------


def assert_names(caught: ExceptionInfo[Exception], member: str, unit: int) -> None:
    assert member in str(caught.value)
    assert f"/{unit:05d}/" in str(caught.value)


@pytest.mark.parametrize(("member", "unit"), [("files.csv", 0), ("files.csv", 1), ("comments.csv", 1)])
def test_a_segment_that_is_gone_is_named(bucket: Bucket, member: str, unit: int) -> None:
    members = staged(bucket, LARGE)
    bucket.s3.delete_object(Bucket=BUCKET, Key=key_of(members, member, unit))
    with pytest.raises(SegmentMissing) as caught:
        assemble_in(bucket, members)
    assert_names(caught, member, unit)
    assert_nothing_is_left(bucket)


def test_a_small_segment_that_is_another_object_is_named(bucket: Bucket) -> None:
    members = staged(bucket, SMALL)
    bucket.s3.put_object(Bucket=BUCKET, Key=key_of(members, "files.csv", 1), Body=b"foreign")
    with pytest.raises(SegmentDamaged) as caught:
        assemble_in(bucket, members)
    assert_names(caught, "files.csv", 1)
    assert_nothing_is_left(bucket)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_segment_of_another_size_than_reported_is_named(bucket: Bucket, change: int) -> None:
    members = staged(bucket, SMALL)
    first, second = members[0].content
    assert isinstance(second, Segment)
    members[0] = Member("files.csv", [first, replace(second, compressed=second.compressed + change)])
    with pytest.raises(SegmentDamaged) as caught:
        assemble_in(bucket, members)
    assert_names(caught, "files.csv", 1)
    assert_nothing_is_left(bucket)


@pytest.mark.parametrize(
    ("status", "code"), [(412, "PreconditionFailed"), (416, "InvalidRange"), (400, "InvalidArgument")]
)
def test_a_large_segment_that_s3_does_not_copy_as_reported_is_named(
    bucket: Bucket, status: int, code: str
) -> None:
    members = staged(bucket, {"files.csv": LARGE["files.csv"]})
    bucket.refuse("UploadPartCopy", status, code)  # moto knows no x-amz-copy-source-if-match
    with pytest.raises(SegmentDamaged) as caught:
        assemble_in(bucket, members)
    assert_names(caught, "files.csv", 1)
    assert_nothing_is_left(bucket)


def key_of(members: list[Member], name: str, unit: int) -> str:
    (member,) = (member for member in members if member.name == name)
    segment = member.content[unit]
    assert isinstance(segment, Segment)
    return segment.key


# --- unclear answers: whose object is it? ------------------------------------------------------------

PUBLISHING = [(SMALL, "PutObject"), (LARGE, "CompleteMultipartUpload")]


@pytest.mark.parametrize(
    ("contents", "operation", "status"),
    [*((*publishing, 500) for publishing in PUBLISHING), (LARGE, "CompleteMultipartUpload", 200)],
)
def test_published_and_the_answer_lost_is_success(
    bucket: Bucket, contents: dict[str, list[bytes]], operation: str, status: int
) -> None:
    """Fault 18: answered with an error instead."""
    members = staged(bucket, contents)
    bucket.lose_answer(operation, status=status)
    assert_holds(bucket, assemble_in(bucket, members), contents)
    assert not bucket.open_uploads()


@pytest.mark.parametrize(("contents", "operation"), PUBLISHING)
def test_published_and_answered_once_the_time_was_out_is_success(
    bucket: Bucket, contents: dict[str, list[bytes]], operation: str
) -> None:
    """Fault 18: not answered at all."""
    members = staged(bucket, contents)
    bucket.lose_answer(operation)
    assert_holds(bucket, assemble_in(bucket, members), contents)
    assert not bucket.open_uploads()


@pytest.mark.parametrize("contents", [SMALL, LARGE])
def test_a_second_attempt_finds_the_first_ones_archive(
    bucket: Bucket, contents: dict[str, list[bytes]]
) -> None:
    """Fault 18: 412, of our own archive."""
    members = staged(bucket, contents)
    first = assemble_in(bucket, members)
    written = bucket.s3.head_object(Bucket=BUCKET, Key=KEY)["LastModified"]
    assert assemble_in(bucket, members) == first
    assert bucket.s3.head_object(Bucket=BUCKET, Key=KEY)["LastModified"] == written
    assert_holds(bucket, first, contents)
    assert not bucket.open_uploads()


@pytest.mark.parametrize("contents", [SMALL, LARGE])
@pytest.mark.parametrize("foreign", ["other backup", "no backup", "other size"])
def test_a_foreign_object_at_the_key_is_left_alone_and_never_taken_for_ours(
    bucket: Bucket, contents: dict[str, list[bytes]], foreign: str
) -> None:
    """Fault 18: 412, of something else."""
    members = staged(bucket, contents)
    size = assemble_in(bucket, members).size
    bucket.s3.delete_object(Bucket=BUCKET, Key=KEY)
    body = b"x" * (size - 1 if foreign == "other size" else size)
    metadata = {"other backup": {"backup-id": "01JD0000000000000000000009"}, "no backup": {}}
    bucket.before(
        "PutObject" if contents is SMALL else "CompleteMultipartUpload",
        lambda: bucket.s3.put_object(
            Bucket=BUCKET, Key=KEY, Body=body, Metadata=metadata.get(foreign, {"backup-id": BACKUP_ID})
        ),
    )
    with pytest.raises(ArchiveKeyTaken):
        assemble_in(bucket, members)
    assert bucket.get(KEY) == body
    assert not bucket.open_uploads()


@pytest.mark.parametrize("contents", [SMALL, LARGE])
def test_what_cannot_be_looked_at_is_not_called_a_success(
    bucket: Bucket, contents: dict[str, list[bytes]]
) -> None:
    """Fault 18: and then nobody can say whose it is."""
    members = staged(bucket, contents)
    assemble_in(bucket, members)
    bucket.refuse("HeadObject", 503, "SlowDown")
    with pytest.raises(BucketUnavailable):
        assemble_in(bucket, members)
    assert not bucket.open_uploads()


def test_no_message_carries_what_s3_said(bucket: Bucket) -> None:
    members = staged(bucket, LARGE)
    bucket.refuse("UploadPart", 403, "AccessDenied")
    with pytest.raises(BucketRefused) as caught:
        assemble_in(bucket, members)
    assert re.fullmatch(r"uploading part [135] of the archive: AccessDenied", str(caught.value))
