"""What the demo and the tests compare an archive with."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import expected, seed

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def test_trash_and_future_stay_out_with_all_that_hangs_on_them() -> None:
    members = expected.expected(seed.records(seed.Account(), NOW), NOW)
    trashed = {
        str(item["id"])
        for table, item in seed.records(seed.Account(), NOW)
        if table == "FILES" and item["status"] == "trashed"
    }
    assert trashed
    for member in ("recipients.csv", "comments.csv", "comment_responses.csv"):
        assert members[member]
        assert not trashed & {row["proof_id"] for row in members[member]}
    assert {row["status"] for row in members["files.csv"]} == {"active", "archived"}
    assert "Tomorrow" not in {row["author"] for row in members["comments.csv"]}


def test_no_secret_attribute_is_expected() -> None:
    records = list(seed.records(seed.Account(), NOW))
    assert "SECRET" in str(records)
    assert "SECRET" not in str(expected.expected(records, NOW))


def test_what_is_created_at_the_snapshot_moment_is_in() -> None:
    comment = {"sk": "1", "id": 1, "proof_id": 2, "created_at": "2026-11-23T10:00:00Z"}
    assert len(expected.expected([("COMMENTS", comment)], NOW)["comments.csv"]) == 1
    later = comment | {"created_at": "2026-11-23T10:00:00.001Z"}
    assert expected.expected([("COMMENTS", later)], NOW)["comments.csv"] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E+20"), "100000000000000000000"),
        (Decimal("2.1E-5"), "0.000021"),
        (Decimal("12345678901234567890123456789012345678"), "12345678901234567890123456789012345678"),
        (0, "0"),
        (None, ""),
        (["b", "a"], "b, a"),
        ({"b", "a"}, "a, b"),
        ("", ""),
    ],
)
def test_values_as_text(value: object, text: str) -> None:
    assert expected.text_of(value) == text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("'=1", "=1"),
        ("''=1", "'=1"),
        ("'＝1", "＝1"),
        ("'\r", "\r"),
        ("'quoted'", "'quoted'"),
        ("\\u{1F600}", "😀"),
        ("\\u{5C}u{1F600}", "\\u{1F600}"),
    ],
)
def test_guard_and_escapes_are_undone(cell: str, text: str) -> None:
    assert expected.undone(cell) == text


def test_the_guard_is_not_undone_in_typed_columns() -> None:
    assert expected.undone("'-5", free_text=False) == "'-5"


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_cells_are_read_to_the_last_line_end(texts: list[str]) -> None:
    plain = [text for text in texts if expected.undone(text) == text]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["id", "comment"])
    writer.writerows((number, text) for number, text in enumerate(plain))
    assert [row["comment"] for row in expected.read(stream.getvalue().encode())] == plain
