"""Our export, through the entries that the workflow's steps use: Source, export_unit, assemble.

The one file of the benchmark that knows how these are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bench.aws import BUCKET, Place
from bench.recording import ACCOUNT_ID, SNAPSHOT, TABLE_NAME, Recording
from functions.export_backup.archive import Destination, assemble
from functions.export_backup.catalogue import COMMENTS, DATA_MEMBERS, XML_MEMBER
from functions.export_backup.encodings import encoding
from functions.export_backup.segments import Segment, SegmentWriters
from functions.export_backup.source import Source
from functions.export_backup.unit import Account, Unit, export_unit
from functions.export_backup.wire import tapped
from functions.export_backup.zip_layout import Member
from shared import startup


def csv_only(place: Place) -> Callable[[], None]:
    return _in_one_unit(place, xml=False)


def csv_and_xml(place: Place) -> Callable[[], None]:
    return _in_one_unit(place, xml=True)


def _in_one_unit(place: Place, *, xml: bool) -> Callable[[], None]:
    export = Export(place, xml=xml)
    return lambda: export.assemble(export.unit(Unit()))


class Export:
    """What a backup's steps do, with the clients that they share."""

    def __init__(self, place: Place, *, xml: bool) -> None:
        self._place = place
        self._xml = xml
        self._dynamodb = tapped(place.session.client("dynamodb", **place.parameters))
        self._s3 = place.session.client("s3", **place.parameters)
        startup.done()  # so do handlers when they have made their clients

    def unit(
        self, unit: Unit, number: int = 0, progress: Callable[[int], object] | None = None
    ) -> tuple[Segment, ...]:
        """Exports one unit; its segments. `progress` is told the number of records after each page."""
        members = [name for name in unit.members if name != XML_MEMBER or self._xml]
        with SegmentWriters(self._s3, BUCKET, f"staging/{self._place.key}/{number:05d}/") as writers:
            export_unit(
                Source(self._dynamodb, TABLE_NAME, ACCOUNT_ID),
                unit,
                Account(ACCOUNT_ID, "Benchmark"),
                encoding("utf-8"),
                SNAPSHOT,
                {member: writers[member] for member in members},
                progress or (lambda _: None),
            )
        return writers.segments

    def assemble(self, segments: Iterable[Segment]) -> None:
        """Publishes the archive of all units' segments, which come in the units' order."""
        contents: dict[str, list[Segment]] = {name: [] for name in DATA_MEMBERS}
        for segment in segments:
            contents[segment.member].append(segment)
        members = [Member(name, content) for name, content in contents.items() if content]
        destination = Destination(BUCKET, self._place.key, "backup.zip", "benchmark")
        assemble(self._s3, destination, members, SNAPSHOT, lambda: None)


def cut(recording: Recording, count: int) -> list[Unit]:
    """The account in so many units, each of as many pages of comments as the others."""
    pages = recording.tables[COMMENTS.name]
    ids = [int(key.partition("#")[0]) for key in (*(page.first for page in pages), pages[-1].last)]
    ids[-1] += 1
    bounds = []
    for number in range(1, count):
        page, rest = divmod(len(pages) * number, count)
        bounds.append(f"{ids[page] + (ids[page + 1] - ids[page]) * rest // count:012d}")
    return [
        Unit(begin, end, first=begin is None, last=end is None)
        for begin, end in zip([None, *bounds], [*bounds, None], strict=True)
    ]
