"""All four functions as they are deployed, each wired by its environment, on moto's AWS.

What they print is what CloudWatch gets. The workflow's steps are taken as Step Functions takes them.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from ulid import ULID

from shared.backup import Person, new_backup
from shared.schedule import Every, Rhythm, Schedule
from shared.store import BackupStore
from shared.trail import Trail
from tests.doubles import aws_in_process, make_table
from tests.faults import Line
from tests.unit.request_backup.api_world import ADMINS, CLIENT, claims_of, proxy_event
from tests.unit.request_backup.sweep_world import schedule_event

STACK = "account-backup"
BACKUPS, AUDIT, RECORDS = "backups", "audit", "records"
BUCKET, SENDER = "archives", "backups@example.com"
HANDLERS = {
    "api": "functions.request_backup.handler",
    "sweeper": "functions.request_backup.sweep_handler",
    "export": "functions.export_backup.handler",
    "notify": "functions.notify.handler",
}


@dataclasses.dataclass
class Context:
    """Of an invocation that still has so many seconds at each time it asks."""

    seconds: float = 890
    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    aws_request_id: str = "r-1"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


class Failed(Exception):
    """A function raised, which its caller sees as an error of the function. Its text is the class."""


class WholeService:
    def __init__(self, environment: pytest.MonkeyPatch) -> None:
        self.dynamodb: Any = boto3.client("dynamodb")
        for table in (BACKUPS, RECORDS, AUDIT):
            make_table(self.dynamodb, table)
        self.s3: Any = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.ses: Any = boto3.client("ses")
        self.ses.verify_email_identity(EmailAddress=SENDER)
        self.sfn: Any = boto3.client("stepfunctions")
        self.machine: str = self.sfn.create_state_machine(
            name="backup",
            definition='{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}',
            roleArn="arn:aws:iam::123456789012:role/workflow",
        )["stateMachineArn"]
        self.store = BackupStore(self.dynamodb, BACKUPS, Trail(self.dynamodb, AUDIT, days=1096))
        for name, value in self._environment().items():
            environment.setenv(name, value)
        self.modules: dict[str, Any] = {}
        self._lines: dict[int, Line] = {}
        for name, module in HANDLERS.items():
            environment.delitem(sys.modules, module, raising=False)
            self.modules[name] = importlib.import_module(module)

    def _environment(self) -> dict[str, str]:
        return {
            "STACK_NAME": STACK,
            "TABLE_NAME": BACKUPS,
            "AUDIT_TABLE_NAME": AUDIT,
            "AUDIT_DAYS": "1096",
            "SOURCE_TABLE_NAME": RECORDS,
            "BUCKET_NAME": BUCKET,
            "STATE_MACHINE_ARN": self.machine,
            "EXPORT_FUNCTION_NAME": "export",
            "NOTIFY_FUNCTION_NAME": "notify",
            "DOWNLOAD_ROLE_ARN": "arn:aws:iam::123456789012:role/download",
            "SENDER": SENDER,
            "PRODUCT_NAME": "Northwind",
            "TAB_URL": "https://app.example.com",
            "TAB_ORIGIN": "",
            "FRAME_ANCESTORS": "'none'",
            "ADMIN_GROUP": ADMINS,
            "SALES_CONTACT": "sales@example.com",
            "RETENTION_DAYS": "14",
            "HISTORY_DAYS": "730",
            "EXPORT_CONCURRENCY": "8",
        }

    # --- people, and what Step Functions and EventBridge do ---

    def account(self, account_id: str = "9789", plan: str = "enterprise") -> str:
        settings = {"pk": f"ACCOUNT#{account_id}", "sk": "SETTINGS", "name": "Acme", "plan": plan}
        self.dynamodb.put_item(
            TableName=BACKUPS, Item={name: {"S": value} for name, value in settings.items()}
        )
        return account_id

    def call(self, method: str, path: str, account_id: str, **claims: str) -> dict[str, Any]:
        event = proxy_event(method, path, claims=claims_of(account_id, **claims), body="{}")
        event["stageVariables"]["appClientId"] = CLIENT
        answer: dict[str, Any] = self.modules["api"].handler(event, Context())
        return answer

    def request(self, account_id: str) -> str:
        answer = self.call("POST", "/backups", account_id)
        assert answer["statusCode"] == 202, answer
        return str(json.loads(answer["body"])["id"])

    def step(
        self, name: str, account_id: str, backup_id: str, *, seconds: float = 890, **more: Any
    ) -> dict[str, Any]:
        event = {"step": name, "account_id": account_id, "backup_id": backup_id, **more}
        return self._invoke("export", event, Context(seconds))

    def run(self, account_id: str, backup_id: str, *, seconds: float = 890) -> None:
        """The workflow, from its plan to the e-mail."""
        ids = account_id, backup_id
        try:
            plan = self.step("plan", *ids)
            exported = [self.step("export", *ids, seconds=seconds, unit=unit) for unit in plan["units"]]
            archive = self.step("assemble", *ids, exported=exported)
            self.step("verify", *ids, exported=exported, archive=archive)
            self.step("ready", *ids, archive=archive)
        except Failed as error:
            self.step("fail", *ids, error=str(error))
        self.tell(*ids)

    def tell(self, account_id: str, backup_id: str) -> None:
        self._invoke("notify", {"account_id": account_id, "backup_id": backup_id}, Context())

    def sweep(self) -> None:
        self._invoke("sweeper", schedule_event(), Context())

    def due_now(self, account_id: str) -> None:
        """The account's schedule has come to its moment."""
        now = datetime.now(UTC)
        rhythm = Rhythm(Every.DAILY, now.time().replace(second=0, microsecond=0), "UTC")
        due = Schedule(
            account_id, rhythm, Person("s", "Ann", "ann@example.com", "en"), now - timedelta(minutes=1)
        )
        self.store.set_schedule(due, now=now)

    def left_pending(self, account_id: str, age: timedelta) -> str:
        """A backup that was requested so long ago, and never started."""
        backup = new_backup(
            backup_id=str(ULID()),
            account_id=account_id,
            account_name="Acme",
            encoding="utf-8",
            requested_by=Person("s", "Ann", "ann@example.com", "en"),
            now=datetime.now(UTC) - age,
        )
        self.store.claim(backup)
        return backup.id

    def line(self, function: str, client: str) -> Line:
        """The line of one of a function's clients, to be broken."""
        return self._line_of(getattr(self.modules[function], client))

    def ses_line(self) -> Line:
        return self._line_of(self.modules["notify"].notice._postbox._ses)

    def _line_of(self, client: Any) -> Line:
        # One for each client: a second one would never be asked.
        if id(client) not in self._lines:
            self._lines[id(client)] = Line(client)
        return self._lines[id(client)]

    def _invoke(self, function: str, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        try:
            result: dict[str, Any] = self.modules[function].handler(event, context)
        except Exception as error:
            raise Failed(type(error).__name__) from error
        return result


@contextmanager
def whole_service() -> Iterator[WholeService]:
    with aws_in_process(), pytest.MonkeyPatch.context() as environment:
        yield WholeService(environment)
