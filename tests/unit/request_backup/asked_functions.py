"""A Lambda service that takes note of what is invoked, behind a real boto3 client.

Nothing runs but what a test gives as the answer to those who wait for one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.models import botocore_stubber

from tests.unit.shared.backups_table import TWICE


class AskedFunctions:
    """`asked` holds the function's name, the kind of invocation and the payload of each one taken."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("lambda", config=TWICE)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.calls: Counter[str] = Counter()
        self._refusal: tuple[int, str] | None = None
        self._actions: dict[str, Callable[[], object]] = {}
        self._answer: Callable[[dict[str, Any]], str | None] = lambda _payload: None
        # moto would run the function, in a container.
        events: Any = self.client.meta.events
        events.unregister("before-send", botocore_stubber)
        events.register("before-send", self._send)

    def refuse(self, status: int, code: str) -> None:
        self._refusal = (status, code)

    def answer(self, work: Callable[[dict[str, Any]], str | None]) -> None:
        """Do this with the payload of who waits; the name of an exception is the function's error."""
        self._answer = work

    def before(self, operation: str, action: Callable[[], object]) -> None:
        """Do something just before the operation is taken for the first time."""
        self._actions[operation] = action

    def mend(self) -> None:
        self._refusal = None
        self._answer = lambda _payload: None
        self._actions.clear()
        self.calls.clear()
        self.asked.clear()

    def _send(self, event_name: str, request: Any, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        self.calls[operation] += 1
        self._actions.pop(operation, lambda: None)()
        if self._refusal:
            status, code = self._refusal
            headers = {"x-amzn-ErrorType": code}
            return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), _Raw(b"{}"))
        function = request.url.partition("/functions/")[2].partition("/")[0]
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        kind = kind.decode() if isinstance(kind, bytes) else kind
        payload = json.loads(request.body)
        self.asked.append((function, kind, payload))
        if kind == "Event":
            return AWSResponse(request.url, 202, HTTPHeaders(), _Raw(b""))
        error = self._answer(payload)
        # https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
        headers = {} if error is None else {"X-Amz-Function-Error": "Unhandled"}
        body = {} if error is None else {"errorMessage": "made up", "errorType": error}
        return AWSResponse(request.url, 200, HTTPHeaders.from_dict(headers), _Raw(json.dumps(body).encode()))


class _Raw:
    """The stream that botocore expects under an HTTP answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body

    def read(self, *_: Any, **__: Any) -> bytes:
        return self._body
