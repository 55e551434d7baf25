"""Leases: until when a record is left alone by the sweeper, and which ones are due for a look.

    PENDING record     leased = RUNNING   a sign of life of the backup extends it
    BACKUP#… record    leased = UNTOLD    closed by the sweeper, which owes its e-mail until that is settled
    SCHEDULE record    leased = SCHEDULED until the schedule's next backup

A lease that runs out gives nothing to anyone: it only wakes the sweeper. Only records with a lease are in the
index, which has nothing but their keys, and may lag behind: whoever finds a record there reads it again.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.items import Item
from shared.moments import to_text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LEASE = timedelta(minutes=3)
"""How long a record is left alone; the next full minute after it, to be exact.

An account whose backup has died is free after this, one minute and the sweeper's period of five minutes, even
if no status event comes: within ten minutes.
"""

LONGEST = LEASE + timedelta(minutes=1)
"""Every lease that was ever given has run out after this."""

INDEX = "leases"
RUNNING = "RUNNING"
UNTOLD = "UNTOLD"
SCHEDULED = "SCHEDULED"


def lease(kind: str, now: datetime) -> dict[str, object]:
    """A lease as it stands in a record."""
    return lease_until(kind, now + LEASE)


def lease_until(kind: str, moment: datetime) -> dict[str, object]:
    """A lease that ends then, as it stands in a record."""
    return {"leased": kind, "lease_until": ending(moment)}


def until(now: datetime) -> str:
    """The end of a lease that is given now."""
    return ending(now + LEASE)


def ending(end: datetime) -> str:
    """A lease's end, not before this moment.

    In full minutes, so that a unit that shows signs of life once a second writes to the index once a minute:
    all running backups share one key there, and a key takes 1000 writes a second.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
    """
    full = end.replace(second=0, microsecond=0)
    return to_text(full if full == end else full + timedelta(minutes=1))


def has_run_out(lease_until: str, now: datetime) -> bool:
    return lease_until <= _comparable(now)


def run_out(client: DynamoDBClient, table: str, kind: str, now: datetime) -> Iterator[Item]:
    """The keys of the records whose lease has run out, the longest first. Raises botocore's errors."""
    pages = client.get_paginator("query").paginate(
        TableName=table,
        IndexName=INDEX,
        KeyConditionExpression="leased = :kind AND lease_until <= :now",
        ExpressionAttributeValues={":kind": {"S": kind}, ":now": {"S": _comparable(now)}},
    )
    for page in pages:
        yield from page["Items"]


def _comparable(now: datetime) -> str:
    # Milliseconds would sort before the Z of a moment without them.
    return to_text(now.replace(microsecond=0))
