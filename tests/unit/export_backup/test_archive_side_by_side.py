"""Assembling with several parts on their way at once, for as long as it is wanted."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import pytest

from functions.export_backup.archive import Archive, assemble
from functions.export_backup.bucket_errors import BucketRefused
from functions.export_backup.parts import GluedPart
from functions.export_backup.segments import Segment
from functions.export_backup.zip_layout import Member
from tests.unit.export_backup.paper_bucket import PaperBucket
from tests.unit.export_backup.s3_bucket import Bucket
from tests.unit.export_backup.staged_archive import (
    DESTINATION,
    LARGE,
    MIB,
    MOMENT,
    NOISE,
    SMALL,
    assemble_in,
    assert_holds,
    assert_nothing_is_left,
    staged,
)


class NotWanted(Exception):
    pass


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
    paper.pause_seconds = 0.5
    on_paper(paper, [1])
    assert paper.parts == dict.fromkeys(range(1, 7), 80 * MIB)
    assert paper.most_at_once <= 2


@pytest.mark.parametrize("reason", [BucketRefused, NotWanted])
def test_the_upload_is_aborted_only_when_no_part_is_on_its_way(
    bucket: Bucket, reason: type[Exception]
) -> None:
    """S3 keeps a part that comes after the abort, and charges for it."""
    members = staged(bucket, LARGE)
    on_its_way, aborted, was_aborted = threading.Event(), threading.Event(), []

    def copy() -> None:
        on_its_way.set()
        was_aborted.append(aborted.wait(0.5))

    asked = 0

    def still_wanted() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:  # the second part is copied
            assert on_its_way.wait(30)
            if reason is NotWanted:
                raise NotWanted

    bucket.before("UploadPartCopy", copy)
    bucket.before("AbortMultipartUpload", aborted.set)
    if reason is BucketRefused:
        bucket.before("UploadPart", lambda: on_its_way.wait(30))
        bucket.refuse("UploadPart", 403, "AccessDenied")
    with pytest.raises(reason):
        assemble(bucket.s3, DESTINATION, members, MOMENT, still_wanted)
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


# --- work that is no longer wanted -------------------------------------------------------------------


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
