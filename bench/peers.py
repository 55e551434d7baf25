"""What others do: three ways of an export as they are found in guides and answers, each as good as it gets
without another library for reading or writing.

All give the same seven CSV files: columns, guard against formulas, trash and snapshot as in ours. Where a
rule can be had cheaper than ours has it (moments compared as text), they have it cheaper.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import smart_open
from boto3.dynamodb.conditions import Key
from zipstream import ZipStream  # type: ignore[import-untyped]

from bench.aws import BUCKET, Place
from bench.recording import SNAPSHOT, TABLE_NAME, partition
from functions.export_backup.catalogue import FILES, TABLES, TRASHED, Kind, Table

_LATEST = SNAPSHOT.isoformat().replace("+00:00", "Z")
_guarded = re.compile("'*[=+\\-@\t\r\n＝＋－＠]").match

Item = dict[str, Any]


class Kept:
    """Which records go into the backup. FILES come before what hangs on them."""

    def __init__(self) -> None:
        self._trashed: set[object] = set()

    def keeps(self, table: Table, item: Item, value_of: Callable[[Any], object]) -> bool:
        if table.created and (created := item.get(table.created)) and str(value_of(created)) > _LATEST:
            return False
        if table is FILES:
            if value_of(item.get("status")) == TRASHED:
                self._trashed.add(value_of(item["id"]))
                return False
            return True
        proof = item.get("proof_id")
        return proof is None or value_of(proof) not in self._trashed


# --- (a) boto3's Table, csv.DictWriter, zipfile in /tmp, upload_file ---


def ordinary(place: Place) -> Callable[[], None]:
    source = place.session.resource("dynamodb", **place.parameters).Table(TABLE_NAME)
    s3 = place.session.client("s3", **place.parameters)

    def work() -> None:
        with TemporaryDirectory() as directory:
            path = str(Path(directory) / "backup.zip")
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                kept = Kept()
                for table in TABLES:
                    with _csv_file(archive, table) as text:
                        _write_items(text, table, records(source, table), kept)
            s3.upload_file(path, BUCKET, place.key)

    return work


def records(source: Any, table: Table) -> Iterator[Item]:
    """All records of one table, through boto3's resource."""
    query = {
        "KeyConditionExpression": Key("pk").eq(partition(table.name)),
        "ProjectionExpression": table.projection,
        "ExpressionAttributeNames": table.placeholders,
    }
    while True:
        answer = source.query(**query)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _write_items(text: io.TextIOWrapper, table: Table, items: Iterator[Item], kept: Kept) -> None:
    writer = csv.DictWriter(text, [column.name for column in table.columns], extrasaction="ignore")
    writer.writeheader()
    for item in items:
        if kept.keeps(table, item, plain):
            writer.writerow(guarded(table, item))


def guarded(table: Table, item: Item) -> Item:
    """The same item, its lists joined and its texts safe in a spreadsheet."""
    for column in table.columns:
        value = item.get(column.name)
        if value is None or column.kind is Kind.TYPED:
            continue
        if column.kind is Kind.LIST:
            value = item[column.name] = ", ".join(sorted(value) if isinstance(value, set) else value)
        if _guarded(value):
            item[column.name] = f"'{value}"
    return item


def plain(value: object) -> object:
    return value


def _csv_file(archive: zipfile.ZipFile, table: Table) -> io.TextIOWrapper:
    raw = archive.open(table.member, "w", force_zip64=True)
    return io.TextIOWrapper(raw, encoding="utf-8", newline="")


# --- (b) the client's paginator, csv.writer, zipfile on smart_open ---


def streamed(place: Place) -> Callable[[], None]:
    client = place.session.client("dynamodb", **place.parameters)
    s3 = place.session.client("s3", **place.parameters)

    def work() -> None:
        with _upload(place, s3) as upload, zipfile.ZipFile(
            upload, "w", zipfile.ZIP_DEFLATED, compresslevel=6
        ) as archive:  # fmt: skip
            kept = Kept()
            for table in TABLES:
                with _csv_file(archive, table) as text:
                    writer = csv.writer(text)
                    writer.writerow([column.name for column in table.columns])
                    for items in _pages(client, table):
                        writer.writerows(_rows(table, items, kept))

    return work


def _upload(place: Place, s3: Any) -> Any:
    return smart_open.open(
        f"s3://{BUCKET}/{place.key}", "wb", compression="disable", transport_params={"client": s3}
    )


def _pages(client: Any, table: Table) -> Iterator[list[Item]]:
    """The items of one table as the client gives them, `{"id": {"N": "7"}}`, page by page."""
    pages = client.get_paginator("query").paginate(
        TableName=TABLE_NAME,
        KeyConditionExpression="#pk = :pk",
        ProjectionExpression=table.projection,
        ExpressionAttributeNames={"#pk": "pk", **table.placeholders},
        ExpressionAttributeValues={":pk": {"S": partition(table.name)}},
    )
    for page in pages:
        yield page["Items"]


def _rows(table: Table, items: list[Item], kept: Kept) -> Iterator[list[str]]:
    columns = [(column.name, column.kind is not Kind.TYPED) for column in table.columns]
    for item in items:
        if not kept.keeps(table, item, untagged):
            continue
        row = []
        for name, is_text in columns:
            value = item.get(name)
            text = "" if value is None else untagged(value)
            row.append(f"'{text}" if is_text and _guarded(text) else text)
        yield row


def untagged(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    ((tag, content),) = value.items()
    match tag:
        case "L":
            return ", ".join(map(untagged, content))
        case "SS":
            return ", ".join(sorted(content))
        case _:
            return str(content)


# --- (c) the same through zipstream-ng ---


def zip_streamed(place: Place) -> Callable[[], None]:
    client = place.session.client("dynamodb", **place.parameters)
    s3 = place.session.client("s3", **place.parameters)

    def work() -> None:
        archive = ZipStream(compress_type=zipfile.ZIP_DEFLATED, compress_level=6)
        kept = Kept()
        for table in TABLES:
            archive.add(_csv_pages(client, table, kept), table.member)
        with _upload(place, s3) as upload:
            for chunk in archive:
                upload.write(chunk)

    return work


def _csv_pages(client: Any, table: Table, kept: Kept) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([column.name for column in table.columns])
    for items in _pages(client, table):
        writer.writerows(_rows(table, items, kept))
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
