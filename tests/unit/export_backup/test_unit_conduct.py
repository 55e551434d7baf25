"""How a unit goes about it: progress, stopping, failing, memory."""

import tracemalloc
from collections.abc import Iterator

import pytest

from functions.export_backup.catalogue import (
    COMMENTS,
    FILES,
    PROOF_TABLES,
    RESPONSES,
    Cell,
    Table,
)
from functions.export_backup.encodings import encoding
from functions.export_backup.forming import Form
from functions.export_backup.page import Page
from functions.export_backup.source import SourceUnavailable
from functions.export_backup.table_stream import Stream
from functions.export_backup.unit import Unit, export_unit
from functions.export_backup.unit_report import RecordsUnaccounted
from tests.unit.export_backup.account_in_memory import (
    ACCOUNT,
    SNAPSHOT,
    AccountInMemory,
    Buffers,
    export,
    no_items,
)
from tests.unit.export_backup.small_account import a_small_account, ids, proof


def test_a_unit_in_the_middle_writes_no_frame_and_reads_no_account_table() -> None:
    source = AccountInMemory(a_small_account())
    unit = Unit("000000000001", "000000000002", first=False, last=False)
    buffers = Buffers.of(unit).members
    assert set(buffers) == {
        "files.csv",
        "recipients.csv",
        "comments.csv",
        "comment_responses.csv",
        "backup.xml",
    }
    export_unit(source, unit, ACCOUNT, encoding("utf-8"), SNAPSHOT, buffers)
    assert buffers["files.csv"].content.startswith(b"p1v1,")
    assert buffers["backup.xml"].content.startswith(b"\n<proof>")
    assert buffers["backup.xml"].content.endswith(b"</version></proof>")
    assert set(source.queries) == {(table.name, "000000000001", "000000000002") for table in PROOF_TABLES}


def test_progress_is_told_after_each_page_and_counts_what_was_written() -> None:
    told: list[int] = []
    items = a_small_account()
    buffers = Buffers.of(Unit()).members
    source = AccountInMemory(items, page_size=lambda: 1)
    report = export_unit(source, Unit(), ACCOUNT, encoding("utf-8"), SNAPSHOT, buffers, told.append)
    written = sum(table.written for table in report.tables.values())
    assert told == sorted(told)
    assert len(told) == sum(map(len, items.values()))
    assert written // 2 < told[-1] <= written


def test_a_unit_that_is_told_to_stop_ends_behind_a_proof_and_says_where_to_go_on() -> None:
    unit = Unit()
    buffers = Buffers.of(unit).members
    items = no_items() | {"FILES": [proof(1, 1), proof(1, 2), proof(2), proof(3)]}
    report = export_unit(
        AccountInMemory(items, page_size=lambda: 2), unit, ACCOUNT, encoding("utf-8"), SNAPSHOT, buffers,
        stop=lambda: True,
    )  # fmt: skip
    assert report.resume_at == "000000000002#000001"
    assert report.tables["FILES"].read == 2
    assert ids(buffers["files.csv"].content) == ["p1v1", "p1v2"]
    assert buffers["backup.xml"].content.endswith(b"</version></proof>")


def test_a_source_that_fails_fails_the_unit_and_names_the_table() -> None:
    class Failing(AccountInMemory):
        def pages(
            self, table: Table, first: str | None = None, before: str | None = None, form: Form | None = None
        ) -> Iterator[Page]:
            yield from super().pages(table, first, before, form)
            if table is COMMENTS:
                raise SourceUnavailable(table.name)

    with pytest.raises(SourceUnavailable, match="COMMENTS"):
        export(Failing(a_small_account()))


def test_a_record_that_is_neither_written_nor_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(stream: Stream, end: int) -> None:
        stream.next = stream._flushed = end

    monkeypatch.setattr(Stream, "advance", forget)
    with pytest.raises(RecordsUnaccounted, match="ORGANISATION"):
        export(AccountInMemory(a_small_account()))


def peak_of(comments: int) -> int:
    """The most memory that a proof with so many comments takes, the source's own pages included."""

    class OneProof:
        def pages(
            self, table: Table, first: str | None = None, before: str | None = None, form: Form | None = None
        ) -> Iterator[Page]:
            del first, before, form
            if table is FILES:
                yield page(["000000000001#000001"], table)
            if table in (COMMENTS, RESPONSES):
                tail, step = ("#000000000001", 5) if table is RESPONSES else ("", 1)
                for start in range(0, comments, 100):
                    numbers = range(start, start + 100, step)
                    yield page([f"000000000001#000001#{number:012d}{tail}" for number in numbers], table)

    def page(keys: list[str], table: Table) -> Page:
        none: list[Cell] = [None] * len(keys)
        columns: list[list[Cell]] = [[f"{column.name} =1, é"] * len(keys) for column in table.columns]
        return Page(keys, none, none, columns)

    class Counting:
        written = 0

        def write(self, content: bytes, /) -> None:
            self.written += len(content)

    sinks = {member: Counting() for member in Unit().members}
    tracemalloc.start()
    report = export_unit(OneProof(), Unit(), ACCOUNT, encoding("utf-8"), SNAPSHOT, sinks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.members["comments.csv"].rows == comments
    assert sinks["backup.xml"].written > comments * 100
    return peak


def test_memory_does_not_grow_with_the_comments_of_a_proof() -> None:
    peak_of(200)  # warms caches
    small, large = peak_of(2_000), peak_of(40_000)
    assert large < small * 1.5  # twenty times the comments; the rest is the collector's timing
