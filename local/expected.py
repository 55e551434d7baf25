"""What an archive must hold, worked out from the records without any of the service's code: the slow,
plain way, in memory, for tests and the demo to compare with.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from local.seed import Record

MEMBERS = {
    "ORGANISATION": "organisation.csv",
    "USERS": "users.csv",
    "CONTACTS": "contacts.csv",
    "FILES": "files.csv",
    "RECIPIENTS": "recipients.csv",
    "COMMENTS": "comments.csv",
    "RESPONSES": "comment_responses.csv",
}

COLUMNS = {
    "organisation.csv": "id name",
    "users.csv": "id name email position status",
    "contacts.csv": "id name organisation email",
    "files.csv": (
        "id type name filename size_bytes version versions status state decision owner_id owner uploader_id "
        "uploader uploaded_at deadline folder tags pages"
    ),
    "recipients.csv": "id proof_id version name email role decision decided_at deadline",
    "comments.csv": "id proof_id version page author_id author comment created_at responses_count",
    "comment_responses.csv": "id comment_id proof_id version author_id author response created_at",
}

FREE_TEXT = {
    "name",
    "position",
    "organisation",
    "filename",
    "owner",
    "uploader",
    "folder",
    "tags",
    "author",
    "comment",
    "response",
    "type",
    "status",
    "state",
    "decision",
    "role",
}
"""The columns that the guard against formulas is for; enumerated words are among them and never need it."""

_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_ESCAPED = re.compile(r"\\u\{([0-9A-F]{1,6})\}")

Rows = list[dict[str, str]]


def expected(records: Iterable[Record], snapshot: datetime) -> dict[str, Rows]:
    """The rows of each CSV member of a backup of that moment, by column: the text of the source, without
    guard and escapes (as `read` gives them), missing text and empty text alike."""
    items = sorted(records, key=lambda record: (record[0], record[1]["sk"]))
    trashed = {item["id"] for table, item in items if table == "FILES" and item["status"] == "trashed"}
    members: dict[str, Rows] = {member: [] for member in COLUMNS}
    for table, item in items:
        proof = item.get("id") if table == "FILES" else item.get("proof_id")
        created = item.get("uploaded_at") if table == "FILES" else item.get("created_at")
        if proof in trashed or (created and datetime.fromisoformat(created) > snapshot):
            continue
        member = MEMBERS[table]
        members[member].append({column: text_of(item.get(column)) for column in COLUMNS[member].split()})
    return members


def text_of(value: Any) -> str:
    """A value of a record as text: numbers in plain decimal, lists joined."""
    if value is None:
        return ""
    if isinstance(value, Decimal | int):
        return f"{Decimal(value):f}"
    if isinstance(value, set | frozenset):
        return ", ".join(sorted(value))
    if isinstance(value, list | tuple):
        return ", ".join(value)
    return str(value)


def read(content: bytes, encoding: str = "utf-8") -> Iterator[dict[str, str]]:
    """The rows of a CSV member, guard and escapes undone as the manifest says."""
    # newline="" leaves line ends inside cells alone.
    for row in csv.DictReader(io.StringIO(content.decode(encoding), newline="")):
        yield {column: undone(cell, free_text=column in FREE_TEXT) for column, cell in row.items()}


def undone(cell: str, *, free_text: bool = True) -> str:
    if free_text and _GUARDED.match(cell):
        cell = cell[1:]
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), cell)
