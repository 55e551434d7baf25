"""moto for the whole service: every call of it is carried out, lost or refused as a test decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from moto.core.model_instances import reset_model_data
from moto.core.models import botocore_stubber

from tests.doubles import make_table
from tests.unit.protocol.processes import call
from tests.unit.shared.backups_table import AUDIT_TABLE, TABLE, TWICE

BUCKET = "archives"


class _Stream:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self._body


class Aws:
    """moto's table and bucket, made once, and a clock. The objects' moments are the clock's."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.dynamodb: Any = boto3.client("dynamodb", config=TWICE)
        # One connection, so that of a process no two uploads are on their way at once, whose order would be
        # nobody's decision.
        self.s3: Any = boto3.client("s3", config=TWICE.merge(Config(max_pool_connections=1)))
        make_table(self.dynamodb, TABLE)
        make_table(self.dynamodb, AUDIT_TABLE)
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.put_at: dict[str, datetime] = {}
        self.puts: Counter[str] = Counter()
        self.carried_out: Callable[[str], object] = lambda _: None
        """Is told each operation that has been."""
        for client in (self.dynamodb, self.s3):
            # botocore calls every handler of this event, so moto's must be called by ours or not at all.
            events: Any = client.meta.events
            events.unregister("before-send", botocore_stubber)
            events.register("before-send", self._send)
        self.s3.meta.events.register("after-call.s3.HeadObject", self._dated)

    def _send(self, event_name: str, request: Any, **_: Any) -> Any:
        operation = event_name.rpartition(".")[2]

        def carry_out() -> Any:
            answer: Any = botocore_stubber(event_name, request)
            if answer.status_code < 300:  # S3 answers a DELETE with 204
                if operation in ("PutObject", "CompleteMultipartUpload"):
                    self.put_at[_path(request.url)] = self.now
                    self.puts[_path(request.url)] += 1
                self.carried_out(operation)
            return answer

        def busy() -> Any:
            body = b"{}" if "dynamodb" in request.url else b""
            return AWSResponse(request.url, 503, HTTPHeaders(), _Stream(body))

        return call(operation, carry_out, busy)

    def _dated(self, http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        if "LastModified" in parsed:
            parsed["LastModified"] = self.put_at[_path(http_response.url)]

    def begin_anew(self) -> None:
        self.carried_out = lambda _: None
        reset_model_data()  # a list of all that was ever made: of the tables, a copy for each transaction
        for table in (TABLE, AUDIT_TABLE):
            for item in self.dynamodb.scan(TableName=table)["Items"]:
                self.dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
        for found in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            self.s3.delete_object(Bucket=BUCKET, Key=found["Key"])
        for upload in self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
            self.s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
        self.put_at.clear()
        self.puts.clear()
        self.now = datetime.now(UTC).replace(microsecond=0)


def _path(url: str) -> str:
    return url.partition("?")[0].partition(".com/")[2]
