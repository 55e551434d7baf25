"""manifest.json: what it says, and that its rules are those by which the archive was written."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.cells import EXCEL_LINES
from functions.export_backup.manifest import FORMAT, RULES, manifest
from functions.export_backup.unit_report import MemberCount, TableCount, UnitReport
from functions.export_backup.zip_layout import MemberTotal
from shared.backup import Backup, Person, new_backup
from shared.encodings import ENCODING_NAMES

REQUESTED = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
CREATED = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
TOTALS = [MemberTotal("files.csv", 100, 60, 0xABC), MemberTotal("backup.xml", 500, 90, 0xFFFFFFFF)]
REPORT = UnitReport(
    members={
        "files.csv": MemberCount(rows=2, guarded=1, replaced={"U+1F600": 3}),
        "backup.xml": MemberCount(rows=2, replaced={"U+0000": 1}),
    },
    tables={"FILES": TableCount(read=3, written=2, left_out={"trash": 1})},
)


def a_backup(name: str = "Example & Sons", encoding: str = "utf-8") -> Backup:
    return new_backup(
        backup_id="01KAQ4M2C0" + "0" * 16,
        account_id="9789",
        account_name=name,
        encoding=encoding,
        requested_by=Person("sub", "Ann", "ann@example.org", "en"),
        now=REQUESTED,
    )


def document(
    backup: Backup | None = None, totals: list[MemberTotal] | None = None, report: UnitReport = REPORT
) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(manifest(backup or a_backup(), totals or TOTALS, report, CREATED))
    return parsed


def test_it_says_whose_archive_it_is_of_which_moment_and_in_which_form() -> None:
    said = document(a_backup(encoding="windows-1252"))
    assert set(said) == {
        "format",
        "account",
        "backup_id",
        "snapshot_at",
        "created_at",
        "encoding",
        "files",
        "records",
        "rules",
    }
    assert said["format"] == FORMAT == 1
    assert said["account"] == {"id": "9789", "name": "Example & Sons"}
    assert said["backup_id"] == "01KAQ4M2C0" + "0" * 16
    assert said["snapshot_at"] == "2026-11-22T10:11:12Z"
    assert said["created_at"] == "2026-11-22T10:15:00Z"
    assert said["encoding"] == {"csv": "windows-1252", "xml": "utf-8", "manifest": "utf-8"}


def test_it_says_of_each_file_what_can_be_checked() -> None:
    assert document()["files"] == [
        {
            "name": "files.csv",
            "rows": 2,
            "bytes": 100,
            "crc32": "00000abc",
            "guarded": 1,
            "replaced": {"U+1F600": 3},
        },
        {
            "name": "backup.xml",
            "rows": 2,
            "bytes": 500,
            "crc32": "ffffffff",
            "guarded": 0,
            "replaced": {"U+0000": 1},
        },
    ]


def test_it_says_how_many_records_were_left_out_and_why() -> None:
    assert document()["records"] == {"FILES": {"read": 3, "written": 2, "left_out": {"trash": 1}}}


def test_who_asked_is_not_in_it() -> None:
    assert "ann@example.org" not in json.dumps(document())


@pytest.mark.parametrize(
    ("rows", "warned"), [(EXCEL_LINES - 2, False), (EXCEL_LINES - 1, False), (EXCEL_LINES, True)]
)
def test_it_warns_where_excel_would_leave_out_lines_the_header_counted(rows: int, warned: bool) -> None:
    report = UnitReport({"files.csv": MemberCount(rows=rows), "backup.xml": MemberCount(rows=rows)}, {})
    csv, xml = document(report=report)["files"]
    assert ("notes" in csv) == warned
    assert "notes" not in xml
    if warned:
        assert "1,048,576" in csv["notes"][0]


def test_it_warns_where_excel_would_cut_cells() -> None:
    report = UnitReport({"files.csv": MemberCount(rows=5, long_cells=4)}, {})
    (note,) = document(report=report)["files"][0]["notes"]
    assert "4 cells" in note
    assert "32,767" in note


@given(
    st.text(st.characters()) | st.sampled_from(["\ud83d", "a\udc00b", "{{7*7}}", '"\r\n', "<img onerror>"])
)
def test_any_name_of_an_account_survives(name: str) -> None:
    written = manifest(a_backup(name), TOTALS, REPORT, CREATED)
    assert json.loads(written.decode("utf-8"))["account"]["name"] == name


def test_text_stands_in_it_as_people_read_it() -> None:
    assert "Žofie & Söhne 😀".encode() in manifest(a_backup("Žofie & Söhne 😀"), TOTALS, REPORT, CREATED)


def test_the_same_backup_has_the_same_manifest() -> None:
    backup = a_backup()
    assert manifest(backup, TOTALS, REPORT, CREATED) == manifest(backup, iter(TOTALS), REPORT, CREATED)


def test_the_guards_rule_is_the_one_by_which_cells_are_guarded() -> None:
    (pattern,) = re.findall(r"matches (\^\S+\])", RULES["guard"])
    for sign in "=+-@\t\r\n＝＋－＠":
        assert re.match(pattern, f"'{sign}")
        assert re.match(pattern, f"'''{sign}")
        assert not re.match(pattern, sign)
    assert not re.match(pattern, "'a")


def test_the_escapes_rule_shows_the_form_that_is_written() -> None:
    for example in re.findall(r"\\u\{[^.}]+\}", RULES["escape"]):
        assert re.fullmatch(r"\\u\{[0-9A-F]{1,6}\}", example)
    assert "\\u{5C}" in RULES["escape"]


@pytest.mark.parametrize("encoding", ENCODING_NAMES)
def test_it_is_utf_8_whatever_the_csv_files_are(encoding: str) -> None:
    written = manifest(a_backup("Žofie", encoding), TOTALS, REPORT, CREATED)
    assert not written.startswith(b"\xef\xbb\xbf")
    assert "Žofie" in written.decode("utf-8")
