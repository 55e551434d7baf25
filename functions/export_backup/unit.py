"""One unit of the export: a range of proofs, read once, written as CSV and XML.

The sort keys of files, recipients, comments and responses begin with proof and version, so the four
tables are walked side by side like the four decks of one sorted catalogue: for each version of a proof
its recipients and comments stand next in their streams, for each comment its responses. One page of
each stream is held, however many comments a proof has.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from functions.export_backup.backup_xml import BackupXml
from functions.export_backup.catalogue import (
    ACCOUNT_TABLES,
    COMMENTS,
    FILES,
    ORGANISATION,
    PROOF_TABLES,
    RECIPIENTS,
    RESPONSES,
    TABLES,
    TRASHED,
    XML_MEMBER,
    Table,
)
from functions.export_backup.encodings import Encoding
from functions.export_backup.source import Record
from functions.export_backup.table_stream import Sink, Stream
from functions.export_backup.unit_report import MemberCount, Reason, UnitReport

_XML_PIECE: Final = 256 * 1024  # characters; enough to make a write worth its call
_BEHIND_NUMBER: Final = "$"  # sorts after `#` and before every digit: `key$` ends what hangs on `key`
_ID, _TYPE = (FILES.position(name) for name in ("id", "type"))


class Pages(Protocol):
    """Where records come from: `source.Source`, and an account in memory in the tests."""

    def pages(
        self, table: Table, first: str | None = None, before: str | None = None
    ) -> Iterator[list[Record]]: ...


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
    """Writes the unit's part of every member and says what it did.

    What was created after `snapshot` stays out, and so does what lies in the trash. `progress` is told
    after each page how many records were written so far. `stop` is asked after each proof: where it says
    yes, the report's `resume_at` is where a unit with `first=False` goes on, and the XML's closing is
    left to that one. Raises what the source and the sinks raise, and RecordsUnaccounted.
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
        self._snapshot = snapshot
        self._sinks = sinks
        self._progress = progress
        self._xml = BackupXml()
        self._streams: dict[str, Stream] = {}
        for table in TABLES if unit.first else PROOF_TABLES:
            bounds = (unit.first_proof, unit.before_proof) if table in PROOF_TABLES else (None, None)
            self._streams[table.name] = Stream(
                table, source.pages(table, *bounds), encoding, sinks[table.member], self._tell
            )
        self._files = self._streams[FILES.name]
        self._recipients = self._streams[RECIPIENTS.name]
        self._comments = self._streams[COMMENTS.name]
        self._responses = self._streams[RESPONSES.name]
        self._hanging = (self._recipients, self._comments, self._responses)

    def run(self, account: Account, stop: Callable[[], bool] | None) -> UnitReport:
        if self._unit.first:
            self._open(account)
        resume_at = self._proofs(stop)
        if self._unit.last and resume_at is None:
            self._xml.leave("proofs")
            self._xml.end()
        for stream in self._streams.values():
            stream.flush()
        self._flush_xml()
        members = {stream.table.member: MemberCount.of(stream.csv.tally) for stream in self._streams.values()}
        members[XML_MEMBER] = MemberCount.of(self._xml.tally)
        tables = {name: stream.count() for name, stream in self._streams.items()}
        return UnitReport(members, tables, resume_at)

    def _open(self, account: Account) -> None:
        for table in TABLES:
            self._sinks[table.member].write(self._streams[table.name].csv.opening())
        self._xml.begin()
        for table in ACCOUNT_TABLES:
            self._account_table(table, account)
        self._xml.enter("proofs")

    def _account_table(self, table: Table, account: Account) -> None:
        stream = self._streams[table.name]
        if table is ORGANISATION:
            if stream.peek() is None:
                known = {"id": account.id, "name": account.name}
                row = tuple(known.get(column.name) for column in table.columns)
                self._sinks[table.member].write(stream.csv.page([row]))
                self._xml.record(table, row)
            self._keep_all(stream, stream.take())
            return
        self._xml.enter(f"{table.element}s")
        self._keep_all(stream, stream.take())
        self._xml.leave(f"{table.element}s")

    def _proofs(self, stop: Callable[[], bool] | None) -> str | None:
        """All proofs of the range; where it was stopped, the key at which to go on."""
        proof: str | None = None
        element: str | None = None  # of the proof's, once a version of it was written
        resume_at: str | None = None
        while (file := self._files.peek()) is not None:
            if (its_proof := file.sk.partition("#")[0]) != proof:
                if element is not None:
                    self._xml.leave(element)
                    element = None
                if proof is not None and stop is not None and stop():
                    resume_at = file.sk
                    break
                proof = its_proof
            next(self._files.below(file.sk + _BEHIND_NUMBER))
            reason = self._reason(file)
            if reason is not None:
                self._leave_out(file, reason)
                continue
            if element is None:
                element = "file" if file.row[_TYPE] == "file" else "proof"
                self._xml.enter(element)
                self._xml.field(FILES.columns[_ID], file.row[_ID])
            self._version(file)
        else:
            if element is not None:
                self._xml.leave(element)
        for stream in self._hanging:
            stream.skip(Reason.ORPHAN, stream.take() if resume_at is None else stream.below(resume_at))
        return resume_at

    def _version(self, file: Record) -> None:
        self._files.keep(file.row)
        if self._files.is_well_formed(file):
            end = file.sk + _BEHIND_NUMBER
            self._skip_orphans(file.sk)
            self._xml.open(FILES, file.row, file.markup, "recipients")
            self._keep_all(self._recipients, self._recipients.below(end))
            self._xml.leave("recipients")
            self._xml.enter("comments")
            for comment in self._comments.below(end):
                self._comment(comment)
            self._xml.leave("comments")
            self._xml.leave(FILES.element)
        else:
            self._xml.record(FILES, file.row, file.markup)
        self._flush_long_xml()

    def _comment(self, comment: Record) -> None:
        self._responses.skip(Reason.ORPHAN, self._responses.below(comment.sk))
        responses = self._responses.below(comment.sk + _BEHIND_NUMBER)
        reason = self._reason(comment)
        if reason is not None:
            self._comments.left_out[reason] += 1
            self._responses.skip(reason, responses)
            return
        self._comments.keep(comment.row)
        self._xml.open(COMMENTS, comment.row, comment.markup, "responses")
        self._keep_all(self._responses, responses)
        self._xml.leave("responses")
        self._xml.leave(COMMENTS.element)
        self._flush_long_xml()

    def _leave_out(self, file: Record, reason: Reason) -> None:
        """A version, and all that hangs on it."""
        self._files.left_out[reason] += 1
        if self._files.is_well_formed(file):
            self._skip_orphans(file.sk)
            for stream in self._hanging:
                stream.skip(reason, stream.below(file.sk + _BEHIND_NUMBER))

    def _skip_orphans(self, key: str) -> None:
        """What lies before this version and belongs to none."""
        for stream in self._hanging:
            stream.skip(Reason.ORPHAN, stream.below(key))

    def _keep_all(self, stream: Stream, records: Iterator[Record]) -> None:
        """Records on which nothing hangs."""
        for record in records:
            reason = self._reason(record)
            if reason is not None:
                stream.left_out[reason] += 1
                continue
            stream.keep(record.row)
            self._xml.record(stream.table, record.row, record.markup)
            self._flush_long_xml()

    def _reason(self, record: Record) -> Reason | None:
        if record.status == TRASHED:
            return Reason.TRASH
        created = _moment(record.created)
        return Reason.AFTER_SNAPSHOT if created is not None and created > self._snapshot else None

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(sum(stream.written for stream in self._streams.values()))

    def _flush_long_xml(self) -> None:
        if self._xml.characters > _XML_PIECE:
            self._flush_xml()

    def _flush_xml(self) -> None:
        if content := self._xml.take():
            self._sinks[XML_MEMBER].write(content)


def _moment(text: str | None) -> datetime | None:
    """A moment in ISO 8601 of any precision, UTC where it names no zone; None where there is none."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
