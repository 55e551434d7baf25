"""One unit of the export: a range of proofs, read once, written as CSV and XML."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from functions.export_backup.backup_xml import BackupXml, tags
from functions.export_backup.catalogue import (
    ACCOUNT_TABLES,
    FILES,
    ORGANISATION,
    PROOF_TABLES,
    TABLES,
    XML_MEMBER,
    Table,
)
from functions.export_backup.encodings import Encoding
from functions.export_backup.forming import Form
from functions.export_backup.page import Page
from functions.export_backup.proofs import Proofs
from functions.export_backup.snapshot import Snapshot
from functions.export_backup.table_stream import Sink, Stream
from functions.export_backup.unit_report import MemberCount, UnitReport

_XML_PIECE: Final = 256 * 1024  # bytes; enough to make a write worth its call


class Pages(Protocol):
    """Where records come from: `source.Source`, and an account in memory in the tests."""

    def pages(
        self, table: Table, first: str | None = None, before: str | None = None, form: Form | None = None
    ) -> Iterator[Page]: ...


@dataclass(frozen=True)
class Unit:
    """A range of proofs, and what of the archive's frame belongs to it."""

    first_proof: str | None = None
    """The zero-padded id of the first proof, or where another one's report said `resume_at`; None for
    the very first."""
    before_proof: str | None = None
    """The zero-padded id at which the next unit begins; None for the end."""
    first: bool = True
    """It also writes every member's opening, and organisation, users and contacts."""
    last: bool = True
    """It also writes what closes the XML."""

    @property
    def members(self) -> tuple[str, ...]:
        """The members that it needs sinks for."""
        tables = TABLES if self.first else PROOF_TABLES
        return (*(table.member for table in tables), XML_MEMBER)


@dataclass(frozen=True)
class Account:
    id: str
    name: str


def export_unit(
    source: Pages,
    unit: Unit,
    account: Account,
    encoding: Encoding,
    snapshot: datetime,
    sinks: Mapping[str, Sink],
    progress: Callable[[int], object] | None = None,
    stop: Callable[[], bool] | None = None,
) -> UnitReport:
    """Writes the unit's part of every member and says what it did. Without a sink for the XML, none is made.

    What was created after `snapshot` stays out, and so does what lies in the trash. `progress` is told
    after each page how many records were written so far. `stop` is asked between proofs, after a few pages at
    the latest: where it says yes, the report's `resume_at` is where a unit with `first=False` goes on, and
    the XML's closing is left to that one. Raises what the source and the sinks raise, and RecordsUnaccounted.
    """
    return _Export(source, unit, encoding, snapshot, sinks, progress).run(account, stop)


class _Export:
    def __init__(
        self,
        source: Pages,
        unit: Unit,
        encoding: Encoding,
        snapshot: datetime,
        sinks: Mapping[str, Sink],
        progress: Callable[[int], object] | None,
    ) -> None:
        self._unit = unit
        self._sinks = sinks
        self._progress = progress
        self._xml = BackupXml() if XML_MEMBER in sinks else None
        self._streams: dict[str, Stream] = {}
        kept = Snapshot(snapshot)
        form = Form(encoding, kept.old, with_elements=self._xml is not None)
        for table in TABLES if unit.first else PROOF_TABLES:
            bounds = (unit.first_proof, unit.before_proof) if table in PROOF_TABLES else (None, None)
            self._streams[table.name] = Stream(
                table,
                source.pages(table, *bounds, None if table is FILES else form),  # whose cells Proofs looks at
                kept,
                encoding,
                sinks[table.member],
                self._xml,
                self._tell,
            )

    def run(self, account: Account, stop: Callable[[], bool] | None) -> UnitReport:
        xml = self._xml
        if self._unit.first:
            for table in TABLES:
                self._sinks[table.member].write(self._streams[table.name].csv.opening())
            if xml is not None:
                xml.begin()
            for table in ACCOUNT_TABLES:
                self._account_table(table, account)
            if xml is not None:
                xml.enter("proofs")
        resume_at = Proofs(self._streams, xml, self._flush_long_xml).walk(stop)
        for stream in self._streams.values():
            stream.flush()
        members = {stream.table.member: MemberCount.of(stream.csv.tally) for stream in self._streams.values()}
        if xml is not None:
            if self._unit.last and resume_at is None:
                xml.leave("proofs")
                xml.end()
            self._flush_xml()
            members[XML_MEMBER] = MemberCount.of(xml.tally)
        tables = {name: stream.count() for name, stream in self._streams.items()}
        return UnitReport(members, tables, resume_at)

    def _account_table(self, table: Table, account: Account) -> None:
        stream, xml = self._streams[table.name], self._xml
        if table is ORGANISATION:
            if not stream.load():
                self._without_record(stream, account)
        elif xml is not None:
            xml.enter(f"{table.element}s")
        while stream.load():
            end = len(stream.keys)
            if xml is not None:
                opening, closing = tags(table.element)
                for markup in stream.markup(end):
                    xml.add(b"".join((opening, markup, closing)))
            stream.advance(end)
            self._flush_long_xml()
        if xml is not None and table is not ORGANISATION:
            xml.leave(f"{table.element}s")

    def _without_record(self, stream: Stream, account: Account) -> None:
        """The row of an account that has no record of its own, from what the request knew of it."""
        known = {"id": account.id, "name": account.name}
        row = [known.get(column.name) for column in stream.table.columns]
        page = Page([""], [None], [None], [[cell] for cell in row])
        self._sinks[stream.table.member].write(stream.csv.page(page))
        if self._xml is not None:
            opening, closing = tags(stream.table.element)
            self._xml.add(b"".join((opening, self._xml.fields(stream.table, row), closing)))
            self._xml.tally.rows += 1

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(sum(stream.written for stream in self._streams.values()))

    def _flush_long_xml(self) -> None:
        if self._xml is not None and self._xml.waiting > _XML_PIECE:
            self._flush_xml()

    def _flush_xml(self) -> None:
        if self._xml is not None and (content := self._xml.take()):
            self._sinks[XML_MEMBER].write(content)
