"""manifest.json: what is in the archive, so that its owner can check it, and how to undo what was escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from functions.export_backup.unit_report import MemberCount, UnitReport
from functions.export_backup.zip_layout import MemberTotal
from shared.backup import Backup
from shared.moments import to_text

FORMAT = 1
"""Version of the archive's form: members, columns, rules below."""

RULES = {
    "csv": "RFC 4180: comma, CRLF, one header line, quotes only where needed. A missing value and an empty "
    "text are both an empty field; backup.xml tells them apart (no element; an empty element).",
    "lists": "tags are joined by a comma and a blank; backup.xml has an element for each.",
    "guard": "In CSV text columns, a cell that a spreadsheet might run as a formula has one apostrophe more "
    "in front. To undo: where a cell matches ^'+[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20], take the first "
    "apostrophe away.",
    "escape": "A character that the encoding (or XML 1.0) cannot hold is written \\u{1F600}: its code point "
    "in hexadecimal. A backslash of such a form in the text itself is written \\u{5C}. To undo: from left to "
    "right, replace each \\u{...} by the character it names.",
    "numbers": "Plain decimal digits, exact.",
    "moments": "ISO 8601, UTC.",
}


def manifest(
    backup: Backup, totals: Iterable[MemberTotal], report: UnitReport, created_at: datetime
) -> bytes:
    """The manifest in UTF-8. `totals` are the other members', `report` is the sum of all units'."""
    files = [_file(total, report.members.get(total.name, MemberCount())) for total in totals]
    document = {
        "format": FORMAT,
        "account": {"id": backup.account_id, "name": backup.account_name},
        "backup_id": backup.id,
        "snapshot_at": to_text(backup.snapshot_at),
        "created_at": to_text(created_at),
        "encoding": {"csv": backup.encoding, "xml": "utf-8", "manifest": "utf-8"},
        "files": files,
        "records": {
            table: {"read": count.read, "written": count.written, "left_out": dict(count.left_out)}
            for table, count in report.tables.items()
        },
        "rules": RULES,
    }
    # A lone surrogate in the account's name has no UTF-8; as a JSON escape it survives.
    text = json.dumps(document, ensure_ascii=False, indent=2)
    if not _is_utf8(text):
        text = json.dumps(document, indent=2)
    return text.encode()


def _file(total: MemberTotal, count: MemberCount) -> dict[str, Any]:
    file: dict[str, Any] = {
        "name": total.name,
        "rows": count.rows,
        "bytes": total.bytes,
        "crc32": f"{total.crc32:08x}",
        "guarded": count.guarded,
        "replaced": dict(count.replaced),
    }
    notes = []
    if total.name.endswith(".csv"):
        if count.over_excel_lines:
            notes.append("Excel shows the first 1,048,576 lines only.")
        if count.long_cells:
            notes.append(f"Excel cuts {count.long_cells} cells at 32,767 characters.")
    return file | ({"notes": notes} if notes else {})


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
