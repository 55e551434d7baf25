"""A small account of every table, and the records that a test adds to it."""

import itertools
from typing import Any

from functions.export_backup.catalogue import (
    COMMENTS,
    CONTACTS,
    FILES,
    ORGANISATION,
    RECIPIENTS,
    RESPONSES,
    USERS,
    Table,
)
from functions.export_backup.unit import Unit
from tests.reading import csv_records
from tests.unit.export_backup.account_in_memory import (
    Item,
    item,
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


def units_at(*bounds: int) -> list[Unit]:
    edges = [None, *(f"{bound:012d}" for bound in bounds), None]
    pairs = list(itertools.pairwise(edges))
    return [Unit(first, before, first=first is None, last=before is None) for first, before in pairs]
