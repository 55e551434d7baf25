"""Does a deployed stack work? The main job on it, as its user lives it.

Where the stack made user pool and source table itself, an account with a few records and an administrator
are made for it, and taken away again; the administrator's address is SES's own mailbox simulator. Where the
pool or the table is yours, nothing is written into it: export TOKEN, the ID token of an administrator, whose
account is then backed up as it is.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3

from local import expected, people, seed
from local.job import POLL_SECONDS, JobFailed, ask, expect, fetch, look_into, request, say, wait_until_ready

MAIL_SECONDS = 60
SIMULATOR = "success+{}@simulator.amazonses.com"
"""https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html#send-email-simulator"""


@dataclass(frozen=True)
class Asker:
    """Whose backup it is; `records` are what lies in the source, None where that is not known."""

    token: str
    records: list[seed.Record] | None


def run(stack: str, *, api: str | None = None) -> None:
    """Makes a backup on the stack, checks and deletes it. Raises JobFailed and botocore's errors."""
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    state = described["StackStatus"]
    expect(state in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), f"the stack is in the state {state}")
    outputs = {str(one["OutputKey"]): str(one["OutputValue"]) for one in described.get("Outputs", [])}
    address = (api or outputs["ApiUrl"]).rstrip("/")
    say(f"The stack {stack} is deployed; its API is at {address}")
    answer = request("GET", f"{address}/openapi.yaml", "")
    expect(answer.status_code == 200, f"GET /openapi.yaml answered {answer.status_code}")
    with _asker(stack, outputs) as asker, tempfile.TemporaryDirectory() as folder:
        say("An administrator asks for a backup (POST /backups)")
        backup = wait_until_ready(address, asker.token, ask(address, asker.token))
        mail = _mail_state(address, asker.token, backup["id"])
        link = request("POST", f"{address}/backups/{backup['id']}/download-url", asker.token)
        expect(link.status_code == 200, f"POST …/download-url answered {link.status_code}")
        archive = fetch(link.json()["url"], Path(folder))
        say(f"Downloaded {archive.name} ({archive.stat().st_size:,} bytes)")
        wanted = None
        if asker.records is not None:
            wanted = expected.expected(asker.records, datetime.fromisoformat(backup["requested_at"]))
        look_into(archive, wanted)
        print()
        deleted = request("DELETE", f"{address}/backups/{backup['id']}?expect=ready", asker.token)
        expect(deleted.status_code == 200, f"DELETE /backups/… answered {deleted.status_code}")
        gone = request("POST", f"{address}/backups/{backup['id']}/download-url", asker.token)
        expect(gone.status_code == 410, f"a link to the deleted file answered {gone.status_code}")
        say("Deleted it; no link is made any more")
    expect(mail == "sent", "SES took no e-mail: see docs/operations.md#ses-refuses-e-mails")
    say("SES took the e-mail")
    print("\nThe deployment works.")


def _mail_state(api: str, token: str, backup_id: str) -> str | None:
    """What became of the e-mail; it is sent after the file is there."""
    end = time.monotonic() + MAIL_SECONDS
    mail: str | None = None
    while time.monotonic() < end:
        mail = request("GET", f"{api}/backups/{backup_id}", token).json().get("mail")
        if mail in ("sent", "not_sent"):
            break
        time.sleep(POLL_SECONDS)
    return mail


@contextmanager
def _asker(stack: str, outputs: dict[str, str]) -> Iterator[Asker]:
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    made = {one["LogicalResourceId"] for page in pages for one in page["StackResourceSummaries"]}
    if token := os.environ.get("TOKEN"):
        say("The account is the token's")
        yield Asker(token, None)
        return
    if not {"UserPool", "SourceTable"} <= made:
        raise JobFailed(
            "the user pool or the source table is yours: export TOKEN, the ID token of an administrator"
        )
    with _made_account(outputs) as asker:
        yield asker


@contextmanager
def _made_account(outputs: dict[str, str]) -> Iterator[Asker]:
    dynamodb: Any = boto3.client("dynamodb")
    cognito: Any = boto3.client("cognito-idp")
    account = seed.Account(
        id=f"{time.time_ns() // 1000}", name="Check of the deployment", proofs=4, comments=60
    )
    anna = people.Person(SIMULATOR.format(account.id), "Check", account.id, outputs["AdminGroup"])
    records = list(seed.records(account, datetime.now(UTC)))
    try:
        seed.write(dynamodb, outputs["SourceTable"], (item for _, item in records))
        seed.write(dynamodb, outputs["BackupsTable"], [seed.settings(account)])
        people.add(cognito, outputs, anna)
        say(f"Made account {account.id} with {len(records)} records, and an administrator")
        yield Asker(people.sign_in(cognito, outputs, anna), records)
    finally:
        seed.take_away(dynamodb, outputs["SourceTable"], [(item["pk"], item["sk"]) for _, item in records])
        seed.take_away(dynamodb, outputs["BackupsTable"], _keys_of(dynamodb, outputs, account))
        people.remove(cognito, outputs, anna)
        say("Took away account and administrator; its entries in the audit trail stay")


def _keys_of(dynamodb: Any, outputs: dict[str, str], account: seed.Account) -> list[tuple[str, str]]:
    """The account's records of the service, but a backup that is still being made: that has a workflow."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=outputs["BackupsTable"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"ACCOUNT#{account.id}"}},
        ProjectionExpression="pk, sk",
        ConsistentRead=True,
    )
    keys = [(item["pk"]["S"], item["sk"]["S"]) for page in pages for item in page["Items"]]
    return [key for key in keys if key[1] != "PENDING"]
