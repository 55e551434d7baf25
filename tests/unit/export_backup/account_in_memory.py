"""An account in memory, as the export's source: the same `pages` as `Source`, with pages of any size."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from functions.export_backup.catalogue import DATA_MEMBERS, SORT_KEY, TABLES, Kind, Table
from functions.export_backup.encodings import encoding
from functions.export_backup.forming import Form, Former, Room
from functions.export_backup.page import Page, page_of_items
from functions.export_backup.unit import Account, Unit, export_unit
from functions.export_backup.unit_report import UnitReport

SNAPSHOT = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
ACCOUNT = Account("9789", "Example & Sons")

Item = dict[str, Any]


@dataclass
class AccountInMemory:
    items: Mapping[str, list[Item]]
    """DynamoDB items by table name."""
    page_size: Callable[[], int] = lambda: 3
    queries: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    def pages(
        self, table: Table, first: str | None = None, before: str | None = None, form: Form | None = None
    ) -> Iterator[Page]:
        self.queries.append((table.name, first, before))
        wanted = [
            item
            for item in sorted(self.items.get(table.name, []), key=key)
            if (first is None or key(item) >= first) and (before is None or key(item) < before)
        ]
        while True:
            size = self.page_size()
            page, wanted = wanted[:size], wanted[size:]
            yield as_page(table, page, form)
            if not wanted:
                return


def as_page(table: Table, items: list[Item], form: Form | None) -> Page:
    """As `source` makes it, which asks the C code first."""
    formed = None
    if form is not None:
        formed = Former(table, form, Room()).page(body_of(items))
    return page_of_items(table, items) if formed is None else formed


def body_of(items: list[Item]) -> bytes:
    """What DynamoDB answers to Query."""
    answer = {"Items": items, "Count": len(items)}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def key(item: Item) -> str:
    return str(item[SORT_KEY]["S"])


def item(table: Table, sk: str, **values: Any) -> Item:
    """An item with a text in every column, save what `values` says (None: no such attribute)."""
    attributes: Item = {
        column.attribute: {"L": [{"S": f"{column.name} of {sk}"}]}
        if column.kind is Kind.LIST
        else {"S": f"{column.name} of {sk}"}
        for column in table.columns
    }
    attributes |= {"sk": {"S": sk}, "api_token": {"S": "SECRET"}, "password_hash": {"S": "SECRET"}}
    attributes |= {name: {"S": value} if isinstance(value, str) else value for name, value in values.items()}
    return {name: value for name, value in attributes.items() if value is not None}


@dataclass
class Buffers:
    """A sink per member that keeps the bytes."""

    members: dict[str, "Buffer"]

    @classmethod
    def of(cls, unit: Unit) -> "Buffers":
        return cls({member: Buffer() for member in unit.members})


class Buffer:
    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, content: bytes, /) -> None:
        self.writes.append(content)

    @property
    def content(self) -> bytes:
        return b"".join(self.writes)


def export(
    account: AccountInMemory,
    units: list[Unit] | None = None,
    encoding_name: str = "utf-8",
    stop: Callable[[], bool] | None = None,
) -> tuple[dict[str, bytes], list[UnitReport]]:
    """All members of the account's archive from these units, glued, and the units' reports (which went
    through JSON on the way, as they do between Lambdas)."""
    members = dict.fromkeys(DATA_MEMBERS, b"")
    reports = []
    waiting = units or [Unit()]
    while waiting:
        unit, *waiting = waiting
        buffers = Buffers.of(unit).members
        report = export_unit(account, unit, ACCOUNT, encoding(encoding_name), SNAPSHOT, buffers, stop=stop)
        reports.append(UnitReport.from_json(json.loads(json.dumps(report.to_json()))))
        for member, buffer in buffers.items():
            members[member] += buffer.content
        if report.resume_at is not None:
            waiting.insert(0, Unit(report.resume_at, unit.before_proof, first=False, last=unit.last))
    return members, reports


def no_items() -> dict[str, list[Item]]:
    return {table.name: [] for table in TABLES}
