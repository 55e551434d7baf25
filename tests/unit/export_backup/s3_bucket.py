"""A bucket in the test's own process, an account of the calls it got, and ways to make it fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws
from moto.core.models import botocore_stubber

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "account-backups"


class _Raw:
    """The stream that botocore expects under an HTTP answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body


def _error_document(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message></Error>".encode()


def _refusal_of_each_key(code: str) -> bytes:
    """DeleteObjects' answer when it was let in, but not to any of the objects."""
    refusal = f"<Error><Key>any</Key><Code>{code}</Code><Message>made up</Message></Error>"
    return f"<?xml version='1.0'?><DeleteResult>{refusal}</DeleteResult>".encode()


@dataclass
class _Fault:
    status: int
    code: str
    after: int
    times: int
    carried_out: bool
    calls: int = 0
    document: Callable[[str], bytes] = _error_document

    def is_due(self) -> bool:
        self.calls += 1
        return self.after < self.calls <= self.after + self.times


@dataclass
class Bucket:
    """The client, and what went through it: calls counted as sent, retries included."""

    s3: S3Client
    calls: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _faults: dict[str, _Fault] = field(default_factory=dict)
    _actions: dict[str, Callable[[], object]] = field(default_factory=dict)

    def stored_keys(self) -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def open_uploads(self) -> list[str]:
        found = self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [upload["Key"] for upload in found]

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def refuse(self, operation: str, status: int, code: str, *, after: int = 0, times: int = 10**6) -> None:
        """Answer the operation with an error, without carrying it out, from the (after + 1)th call on."""
        self._faults[operation] = _Fault(status, code, after, times, carried_out=False)

    def refuse_each_key(self, code: str) -> None:
        """Answer DeleteObjects with 200 and an error for every key."""
        self._faults["DeleteObjects"] = _Fault(
            200, code, 0, 10**6, carried_out=False, document=_refusal_of_each_key
        )

    def lose_answer(self, operation: str, *, status: int = 500, times: int = 10**6) -> None:
        """Carry the operation out, and answer it with an error all the same."""
        self._faults[operation] = _Fault(status, "InternalError", 0, times, carried_out=True)

    def never_answer(self, operation: str, *, carried_out: bool) -> None:
        """Time out, whether or not the operation is carried out."""
        self._faults[operation] = _Fault(0, "", 0, 10**6, carried_out=carried_out)

    def before(self, operation: str, action: Callable[[], object]) -> None:
        """Do something just before the operation is carried out for the first time."""
        self._actions[operation] = action

    def _send(self, event_name: str, request: Any, **_: Any) -> Any:
        operation = event_name.rpartition(".")[2]
        self.calls[operation] += 1
        self._actions.pop(operation, lambda: None)()
        fault = self._faults.get(operation)
        if fault is None or not fault.is_due():
            return botocore_stubber(event_name, request)
        if fault.carried_out:
            botocore_stubber(event_name, request)
        if not fault.status:
            raise ReadTimeoutError(endpoint_url=request.url)
        body = _Raw(fault.document(fault.code))
        return AWSResponse(request.url, fault.status, HTTPHeaders(), body)

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
        bucket = Bucket(s3)
        events = s3.meta.events
        # botocore calls every handler of this event, so moto's must be called by ours or not at all.
        events.unregister("before-send", botocore_stubber)  # type: ignore[arg-type]
        events.register("before-send.s3", bucket._send)
        events.register("after-call.s3", bucket._parsed)
        events.register("provide-client-params.s3", bucket._asked)
        yield bucket
