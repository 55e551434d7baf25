"""A bucket in the test's own process, an account of the calls it got, and ways to make it fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from tests.faults import Line

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "account-backups"
EACH_REFUSAL = pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (500, "InternalError", BucketUnavailable),
        (503, "SlowDown", BucketUnavailable),
        (403, "AccessDenied", BucketRefused),
    ],
)
"""What S3 says instead of doing it, and what that is to a step."""


class Bucket(Line):
    """The client, and what went through it: calls counted as sent, retries included."""

    def __init__(self, s3: S3Client) -> None:
        super().__init__(s3)
        self.s3 = s3
        self.bytes_read = 0
        self.requests: list[tuple[str, dict[str, Any]]] = []
        s3.meta.events.register("after-call.s3", self._parsed)
        s3.meta.events.register("provide-client-params.s3", self._asked)

    def stored_keys(self) -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def open_uploads(self) -> list[str]:
        found = self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [upload["Key"] for upload in found]

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def refuse_each_key(self, code: str) -> None:
        """Answer DeleteObjects with 200 and an error for every key."""
        refusal = f"<Error><Key>any</Key><Code>{code}</Code><Message>made up</Message></Error>"
        self.say("DeleteObjects", 200, f"<DeleteResult>{refusal}</DeleteResult>".encode())

    def _parsed(self, event_name: str, parsed: dict[str, Any], **_: Any) -> None:
        if event_name.endswith(".GetObject"):
            self.bytes_read += parsed.get("ContentLength", 0)

    def _asked(self, event_name: str, params: dict[str, Any], **_: Any) -> None:
        self.requests.append((event_name.rpartition(".")[2], dict(params)))


@contextmanager
def a_bucket() -> Iterator[Bucket]:
    """An empty bucket; its client tries everything twice."""
    with mock_aws(), patch("time.sleep"):  # the pauses before botocore's second try
        s3 = boto3.client(
            "s3",
            region_name="us-east-1",
            config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
        )
        s3.create_bucket(Bucket=BUCKET)
        yield Bucket(s3)
