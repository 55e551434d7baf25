"""A unit: what is in the archive and what stays out, whatever the account and its pages look like."""

import itertools
import random
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.export_backup.catalogue import (
    COMMENTS,
    CONTACTS,
    FILES,
    ORGANISATION,
    PROOF_TABLES,
    RECIPIENTS,
    RESPONSES,
    TABLES,
    USERS,
    Cell,
    Table,
)
from functions.export_backup.encodings import encoding
from functions.export_backup.forming import Form
from functions.export_backup.page import Page
from functions.export_backup.snapshot import moment_of
from functions.export_backup.source import SourceUnavailable
from functions.export_backup.table_stream import Stream
from functions.export_backup.unit import Unit, export_unit
from functions.export_backup.unit_report import MemberCount, RecordsUnaccounted, UnitReport, total
from shared.encodings import ENCODING_NAMES
from tests.reading import csv_lines, csv_records, undo, xml_root, xml_text
from tests.unit.export_backup.account_in_memory import (
    ACCOUNT,
    SNAPSHOT,
    AccountInMemory,
    Buffers,
    Item,
    export,
    item,
    key,
    no_items,
)

BEFORE, AFTER = "2026-11-22T10:11:12Z", "2026-11-22T10:11:12.001Z"


def ids(content: bytes, encoding_name: str = "utf-8") -> list[str]:
    return [record["id"] for record in csv_records(content, encoding_name)]


def proof(number: int, version: int = 1, **values: Any) -> Item:
    sk = f"{number:012d}#{version:06d}"
    defaults = {"status": "active", "uploaded_at": BEFORE, "type": "proof", "id": f"p{number}v{version}"}
    return item(FILES, sk, **(defaults | values))


def hanging(table: Table, *numbers: int, **values: Any) -> Item:
    widths = (12, 6, 12, 12)
    sk = "#".join(f"{number:0{width}d}" for number, width in zip(numbers, widths, strict=False))
    return item(table, sk, **({"created_at": BEFORE, "id": sk} | values))


def a_small_account() -> dict[str, list[Item]]:
    return no_items() | {
        "ORGANISATION": [item(ORGANISATION, "000000009789", id="9789", name="Example & Sons")],
        "USERS": [item(USERS, f"{n:012d}", id=str(n), created_at=BEFORE) for n in (1, 2)],
        "CONTACTS": [item(CONTACTS, "000000000007", id="7", created_at=None)],
        "FILES": [proof(1, 1), proof(1, 2), proof(2, type="file")],
        "RECIPIENTS": [hanging(RECIPIENTS, 1, 2, 5)],
        "COMMENTS": [hanging(COMMENTS, 1, 1, 3), hanging(COMMENTS, 1, 2, 4)],
        "RESPONSES": [hanging(RESPONSES, 1, 1, 3, 8), hanging(RESPONSES, 1, 1, 3, 9)],
    }


def test_a_small_account_nests_as_it_hangs_together() -> None:
    members, (report,) = export(AccountInMemory(a_small_account()))
    root = xml_root(members["backup.xml"])
    assert [child.tag for child in root] == ["organisation", "users", "contacts", "proofs"]
    assert xml_text(root.find("organisation/name")) == "Example & Sons"
    assert [child.tag for child in root.find("proofs")] == ["proof", "file"]
    first, second = root.findall("proofs/proof/version")
    assert [xml_text(version.find("id")) for version in (first, second)] == ["p1v1", "p1v2"]
    assert len(first.findall("comments/comment/responses/response")) == 2
    assert len(first.findall("recipients/recipient")) == 0
    assert len(second.findall("recipients/recipient")) == 1
    assert len(second.findall("comments/comment")) == 1
    assert ids(members["files.csv"]) == ["p1v1", "p1v2", "p2v1"]
    assert ids(members["users.csv"]) == ["1", "2"]
    assert {name: count.rows for name, count in report.members.items()} == {
        "organisation.csv": 1,
        "users.csv": 2,
        "contacts.csv": 1,
        "files.csv": 3,
        "recipients.csv": 1,
        "comments.csv": 2,
        "comment_responses.csv": 2,
        "backup.xml": 12,
    }


