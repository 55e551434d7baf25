"""Faults on the line between a client and moto: calls refused, held up, lost, or carried out with the answer
lost or corrupted.

They sit on botocore's own events, beneath its retries, so what is counted and refused is each attempt. Calls
may come from several threads; moto, which was not made for that, gets one after another.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Condition, RLock
from typing import Any
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from moto.core.models import botocore_stubber

FOR_EVER = 10**6
_MOST_QUOTED = 2_000
_PATIENCE_SECONDS = 30
_one_at_a_time = RLock()


class _Raw(io.BytesIO):
    """The stream that botocore expects under an HTTP answer."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


@dataclass
class _Fault:
    answer: Callable[[Any, Any], Any]
    """Makes the answer, or raises: out of the request, and of moto's answer where it is carried out."""
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
    """The line of one boto3 client under moto.

    `calls` counts attempts by operation, `answered` those that were carried out.
    """

    def __init__(self, client: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._changed = Condition()
        self._json = client.meta.service_model.metadata["protocol"] == "json"
        self._is_s3 = client.meta.service_model.service_name == "s3"
        self._faults: dict[str, _Fault] = {}
        self._actions: dict[str, Callable[[], object]] = {}
        # botocore calls every handler of this event, so moto's must be called by ours or not at all.
        client.meta.events.unregister("before-send", botocore_stubber)
        client.meta.events.register("before-send", self._send)

    def refuse(
        self, operation: str, status: int, code: str, *, after: int = 0, times: int = FOR_EVER
    ) -> None:
        """Answer with an error, without carrying the operation out, from the (after + 1)th call on."""
        self._faults[operation] = _Fault(self._refusal(status, code), False, after, times)

    def lose_answer(self, operation: str, *, status: int = 0, after: int = 0, times: int = FOR_EVER) -> None:
        """Carry the operation out, and let the caller wait in vain; or answer an error of this status."""
        answer = self._refusal(status, "InternalError") if status else _nothing
        self._faults[operation] = _Fault(answer, True, after, times)

    def cut(self, operation: str, *, after: int = 0, times: int = FOR_EVER) -> None:
        """Let the caller wait in vain for what never reached AWS."""
        self._faults[operation] = _Fault(_nothing, False, after, times)

    def say(self, operation: str, status: int, body: bytes) -> None:
        """Answer with this body, without carrying the operation out."""
        self._faults[operation] = _Fault(
            lambda request, _: _answered(request, status, HTTPHeaders(), body), False, 0, FOR_EVER
        )

    def corrupt(
        self, operation: str, change: Callable[[bytes], bytes], *, after: int = 0, times: int = FOR_EVER
    ) -> None:
        """Carry the operation out, and change the answer's body on its way back."""

        def changed(request: Any, answer: Any) -> AWSResponse:
            headers = HTTPHeaders()
            for name, value in answer.headers.items():
                # moto sums whole objects in its answers to ranges; S3 sums in those to whole objects only.
                if answer.status_code != 206 or not name.lower().startswith("x-amz-checksum"):
                    headers[name] = value
            return _answered(request, answer.status_code, headers, change(answer.content))

        self._faults[operation] = _Fault(changed, True, after, times)

    def before(self, operation: str, action: Callable[[], object]) -> None:
        """Do something just before the operation is carried out for the first time, or hold it up with it."""
        self._actions[operation] = action

    def wait_for(self, operation: str, times: int = 1) -> None:
        """Wait until the operation was carried out so many times, by another thread."""
        with self._changed:
            came = self._changed.wait_for(lambda: self.answered[operation] >= times, _PATIENCE_SECONDS)
        assert came, f"{operation} came {self.answered[operation]} times, not {times}"

    def mend(self) -> None:
        """No more faults, and the count from 0."""
        self._faults.clear()
        self._actions.clear()
        self.calls.clear()

    def _send(self, event_name: str, request: Any, **_: Any) -> Any:
        operation = event_name.rpartition(".")[2]
        with self._changed:
            self.calls[operation] += 1
            action = self._actions.pop(operation, None)
        if action is not None:
            action()
        with self._changed:
            fault = self._faults.get(operation)
            due = fault is not None and fault.is_due()
        if fault is None or not due:
            return self._carry_out(event_name, request)
        return fault.answer(request, self._carry_out(event_name, request) if fault.carried_out else None)

    def _carry_out(self, event_name: str, request: Any) -> Any:
        with _one_at_a_time:
            answer = botocore_stubber(event_name, request)
        with self._changed:
            self.answered[event_name.rpartition(".")[2]] += 1
            self._changed.notify_all()
        return answer

    def _refusal(self, status: int, code: str) -> Callable[[Any, Any], AWSResponse]:
        def refuse(request: Any, _: Any) -> AWSResponse:
            # AWS's texts quote what the call was about, so that a test can see whether they get out.
            about = _quoted(request.body)
            if self._json:
                body = json.dumps({"__type": code, "message": f"made up, about {about}"})
            else:
                text = escape(about)
                body = f"<Error><Code>{code}</Code><Message>made up, about {text}</Message></Error>"
                if not self._is_s3:  # the query protocol's errors have one more element round them
                    body = f"<ErrorResponse>{body}</ErrorResponse>"
            return _answered(request, status, HTTPHeaders(), body.encode())

        return refuse


def _nothing(request: Any, _: Any) -> Any:
    raise ReadTimeoutError(endpoint_url=request.url)


def _answered(request: Any, status: int, headers: Any, body: bytes) -> AWSResponse:
    return AWSResponse(request.url, status, headers, _Raw(body))


def _quoted(body: Any) -> str:
    """The beginning of a request's body, without what XML cannot hold."""
    text = body[:_MOST_QUOTED].decode(errors="replace") if isinstance(body, bytes | bytearray) else str(body)
    return "".join(character if character.isprintable() else " " for character in text)
