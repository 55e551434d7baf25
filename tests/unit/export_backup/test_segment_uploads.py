"""While segments are uploaded: computing goes on, failures are told, and nothing but the whole is left."""

from __future__ import annotations

import gc
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest

from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.segments import SegmentWriters
from tests.unit.export_backup.s3_bucket import EACH_REFUSAL, Bucket
from tests.unit.export_backup.segment_writers import COMMENTS, FILES, FINAL_BLOCK, writers

PATIENCE_SECONDS = 30


class SourceFailed(Exception):
    """What a unit may die of."""


# --- computing goes on -------------------------------------------------------------------------------


class Held:
    """One call to S3 that does not come to its end until it is let go."""

    def __init__(self, bucket: Bucket, operation: str) -> None:
        self._operation = operation
        self._came, self._let_go = threading.Event(), threading.Event()
        bucket.before(operation, self._hold)

    def wait(self) -> None:
        assert self._came.wait(PATIENCE_SECONDS), f"{self._operation} was not called"

    def let_go(self) -> None:
        self._let_go.set()

    def _hold(self) -> None:
        self._came.set()
        assert self._let_go.wait(5), f"nothing went on while {self._operation} hung"


def write_in_lines(opened: SegmentWriters, member: str, data: bytes) -> None:
    for start in range(0, len(data), 10_000):
        opened[member].write(data[start : start + 10_000])


def test_while_an_upload_hangs_computing_goes_on_and_so_do_other_members_uploads(
    bucket: Bucket, incompressible: bytes
) -> None:
    held = Held(bucket, "UploadPart")
    with writers(bucket) as opened:
        write_in_lines(opened, FILES, incompressible[: 6 * 1024**2])
        held.wait()
        write_in_lines(opened, COMMENTS, incompressible[: 6 * 1024**2])
        bucket.wait_for("UploadPart")  # which is that of the other member
        write_in_lines(opened, FILES, incompressible[6 * 1024**2 :])
        held.let_go()
    for segment, content in zip(
        opened.segments, [incompressible, incompressible[: 6 * 1024**2]], strict=True
    ):
        assert zlib.decompress(bucket.get(segment.key) + FINAL_BLOCK, -15) == content


def test_segments_are_published_side_by_side(bucket: Bucket) -> None:
    bucket.before("PutObject", lambda: bucket.wait_for("PutObject"))  # the first waits for another
    with writers(bucket) as opened:
        for member in (FILES, COMMENTS):
            opened[member].write(b"small")
    assert len(bucket.stored_keys()) == 2


def write_until_it_is_refused(opened: SegmentWriters, data: bytes) -> None:
    write_in_lines(opened, FILES, data[: 6 * 1024**2])
    while True:
        opened["users.csv"].write(b"x")


def test_the_next_write_to_any_member_tells_of_a_refused_upload(
    bucket: Bucket, incompressible: bytes
) -> None:
    bucket.refuse("UploadPart", 403, "AccessDenied")

    def write() -> None:
        with writers(bucket) as opened:
            with pytest.raises(BucketRefused):
                write_until_it_is_refused(opened, incompressible)
            raise SourceFailed

    with pytest.raises(SourceFailed) as caught:
        write()
    assert not hasattr(caught.value, "__notes__")
    assert not bucket.stored_keys()
    assert not bucket.open_uploads()


def test_nobody_gets_over_a_refused_upload_by_looking_away(bucket: Bucket, incompressible: bytes) -> None:
    bucket.refuse("UploadPart", 403, "AccessDenied")
    opened = writers(bucket)

    def write() -> None:
        with opened, suppress(BucketRefused):
            write_until_it_is_refused(opened, incompressible)

    with pytest.raises(BucketRefused):
        write()
    assert opened.segments == ()
    assert not bucket.stored_keys()
    assert not bucket.open_uploads()


def test_an_upload_is_aborted_only_when_no_part_of_it_is_on_its_way(
    bucket: Bucket, incompressible: bytes
) -> None:
    """S3 keeps a part that comes after the abort, and charges for it."""
    aborted, was_aborted, on_its_way = threading.Event(), [], threading.Event()

    def upload() -> None:
        on_its_way.set()
        was_aborted.append(aborted.wait(0.3))

    def write_and_fail() -> None:
        with writers(bucket) as opened:
            opened[FILES].write(incompressible)
            assert on_its_way.wait(PATIENCE_SECONDS)
            raise SourceFailed

    bucket.before("UploadPart", upload)
    bucket.before("AbortMultipartUpload", aborted.set)
    with pytest.raises(SourceFailed):
        write_and_fail()
    assert aborted.is_set()
    assert was_aborted == [False]
    assert bucket.calls["UploadPart"] == 1
    assert not bucket.open_uploads()


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Bucket.mend, None),
        (Bucket.mend, SourceFailed),
        (Bucket.mend, KeyboardInterrupt),
        (lambda bucket: bucket.refuse("UploadPart", 403, "AccessDenied"), BucketRefused),
        (lambda bucket: bucket.cut("CreateMultipartUpload"), BucketUnavailable),
        (lambda bucket: bucket.refuse("CompleteMultipartUpload", 503, "SlowDown"), BucketUnavailable),
        (lambda bucket: bucket.refuse("AbortMultipartUpload", 403, "AccessDenied"), SourceFailed),
    ],
    ids=["well", "block", "interrupt", "part", "beginning", "end", "abort"],
)
def test_however_the_block_ends_no_thread_is_left(
    bucket: Bucket,
    incompressible: bytes,
    fault: Callable[[Bucket], None],
    outcome: type[BaseException] | None,
) -> None:
    before = set(threading.enumerate())
    fault(bucket)

    def write() -> None:
        with writers(bucket) as opened:
            opened[FILES].write(incompressible)
            opened[COMMENTS].write(b"small")
            if outcome in (SourceFailed, KeyboardInterrupt):
                raise outcome

    if outcome is None:
        write()
    else:
        with pytest.raises(outcome):
            write()
    assert set(threading.enumerate()) <= before


# --- nothing but the whole ---------------------------------------------------------------------------


def test_an_exception_leaves_no_object_and_no_open_upload(bucket: Bucket, incompressible: bytes) -> None:
    def write_and_fail() -> None:
        with writers(bucket) as opened:
            opened[FILES].write(incompressible)
            opened["users.csv"].write(b"small")
            bucket.wait_for("UploadPart")
            assert bucket.open_uploads()
            raise SourceFailed

    with pytest.raises(SourceFailed):
        write_and_fail()
    gc.collect()
    assert not bucket.stored_keys()
    assert not bucket.open_uploads()


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
@EACH_REFUSAL
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


@EACH_REFUSAL
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
            bucket.wait_for("UploadPart")
            raise SourceFailed

    bucket.refuse("AbortMultipartUpload", 403, "AccessDenied")
    with pytest.raises(SourceFailed) as caught:
        write_and_fail()
    assert caught.value.__notes__ == ["the upload of files.csv could not be aborted: AccessDenied"]
    del caught
    gc.collect()  # this is when an abandoned smart_open writer would publish what it has
    assert not bucket.stored_keys()
