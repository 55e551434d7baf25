"""A backup that runs, on tables and a bucket in the test's own process, and its steps."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
from botocore.exceptions import ClientError
from botocore.loaders import create_loader

from functions.export_backup.catalogue import FILES, TABLES, Table, partition
from functions.export_backup.event import NumberedUnit, Step, unit_event, units_between
from functions.export_backup.forming import Form
from functions.export_backup.limits import Limits
from functions.export_backup.page import Page
from functions.export_backup.plan import Prober
from functions.export_backup.probes import Probes
from functions.export_backup.source import Source
from functions.export_backup.steps import Steps
from shared.backup import Backup, Person, new_backup
from shared.logs import get_logger
from shared.store import BackupStore, cancelled
from shared.trail import Trail
from tests.doubles import make_table
from tests.unit.export_backup.account_in_memory import SNAPSHOT, Item, item, no_items
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket, a_bucket

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ACCOUNT_ID = "9789"
OWN, OTHER = "01KAQ4M2C0" + "0" * 16, "01KAQ4M2C1" + "0" * 16
BACKUPS, RECORDS, AUDIT = "backups", "records", "audit"
RETENTION = timedelta(days=14)
LIMITS = Limits()
ANN = Person("sub", "Ann", "ann@example.org", "en")
SECRET = "Sven.Geheim@example.org"
"""Stands in every text of the account, and must be in nothing that anybody logs."""

# Each world has clients of its own; to read AWS's service descriptions anew takes longer than a test.
_LOADER = create_loader()

BEFORE = "2026-11-22T10:11:12Z"


def account_items(proofs: int = 3, note: str = "") -> dict[str, list[Item]]:
    """Items by table: per proof a version, a recipient, a comment, a response; and one proof in the trash."""
    items = no_items()
    for name in ("ORGANISATION", "USERS", "CONTACTS"):
        table = next(table for table in TABLES if table.name == name)
        items[name] = [item(table, "000000000007", id="7", name=f"{note}{name}", created_at=BEFORE)]
    for number in range(1, proofs + 2):
        version = f"{number:012d}#000001"
        trashed = number == proofs + 1
        status = "trashed" if trashed else "active"
        items["FILES"].append(
            item(FILES, version, id=str(number), type="proof", status=status, uploaded_at=BEFORE)
        )
        hanging = {"RECIPIENTS": version, "COMMENTS": version, "RESPONSES": f"{version}#000000000005"}
        for name, place in hanging.items():
            table = next(table for table in TABLES if table.name == name)
            key = f"{place}#000000000005"
            items[name].append(item(table, key, id=f"{number}", created_at=BEFORE, **_texts(name, note)))
    return items


def _texts(name: str, note: str) -> dict[str, str]:
    return {
        {"RECIPIENTS": "name", "COMMENTS": "comment", "RESPONSES": "response"}[
            name
        ]: f"{note}, =1+1 \U0001f600"
    }


WRITTEN = 3 + 3 * 4
"""Records of `account_items()` that are in the archive."""

CUT = "000000000002"
"""A proof before which the account is cut in two units."""
ARCHIVE = {"bytes": 1000, "records": 7, "replaced": 1}
"""What Assemble might have returned."""
WHOLE = unit_event(NumberedUnit(0, 1, None, None))
"""The only unit of a small account."""


@dataclass
class World:
    bucket: Bucket
    dynamodb: DynamoDBClient
    now: datetime = SNAPSHOT + timedelta(seconds=5)
    attempts: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    refused: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Error code and HTTP status by operation of DynamoDB, `Query:FILES` for one table of the source."""
    before: dict[str, Callable[[], object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = BackupStore(self.dynamodb, BACKUPS, Trail(self.dynamodb, AUDIT, days=1096))
        self.steps = self.steps_with()

    def steps_with(
        self,
        source_of: Callable[[str], Source] | None = None,
        *,
        probes_of: Callable[[str], Prober] | None = None,
        limits: Limits = LIMITS,
        concurrency: int = 8,
    ) -> Steps:
        return Steps(
            self.store,
            source_of or (lambda account: Source(self.dynamodb, RECORDS, account)),
            probes_of or (lambda account: Probes(self.dynamodb, RECORDS, account)),
            self.bucket.s3,
            BUCKET,
            clock=lambda: self.now,
            make_attempt_id=self._attempt_id,
            retention=RETENTION,
            concurrency=concurrency,
            limits=limits,
            logger=get_logger("export_backup"),
        )

    def _attempt_id(self) -> str:
        self.attempts += 1
        return f"01KAQ4M2C2{self.attempts:016d}"

    # --- the account and its backup ---

    def fill(self, items: dict[str, list[Item]]) -> None:
        for table in TABLES:
            for one in items[table.name]:
                key = {"pk": {"S": partition(ACCOUNT_ID, table)}}
                self.dynamodb.put_item(TableName=RECORDS, Item=one | key)

    def claim(self, backup_id: str = OWN, *, encoding: str = "utf-8", name: str = "Example & Sons") -> Backup:
        backup = new_backup(
            backup_id=backup_id,
            account_id=ACCOUNT_ID,
            account_name=name,
            encoding=encoding,
            requested_by=ANN,
            now=SNAPSHOT,
        )
        self.store.claim(backup)
        return backup

    def free(self) -> None:
        """Take the lock away by hand, whosever it is."""
        key = {"pk": {"S": f"ACCOUNT#{ACCOUNT_ID}"}, "sk": {"S": "PENDING"}}
        self.dynamodb.delete_item(TableName=BACKUPS, Key=key)

    def cancel(self, backup_id: str = OWN) -> None:
        """End the running backup as the API does, before it stops the workflow and asks for the cleaning."""
        backup = self.store.find(ACCOUNT_ID, backup_id)
        assert backup is not None
        self.store.finish(cancelled(backup, ANN, self.now))

    def overtake(self) -> None:
        """An operator has closed the backup by hand, and another one runs."""
        self.free()
        self.claim(OTHER)

    def record(self, sk: str) -> dict[str, Any] | None:
        key = {"pk": {"S": f"ACCOUNT#{ACCOUNT_ID}"}, "sk": {"S": sk}}
        found: dict[str, Any] | None = self.dynamodb.get_item(TableName=BACKUPS, Key=key).get("Item")
        return found

    # --- what the workflow does ---

    def take(
        self,
        name: str,
        backup_id: str = OWN,
        /,
        *,
        steps: Steps | None = None,
        seconds_left: float = math.inf,
        **payload: Any,
    ) -> dict[str, Any]:
        step = self.step(name, backup_id, **payload)
        result: dict[str, Any] = (steps or self.steps).take(step, seconds_left)
        return json.loads(json.dumps(result))  # type: ignore[no-any-return]

    def step(self, name: str, backup_id: str = OWN, /, **payload: Any) -> Step:
        return Step(name, ACCOUNT_ID, backup_id, payload)  # type: ignore[arg-type]

    def run(self, *cuts: str) -> dict[str, Any]:
        """All steps up to ready, as the workflow takes them; what assembling returned."""
        exported = self.exported(*cuts)
        archive = self.take("assemble", exported=exported)
        self.take("verify", exported=exported, archive=archive)
        self.take("ready", archive=archive)
        return archive

    def assembled(self, *cuts: str) -> dict[str, Any]:
        """All steps up to assembling; what that returned."""
        return self.take("assemble", exported=self.exported(*cuts))

    def exported(self, *cuts: str) -> list[dict[str, Any]]:
        """All steps up to the last export; what the Map makes of them."""
        return [self.export(unit) for unit in self.planned(*cuts)]

    def planned(self, *cuts: str) -> list[dict[str, Any]]:
        """The units of the plan; of one that cuts there, where it does not see to that itself."""
        units: list[dict[str, Any]] = self.take("plan")["units"]
        return [unit_event(unit) for unit in units_between(cuts)] if cuts else units

    def export(self, unit: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Go after go, until the unit is done."""
        result = self.take("export", unit=unit, **more)
        while result["left"] is not None:
            result = self.take("export", unit=result["left"], **more)
        return {name: result[name] for name in ("unit", "attempt", "records")}

    def writes(self) -> Counter[str]:
        """Every call so far that may have changed something."""
        calls = self.calls + self.bucket.calls
        reading = ("Get", "Head", "List", "Query", "Describe")
        return Counter({name: count for name, count in calls.items() if not name.startswith(reading)})

    def backup(self, backup_id: str = OWN) -> Backup:
        found = self.store.find(ACCOUNT_ID, backup_id)
        assert found is not None
        return found

    def archive(self) -> bytes:
        (key,) = [key for key in self.bucket.stored_keys() if key.startswith("backups/")]
        return self.bucket.get(key)

    def _asked(self, model: Any, params: dict[str, Any], **_: Any) -> None:
        self.calls[model.name] += 1
        self.before.pop(model.name, lambda: None)()
        names = [model.name]
        if model.name == "Query":
            names.append(f"Query:{params['ExpressionAttributeValues'][':pk']['S'].rpartition('#')[2]}")
        for name in names:
            if name in self.refused:
                code, status = self.refused[name]
                raise ClientError(
                    {
                        "Error": {"Code": code, "Message": f"about {SECRET}"},
                        "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
                    },
                    model.name,
                )


@dataclass(frozen=True)
class SlowSource(Source):
    """The source in pages of one record; before each, `on_page` is told how many went before."""

    on_page: Callable[[int], object] = lambda _: None
    seen: list[int] = field(default_factory=lambda: [0])

    def pages(
        self, table: Table, first: str | None = None, before: str | None = None, form: Form | None = None
    ) -> Iterator[Page]:
        for page in super().pages(table, first, before, form):
            for place in range(len(page.keys)):
                self.on_page(self.seen[0])
                self.seen[0] += 1
                yield page.runs([slice(place, place + 1)])


@contextmanager
def a_world() -> Iterator[World]:
    with patch("botocore.session.create_loader", lambda _: _LOADER), a_bucket() as bucket:
        dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        for name in (BACKUPS, AUDIT, RECORDS):
            make_table(dynamodb, name)
        world = World(bucket, dynamodb)
        dynamodb.meta.events.register("before-parameter-build.dynamodb", _forward(world))
        yield world


def _forward(world: World) -> Callable[..., None]:
    def asked(params: dict[str, Any], model: Any, **_: Any) -> None:
        world._asked(model, params)

    return asked


def own_keys(world: World, neighbour: list[str]) -> list[str]:
    return [key for key in world.bucket.stored_keys() if key not in neighbour]
