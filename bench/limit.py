"""What one core could do at best: receive the same pages, decode them, deflate and sum the same CSV bytes,
and nothing between. No rows, no CSV, no signing, no upload; requests go through urllib3 alone.

The CSV bytes were put beside the recording before (`contents.prepare`); with XML, its bytes as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import urllib3
from isal import isal_zlib

from bench.aws import Place
from bench.recording import TABLE_NAME, partition
from functions.export_backup.catalogue import TABLES, XML_MEMBER, Kind, Table
from functions.export_backup.segments import COMPRESSION_LEVEL

_CHUNK = 256 * 1024
_RAW_DEFLATE = -15


class _Scalar(msgspec.Struct, gc=False):
    S: str | None = None
    N: str | None = None


class _Several(msgspec.Struct, gc=False):
    SS: list[str] | None = None
    L: list[_Scalar] | None = None


def limit(place: Place) -> Callable[[], None]:
    return _limit(place, [table.member for table in TABLES])


def limit_with_xml(place: Place) -> Callable[[], None]:
    return _limit(place, [*(table.member for table in TABLES), XML_MEMBER])


def _limit(place: Place, members: Iterable[str]) -> Callable[[], None]:
    ca_certs = str(place.certificate) if place.certificate else None
    pool = urllib3.PoolManager(ca_certs=ca_certs)
    decoders = {table: msgspec.json.Decoder(_answer_of(table)) for table in TABLES}

    def work() -> None:
        for table, decoder in decoders.items():
            for _ in _pages(pool, place.url, table, decoder):
                pass
        for member in members:
            _deflate(prepared(place.directory, member))

    return work


def prepared(directory: Path, member: str) -> Path:
    """Where the member's bytes lie, beside the recording."""
    return directory / "members" / member


def _answer_of(table: Table) -> type[msgspec.Struct]:
    several = {column.attribute for column in table.columns if column.kind is Kind.LIST}
    attributes = list(table.placeholders.values())
    kinds = [_Several if name in several else _Scalar for name in attributes]
    item = msgspec.defstruct(
        "Item", [(name, kind | None, None) for name, kind in zip(attributes, kinds, strict=True)], gc=False
    )
    return msgspec.defstruct(
        "Answer",
        [("Items", list[item]), ("LastEvaluatedKey", dict[str, Any] | None, None)],  # type: ignore[valid-type]
    )


def _pages(pool: urllib3.PoolManager, url: str, table: Table, decoder: Any) -> Iterator[Any]:
    query: dict[str, Any] = {
        "TableName": TABLE_NAME,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": partition(table.name)}},
    }
    headers = {"x-amz-target": "DynamoDB_20120810.Query", "content-type": "application/x-amz-json-1.0"}
    while True:
        body = pool.request("POST", url, body=msgspec.json.encode(query), headers=headers).data
        answer = decoder.decode(body)
        yield answer
        if answer.LastEvaluatedKey is None:
            return
        query["ExclusiveStartKey"] = answer.LastEvaluatedKey


def _deflate(path: Path) -> None:
    deflater = isal_zlib.compressobj(COMPRESSION_LEVEL, isal_zlib.DEFLATED, _RAW_DEFLATE)
    crc32 = size = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            crc32 = isal_zlib.crc32(chunk, crc32)
            size += len(deflater.compress(chunk))
    size += len(deflater.flush())
