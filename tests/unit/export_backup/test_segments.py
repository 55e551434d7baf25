"""Segments: deflate that can be laid end to end, published whole or not at all."""

from __future__ import annotations

import gc
import json
import random
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.segments import PART_BYTES, Deflater, Segment, SegmentWriters
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket, a_bucket

PREFIX = "staging/01JD0000000000000000000000/00000/01JD0000000000000000000001/"
FILES = "files.csv"
FINAL_BLOCK = b"\x03\x00"


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with a_bucket() as made:
        yield made


@pytest.fixture(scope="module")
def incompressible() -> bytes:
    """Deflates to a little over two parts."""
    return random.Random(7).randbytes(2 * PART_BYTES + 1_000_000)  # noqa: S311 - data, not a secret


def writers(bucket: Bucket) -> SegmentWriters:
    return SegmentWriters(bucket.s3, BUCKET, PREFIX)


# --- deflate that can be cut -------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.one_of(st.binary(max_size=300), st.binary(max_size=8).map(lambda b: b * 999)))),
    st.sampled_from([0, 1, 2, 3]),
)
def test_segments_cut_anywhere_are_one_stream_when_laid_end_to_end(
    segments: list[list[bytes]], level: int
) -> None:
    stream = b""
    for writes in segments:
        deflater = Deflater(level)
        deflated = b"".join([*map(deflater.compress, writes), deflater.flush()])
        assert deflater.bytes == sum(map(len, writes))
        assert deflater.crc32 == zlib.crc32(b"".join(writes))
        stream += deflated
    inflater = zlib.decompressobj(-15)
    assert inflater.decompress(stream) == b"".join(map(b"".join, segments))
    assert not inflater.eof, "a segment ended the stream"
    assert inflater.decompress(FINAL_BLOCK) == b""
    assert inflater.eof


def test_bytes_written_one_by_one_are_deflated_together(bucket: Bucket) -> None:
    line = b"4711,proof,Flyer final final 3.pdf\r\n" * 2000
    with writers(bucket) as one_by_one:
        for byte in line:
            one_by_one[FILES].write(bytes([byte]))
    assert one_by_one.segments[0].compressed < len(line) // 50


# --- what is published -------------------------------------------------------------------------------


def test_a_segment_says_what_lies_at_its_key(bucket: Bucket) -> None:
    with writers(bucket) as opened:
        opened[FILES].write(b"id,type\r\n")
        opened[FILES].write(b"1,proof\r\n")
    (segment,) = opened.segments
    stored = bucket.get(PREFIX + "files.csv.deflate")
    content = b"id,type\r\n1,proof\r\n"
    assert segment == Segment(
        member=FILES,
        key=PREFIX + "files.csv.deflate",
        bytes=len(content),
        compressed=len(stored),
        crc32=zlib.crc32(content),
        etag=bucket.s3.head_object(Bucket=BUCKET, Key=segment.key)["ETag"],
    )
    assert zlib.decompress(stored + FINAL_BLOCK, -15) == content


def test_members_have_their_own_segments_in_the_order_of_asking(bucket: Bucket) -> None:
    with writers(bucket) as opened:
        for member in ("users.csv", FILES, "backup.xml", "users.csv"):
            opened[member].write(member.encode())
    assert [segment.member for segment in opened.segments] == ["users.csv", FILES, "backup.xml"]
    assert zlib.decompress(bucket.get(PREFIX + "users.csv.deflate") + FINAL_BLOCK, -15) == b"users.csv" * 2


def test_a_member_to_which_nothing_was_written_has_no_segment(bucket: Bucket) -> None:
    with writers(bucket) as opened:
        opened["users.csv"].write(b"")
        assert opened[FILES] is opened[FILES]
    assert opened.segments == ()
    assert not bucket.stored_keys()
    assert not bucket.calls["PutObject"] + bucket.calls["CreateMultipartUpload"]


def test_a_small_segment_is_one_request(bucket: Bucket, incompressible: bytes) -> None:
    bucket.calls.clear()
    with writers(bucket) as opened:
        opened[FILES].write(incompressible[: PART_BYTES - 100_000])
    assert bucket.calls == {"PutObject": 1}


