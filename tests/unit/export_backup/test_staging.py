"""The staging area: attempts that share nothing, and reports that come back as they were."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from functions.export_backup.archive import SegmentDamaged, SegmentMissing
from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.event import Exported
from functions.export_backup.segments import Segment
from functions.export_backup.staging import Staging
from functions.export_backup.unit_report import MemberCount, TableCount, UnitReport
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket, a_bucket

BACKUP, ONE, TWO = (f"01KAQ4M2C{number}" + "0" * 16 for number in range(3))
REPORT = UnitReport(
    members={"files.csv": MemberCount(rows=2, guarded=1, long_cells=3, replaced={"U+1F600": 3})},
    tables={"FILES": TableCount(read=3, written=2, left_out={"trash": 1})},
)
SEGMENT = Segment("files.csv", f"staging/{BACKUP}/00007/{ONE}/files.csv.deflate", 10, 12, 2**32 - 1, '"etag"')


@pytest.fixture(scope="module")
def shared_bucket() -> Iterator[Bucket]:
    with a_bucket() as bucket:
        yield bucket


@pytest.fixture
def bucket(shared_bucket: Bucket) -> Bucket:
    shared_bucket.mend()
    for key in shared_bucket.stored_keys():
        shared_bucket.s3.delete_object(Bucket=BUCKET, Key=key)
    return shared_bucket


@pytest.fixture
def staging(bucket: Bucket) -> Staging:
    return Staging(bucket.s3, BUCKET, BACKUP)


def test_an_attempt_writes_to_a_place_of_its_own(staging: Staging, bucket: Bucket) -> None:
    for attempt in (ONE, TWO):
        with staging.writers(7, attempt) as writers:
            writers["files.csv"].write(b"id\r\n")
        staging.keep_report(7, attempt, writers.segments, REPORT)
    assert bucket.stored_keys() == [
        f"staging/{BACKUP}/00007/{attempt}/{name}"
        for attempt in (ONE, TWO)
        for name in ("files.csv.deflate", "report.json")
    ]


def test_units_and_attempts_sort_as_they_count(staging: Staging, bucket: Bucket) -> None:
    for unit in (99_999, 2, 10):
        staging.keep_report(unit, ONE, (), REPORT)
    assert [key.split("/")[2] for key in bucket.stored_keys()] == ["00002", "00010", "99999"]


def test_a_report_comes_back_as_it_was_kept(staging: Staging) -> None:
    staging.keep_report(7, ONE, (SEGMENT,), REPORT)
    assert staging.report(Exported(7, ONE, 2)) == ([SEGMENT], REPORT)


def test_the_report_is_that_of_the_attempt_that_counts(staging: Staging) -> None:
    staging.keep_report(7, ONE, (SEGMENT,), REPORT)
    staging.keep_report(7, TWO, (), UnitReport({}, {}))
    assert staging.report(Exported(7, ONE, 2)) == ([SEGMENT], REPORT)


@pytest.mark.parametrize("missing", [Exported(7, TWO, 2), Exported(8, ONE, 2)])
def test_a_report_that_is_gone_is_a_missing_segment(staging: Staging, missing: Exported) -> None:
    staging.keep_report(7, ONE, (), REPORT)
    with pytest.raises(SegmentMissing):
        staging.report(missing)


def test_another_backup_has_another_corner(staging: Staging, bucket: Bucket) -> None:
    staging.keep_report(7, ONE, (), REPORT)
    with pytest.raises(SegmentMissing):
        Staging(bucket.s3, BUCKET, TWO).report(Exported(7, ONE, 2))


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (503, "SlowDown", BucketUnavailable),
        (500, "InternalError", BucketUnavailable),
        (403, "AccessDenied", BucketRefused),
    ],
)
def test_a_bucket_that_says_no_is_an_outcome_that_says_whether_to_try_again(
    staging: Staging, bucket: Bucket, status: int, code: str, outcome: type[Exception]
) -> None:
    staging.keep_report(7, ONE, (), REPORT)
    for operation in ("PutObject", "GetObject"):
        bucket.refuse(operation, status, code)
    with pytest.raises(outcome, match=code):
        staging.keep_report(7, ONE, (), REPORT)
    with pytest.raises(outcome, match=code):
        staging.report(Exported(7, ONE, 2))


def test_a_report_whose_answer_was_lost_is_kept(staging: Staging, bucket: Bucket) -> None:
    """Fault 22."""
    bucket.lose_answer("PutObject", times=1)
    staging.keep_report(7, ONE, (SEGMENT,), REPORT)
    assert staging.report(Exported(7, ONE, 2)) == ([SEGMENT], REPORT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        json.dumps({"segments": [{"member": 1}], "counts": REPORT.to_json()}).encode(),
    ],
)
def test_a_report_that_is_not_what_was_kept_is_a_damaged_part(
    staging: Staging, bucket: Bucket, body: bytes
) -> None:
    bucket.s3.put_object(Bucket=BUCKET, Key=f"staging/{BACKUP}/00007/{ONE}/report.json", Body=body)
    with pytest.raises(SegmentDamaged):
        staging.report(Exported(7, ONE, 2))
