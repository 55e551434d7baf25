"""What is removed of an ended backup, and what never is."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.leftovers import Leftovers
from shared.backup import Backup, Person, State, new_backup
from tests.unit.export_backup.s3_bucket import BUCKET, EACH_REFUSAL, Bucket

NOW = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
OWN, OTHER = "01KAQ4M2C0" + "0" * 16, "01KAQ4M2C1" + "0" * 16
WITHOUT_FILE = [State.FAILED, State.CANCELLED, State.DELETED]


def backup(backup_id: str = OWN, state: State = State.CANCELLED) -> Backup:
    made = new_backup(
        backup_id=backup_id,
        account_id="9789",
        account_name="Example",
        encoding="utf-8",
        requested_by=Person("sub", "Ann", None, "en"),
        now=NOW,
    )
    finished_at = None if state in (State.PENDING, State.RUNNING) else NOW + timedelta(minutes=1)
    return dataclasses.replace(made, state=state, finished_at=finished_at)


def leave(bucket: Bucket, left_by: Backup) -> list[str]:
    """Two segments, an archive, and an open upload of each; returns the keys, in their order."""
    segments = [f"staging/{left_by.id}/{unit:05d}/{OTHER}/files.csv.deflate" for unit in (0, 1)]
    for key in (*segments, left_by.object_key):
        bucket.s3.create_multipart_upload(Bucket=BUCKET, Key=key)
        bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    return [left_by.object_key, *segments]


def remove(bucket: Bucket, ended: Backup) -> None:
    Leftovers(bucket.s3, BUCKET).remove(ended)


@pytest.mark.parametrize("state", WITHOUT_FILE)
def test_of_a_backup_without_a_file_nothing_is_left(bucket: Bucket, state: State) -> None:
    ended = backup(state=state)
    leave(bucket, ended)
    remove(bucket, ended)
    assert bucket.stored_keys() == []
    assert bucket.open_uploads() == []


def test_of_a_ready_backup_the_archive_is_left_and_nothing_else(bucket: Bucket) -> None:
    ready = backup(state=State.READY)
    leave(bucket, ready)
    remove(bucket, ready)
    assert bucket.stored_keys() == [ready.object_key]
    assert bucket.open_uploads() == []


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
def test_of_a_running_backup_nothing_is_removed(bucket: Bucket, state: State) -> None:
    running = backup(state=state)
    left = leave(bucket, running)
    with pytest.raises(ValueError, match="running"):
        remove(bucket, running)
    assert bucket.stored_keys() == left
    assert sorted(bucket.open_uploads()) == left


@pytest.mark.parametrize("state", [*WITHOUT_FILE, State.READY])
def test_of_another_backup_nothing_is_removed(bucket: Bucket, state: State) -> None:
    other = backup(OTHER)
    left = leave(bucket, other)
    ended = backup(state=state)
    leave(bucket, ended)
    remove(bucket, ended)
    assert [key for key in bucket.stored_keys() if key != ended.object_key] == left
    assert sorted(bucket.open_uploads()) == left


def test_removing_again_finds_nothing_and_that_is_all(bucket: Bucket) -> None:
    ended = backup()
    for _ in range(2):
        remove(bucket, ended)
    leave(bucket, ended)
    for _ in range(2):
        remove(bucket, ended)
    assert bucket.stored_keys() == []


def test_more_segments_than_one_call_deletes_are_removed(bucket: Bucket) -> None:
    ended = backup()
    for number in range(1001):
        bucket.s3.put_object(Bucket=BUCKET, Key=f"staging/{OWN}/{number:05d}/{OTHER}/report.json", Body=b"")
    remove(bucket, ended)
    assert bucket.stored_keys() == []
    assert bucket.calls["DeleteObjects"] == 3  # the archive's, and two lists of segments


def test_an_upload_that_its_own_step_aborts_first_is_no_error(bucket: Bucket) -> None:
    ended = backup()
    leave(bucket, ended)

    def abort_all() -> None:
        for upload in bucket.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]:
            bucket.s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])

    bucket.before("AbortMultipartUpload", abort_all)
    remove(bucket, ended)
    assert bucket.stored_keys() == []
    assert bucket.open_uploads() == []


def test_an_upload_that_is_completed_meanwhile_is_removed_as_an_object(bucket: Bucket) -> None:
    ended = backup()
    upload = bucket.s3.create_multipart_upload(Bucket=BUCKET, Key=ended.object_key)["UploadId"]
    etag = bucket.s3.upload_part(
        Bucket=BUCKET, Key=ended.object_key, UploadId=upload, PartNumber=1, Body=b"x"
    )["ETag"]
    bucket.before(
        "AbortMultipartUpload",
        lambda: bucket.s3.complete_multipart_upload(
            Bucket=BUCKET,
            Key=ended.object_key,
            UploadId=upload,
            MultipartUpload={"Parts": [{"ETag": etag, "PartNumber": 1}]},
        ),
    )
    remove(bucket, ended)
    assert bucket.stored_keys() == []


OPERATIONS = ["ListMultipartUploads", "AbortMultipartUpload", "DeleteObjects", "ListObjectsV2"]


@pytest.mark.parametrize("operation", OPERATIONS)
@EACH_REFUSAL
def test_what_s3_refuses_is_an_outcome(
    bucket: Bucket, operation: str, status: int, code: str, outcome: type[Exception]
) -> None:
    ended = backup()
    leave(bucket, ended)
    bucket.refuse(operation, status, code)
    with pytest.raises(outcome, match=code):
        remove(bucket, ended)


@pytest.mark.parametrize(
    ("code", "outcome"), [("InternalError", BucketUnavailable), ("AccessDenied", BucketRefused)]
)
def test_a_key_that_s3_does_not_delete_is_an_outcome_though_the_answer_is_200(
    bucket: Bucket, code: str, outcome: type[Exception]
) -> None:
    ended = backup()
    leave(bucket, ended)
    bucket.refuse_each_key(code)
    with pytest.raises(outcome, match=code):
        remove(bucket, ended)
