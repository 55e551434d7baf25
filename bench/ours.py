"""Our export, through the entries that the workflow's steps use: Source, export_unit, assemble.

The one file of the benchmark that knows how these are called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.aws import BUCKET, Place
from bench.recording import ACCOUNT_ID, SNAPSHOT, TABLE_NAME
from functions.export_backup.archive import Destination, assemble
from functions.export_backup.catalogue import DATA_MEMBERS, XML_MEMBER
from functions.export_backup.encodings import encoding
from functions.export_backup.segments import Segment, SegmentWriters
from functions.export_backup.source import Source
from functions.export_backup.unit import Account, Unit, export_unit
from functions.export_backup.wire import tapped
from functions.export_backup.zip_layout import Member


def csv_only(place: Place) -> Callable[[], None]:
    return _export(place, xml=False)


def csv_and_xml(place: Place) -> Callable[[], None]:
    return _export(place, xml=True)


def _export(place: Place, *, xml: bool) -> Callable[[], None]:
    dynamodb = tapped(place.session.client("dynamodb", **place.parameters))
    s3 = place.session.client("s3", **place.parameters)
    unit = Unit()
    members = [name for name in unit.members if name != XML_MEMBER or xml]

    def work() -> None:
        with SegmentWriters(s3, BUCKET, f"staging/{place.key}/") as writers:
            export_unit(
                Source(dynamodb, TABLE_NAME, ACCOUNT_ID),
                unit,
                Account(ACCOUNT_ID, "Benchmark"),
                encoding("utf-8"),
                SNAPSHOT,
                {member: writers[member] for member in members},
                lambda _: None,
            )
        _assemble(s3, place, writers.segments)

    return work


def _assemble(s3: Any, place: Place, segments: Sequence[Segment]) -> None:
    contents = {name: [part for part in segments if part.member == name] for name in DATA_MEMBERS}
    members = [Member(name, content) for name, content in contents.items() if content]
    destination = Destination(BUCKET, place.key, "backup.zip", "benchmark")
    assemble(s3, destination, members, SNAPSHOT, lambda: None)
