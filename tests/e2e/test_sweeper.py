"""Backups whose start was lost or whose workflow died, on the stack as it is deployed.

The local AWS sends the rule what it says of an execution's end, and keeps what a function failed on; its
schedule runs too, but a test does not wait for five minutes: it sends what the schedule would send.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from ulid import ULID

from local import people
from local.seed import Account
from shared.backup import Backup, Person, new_backup
from shared.leases import until
from tests.e2e.test_cancel_export import MOMENTS, export_held_up, left_in_the_bucket
from tests.e2e.test_requests import held_back
from tests.e2e.world import PATIENCE_SECONDS, World, eventually

AN_HOUR_AGO = timedelta(hours=1)
NOBODY_WAITS_FOR = ("SweepBackupsFunction", "ExportBackupFunction", "NotifyFunction")
SCHEDULE = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "2026-11-23T16:53:06Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:events:eu-west-1:000000000000:rule/every-five-minutes"],
    "detail": {},
}
"""https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html"""


def sweep(world: World, event: Mapping[str, Any] = SCHEDULE) -> str | None:
    """Invoke the deployed sweeper; returns the class of what it raised."""
    answer = world.client("lambda").invoke(
        FunctionName=world.resource("SweepBackupsFunction"), Payload=json.dumps(event).encode()
    )
    payload = json.loads(answer["Payload"].read())
    return str(payload["errorType"]) if "FunctionError" in answer else None


def never_started(world: World, account: Account) -> Backup:
    """What a request leaves that dies between the record and the start, an hour ago."""
    backup = new_backup(
        backup_id=str(ULID()),
        account_id=account.id,
        account_name=account.name,
        encoding=account.encoding,
        requested_by=Person(sub="s", name="Ann Other", email=f"{ULID()}@example.com", language="en"),
        now=datetime.now(UTC) - AN_HOUR_AGO,
    )
    world.store().claim(backup)
    return backup


def fall_silent(world: World, account: Account) -> None:
    """Let the running backup's lease run out."""
    world.client("dynamodb").update_item(
        TableName=world.outputs["BackupsTable"],
        Key={"pk": {"S": f"ACCOUNT#{account.id}"}, "sk": {"S": "PENDING"}},
        UpdateExpression="SET lease_until = :past",
        ExpressionAttributeValues={":past": {"S": until(datetime.now(UTC) - AN_HOUR_AGO)}},
    )


def lease_of(world: World, account: Account) -> str:
    (pending,) = [record for record in world.records_of(account.id) if record["sk"] == "PENDING"]
    return str(pending["lease_until"])


def abort(world: World, backup_id: str) -> None:
    """As an operator does in the console, without the API."""
    world.client("stepfunctions").stop_execution(executionArn=world.execution(backup_id)["executionArn"])


@contextmanager
def without_status_events(world: World) -> Iterator[None]:
    """EventBridge loses what Step Functions says of executions' ends."""
    events = world.client("events")
    rule = world.resource("SweepBackupsFunctionWorkflowEnded")
    events.disable_rule(Name=rule)
    try:
        yield
    finally:
        events.enable_rule(Name=rule)


def state_of(world: World, backup: Backup) -> str:
    found = world.store().find(backup.account_id, backup.id)
    assert found is not None
    return found.state.value


def test_fault_1_a_backup_that_was_never_started_gets_ready(world: World) -> None:
    account = world.account()
    world.fill(account)
    backup = never_started(world, account)
    for _ in range(2):
        sweep(world)
    assert world.outcome_of(backup.id) == "SUCCEEDED"
    assert world.executions().count(backup.id) == 1
    assert state_of(world, backup) == "ready"
    (mail,) = world.mails_about(backup.file_name)
    assert mail.to == (backup.requested_by.email,)


def test_fault_14_a_slow_backup_is_left_alone(world: World) -> None:
    account = world.account()
    token = world.token(account.id)
    with held_back(world):
        backup_id = world.ask(token)
        fall_silent(world, account)
        before = lease_of(world, account)
        sweep(world)
        assert lease_of(world, account) > before
        assert world.execution(backup_id)["status"] == "RUNNING"
    assert world.ended(token, backup_id)["state"] == "ready"


@pytest.mark.parametrize("woken", ["by the event", "by the schedule"])
def test_fault_12_what_an_operator_aborts_is_failed_told_and_leaves_nothing(world: World, woken: str) -> None:
    """And fault 9: the Lambda is in the midst of the export."""
    reached, go_on = Event(), Event()
    account = world.account()
    person = world.person(account.id)
    token = people.sign_in(world.client("cognito-idp"), world.outputs, person)
    with export_held_up(world, MOMENTS["exported"], reached, go_on):
        backup_id = world.ask(token)
        assert reached.wait(PATIENCE_SECONDS)
        running = world.store().running(account.id)
        assert running is not None
        assert left_in_the_bucket(world, backup_id, running.object_key) != []
        if woken == "by the event":
            abort(world, backup_id)
        else:
            with without_status_events(world):
                abort(world, backup_id)
                fall_silent(world, account)
                assert state_of(world, running) == "running"
                sweep(world)
        assert world.execution(backup_id)["status"] == "ABORTED"
        eventually(lambda: state_of(world, running) == "failed", "the backup to be failed", seconds=10)
        following = world.ask(token)  # while the aborted run's Lambda is still at work
        go_on.set()
        assert world.ended(token, following)["state"] == "ready"
        eventually(
            lambda: left_in_the_bucket(world, backup_id, running.object_key) == [],
            "the bucket to hold nothing of the aborted backup",
            seconds=10,
        )
    mails = eventually(
        lambda: [mail for mail in world.aws.mails() if person.email in mail.to and backup_id in mail.text],
        "the e-mail that it failed",
    )
    assert len(mails) == 1
    shown = world.call("GET", f"/backups/{backup_id}", token).json()
    assert (shown["state"], shown["failure"]["reason"]) == ("failed", "internal")


def test_fault_13_the_event_of_an_older_backup_does_not_touch_the_newer_one(world: World) -> None:
    account = world.account()
    token = world.token(account.id)
    older = world.ended(token, world.ask(token))["id"]
    execution = world.execution(older)
    with held_back(world):
        newer = world.ask(token)
        before = world.records_of(account.id)
        late = {
            **SCHEDULE,
            "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states",
            "detail": {
                "stateMachineArn": execution["stateMachineArn"],
                "name": older,
                "status": "FAILED",
                "input": execution["input"],
            },
        }
        assert [sweep(world, late) for _ in range(2)] == [None, None]
        assert world.records_of(account.id) == before
    assert world.ended(token, newer)["state"] == "ready"


def test_what_a_function_failed_on_three_times_is_kept(world: World) -> None:
    foreign = {"nobody": str(ULID())}
    queue = world.resource("FailedInvocations")
    for function in NOBODY_WAITS_FOR:
        world.client("lambda").invoke(
            FunctionName=world.resource(function),
            InvocationType="Event",
            Payload=json.dumps({**foreign, "to": function}).encode(),
        )
    kept: set[str] = set()

    def all_kept() -> bool:
        answer = world.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            sent = json.loads(message["Body"])["requestPayload"]
            if sent.items() >= foreign.items():
                kept.add(sent["to"])
        return kept == set(NOBODY_WAITS_FOR)

    assert eventually(all_kept, "what failed to be in the queue")
