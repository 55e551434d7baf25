"""Segments written to the bucket of the tests, and what they hold."""

from __future__ import annotations

from functions.export_backup.segments import SegmentWriters
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket

PREFIX = "staging/01JD0000000000000000000000/00000/01JD0000000000000000000001/"
FILES = "files.csv"
COMMENTS = "comments.csv"
FINAL_BLOCK = b"\x03\x00"


def writers(bucket: Bucket) -> SegmentWriters:
    return SegmentWriters(bucket.s3, BUCKET, PREFIX)
