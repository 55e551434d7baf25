"""The whole service for one account: its real code, on moto's tables and bucket, and small doubles around it.

Every call to AWS goes through `processes.call`, so a test decides how each one ends, and in what order those
of several processes come.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from functions.export_backup.event import Step
from functions.export_backup.limits import Limits
from functions.export_backup.outcomes import of_error
from functions.export_backup.probes import Page
from functions.export_backup.source import SourceRefused
from functions.export_backup.steps import Steps
from functions.notify.notice import MailDelayed, Notice
from functions.notify.postbox import Postbox
from functions.request_backup.archives import Archives
from functions.request_backup.body import Wishes
from functions.request_backup.caller import Caller
from functions.request_backup.cleaning import Cleaner
from functions.request_backup.closing import ReadyStep
from functions.request_backup.desk import Desk
from functions.request_backup.notices import Notices
from functions.request_backup.removal import Removal
from functions.request_backup.scheduled import ScheduledBackups
from functions.request_backup.sweeper import Sweeper
from functions.request_backup.workflow import Workflow
from shared.backup import Backup, Person, from_record
from shared.items import from_item
from shared.languages import Languages
from shared.link import ArchiveGone, Link
from shared.logs import get_logger
from shared.record_keys import PENDING, SETTINGS
from shared.store import BackupStore, Superseded
from shared.trail import Trail
from tests.unit.export_backup.account_in_memory import AccountInMemory
from tests.unit.export_backup.running_backup import account_items
from tests.unit.infra.stack import workflow
from tests.unit.protocol.aws import BUCKET, Aws
from tests.unit.protocol.processes import Process, call
from tests.unit.protocol.step_functions import MACHINE, Execution, StepFunctions, error
from tests.unit.shared.backups_table import AUDIT_TABLE, TABLE, next_account_id, next_backup_id

ADMINS = "admins"
RETENTION = timedelta(days=14)
EXPORT, NOTIFY = "${ExportBackupFunction}", "${NotifyFunction}"
# How long a Lambda function lives. A step's may live on long after Step Functions has given it up.
LIVES = {
    "request": timedelta(seconds=29),
    "remove": timedelta(seconds=29),
    "sweep": timedelta(minutes=5),
    "look": timedelta(minutes=5),
    "mail": timedelta(seconds=60),
    "step": timedelta(minutes=15),
}
_numbers = count(1)


class Source(AccountInMemory):
    refuses = False

    def pages(self, table: Any, first: Any = None, before: Any = None, form: Any = None) -> Any:
        if self.refuses:
            raise SourceRefused(table.name)
        yield from super().pages(table, first, before, form)


_SMALL: Any = SimpleNamespace(pages=lambda starts: [Page([], more=False) for _ in starts])
"""The source as the plan looks at it."""
_ITEMS = account_items(proofs=1)
RECORDS = 3 + 4
"""What of `_ITEMS` is in an archive."""


class Service:
    """One account's service, anew. `processes` are all that were ever begun, the living and the dead."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.account, self.stranger = next_account_id(), next_account_id()
        self.processes: list[Process] = []
        self.events: list[str] = []
        """Backup ids of executions that have ended, as EventBridge tells of them, late, twice or never."""
        self.queue: list[tuple[str, dict[str, Any], int]] = []
        """What Lambda was asked for asynchronously: function, payload, tries so far."""
        self.mails: Counter[str] = Counter()
        """What SES took, by address: each request has its own."""
        self.source = Source(_ITEMS)
        self.trail = Trail(aws.dynamodb, AUDIT_TABLE, days=1096)
        self.store = BackupStore(aws.dynamodb, TABLE, self.trail)
        self.step_functions = StepFunctions(workflow(), self.clock, self._invoke, self._ended)
        logger = get_logger("protocol")
        logger.setLevel("CRITICAL")
        functions: Any = SimpleNamespace(invoke=self._lambda)
        flow = Workflow(self.step_functions, MACHINE)  # type: ignore[arg-type]
        cleaner = Cleaner(functions, EXPORT)
        self.desk = Desk(
            self.store,
            self.trail,
            flow,
            self,  # type: ignore[arg-type]
            Removal(self.store, flow, cleaner, Archives(aws.s3, BUCKET), clock=self.clock, logger=logger),
            clock=self.clock,
            make_id=next_backup_id,
            admin_group=ADMINS,
            sales_contact="",
        )
        self.steps = Steps(
            self.store,
            lambda _: self.source,  # type: ignore[arg-type, return-value]
            lambda _: _SMALL,
            aws.s3,
            BUCKET,
            clock=self.clock,
            make_attempt_id=lambda: f"01KAQ4M2C2{next(_numbers):016d}",
            retention=RETENTION,
            concurrency=1,
            limits=Limits(),
            logger=logger,
        )
        self.notice = Notice(
            self.store,
            self,  # type: ignore[arg-type]
            Postbox(SimpleNamespace(send_email=self._send_email), sender="backups@example.com"),  # type: ignore[arg-type]
            Languages(),
            self.clock,
            logger,
            product="Product",
            tab_url="https://app.example.com",
            link_seconds=3600,
        )
        self.sweeper = Sweeper(
            self.store,
            flow,
            ReadyStep(functions, EXPORT),
            Notices(functions, NOTIFY),
            cleaner,
            ScheduledBackups(
                self.store, flow, Notices(functions, NOTIFY), cleaner, self.clock, next_backup_id, logger
            ),
            self.clock,
            logger,
        )
        for account in (self.account, self.stranger):
            values = {"name": "Acme", "plan": "Enterprise", "encoding": "utf-8"}
            key = {"pk": {"S": f"ACCOUNT#{account}"}, "sk": {"S": "SETTINGS"}}
            aws.dynamodb.put_item(TableName=TABLE, Item=key | {n: {"S": v} for n, v in values.items()})

    def clock(self) -> datetime:
        return self.aws.now

    # --- what begins ---

    def ask(self) -> Process:
        caller = self.caller(self.account)
        return self._begin("request", lambda: self.desk.request(caller, Wishes()))

    def caller(self, account: str) -> Caller:
        number = next(_numbers)
        person = Person(f"sub-{number}", f"User {number}", f"u{number}@example.com", "en")
        return Caller(account, person, frozenset({ADMINS}))

    def remove(self, backup_id: str) -> Process:
        caller = self.caller(self.account)
        return self._begin("remove", lambda: self.desk.remove(caller, backup_id), backup_id)

    def sweep(self) -> Process:
        return self._begin("sweep", self.sweeper.sweep)

    def look(self, backup_id: str) -> Process:
        return self._begin("look", lambda: self.sweeper.look(self.account, backup_id), backup_id)

    def deliver(self, number: int) -> Process:
        """Begin what Lambda was asked for; one that fails is tried again, twice."""
        function, payload, tries = self.queue.pop(number)

        def run() -> None:
            try:
                self._invoke(function, payload)
            except BaseException:
                if tries < 2:
                    self.queue.append((function, payload, tries + 1))
                raise

        return self._begin("mail" if function == NOTIFY else "step", run, payload["backup_id"])

    def task(self, execution: Execution) -> Process | None:
        """The execution's present task, begun where it was not; None where it waits, or has ended."""
        if execution.task is None and not self.step_functions.is_waiting(execution):
            action = self.step_functions.next_task(execution)
            if action is not None:
                kind = "mail" if execution.at.startswith("Tell") else "step"
                execution.task = self._begin(kind, action, execution.name)
        return execution.task

    def hear(self) -> None:
        """Let Step Functions hear what its tasks have come to."""
        for execution in self.step_functions.running():
            task = execution.task
            if task is None or not task.over:
                continue
            if task.error is None:
                self.step_functions.took(execution, task.result)
            else:
                name = "Sandbox.Timedout" if task.died() else type(task.error).__name__
                self.step_functions.failed(execution, name)

    def living(self) -> list[Process]:
        return [process for process in self.processes if not process.over]

    def pass_time(self, span: timedelta) -> None:
        self.aws.now += span
        for process in self.living():
            if self.aws.now >= process.deadline:
                process.kill()
        self.hear()

    def _begin(self, kind: str, action: Callable[[], Any], backup_id: str = "") -> Process:
        process = Process(kind, action, backup_id=backup_id, deadline=self.aws.now + LIVES[kind])
        self.processes.append(process)
        return process

    def _ended(self, execution: Execution) -> None:
        self.events.append(execution.name)

    # --- the functions, as Lambda calls them ---

    def _invoke(self, function: str, payload: dict[str, Any]) -> dict[str, Any]:
        if function == NOTIFY:
            try:
                return {"mail": self.notice.give(payload["account_id"], payload["backup_id"]).value}
            except ClientError:
                raise MailDelayed("aws") from None
        more: dict[object, Any] = dict(payload.items())
        step = Step(more.pop("step"), more.pop("account_id"), more.pop("backup_id"), more)
        try:
            return json.loads(json.dumps(self.steps.take(step)))  # type: ignore[no-any-return]
        except Exception as failure:  # noqa: BLE001 - as the function's handler does
            outcome, reason = of_error(failure)
            if not isinstance(outcome, Superseded):
                with suppress(Exception):
                    self.store.note_failure(step.account_id, step.backup_id, reason)
            raise outcome from None

    def _lambda(self, *, FunctionName: str, Payload: bytes, InvocationType: str = "") -> dict[str, Any]:  # noqa: N803
        payload = json.loads(Payload)

        def carry_out() -> dict[str, Any]:
            if InvocationType == "Event":
                self.queue.append((FunctionName, payload, 0))
                return {}
            try:
                answer = self._invoke(FunctionName, payload)
            except Exception as failure:  # noqa: BLE001 - Lambda says so in its answer
                said = json.dumps({"errorType": type(failure).__name__}).encode()
                return {"FunctionError": "Unhandled", "Payload": io.BytesIO(said)}
            return {"Payload": io.BytesIO(json.dumps(answer).encode())}

        return call("Invoke", carry_out, _busy)

    def _send_email(self, **request: Any) -> dict[str, Any]:
        (address,) = request["Destination"]["ToAddresses"]

        def take() -> dict[str, Any]:
            self.mails[address] += 1
            return {}

        return call("SendEmail", take, _busy)

    def sign(self, object_key: str, *, backup_id: str, seconds: int, not_after: datetime) -> Link:
        """In place of the link's signer, whose own session has its own tests."""
        try:
            self.aws.s3.head_object(Bucket=BUCKET, Key=object_key)
        except ClientError as refusal:
            if refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise ArchiveGone from None
            raise
        ends_at = min(self.aws.now + timedelta(seconds=seconds), not_after)
        return Link(f"{next(_numbers):016x}", f"https://{BUCKET}/{object_key}?{backup_id}", ends_at)

    # --- what is seen from outside ---

    # moto's own records: to ask for them takes moto longer than all the rest of a test.

    def records(self) -> tuple[Backup | None, dict[str, Backup]]:
        """The account's pending backup, and by id those that have ended."""
        found = {
            sk: from_record(from_item(item.to_json()["Attributes"]))
            for sk, item in self._items().items()
            if sk != SETTINGS
        }
        pending = found.pop(PENDING, None)
        return pending, {backup.id: backup for backup in found.values()}

    def locked_by(self) -> str | None:
        """The id in the account's pending record."""
        pending = self._items().get(PENDING)
        return str(pending.attrs["backup_id"].value) if pending and "backup_id" in pending.attrs else None

    def entered(self) -> Counter[tuple[str, str]]:
        """What stands in the account's trail, shown yet or not: backup and `1-ready`, say. Without links."""
        found = (sk.split("_", 2) for sk in self._items(AUDIT_TABLE))
        return Counter((backup_id, what) for _, backup_id, what in found if "link_made" not in what)

    def _items(self, table: str = TABLE) -> dict[str, Any]:
        items = dynamodb_backends["123456789012"]["eu-west-1"].tables[table].items
        found = items[DynamoType({"S": f"ACCOUNT#{self.account}"})]
        return {str(sk.value): item for sk, item in found.items()}

    def archive_of(self, backup: Backup) -> bytes | None:
        try:
            found = self.aws.s3.get_object(Bucket=BUCKET, Key=backup.object_key)
        except self.aws.s3.exceptions.NoSuchKey:
            return None
        if found["Metadata"].get("backup-id") != backup.id:
            return None
        content: bytes = found["Body"].read()
        return content


def _busy() -> dict[str, Any]:
    raise error(ClientError, "ThrottlingException", 429)
