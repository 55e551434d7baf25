"""How often the source says that it is busy.

botocore tries again by itself, up to five times, so a source that throttles costs time and no error. But the
operator's own product reads the same table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
_BUSY = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"})


class Throttles:
    """Counts the throttled answers to the Query calls of one client, each try of botocore's by itself."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._heard: list[None] = []  # appending and popping are safe between threads
        client.meta.events.register("response-received.dynamodb.Query", self._hear)

    def since_last_asked(self) -> int:
        heard = len(self._heard)
        del self._heard[:heard]
        return heard

    def _hear(self, parsed_response: dict[str, Any] | None, **_: Any) -> None:
        if parsed_response and parsed_response.get("Error", {}).get("Code") in _BUSY:
            self._heard.append(None)