def test_files_nest_as_well_where_the_catalogue_gives_them_no_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue is the operator's to change; without lists, a table's pages are formed."""
    monkeypatch.setitem(vars(FILES), "columns", tuple(one for one in FILES.columns if one.name != "tags"))
    monkeypatch.delitem(vars(FILES), "placeholders", raising=False)
    members, _ = export(AccountInMemory(a_small_account()))
    monkeypatch.undo()
    proofs = xml_root(members["backup.xml"]).find("proofs")
    assert [(child.tag, xml_text(child.find("id"))) for child in proofs] == [
        ("proof", "p1v1"),
        ("file", "p2v1"),
    ]
    assert ids(members["files.csv"]) == ["p1v1", "p1v2", "p2v1"]


def test_an_account_with_nothing_in_it_is_an_archive_with_headers_and_its_own_name() -> None:
    members, (report,) = export(AccountInMemory(no_items()))
    assert members["organisation.csv"] == b"id,name\r\n9789,Example & Sons\r\n"
    assert xml_text(xml_root(members["backup.xml"]).find("organisation/name")) == "Example & Sons"
    for table in TABLES[1:]:
        assert csv_lines(members[table.member], "utf-8") == [[column.name for column in table.columns]]
    assert report.members["organisation.csv"].rows == 1
    assert report.tables["ORGANISATION"].read == report.tables["ORGANISATION"].written == 0


def test_nothing_of_a_secret_is_in_any_member() -> None:
    members, _ = export(AccountInMemory(a_small_account()))
    assert not any(b"SECRET" in content for content in members.values())


def test_what_lies_in_the_trash_stays_out_with_all_that_hangs_on_it() -> None:
    items = a_small_account()
    items["FILES"][0] = proof(1, 1, status="trashed")
    members, (report,) = export(AccountInMemory(items))
    assert ids(members["files.csv"]) == ["p1v2", "p2v1"]
    assert ids(members["comment_responses.csv"]) == []
    assert len(xml_root(members["backup.xml"]).findall("proofs/proof/version")) == 1
    assert report.tables["FILES"].left_out == {"trash": 1}
    assert report.tables["COMMENTS"].left_out == {"trash": 1}
    assert report.tables["RESPONSES"].left_out == {"trash": 2}


def test_a_proof_whose_versions_all_stay_out_is_not_in_the_xml() -> None:
    items = a_small_account()
    items["FILES"] = [proof(1, 1, status="trashed"), proof(1, 2, uploaded_at=AFTER), proof(2)]
    members, _ = export(AccountInMemory(items))
    assert [xml_text(e) for e in xml_root(members["backup.xml"]).findall("proofs/proof/id")] == ["p2v1"]


def test_archived_proofs_are_in() -> None:
    members, _ = export(AccountInMemory(no_items() | {"FILES": [proof(1, status="archived")]}))
    assert [record["status"] for record in csv_records(members["files.csv"], "utf-8")] == ["archived"]


@pytest.mark.parametrize(
    ("created", "kept"),
    [
        ("2026-11-22T10:11:11Z", True),
        ("2026-11-22T10:11:12Z", True),
        ("2026-11-22T10:11:12.000Z", True),  # as a text it is greater
        ("2026-11-22T10:11:12+00:00", True),
        ("2026-11-22T11:11:12+01:00", True),
        ("2026-11-22", True),
        ("2026-11-22T10:11:12", True),
        ("a moment long ago", True),
        (None, True),
        ("2026-11-22T10:11:12.001Z", False),  # as a text it is less
        ("2026-11-22T10:11:13Z", False),
        ("2026-11-22T09:11:13-01:00", False),
    ],
)
def test_what_was_created_after_the_snapshot_stays_out(created: str | None, kept: bool) -> None:
    items = no_items() | {
        "FILES": [proof(1, uploaded_at=created), proof(2)],
        "USERS": [item(USERS, "000000000001", created_at=created)],
        "RECIPIENTS": [hanging(RECIPIENTS, 2, 1, 1, created_at=created)],
        "COMMENTS": [hanging(COMMENTS, 1, 1, 1), hanging(COMMENTS, 2, 1, 1, created_at=created)],
        "RESPONSES": [hanging(RESPONSES, 2, 1, 1, 1)],
    }
    members, (report,) = export(AccountInMemory(items))
    out = {} if kept else {"after_snapshot": 1}
    assert report.tables["FILES"].left_out == out
    assert report.tables["USERS"].left_out == out
    assert report.tables["RECIPIENTS"].left_out == out
    assert report.tables["RESPONSES"].left_out == out  # goes with its comment
    assert report.tables["COMMENTS"].left_out == ({} if kept else {"after_snapshot": 2})
    assert len(ids(members["comments.csv"])) == (2 if kept else 0)


def test_what_hangs_on_nothing_stays_out_and_is_counted() -> None:
    items = a_small_account()
    items["RECIPIENTS"] += [
        hanging(RECIPIENTS, 0, 1, 1),
        hanging(RECIPIENTS, 1, 3, 1),
        hanging(RECIPIENTS, 9, 1, 1),
    ]
    items["RESPONSES"] += [
        hanging(RESPONSES, 1, 1, 1, 1),
        hanging(RESPONSES, 1, 2, 9, 1),
        hanging(RESPONSES, 5, 1, 1, 1),
    ]
    items["COMMENTS"] += [hanging(COMMENTS, 9, 9, 9)]
    members, (report,) = export(AccountInMemory(items))
    assert report.tables["RECIPIENTS"].left_out == {"orphan": 3}
    assert report.tables["RESPONSES"].left_out == {"orphan": 3}
    assert report.tables["COMMENTS"].left_out == {"orphan": 1}
    assert len(ids(members["comment_responses.csv"])) == 2


def test_keys_that_are_not_ours_break_nothing_and_lose_no_file() -> None:
    items = a_small_account()
    items["FILES"] += [item(FILES, sk, id=sk) for sk in ("000000000001", "abc", "", "000000000001#!")]
    for table in (RECIPIENTS, COMMENTS, RESPONSES):
        for sk in ("", "x", "000000000001#000001", "000000000001 #1#1", "000000000001#000001#5#6#7", "٣#٣#٣"):
            items[table.name].append(item(table, sk, id=sk))
    members, (report,) = export(AccountInMemory(items))
    assert sorted(ids(members["files.csv"])) == sorted(
        ["p1v1", "p1v2", "p2v1", "000000000001", "abc", "", "000000000001#!"]
    )
    versions = xml_root(members["backup.xml"]).findall("proofs/*/version")
    comments = {xml_text(v.find("id")): len(v.findall("comments/comment")) for v in versions}
    assert {version: number for version, number in comments.items() if number} == {"p1v1": 1, "p1v2": 1}
    assert report.tables["RECIPIENTS"].left_out == {"orphan": 6}
    assert report.tables["RECIPIENTS"].written == 1
    assert report.tables["COMMENTS"].written == 2
    assert report.tables["RESPONSES"].written == 2


# --- against the simplest implementation there is -------------------------------------------------


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, list[Item]]:
    """Few proofs, versions, comments, so that what hangs on them often does and often does not."""
    small = st.integers(1, 3)
    moments = st.sampled_from([BEFORE, BEFORE, AFTER, None])
    items = no_items()
    for numbers in draw(st.sets(st.tuples(small, small), max_size=6)):
        status = draw(st.sampled_from(["active", "archived", "trashed"]))
        kind = draw(st.sampled_from(["proof", "file"]))
        items["FILES"].append(proof(*numbers, status=status, type=kind, uploaded_at=draw(moments)))
    for table, parts in ((RECIPIENTS, 3), (COMMENTS, 3), (RESPONSES, 4)):
        for keys in draw(st.sets(st.tuples(*[small] * parts), max_size=10)):
            items[table.name].append(hanging(table, *keys, created_at=draw(moments)))
    for number in draw(st.sets(small, max_size=3)):
        items["USERS"].append(item(USERS, f"{number:012d}", id=str(number), created_at=draw(moments)))
    return items


def expected(items: dict[str, list[Item]]) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
    """Kept ids and reasons by table, in plain words: every record looks up what it hangs on."""
    by_key = {name: {key(entry): entry for entry in entries} for name, entries in items.items()}

    def reason(table: str, sk: str) -> str | None:
        entry = by_key[table].get(sk)
        if entry is None:
            return "orphan"
        if table not in ("FILES", "USERS") and (inherited := reason("FILES", "#".join(sk.split("#")[:2]))):
            return inherited
        if table == "RESPONSES" and (inherited := reason("COMMENTS", "#".join(sk.split("#")[:3]))):
            return inherited
        if table == "FILES" and entry.get("status") == {"S": "trashed"}:
            return "trash"
        created = entry.get("uploaded_at" if table == "FILES" else "created_at")
        return "after_snapshot" if created == {"S": AFTER} else None

    kept: dict[str, list[str]] = {}
    left_out: dict[str, dict[str, int]] = {}
    for table in (USERS, *PROOF_TABLES):
        reasons = {sk: reason(table.name, sk) for sk in sorted(by_key[table.name])}
        kept[table.name] = [by_key[table.name][sk]["id"]["S"] for sk, why in reasons.items() if why is None]
        left_out[table.name] = {}
        for why in filter(None, reasons.values()):
            left_out[table.name][why] = left_out[table.name].get(why, 0) + 1
    return kept, left_out


def units_at(*bounds: int) -> list[Unit]:
    edges = [None, *(f"{bound:012d}" for bound in bounds), None]
    pairs = list(itertools.pairwise(edges))
    return [Unit(first, before, first=first is None, last=before is None) for first, before in pairs]


@settings(max_examples=300)
@given(
    items=accounts(),
    seed=st.integers(0, 2**16),
    bounds=st.sets(st.integers(0, 4), max_size=3),
    stops=st.booleans(),
)
def test_any_account_in_any_pages_units_and_resumptions_is_what_the_simplest_way_gives(
    items: dict[str, list[Item]], seed: int, bounds: set[int], stops: bool
) -> None:
    """Fault 22: no slice twice, none missing, wherever it was resumed."""
    chance = random.Random(seed)  # noqa: S311  page sizes
    source = AccountInMemory(items, page_size=lambda: chance.randint(0, 3))
    stop = (lambda: chance.random() < 0.5) if stops else None
    members, reports = export(source, units_at(*sorted(bounds)), stop=stop)
    kept, left_out = expected(items)
    report = total(reports)
    root = xml_root(members["backup.xml"])
    version = "proofs/*/version"
    paths = {
        "USERS": "users/user",
        "FILES": version,
        "RECIPIENTS": f"{version}/recipients/recipient",
        "COMMENTS": f"{version}/comments/comment",
        "RESPONSES": f"{version}/comments/comment/responses/response",
    }
    for table in (USERS, *PROOF_TABLES):
        assert ids(members[table.member]) == kept[table.name]
        assert [xml_text(element.find("id")) for element in root.findall(paths[table.name])] == kept[
            table.name
        ]
        counted = report.tables[table.name]
        assert counted.left_out == left_out[table.name]
        assert counted.written == report.members[table.member].rows == len(kept[table.name])
        assert counted.read == len(items[table.name])
    for element in root.findall(version):  # every one under its own
        for comment in element.findall("comments/comment"):
            its = xml_text(comment.find("id")) or ""
            number, its_version, _ = map(int, its.split("#"))
            assert xml_text(element.find("id")) == f"p{number}v{its_version}"
            for response in comment.findall("responses/response"):
                assert (xml_text(response.find("id")) or "").startswith(its)
    one, _ = export(AccountInMemory(items))
    assert {name: one[name] for name in one if name != "backup.xml"} == {
        name: members[name] for name in members if name != "backup.xml"
    }


@given(items=accounts())
def test_units_and_pages_do_not_change_a_byte(items: dict[str, list[Item]]) -> None:
    whole, _ = export(AccountInMemory(items, page_size=lambda: 1000))
    cut, _ = export(AccountInMemory(items, page_size=lambda: 1), units_at(1, 2, 3))
    assert whole == cut


# --- text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODING_NAMES)
def test_one_read_gives_both_formats_and_every_text_comes_back_from_both(name: str) -> None:
    texts = [
        "=1",
        "'=1",
        "a\r\nb",
        "\x0b\x00",
        "😀 ＝",
        "＝1",
        "'＝1",
        "\\u{41}",
        "¥‾",
        "똠ㅤ",
        '"',
        "",
        "\ufffe",
    ]
    items = no_items() | {
        "FILES": [proof(1)],
        "COMMENTS": [hanging(COMMENTS, 1, 1, number, comment=text) for number, text in enumerate(texts)],
    }
    source = AccountInMemory(items)
    members, (report,) = export(source, encoding_name=name)
    assert [undo(record["comment"]) for record in csv_records(members["comments.csv"], name)] == texts
    comments = xml_root(members["backup.xml"]).findall("proofs/proof/version/comments/comment/comment")
    assert [xml_text(comment) for comment in comments] == texts
    assert sorted(table for table, _, _ in source.queries) == sorted(table.name for table in TABLES)
    assert report.members["backup.xml"].replaced == {"U+0000": 1, "U+000B": 1, "U+005C": 1, "U+FFFE": 1}
    assert report.members["comments.csv"].replaced["U+005C"] == 1
    assert report.members["comments.csv"].guarded >= 2
    assert report.members["backup.xml"].guarded == 0


@pytest.mark.parametrize(("name", "mark"), [("utf-16", b"\xff\xfe"), ("utf-8-sig", b"\xef\xbb\xbf")])
def test_many_units_and_pages_give_one_mark_per_file(name: str, mark: bytes) -> None:
    members, _ = export(AccountInMemory(a_small_account(), page_size=lambda: 1), units_at(1, 2, 3), name)
    for table in TABLES:
        assert members[table.member].count(mark) == 1
        assert members[table.member].startswith(mark)
        assert all("\ufeff" not in cell for line in csv_lines(members[table.member], name) for cell in line)


# --- conduct ----------------------------------------------------------------------------------------


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


# --- reports ----------------------------------------------------------------------------------------


def test_reports_of_units_add_up() -> None:
    one = UnitReport({"a.csv": MemberCount(1, 2, 3, {"U+1F600": 1})}, {}, None)
    two = UnitReport({"a.csv": MemberCount(10, 20, 30, {"U+1F600": 1, "U+0000": 5})}, {}, None)
    assert total([one, two]).members["a.csv"] == MemberCount(11, 22, 33, {"U+1F600": 2, "U+0000": 5})


@pytest.mark.parametrize(
    ("rows", "over"), [(1_048_575, False), (1_048_576, True), (1_048_577, True), (0, False)]
)
def test_excels_lines_are_the_header_and_1_048_575_rows(rows: int, over: bool) -> None:
    assert MemberCount(rows=rows).over_excel_lines is over


def test_the_moment_of_the_snapshot_is_compared_in_its_own_zone_too() -> None:
    assert moment_of("2026-11-22T11:11:12+01:00") == datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
