"""The staging area: attempts that share nothing, and reports that come back as they were."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from functions.export_backup.archive import SegmentDamaged, SegmentMissing
from functions.export_backup.event import Exported, NumberedUnit
from functions.export_backup.segments import Segment
from functions.export_backup.staging import Go, Staging
from functions.export_backup.unit_report import MemberCount, TableCount, UnitReport
from tests.unit.export_backup.s3_bucket import BUCKET, EACH_REFUSAL, Bucket, a_bucket

BACKUP, ONE, TWO = (f"01KAQ4M2C{number}" + "0" * 16 for number in range(3))
EMPTY = UnitReport({}, {})
REPORT = UnitReport(
    members={"files.csv": MemberCount(rows=2, guarded=1, long_cells=3, replaced={"U+1F600": 3})},
    tables={"FILES": TableCount(read=3, written=2, left_out={"trash": 1})},
)
UNIT = NumberedUnit(7, 9, "000000000003", "000000000005")
SEGMENT = Segment("files.csv", f"staging/{BACKUP}/00007/{ONE}/files.csv.deflate", 10, 12, 2**32 - 1, '"etag"')
GO = Go("000000000003", "000000000005", None, [SEGMENT], REPORT)


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
        staging.keep_report(UNIT, attempt, writers.segments, REPORT)
    assert bucket.stored_keys() == [
        f"staging/{BACKUP}/00007/{attempt}/{name}"
        for attempt in (ONE, TWO)
        for name in ("files.csv.deflate", "report.json")
    ]


def test_units_and_attempts_sort_as_they_count(staging: Staging, bucket: Bucket) -> None:
    for number in (99_999, 2, 10):
        staging.keep_report(NumberedUnit(number, 100_000, None, None), ONE, (), REPORT)
    assert [key.split("/")[2] for key in bucket.stored_keys()] == ["00002", "00010", "99999"]


def test_a_report_comes_back_as_it_was_kept(staging: Staging) -> None:
    staging.keep_report(UNIT, ONE, (SEGMENT,), REPORT)
    assert staging.goes(Exported(7, ONE, 2)) == [GO]


def test_the_report_is_that_of_the_attempt_that_counts(staging: Staging) -> None:
    staging.keep_report(UNIT, ONE, (SEGMENT,), REPORT)
    staging.keep_report(UNIT, TWO, (), EMPTY)
    assert staging.goes(Exported(7, ONE, 2)) == [GO]


@pytest.mark.parametrize("missing", [Exported(7, TWO, 2), Exported(8, ONE, 2)])
def test_a_report_that_is_gone_is_a_missing_segment(staging: Staging, missing: Exported) -> None:
    staging.keep_report(UNIT, ONE, (), REPORT)
    with pytest.raises(SegmentMissing):
        staging.goes(missing)


def test_another_backup_has_another_corner(staging: Staging, bucket: Bucket) -> None:
    staging.keep_report(UNIT, ONE, (), REPORT)
    with pytest.raises(SegmentMissing):
        Staging(bucket.s3, BUCKET, TWO).goes(Exported(7, ONE, 2))


@EACH_REFUSAL
def test_a_bucket_that_says_no_is_an_outcome_that_says_whether_to_try_again(
    staging: Staging, bucket: Bucket, status: int, code: str, outcome: type[Exception]
) -> None:
    staging.keep_report(UNIT, ONE, (), REPORT)
    for operation in ("PutObject", "GetObject"):
        bucket.refuse(operation, status, code)
    with pytest.raises(outcome, match=code):
        staging.keep_report(UNIT, ONE, (), REPORT)
    with pytest.raises(outcome, match=code):
        staging.goes(Exported(7, ONE, 2))


def test_a_report_whose_answer_was_lost_is_kept(staging: Staging, bucket: Bucket) -> None:
    """Fault 22."""
    bucket.lose_answer("PutObject", times=1)
    staging.keep_report(UNIT, ONE, (SEGMENT,), REPORT)
    assert staging.goes(Exported(7, ONE, 2)) == [GO]


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
        staging.goes(Exported(7, ONE, 2))


# --- a unit that stopped and went on ---

THREE = "01KAQ4M2C3" + "0" * 16


def stopped(at: str) -> UnitReport:
    return UnitReport({}, {}, resume_at=at)


def gone_on(staging: Staging) -> NumberedUnit:
    """Two goes of three; returns what is left."""
    staging.keep_report(UNIT, ONE, (), stopped("000000000003#000002"))
    left = UNIT.left("000000000003#000002", ONE, 2)
    staging.keep_report(left, TWO, (), stopped("000000000004#000001"))
    return left.left("000000000004#000001", TWO, 4)


def test_the_goes_at_a_unit_come_in_their_order_told_by_the_last_one(staging: Staging) -> None:
    staging.keep_report(gone_on(staging), THREE, (), EMPTY)
    goes = staging.goes(Exported(7, THREE, 6))
    assert [(go.first_proof, go.report.resume_at) for go in goes] == [
        ("000000000003", "000000000003#000002"),
        ("000000000003#000002", "000000000004#000001"),
        ("000000000004#000001", None),
    ]
    assert {go.before_proof for go in goes} == {"000000000005"}


def test_of_a_go_that_was_taken_twice_the_one_that_is_named_counts(staging: Staging) -> None:
    left = gone_on(staging)
    staging.keep_report(left, THREE, (), EMPTY)
    late = "01KAQ4M2C4" + "0" * 16
    staging.keep_report(UNIT.left("000000000003#000002", ONE, 2), late, (), stopped("000000000004#000009"))
    assert [go.previous for go in staging.goes(Exported(7, THREE, 6))] == [None, ONE, TWO]


def test_a_unit_that_is_not_done_is_no_part_of_an_archive(staging: Staging) -> None:
    gone_on(staging)
    with pytest.raises(SegmentDamaged, match=TWO):
        staging.goes(Exported(7, TWO, 4))


def test_a_go_that_is_gone_is_a_missing_segment(staging: Staging, bucket: Bucket) -> None:
    staging.keep_report(gone_on(staging), THREE, (), EMPTY)
    bucket.s3.delete_object(Bucket=BUCKET, Key=f"staging/{BACKUP}/00007/{ONE}/report.json")
    with pytest.raises(SegmentMissing, match=ONE):
        staging.goes(Exported(7, THREE, 6))


@pytest.mark.parametrize(
    "first",
    [
        {"counts": stopped("000000000003#000001").to_json()},  # proofs are missing after it
        {"counts": stopped("000000000003#000009").to_json()},  # proofs are twice there
        {"counts": EMPTY.to_json()},  # it did not stop
        {"first_proof": "000000000004"},  # it stopped before it began
        {"before_proof": "000000000006"},  # it was of another unit
        {"previous": THREE},  # it follows itself
        {"previous": 7},
        {"first_proof": 7},
        {"before_proof": []},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_goes_that_do_not_follow_each_other_are_a_damaged_part(
    staging: Staging, bucket: Bucket, first: dict[str, object]
) -> None:
    staging.keep_report(gone_on(staging), THREE, (), EMPTY)
    key = f"staging/{BACKUP}/00007/{ONE}/report.json"
    report = json.loads(bucket.get(key)) | first
    bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(report).encode())
    with pytest.raises(SegmentDamaged, match=r"report\.json"):
        staging.goes(Exported(7, THREE, 6))


def test_a_report_of_before_units_could_go_on_is_the_whole_of_its_account(
    staging: Staging, bucket: Bucket
) -> None:
    """Fault 28."""
    staging.keep_report(NumberedUnit(0, 1, None, None), ONE, (), EMPTY)
    key = f"staging/{BACKUP}/00000/{ONE}/report.json"
    report = json.loads(bucket.get(key))
    old = json.dumps({name: report[name] for name in ("segments", "counts")}).encode()
    bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=old)
    assert staging.goes(Exported(0, ONE, 2)) == [Go(None, None, None, [], EMPTY)]
