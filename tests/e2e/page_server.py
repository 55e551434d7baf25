"""DynamoDB on loopback for accounts too big to be written into the local AWS in a test's time.

Query pages of the source table are made up as they are asked for; every other call goes on to the local
AWS as it came, signature and all.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

PROOF = f"{1:012d}#{1:06d}"
CREATED = "2026-01-01T00:00:00Z"
PAGE_ITEMS = 4_000
"""About 1 MB, as much as DynamoDB gives at once."""


def file_item() -> dict[str, Any]:
    return {
        "sk": {"S": PROOF},
        "id": {"N": "1"},
        "type": {"S": "proof"},
        "status": {"S": "active"},
        "uploaded_at": {"S": CREATED},
    }


def comment_text(number: int) -> str:
    return f"Comment {number}: the margin of page {number * 7919 % 1000} is {number * 31 % 113} mm off"


def comment_item(number: int, text: str) -> dict[str, Any]:
    return {
        "sk": {"S": f"{PROOF}#{number:012d}"},
        "id": {"N": str(number)},
        "proof_id": {"N": "1"},
        "version": {"N": "1"},
        "author": {"S": f"Reviewer {number % 97}"},
        "comment": {"S": text},
        "created_at": {"S": CREATED},
    }


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # whoever asked may have been killed
            super().handle_error(request, client_address)


Call = dict[str, Any]
"""A request, as DynamoDB's protocol has it."""
Answer = tuple[int, bytes]


@contextmanager
def in_front_of(local_aws: str, answer: Callable[[str, Call], Answer | None]) -> Iterator[str]:
    """The address of a DynamoDB that answers so, told operation and call, or as the local AWS does."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                raise ConnectionAbortedError
            found = answer(self.headers["X-Amz-Target"].rpartition(".")[2], json.loads(body))
            if found is None:
                there = requests.post(local_aws, data=body, headers=dict(self.headers), timeout=60)
                found = there.status_code, there.content
            self._answer(*found)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing: the test says what there is to say."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving(
    local_aws: str,
    source_table: str,
    comments: int,
    *,
    text: Callable[[int], str] = comment_text,
    before: Callable[[Call], object] = lambda _call: None,
) -> Iterator[str]:
    """The address of a DynamoDB whose source table has one proof with so many comments, in any account.

    `before` is told each call before it is answered or sent on.
    """

    def answer(operation: str, call: Call) -> Answer | None:
        before(call)
        if operation == "Query" and call["TableName"] == source_table:
            return 200, json.dumps(page(call, comments, text)).encode()
        return None

    with in_front_of(local_aws, answer) as address:
        yield address


def page(call: Call, comments: int, text: Callable[[int], str]) -> dict[str, Any]:
    if table_of(call) == "FILES":
        return {"Items": [file_item()], "Count": 1}
    if table_of(call) != "COMMENTS":
        return {"Items": [], "Count": 0}
    start = _first_comment(call)
    stop = min(comments, _number(call["ExpressionAttributeValues"], ":before", comments))
    end = max(start, min(start + PAGE_ITEMS, stop))
    answer: dict[str, Any] = {
        "Items": [comment_item(number, text(number)) for number in range(start, end)],
        "Count": end - start,
    }
    if end < stop:
        answer["LastEvaluatedKey"] = {"pk": {"S": "any"}, "sk": {"S": f"{PROOF}#{end - 1:012d}"}}
    return answer


def asks_for_comments_from(number: int, call: Call) -> bool:
    """Whether it is a Query for comments, none of which comes before this one."""
    return table_of(call) == "COMMENTS" and _first_comment(call) >= number


def table_of(call: Call) -> str:
    """The table of ours that is queried; none for any other call."""
    key: str = call.get("ExpressionAttributeValues", {}).get(":pk", {}).get("S", "")
    return key.rpartition("#")[2]


def _first_comment(call: Call) -> int:
    """The number of the first comment that a Query for comments asks for."""
    if "ExclusiveStartKey" in call:
        return int(call["ExclusiveStartKey"]["sk"]["S"].rpartition("#")[2]) + 1
    return _number(call["ExpressionAttributeValues"], ":first", 0)


def _number(values: dict[str, Any], bound: str, otherwise: int) -> int:
    """The first comment whose key is not before this bound."""
    if bound not in values:
        return otherwise
    key: str = values[bound]["S"]
    if key.startswith(f"{PROOF}#"):
        return int(key.removeprefix(f"{PROOF}#").ljust(12, "0") or "0")
    return 0 if key < PROOF else 10**12
