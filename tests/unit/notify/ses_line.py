"""A telephone line to moto's SES that a test can have throttled, cut or overheard."""

from __future__ import annotations

import json
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError


class Killed(BaseException):
    """The Lambda function was stopped here."""


class SesLine:
    """Each SendEmail takes the next of `faults`, "" being none: `lost`, `unreachable`, `killed before`,
    `killed after`, or an error such as `429 TooManyRequestsException`. `taken` is what SES took.
    """

    def __init__(self, ses: Any) -> None:
        self.faults: list[str] = []
        self.calls = 0
        self.taken: list[dict[str, Any]] = []
        self._fault = ""
        self._request: dict[str, Any] = {}
        ses.meta.events.register_first("before-call.sesv2.SendEmail", self._before)
        # After moto's own handler, so that the call has been carried out, and where botocore may retry.
        ses.meta.events.register_last("before-send.sesv2.SendEmail", self._lose)
        ses.meta.events.register_first("needs-retry.sesv2.SendEmail", self._after)

    def _before(self, params: dict[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
        self.calls += 1
        self._fault = self.faults.pop(0) if self.faults else ""
        self._request = json.loads(params["body"])
        status, _space, code = self._fault.partition(" ")
        if self._fault == "killed before":
            raise Killed
        if self._fault == "unreachable":
            raise EndpointConnectionError(endpoint_url="https://email")
        if status.isdigit():
            return refusal(int(status), code, f"about {self._request['Destination']['ToAddresses'][0]}")
        return None

    def _lose(self, **_: object) -> None:
        if self._fault == "lost":
            self.taken.append(self._request)
            raise ReadTimeoutError(endpoint_url="https://email")

    def _after(self, response: tuple[AWSResponse, Any] | None, attempts: int, **_: object) -> None:
        self.calls += attempts > 1  # what botocore repeats by itself counts as well
        if response is None or response[0].status_code != 200:
            return
        self.taken.append(self._request)
        if self._fault == "killed after":
            raise Killed


def refuse(client: Any, operation: str, status: int, code: str) -> None:
    """Have AWS refuse this operation of the client, without carrying it out."""

    def before(**_: object) -> tuple[AWSResponse, dict[str, Any]]:
        return refusal(status, code, "")

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"before-call.{service}.{operation}", before)


def refusal(status: int, code: str, message: str) -> tuple[AWSResponse, dict[str, Any]]:
    response: Any = AWSResponse
    parsed = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0},
    }
    return response("https://aws", status, {}, None), parsed
