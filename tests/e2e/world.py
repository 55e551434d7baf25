"""The deployed stack as its users and operators meet it: accounts, people, requests, records, files."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from ulid import ULID

from local import people, seed
from local.aws import LocalAws, Mail
from shared.backup import Backup, Person, new_backup
from shared.store import BackupStore
from shared.trail import Trail

PATIENCE_SECONDS = 240
REST_SECONDS = 15
_account_ids = itertools.count(20_001)
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


@dataclass
class World:
    aws: LocalAws
    outputs: Mapping[str, str]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.aws.client(service)
        return self._clients[service]

    # --- accounts and people ---

    def account(self, **settings: Any) -> seed.Account:
        """A new account with its SETTINGS record and a small amount of data."""
        account = seed.Account(id=str(next(_account_ids)), **({"proofs": 4, "comments": 40} | settings))
        self.put(self.outputs["BackupsTable"], seed.settings(account))
        return account

    def fill(self, account: seed.Account) -> list[seed.Record]:
        """Write the account's records; returns them."""
        records = list(seed.records(account, datetime.now(UTC)))
        seed.write(self.client("dynamodb"), self.outputs["SourceTable"], (item for _, item in records))
        return records

    def person(self, account_id: str | None, *, group: str | None = "", **person: Any) -> people.Person:
        """A new user of the account, an administrator unless told otherwise."""
        email = f"user-{ULID()}@example.com".lower()
        someone = people.Person(
            **{
                "email": email,
                "name": "Ann Other",
                "account_id": account_id,
                "group": self.outputs["AdminGroup"] if group == "" else group,
                **person,
            }
        )
        people.add(self.client("cognito-idp"), self.outputs, someone)
        return someone

    def token(self, account_id: str | None, *, group: str | None = "", **person: Any) -> str:
        """The ID token of a new user of the account, an administrator unless told otherwise."""
        return self.token_of(self.person(account_id, group=group, **person))

    def token_of(self, person: people.Person) -> str:
        """The ID token of this user."""
        return people.sign_in(self.client("cognito-idp"), self.outputs, person)

    def token_of_another_client(self, account_id: str) -> str:
        """The ID token of an administrator, made for another product that uses the same pool."""
        client = self.client("cognito-idp").create_user_pool_client(
            UserPoolId=self.outputs["UserPoolId"],
            ClientName="another product",
            ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]["ClientId"]
        outputs = {**self.outputs, "AppClientId": client}
        return people.sign_in(self.client("cognito-idp"), outputs, self.person(account_id))

    # --- the page and the API ---

    @property
    def page_url(self) -> str:
        """The Backups page, at the API's root."""
        return self.aws.api_url(self.outputs["ApiUrl"] + "/")

    @property
    def sign_in_url(self) -> str:
        """The hosted sign-in that the page was told of, without a slash at its end."""
        stage = self.client("apigateway").get_stage(restApiId=self.resource("Api"), stageName="v1")
        return str(stage["variables"]["signIn"])

    def call(self, method: str, path: str, token: str | None = None, **options: Any) -> requests.Response:
        headers = ({"Authorization": token} if token else {}) | options.pop("headers", {})
        url = self.aws.api_url(self.outputs["ApiUrl"]) + path
        timeout = options.pop("timeout", PATIENCE_SECONDS)
        return requests.request(method, url, headers=headers, timeout=timeout, **options)

    def ask(self, token: str, body: Mapping[str, object] | None = None) -> str:
        """Request a backup; returns its id."""
        answer = self.call("POST", "/backups", token, json=body or {})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def ended(self, token: str, backup_id: str) -> dict[str, Any]:
        """The backup as the API shows it once its workflow has ended, e-mail included."""
        self.outcome_of(backup_id)
        shown: dict[str, Any] = self.call("GET", f"/backups/{backup_id}", token).json()
        return shown

    # --- behind the API ---

    def execution(self, backup_id: str) -> dict[str, Any]:
        arn = self.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{backup_id}"
        described: dict[str, Any] = self.client("stepfunctions").describe_execution(executionArn=arn)
        return described

    def outcome_of(self, backup_id: str) -> str:
        """The status in which the backup's execution ends."""
        return str(
            eventually(
                lambda: status if (status := self.execution(backup_id)["status"]) != "RUNNING" else None,
                f"execution {backup_id} to end",
            )
        )

    def errors_of(self, backup_id: str) -> list[dict[str, Any]]:
        """What went wrong in the backup's execution, as its history tells it, mended or not."""
        pages = self.client("stepfunctions").get_paginator("get_execution_history")
        arn = self.execution(backup_id)["executionArn"]
        events = [event for page in pages.paginate(executionArn=arn) for event in page["events"]]
        details = [value for event in events for key, value in event.items() if key.endswith("EventDetails")]
        return [one for one in details if "error" in one]

    def executions(self, status: str | None = None) -> list[str]:
        """The names of the workflow's executions, or of those in this status."""
        pages = self.client("stepfunctions").get_paginator("list_executions")
        wanted = {"statusFilter": status} if status else {}
        return [
            str(execution["name"])
            for page in pages.paginate(stateMachineArn=self.outputs["StateMachineArn"], **wanted)
            for execution in page["executions"]
        ]

    def step(self, name: str, backup: Backup, **payload: Any) -> dict[str, Any]:
        """Invoke the export function as the workflow does; the answer says `FunctionError` when it raised."""
        answer = self.client("lambda").invoke(
            FunctionName=self.resource("ExportBackupFunction"),
            Payload=json.dumps(
                {"step": name, "account_id": backup.account_id, "backup_id": backup.id, **payload}
            ).encode(),
        )
        return {"FunctionError": answer.get("FunctionError"), "Payload": json.loads(answer["Payload"].read())}

    @contextmanager
    def exporting_with(self, variables: Mapping[str, str], **configuration: Any) -> Iterator[None]:
        """In the block the export function has these variables besides its own, and this configuration.

        The local AWS ends a function's processes when its configuration changes, whatever is at work.
        """
        self.rest()
        functions, name = self.client("lambda"), self.resource("ExportBackupFunction")
        original = functions.get_function_configuration(FunctionName=name)
        own = original["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": own | dict(variables)}, **configuration
        )
        try:
            yield
        finally:
            self.rest()
            functions.update_function_configuration(
                FunctionName=name,
                Environment={"Variables": own},
                **{setting: original[setting] for setting in configuration},
            )

    def rest(self) -> None:
        """Wait until no execution is at work, or for as long as a small backup takes."""
        end = time.monotonic() + REST_SECONDS
        while self.executions("RUNNING") and time.monotonic() < end:
            time.sleep(0.1)

    @contextmanager
    def workflow_with(self, old: str, new: str) -> Iterator[None]:
        """In the block the workflow's definition has the one text wherever it had the other."""
        machines, arn = self.client("stepfunctions"), self.outputs["StateMachineArn"]
        definition = machines.describe_state_machine(stateMachineArn=arn)["definition"]
        assert old in definition
        machines.update_state_machine(stateMachineArn=arn, definition=definition.replace(old, new))
        try:
            yield
        finally:
            machines.update_state_machine(stateMachineArn=arn, definition=definition)

    def pending(self, account: seed.Account) -> Backup:
        """A pending backup without a workflow, for steps that are to be taken by hand."""
        backup = new_backup(
            backup_id=str(ULID()),
            account_id=account.id,
            account_name=account.name,
            encoding=account.encoding,
            requested_by=Person(sub="s", name="Ann Other", email="ann@example.com", language="en"),
            now=datetime.now(UTC),
        )
        self.store().claim(backup)
        return backup

    def store(self) -> BackupStore:
        return BackupStore(self.client("dynamodb"), self.outputs["BackupsTable"], self.trail())

    def trail(self) -> Trail:
        return Trail(self.client("dynamodb"), self.outputs["AuditTable"], days=1096)

    def put(self, table: str, item: Mapping[str, Any]) -> None:
        self.client("dynamodb").put_item(
            TableName=table, Item={name: _serialize(value) for name, value in item.items()}
        )

    def records_of(self, account_id: str) -> list[dict[str, Any]]:
        """The account's records in the service's own table."""
        answer = self.client("dynamodb").query(
            TableName=self.outputs["BackupsTable"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"ACCOUNT#{account_id}"}},
        )
        return [{name: _deserialize(value) for name, value in item.items()} for item in answer["Items"]]

    def records(self) -> Iterator[dict[str, Any]]:
        """Every account's records in the service's own table."""
        pages = self.client("dynamodb").get_paginator("scan")
        for page in pages.paginate(TableName=self.outputs["BackupsTable"], ConsistentRead=True):
            for item in page["Items"]:
                yield {name: _deserialize(value) for name, value in item.items()}

    def objects(self, prefix: str = "") -> list[str]:
        pages = self.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.outputs["Bucket"], Prefix=prefix)
        return [str(entry["Key"]) for page in found for entry in page.get("Contents", [])]

    def mails_about(self, file_name: str) -> list[Mail]:
        return [mail for mail in self.aws.mails() if file_name in mail.text]

    def resource(self, logical_id: str) -> str:
        """The physical id of a resource of the stack."""
        return str(self.resources()[logical_id])

    def resources(self) -> dict[str, str]:
        if "resources" not in self._clients:
            listed = self.client("cloudformation").describe_stack_resources(StackName="account-backup")
            self._clients["resources"] = {
                entry["LogicalResourceId"]: entry["PhysicalResourceId"] for entry in listed["StackResources"]
            }
        found: dict[str, str] = self._clients["resources"]
        return found

    def logs(self) -> Iterator[str]:
        """Every line of every log group of the stack."""
        for event in self.log_events():
            yield str(event["message"])

    def log_events(self) -> Iterator[dict[str, Any]]:
        """Every event of every log group of the stack, with its `group`."""
        logs = self.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                yield from ({**event, "group": group["logGroupName"]} for event in page["events"])


def eventually(probe: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """What `probe` returns, once it is something; asked until then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} seconds for {what}")
