"""Faults on the line between a client and moto: calls refused, lost, or carried out with the answer lost.

They sit on botocore's own events, beneath its retries, so what is counted and refused is each attempt.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from moto.core.models import botocore_stubber

FOR_EVER = 10**6


class _Raw:
    """The stream that botocore expects under an HTTP answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body


@dataclass
class _Fault:
    status: int  # 0 where no answer comes at all
    code: str
    carried_out: bool
    after: int
    times: int

    def is_due(self) -> bool:
        self.after -= 1
        if self.after >= 0 or self.times <= 0:
            return False
        self.times -= 1
        return True


class Line:
    """The line of one boto3 client under moto. `calls` counts attempts by operation."""

    def __init__(self, client: Any) -> None:
        self.calls: Counter[str] = Counter()
        self._json = client.meta.service_model.metadata["protocol"] == "json"
        self._faults: dict[str, _Fault] = {}
        self._actions: dict[str, Callable[[], object]] = {}
        # botocore calls every handler of this event, so moto's must be called by ours or not at all.
        client.meta.events.unregister("before-send", botocore_stubber)
        client.meta.events.register("before-send", self._send)

    def refuse(
        self, operation: str, status: int, code: str, *, after: int = 0, times: int = FOR_EVER
    ) -> None:
        """Answer with an error, without carrying the operation out, from the (after + 1)th call on."""
        self._faults[operation] = _Fault(status, code, carried_out=False, after=after, times=times)

    def lose_answer(self, operation: str, *, after: int = 0, times: int = FOR_EVER) -> None:
        """Carry the operation out, and let the caller wait in vain."""
        self._faults[operation] = _Fault(0, "", carried_out=True, after=after, times=times)

    def cut(self, operation: str, *, times: int = FOR_EVER) -> None:
        """Let the caller wait in vain for what never reached AWS."""
        self._faults[operation] = _Fault(0, "", carried_out=False, after=0, times=times)

    def before(self, operation: str, action: Callable[[], object]) -> None:
        """Do something just before the operation is carried out for the first time."""
        self._actions[operation] = action

    def mend(self) -> None:
        """No more faults, and the count from 0."""
        self._faults.clear()
        self._actions.clear()
        self.calls.clear()

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
        # AWS's texts quote what the call was about, so that a test can see whether they get out.
        about = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
        if self._json:
            body = json.dumps({"__type": fault.code, "message": f"made up, about {about}"})
        else:
            text = escape(about)
            body = f"<E><Error><Code>{fault.code}</Code><Message>made up, about {text}</Message></Error></E>"
        return AWSResponse(request.url, fault.status, HTTPHeaders(), _Raw(body.encode()))
