"""Whether all that was read is in the archive: each table's records, in its file, as the manifest says."""

from __future__ import annotations

import json
from typing import Any

from functions.export_backup.catalogue import ORGANISATION, TABLES, XML_MEMBER
from functions.export_backup.unit_report import MemberCount, RecordsUnaccounted, TableCount, UnitReport


def check_counts(whole: UnitReport) -> None:
    """Of every table, what was read was written or left out for a reason, and stands in both its places.

    `whole` is the sum of all units' reports. Raises RecordsUnaccounted.
    """
    in_all = 0
    for table in TABLES:
        count = whole.tables.get(table.name, TableCount())
        rows = whole.members.get(table.member, MemberCount()).rows
        # An account without a record of its own gets one row, made of what the request knew of it.
        expected = max(count.written, 1) if table is ORGANISATION else count.written
        if not count.is_accounted or rows != expected:
            raise RecordsUnaccounted(table.name)
        in_all += rows
    if whole.members.get(XML_MEMBER, MemberCount()).rows != in_all:
        raise RecordsUnaccounted(XML_MEMBER)


def check_manifest(manifest: bytes, whole: UnitReport) -> None:
    """The manifest, as it lies in the archive, says of each file and table what was counted.

    Raises RecordsUnaccounted.
    """
    document: dict[str, Any] = json.loads(manifest)
    rows = {file["name"]: file["rows"] for file in document["files"]}
    for name, count in whole.members.items():
        if rows.pop(name, None) != count.rows:
            raise RecordsUnaccounted(name)
    for table in TABLES:
        counted = whole.tables.get(table.name, TableCount())
        if document["records"].get(table.name) != {
            "read": counted.read,
            "written": counted.written,
            "left_out": dict(counted.left_out),
        }:
            raise RecordsUnaccounted(table.name)
    for name in rows:
        raise RecordsUnaccounted(name)
