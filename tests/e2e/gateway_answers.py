"""What AWS's gateway would have said where the local one answers by itself: a hook for Schemathesis, which
also learns here what a time zone is called.

The function's answers are left as they are. The local gateway has its own plain words for a missing or
invalid token, a path that is none, and a throttled caller; AWS answers with the template's GatewayResponses:
https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.transport import Response

from tests.unit.infra.stack import written

RESPONSES: dict[str, Any] = written()["Resources"]["Api"]["Properties"]["GatewayResponses"]
LOCAL = {
    401: ("UNAUTHORIZED", b"Unauthorized"),
    403: ("MISSING_AUTHENTICATION_TOKEN", b"Missing Authentication Token"),
    429: ("THROTTLED", b"Too Many Requests"),
}
OURS = "x-content-type-options"
"""The header that every answer of the function has, and none of the gateway's."""

ZONES = sorted(available_timezones() - {"localtime"})

schemathesis.openapi.format("iana-time-zone", st.sampled_from(ZONES))


@schemathesis.hook
def after_call(_context: object, _case: object, response: Response) -> None:
    if OURS in response.headers:
        return
    kind, words = LOCAL.get(response.status_code, ("", b""))
    if not kind or (words not in response.content and response.request.method != "HEAD"):
        return  # whatever this is, let it be looked at
    answer = RESPONSES[kind]
    response.status_code = answer["StatusCode"]
    response.content = answer["ResponseTemplates"]["application/json"].encode()
    response.headers = {
        name.lower(): [value.strip("'")]
        for name, value in answer["ResponseParameters"]["Headers"].items()
        if isinstance(value, str)  # the others hang on a parameter
    }
