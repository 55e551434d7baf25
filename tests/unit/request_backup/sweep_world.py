"""The sweeper as EventBridge wakes it: moto's AWS beneath, executions that end as a test says."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import boto3
from moto.stepfunctions.models import stepfunctions_backends

from functions.request_backup.cleaning import Cleaner
from functions.request_backup.closing import ReadyStep
from functions.request_backup.notices import Notices
from functions.request_backup.scheduled import ScheduledBackups
from functions.request_backup.sweeper import Sweeper
from functions.request_backup.workflow import Workflow
from shared.backup import Backup
from shared.leases import LEASE
from shared.logs import get_logger
from tests.faults import Line
from tests.unit.request_backup.asked_functions import AskedFunctions
from tests.unit.shared.backups_table import TWICE, BackupsTable, next_backup_id

AWS_ACCOUNT, REGION = "123456789012", "eu-west-1"
EXPORT, NOTIFY = "export-function", "notify-function"
ARCHIVE = {"bytes": 142_950, "records": 12, "replaced": 0}
WORKFLOW_THROTTLED = (400, "ThrottlingException")
SILENCE = LEASE + timedelta(minutes=1)
"""After so long without a sign of life every lease has run out: they end with a full minute."""


class SweepWorld:
    def __init__(self, log: io.StringIO) -> None:
        self.table = BackupsTable()
        self.store = self.table.store
        self.sfn: Any = boto3.client("stepfunctions", config=TWICE)
        machine = self.sfn.create_state_machine(
            name="backup",
            definition='{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}',
            roleArn=f"arn:aws:iam::{AWS_ACCOUNT}:role/workflow",
        )
        self.machine: str = machine["stateMachineArn"]
        self.line = Line(self.sfn)
        self.functions = AskedFunctions()
        self.workflow = Workflow(self.sfn, self.machine)
        self.log = log
        self.sweeper = self.another_sweeper()

    def another_sweeper(self) -> Sweeper:
        return Sweeper(
            self.store,
            self.workflow,
            ReadyStep(self.functions.client, EXPORT),
            Notices(self.functions.client, NOTIFY),
            Cleaner(self.functions.client, EXPORT),
            self.schedules(),
            lambda: self.table.now,
            get_logger("sweep_backups"),
        )

    def schedules(self) -> ScheduledBackups:
        return ScheduledBackups(
            self.store,
            self.workflow,
            Notices(self.functions.client, NOTIFY),
            Cleaner(self.functions.client, EXPORT),
            lambda: self.table.now,
            next_backup_id,
            get_logger("sweep_backups"),
        )

    def begin_anew(self) -> None:
        self.line.mend()
        self.table.line.mend()
        self.functions.mend()

    # --- what there is to sweep ---

    def begun(self, account: str) -> Backup:
        """A backup with its execution, at work."""
        backup = self.table.pending(account)
        self.workflow.start(backup)
        self.store.begin(account, backup.id, units=1, now=self.table.now)
        return backup

    def pass_time(self, time: timedelta = SILENCE) -> None:
        self.table.now += time

    def end(self, backup: Backup, status: str, *, output: object = None, error: str = "BackupFailed") -> None:
        """End the backup's execution, without anything that the workflow's steps would have done."""
        execution = self._execution(backup)
        execution.status = status
        if status == "SUCCEEDED":
            execution.output = json.dumps(output) if not isinstance(output, str) else output
        if status == "FAILED":
            execution.error = error

    def redrive(self, backup: Backup) -> None:
        self._execution(backup).status = "RUNNING"

    def forget(self, backup: Backup) -> None:
        """Step Functions forgets an execution ninety days after its end."""
        self._moto_machine().executions.remove(self._execution(backup))

    def _moto_machine(self) -> Any:
        return stepfunctions_backends[AWS_ACCOUNT][REGION].describe_state_machine(self.machine)

    def _execution(self, backup: Backup) -> Any:
        (execution,) = [one for one in self._moto_machine().executions if one.name == backup.id]
        return execution

    # --- what came of it ---

    def states(self, account: str) -> dict[str, str]:
        """The state of each backup of the account, by id."""
        return {
            record["backup_id"]["S"]: record["state"]["S"]
            for record in self.table.records(account).values()
            if "backup_id" in record
        }

    def is_locked(self, account: str) -> bool:
        return "PENDING" in self.table.records(account)

    def lease_of(self, account: str, sk: str = "PENDING") -> str:
        lease: str = self.table.records(account)[sk]["lease_until"]["S"]
        return lease

    def executions(self) -> list[str]:
        found = self.sfn.list_executions(stateMachineArn=self.machine, maxResults=1000)["executions"]
        return [one["name"] for one in found]

    def cleaned(self) -> list[str]:
        """The backups whose leftovers the export function was asked to take away."""
        return [
            payload["backup_id"]
            for function, kind, payload in self.functions.asked
            if (function, kind, payload.get("step")) == (EXPORT, "Event", "clean")
        ]

    def told(self) -> list[str]:
        """The backups whose e-mail notify was asked for."""
        return [
            payload["backup_id"]
            for function, kind, payload in self.functions.asked
            if (function, kind) == (NOTIFY, "Event") and set(payload) == {"account_id", "backup_id"}
        ]

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def status_event(backup: Backup, status: str, machine: str, **detail: Any) -> dict[str, Any]:
    """https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html"""
    return {
        "version": "0",
        "id": "315c1398-40ff-a850-213b-158f73e60175",
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": AWS_ACCOUNT,
        "time": "2026-11-23T19:42:21Z",
        "region": REGION,
        "resources": [f"{machine.replace(':stateMachine:', ':execution:')}:{backup.id}"],
        "detail": {
            "executionArn": f"{machine.replace(':stateMachine:', ':execution:')}:{backup.id}",
            "stateMachineArn": machine,
            "name": backup.id,
            "status": status,
            "startDate": 1551225271984,
            "stopDate": 1551225291984,
            "input": json.dumps({"account_id": backup.account_id, "backup_id": backup.id}),
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": None,
            "error": None,
            "cause": None,
            **detail,
        },
    }


def schedule_event(source: str = "aws.events") -> dict[str, Any]:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html"""
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": source,
        "account": AWS_ACCOUNT,
        "time": "2026-11-23T16:53:06Z",
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{AWS_ACCOUNT}:rule/every-five-minutes"],
        "detail": {},
    }


def ended(world: SweepWorld, backup: Backup) -> Backup:
    found = world.store.find(backup.account_id, backup.id)
    assert found is not None
    return found
