"""Reading a partition of the backups table from its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shared.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def newest_first(
    client: DynamoDBClient, table: str, *, pk: str, oldest: str, newest: str, page_size: int = 25
) -> Iterator[Item]:
    """The partition's items with sort keys from `newest` down to `oldest`, both included.

    Read page by page as they are wanted. Raises botocore's errors.
    """
    pages = client.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="pk = :pk AND sk BETWEEN :oldest AND :newest",
        ExpressionAttributeValues={":pk": {"S": pk}, ":oldest": {"S": oldest}, ":newest": {"S": newest}},
        ScanIndexForward=False,
        ConsistentRead=True,
        PaginationConfig={"PageSize": page_size},
    )
    for page in pages:
        yield from page["Items"]
