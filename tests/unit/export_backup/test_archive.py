"""Assembling: one whole ZIP at the key or nothing, and few calls and bytes for it."""

from __future__ import annotations

import base64
import io
import random
import re
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from functions.export_backup.archive import (
    Archive,
    ArchiveKeyTaken,
    ArchiveMissing,
    Destination,
    SegmentDamaged,
    SegmentMissing,
    assemble,
    head_of_ours,
)
from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.parts import GluedPart
from functions.export_backup.segments import Segment, SegmentWriters
from functions.export_backup.zip_layout import Member
from tests.unit.export_backup.paper_bucket import PaperBucket
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket, a_bucket

if TYPE_CHECKING:
    from _pytest._code import ExceptionInfo

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


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with a_bucket() as made:
        yield made


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
    return [*(Member(name, parts) for name, parts in segments.items()), Member("manifest.json", [MANIFEST])]


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


# --- parts side by side ------------------------------------------------------------------------------


def test_parts_are_sent_side_by_side_and_put_together_in_their_order(bucket: Bucket) -> None:
    members = staged(bucket, LARGE)
    # The first to be copied waits for all three that are glued, one of which is the last.
    bucket.before("UploadPartCopy", lambda: bucket.wait_for("UploadPart", staged_parts + 3))
    staged_parts = bucket.answered["UploadPart"]
    assert_holds(bucket, assemble_in(bucket, members), LARGE)


def on_paper(bucket: PaperBucket, sizes: list[int]) -> Archive:
    segments = [
        Segment("a.csv", f"{number}/{size}", 3 * size, size, 0, '"etag"') for number, size in enumerate(sizes)
    ]
    client: Any = bucket
    return assemble(client, DESTINATION, [Member("a.csv", segments)], MOMENT, lambda: None)


def test_ten_thousand_parts_are_sent_eight_at_a_time_in_little_memory() -> None:
    paper = PaperBucket()
    sizes = [6 * MIB + number for number in range(9_999)]
    tracemalloc.start()
    try:
        archive = on_paper(paper, sizes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert paper.completed == list(range(1, 10_001))
    assert sum(paper.parts.values()) == archive.size > sum(sizes)
    assert 2 <= paper.most_at_once <= 8
    assert peak < 32 * MIB


def test_no_more_parts_are_on_their_way_than_the_client_has_connections() -> None:
    paper = PaperBucket(connections=2)
    on_paper(paper, [6 * MIB] * 20)
    assert paper.most_at_once <= 2
    assert paper.completed == list(range(1, 22))


def test_of_the_largest_glued_parts_two_are_on_disk_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that has such parts has 200 GiB and more."""
    literal = bytes(MIB)
    parts = tuple(GluedPart(number, (literal,) * 80) for number in range(1, 7))
    monkeypatch.setattr("functions.export_backup.archive.cut", lambda _: parts)
    paper = PaperBucket()
    on_paper(paper, [1])
    assert paper.parts == dict.fromkeys(range(1, 7), 80 * MIB)
    assert paper.most_at_once <= 2


def test_the_upload_is_aborted_only_when_no_part_is_on_its_way(bucket: Bucket) -> None:
    """S3 keeps a part that comes after the abort, and charges for it."""
    members = staged(bucket, LARGE)
    aborted, was_aborted = threading.Event(), []
    bucket.before("UploadPartCopy", lambda: was_aborted.append(aborted.wait(0.3)))
    bucket.before("AbortMultipartUpload", aborted.set)
    bucket.refuse("UploadPart", 403, "AccessDenied")
    with pytest.raises(BucketRefused):
        assemble_in(bucket, members)
    assert aborted.is_set()
    assert was_aborted == [False]
    assert_nothing_is_left(bucket)


def test_once_a_part_has_failed_no_other_is_begun_and_none_is_read_to_its_end(bucket: Bucket) -> None:
    small = [b"%d\r\n" % number for number in range(30)]
    members = staged(bucket, {"users.csv": small, "files.csv": [NOISE] * 2, "backup.xml": small})
    pause = threading.Event()
    bucket.before("GetObject", lambda: pause.wait(0.5))  # what is glued first goes on when a copy has failed
    bucket.refuse("UploadPartCopy", 403, "AccessDenied")
    with pytest.raises(BucketRefused):
        assemble_in(bucket, members)
    assert bucket.calls["GetObject"] <= 2 + 30
    assert bucket.calls["UploadPart"] <= 1
    assert_nothing_is_left(bucket)


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


# --- work that is no longer wanted -------------------------------------------------------------------


class NotWanted(Exception):
    pass


def test_whether_it_is_still_wanted_is_asked_before_each_part_and_before_publishing(bucket: Bucket) -> None:
    members = staged(bucket, LARGE)
    seen: list[int] = []

    def still_wanted() -> None:
        seen.append(bucket.calls["UploadPart"] + bucket.calls["UploadPartCopy"])
        assert threading.current_thread() is threading.main_thread()
        assert not bucket.calls["CompleteMultipartUpload"]

    assemble(bucket.s3, DESTINATION, members, MOMENT, still_wanted)
    assert len(seen) == 6
    assert all(sent <= asked for asked, sent in enumerate(seen))
    assert seen[-1] == 5


def test_whether_it_is_still_wanted_is_asked_before_each_piece_of_a_small_archive_and_before_publishing(
    bucket: Bucket,
) -> None:
    members = staged(bucket, SMALL)
    seen: list[int] = []

    def still_wanted() -> None:
        seen.append(bucket.calls["GetObject"])
        assert not bucket.calls["PutObject"]

    assemble(bucket.s3, DESTINATION, members, MOMENT, still_wanted)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("contents", "asked"),
    [*((SMALL, asked) for asked in range(1, 4)), *((LARGE, asked) for asked in range(1, 7))],
)
def test_work_that_is_no_longer_wanted_ends_there_and_leaves_nothing(
    bucket: Bucket, contents: dict[str, list[bytes]], asked: int
) -> None:
    members = staged(bucket, contents)
    times = 0

    def still_wanted() -> None:
        nonlocal times
        times += 1
        if times == asked:
            raise NotWanted

    with pytest.raises(NotWanted):
        assemble(bucket.s3, DESTINATION, members, MOMENT, still_wanted)
    assert times == asked
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


# --- the sum of the whole ----------------------------------------------------------------------------


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