def test_a_large_segment_is_sent_part_by_part_while_it_is_written(
    bucket: Bucket, incompressible: bytes
) -> None:
    bucket.calls.clear()
    with writers(bucket) as opened:
        for start in range(0, len(incompressible), 10_000):
            opened[FILES].write(incompressible[start : start + 10_000])
        assert bucket.calls == {"CreateMultipartUpload": 1, "UploadPart": 2}
    assert bucket.calls == {"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1}
    (segment,) = opened.segments
    stored = bucket.get(segment.key)
    assert segment.compressed == len(stored) > 2 * PART_BYTES
    assert segment.etag == bucket.s3.head_object(Bucket=BUCKET, Key=segment.key)["ETag"]
    assert zlib.decompress(stored + FINAL_BLOCK, -15) == incompressible


def test_a_segment_survives_json() -> None:
    segment = Segment(FILES, PREFIX + FILES, 5 * 10**12, 10**12, 0xFFFFFFFF, '"abc-2"')
    assert Segment.from_dict(json.loads(json.dumps(segment.to_dict()))) == segment


@pytest.mark.parametrize(
    "damage", [{"bytes": -1}, {"crc32": "1"}, {"compressed": True}, {"key": ""}, {"etag": None}]
)
def test_a_segment_that_is_none_is_refused(damage: dict[str, object]) -> None:
    document = Segment(FILES, PREFIX + FILES, 1, 2, 3, '"abc"').to_dict()
    with pytest.raises(ValueError, match=next(iter(damage))):
        Segment.from_dict({**document, **damage})


# --- nothing but the whole ---------------------------------------------------------------------------


class SourceFailed(Exception):
    """What a unit may die of."""


def test_an_exception_leaves_no_object_and_no_open_upload(bucket: Bucket, incompressible: bytes) -> None:
    def write_and_fail() -> None:
        with writers(bucket) as opened:
            opened[FILES].write(incompressible)
            opened["users.csv"].write(b"small")
            assert bucket.open_uploads()
            raise SourceFailed

    with pytest.raises(SourceFailed):
        write_and_fail()
    gc.collect()
    assert not bucket.stored_keys()
    assert not bucket.open_uploads()


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (500, "InternalError", BucketUnavailable),
        (503, "SlowDown", BucketUnavailable),
        (403, "AccessDenied", BucketRefused),
    ],
)
def test_a_refused_upload_is_named_and_leaves_nothing(
    bucket: Bucket,
    incompressible: bytes,
    operation: str,
    status: int,
    code: str,
    outcome: type[Exception],
) -> None:
    """Faults 17 and 18, of a segment."""
    bucket.refuse(operation, status, code)
    with pytest.raises(outcome, match=code), writers(bucket) as opened:
        opened[FILES].write(incompressible)
    gc.collect()
    assert opened.segments == ()
    assert not bucket.stored_keys()
    assert not bucket.open_uploads()


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [(503, "SlowDown", BucketUnavailable), (403, "AccessDenied", BucketRefused)],
)
def test_a_refused_put_is_named_and_leaves_nothing(
    bucket: Bucket, status: int, code: str, outcome: type[Exception]
) -> None:
    bucket.refuse("PutObject", status, code)
    with pytest.raises(outcome, match=code), writers(bucket) as opened:
        opened[FILES].write(b"small")
    assert not bucket.stored_keys()


@pytest.mark.parametrize(
    "fault",
    [
        lambda bucket: bucket.refuse("UploadPart", 503, "SlowDown", times=1),
        lambda bucket: bucket.refuse("UploadPart", 500, "InternalError", times=1),
        lambda bucket: bucket.cut("UploadPart", times=1),
        lambda bucket: bucket.lose_answer("UploadPart", times=1),
    ],
    ids=["SlowDown", "500", "time-out", "answer lost"],
)
def test_fault_17_a_part_that_failed_once_is_sent_again_and_the_bytes_are_the_same(
    bucket: Bucket, incompressible: bytes, fault: Callable[[Bucket], None]
) -> None:
    fault(bucket)
    with writers(bucket) as opened:
        opened[FILES].write(incompressible)
    assert zlib.decompress(bucket.get(opened.segments[0].key) + FINAL_BLOCK, -15) == incompressible


def test_when_the_abort_fails_the_first_error_is_the_one_reported_and_nothing_is_published(
    bucket: Bucket, incompressible: bytes
) -> None:
    """Fault 19, of a segment."""

    def write_and_fail() -> None:
        with writers(bucket) as opened:
            opened[FILES].write(incompressible)
            raise SourceFailed

    bucket.refuse("AbortMultipartUpload", 403, "AccessDenied")
    with pytest.raises(SourceFailed) as caught:
        write_and_fail()
    assert caught.value.__notes__ == ["the upload of files.csv could not be aborted: AccessDenied"]
    del caught
    gc.collect()  # this is when an abandoned smart_open writer would publish what it has
    assert not bucket.stored_keys()
