"""How fast the benchmark's server is by itself: no contender can be faster than that."""

from __future__ import annotations

import time

import msgspec
import urllib3

from bench.aws import BUCKET, Place
from bench.recording import TABLE_NAME, partition

_UPLOAD_BYTES = 64 * 1024**2


def ceiling(place: Place) -> str:
    """MB/s out of Query and into the sink, for one connection that does nothing with them."""
    pool = urllib3.PoolManager(ca_certs=str(place.certificate) if place.certificate else None)
    headers = {"x-amz-target": "DynamoDB_20120810.Query"}
    received = 0
    begun = time.perf_counter()
    for name, pages in place.recording.tables.items():
        for previous in (None, *pages[:-1]):
            query: dict[str, object] = {
                "TableName": TABLE_NAME,
                "KeyConditionExpression": "pk = :pk",
                "ExpressionAttributeValues": {":pk": {"S": partition(name)}},
            }
            if previous:
                query["ExclusiveStartKey"] = {"pk": {"S": partition(name)}, "sk": {"S": previous.last}}
            answer = pool.request("POST", place.url, body=msgspec.json.encode(query), headers=headers)
            received += len(answer.data)
    served = received / (time.perf_counter() - begun)
    content = bytes(_UPLOAD_BYTES)
    begun = time.perf_counter()
    pool.request("PUT", f"{place.url}/{BUCKET}/ceiling", body=content)
    taken = _UPLOAD_BYTES / (time.perf_counter() - begun)
    pool.request("DELETE", f"{place.url}/{BUCKET}/ceiling")
    return f"{served / 1e6:,.0f} MB/s of pages, {taken / 1e6:,.0f} MB/s into the sink"
