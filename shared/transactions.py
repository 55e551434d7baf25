"""Several writes to DynamoDB as one: all of them, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.items import from_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

TRIES = 3
"""Of a transaction in conflict with another one, which lasts for milliseconds; botocore tries it once."""


class NotWritten(Exception):
    """A condition does not hold, so nothing was written. `found` are the records that the writes with
    ReturnValuesOnConditionCheckFailure failed on, None for the others. Nobody retries."""

    def __init__(self, found: list[dict[str, Any] | None]) -> None:
        super().__init__("a condition does not hold")
        self.found = found


def write(client: DynamoDBClient, *writes: TransactWriteItemTypeDef) -> None:
    """Raises NotWritten, and botocore's errors: nothing was written then, or nobody knows.

    botocore gives each call a token, by which DynamoDB knows its repetition after a lost answer.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """
    for tries_left in reversed(range(TRIES)):
        try:
            client.transact_write_items(TransactItems=list(writes))
        except client.exceptions.TransactionCanceledException as error:
            reasons: list[Any] = error.response.get("CancellationReasons", [])
            why = {reason.get("Code") for reason in reasons} - {"None"}
            if why == {"ConditionalCheckFailed"}:
                found = [from_item(reason["Item"]) if "Item" in reason else None for reason in reasons]
                raise NotWritten(found) from None
            if not tries_left or "TransactionConflict" not in why:
                raise
        else:
            return
