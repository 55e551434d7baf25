"""Segments: deflate that can be laid end to end, and what is published of it."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.object_stream import PART_BYTES
from functions.export_backup.segments import Deflater, Segment
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket
from tests.unit.export_backup.segment_writers import FILES, FINAL_BLOCK, PREFIX, writers

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
        stored_crc32=zlib.crc32(stored),
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
        bucket.wait_for("UploadPart", 2)
        assert bucket.calls == {"CreateMultipartUpload": 1, "UploadPart": 2}
    assert bucket.calls == {"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1}
    (segment,) = opened.segments
    stored = bucket.get(segment.key)
    assert segment.compressed == len(stored) > 2 * PART_BYTES
    assert segment.stored_crc32 == zlib.crc32(stored)
    assert segment.etag == bucket.s3.head_object(Bucket=BUCKET, Key=segment.key)["ETag"]
    assert zlib.decompress(stored + FINAL_BLOCK, -15) == incompressible


def test_a_segment_survives_json() -> None:
    segment = Segment(FILES, PREFIX + FILES, 5 * 10**12, 10**12, 0xFFFFFFFF, '"abc-2"', 0xFFFFFFFE)
    assert Segment.from_dict(json.loads(json.dumps(segment.to_dict()))) == segment


def test_a_segment_of_a_version_that_did_not_note_the_sum_of_its_object_is_read() -> None:
    document = Segment(FILES, PREFIX + FILES, 1, 2, 3, '"abc"', 4).to_dict()
    del document["stored_crc32"]
    assert Segment.from_dict(document) == Segment(FILES, PREFIX + FILES, 1, 2, 3, '"abc"')


@pytest.mark.parametrize(
    "damage",
    [
        {"bytes": -1},
        {"crc32": "1"},
        {"compressed": True},
        {"key": ""},
        {"etag": None},
        {"stored_crc32": -1},
        {"stored_crc32": "1"},
    ],
)
def test_a_segment_that_is_none_is_refused(damage: dict[str, object]) -> None:
    document = Segment(FILES, PREFIX + FILES, 1, 2, 3, '"abc"').to_dict()
    with pytest.raises(ValueError, match=next(iter(damage))):
        Segment.from_dict({**document, **damage})
