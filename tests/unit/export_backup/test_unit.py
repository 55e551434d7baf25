"""A unit: what is in the archive and what stays out, whatever the account and its pages look like."""

from datetime import UTC, datetime

import pytest

from functions.export_backup.catalogue import (
    COMMENTS,
    FILES,
    RECIPIENTS,
    RESPONSES,
    TABLES,
    USERS,
)
from functions.export_backup.snapshot import moment_of
from functions.export_backup.unit_report import MemberCount, UnitReport, total
from shared.encodings import ENCODING_NAMES
from tests.reading import csv_lines, csv_records, undo, xml_root, xml_text
from tests.unit.export_backup.account_in_memory import (
    AccountInMemory,
    export,
    item,
    no_items,
)
from tests.unit.export_backup.small_account import AFTER, a_small_account, hanging, ids, proof, units_at


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
