"""The audit trail of real backups on the stack as it is deployed: complete, in order, for administrators."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.aws import REGION
from shared import audit
from shared.backup import Person
from shared.trail import Trail
from tests.e2e import tab
from tests.e2e.statements import without
from tests.e2e.test_requests import held_back, refusal
from tests.e2e.world import World


def trail_of(world: World, token: str) -> list[dict[str, Any]]:
    """All of it, oldest first, by following `next`."""
    entries: list[dict[str, Any]] = []
    query: str | None = ""
    while query is not None:
        page = world.call("GET", f"/audit{query}", token).json()
        entries += page["entries"]
        query = page["next"]
    return entries[::-1]


def told(entry: dict[str, Any], names: dict[str, str]) -> tuple[str, ...]:
    """Event, which backup, who, and what else there is to tell, as one line each."""
    more = [entry[name] for name in ("reason", "encoding") if name in entry]
    if "link" in entry:
        more.append(entry["link"]["way"])
    backup = names[entry["backup"]["id"]] if "backup" in entry else ""
    return (entry["event"], backup, entry.get("by", {}).get("name", ""), *more)


def test_the_trail_of_a_life_of_five_backups_is_complete_and_in_order(world: World) -> None:
    account = world.account()
    world.fill(account)
    ann, bo = (world.token(account.id, name=name) for name in ("Ann Other", "Bo de Vries"))
    # The clock of the local AWS cannot be turned: this life was lived by the store alone, fifteen days ago.
    old = tab.ready(world, account, age=timedelta(days=15), name="Ann Other")
    ready = world.ended(ann, world.ask(ann))
    assert world.call("POST", f"/backups/{ready['id']}/download-url", bo).status_code == 200
    with without(world, ("ExportBackupRole", "ReadAccountData")):
        failed = world.ended(bo, world.ask(bo))
    assert world.call("PUT", "/settings", ann, json={"encoding": "utf-16"}).status_code == 200
    with held_back(world):
        cancelled = world.ask(ann)
        assert world.call("DELETE", f"/backups/{cancelled}?expect=running", bo).status_code == 200
    deleted = world.ended(bo, world.ask(bo))
    for _ in range(2):  # doing it again changes nothing
        assert world.call("DELETE", f"/backups/{deleted['id']}?expect=ready", ann).status_code == 200
    names = {
        old.id: "old",
        ready["id"]: "ready",
        failed["id"]: "failed",
        cancelled: "cancelled",
        deleted["id"]: "deleted",
    }
    entries = trail_of(world, ann)
    assert [told(entry, names) for entry in entries] == [
        ("requested", "old", "Ann Other"),
        ("ready", "old", ""),
        ("expired", "old", ""),
        ("requested", "ready", "Ann Other"),
        ("ready", "ready", ""),
        ("link_made", "ready", "Ann Other", "mail"),
        ("link_made", "ready", "Bo de Vries", "tab"),
        ("requested", "failed", "Bo de Vries"),
        ("failed", "failed", "", failed["failure"]["reason"]),
        ("settings_changed", "", "Ann Other", "utf-16"),
        ("requested", "cancelled", "Ann Other"),
        ("cancelled", "cancelled", "Bo de Vries"),
        ("requested", "deleted", "Bo de Vries"),
        ("ready", "deleted", ""),
        ("link_made", "deleted", "Bo de Vries", "mail"),
        ("deleted", "deleted", "Ann Other"),
    ]
    moments = [datetime.fromisoformat(entry["at"]) for entry in entries]
    assert moments == sorted(moments)
    assert len({entry["id"] for entry in entries}) == len(entries)
    # What the trail and the API say of one thing is the same.
    assert entries[2]["at"] == entries[1]["expires_at"]
    assert entries[4]["expires_at"] == ready["expires_at"]
    for secret in ("X-Amz-", "@example.com", ready["file"]["name"]):
        assert secret not in world.call("GET", "/audit", ann).text


def test_the_trail_is_for_administrators_of_the_account_alone(world: World) -> None:
    account = world.account()
    token, colleague = world.token(account.id), world.token(account.id, group=None)
    stranger = world.token(world.account().id)
    backup_id = world.ask(token)
    world.outcome_of(backup_id)
    assert refusal(world.call("GET", "/audit", colleague)) == (403, "not-an-admin")
    assert world.call("GET", "/audit").status_code == 401
    assert trail_of(world, stranger) == []
    assert len(trail_of(world, token)) == 3


ROLES = ("RequestBackupRole", "ExportBackupRole", "NotifyRole", "SweepBackupsRole")
CHANGES: dict[str, Callable[[Any, str, dict[str, Any]], object]] = {
    "update": lambda client, table, key: client.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET #by = :nobody",
        ExpressionAttributeNames={"#by": "by"},
        ExpressionAttributeValues={":nobody": {"S": "nobody"}},
    ),
    "delete": lambda client, table, key: client.delete_item(TableName=table, Key=key),
    "delete in a batch": lambda client, table, key: client.batch_write_item(
        RequestItems={table: [{"DeleteRequest": {"Key": key}}]}
    ),
    "delete in a transaction": lambda client, table, key: client.transact_write_items(
        TransactItems=[{"Delete": {"TableName": table, "Key": key}}]
    ),
}


@pytest.fixture(scope="module", params=ROLES)
def in_its_role(world: World, request: pytest.FixtureRequest) -> Iterator[Any]:
    """DynamoDB as a function meets it: in a role that may do exactly what the function's own role may."""
    iam, name = world.client("iam"), world.resource(request.param)
    copy = f"copy-of-{request.param}"
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=copy, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
    for policy in policies:
        found = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        iam.put_role_policy(RoleName=copy, PolicyName=policy, PolicyDocument=json.dumps(found))
    taken = world.client("sts").assume_role(RoleArn=arn, RoleSessionName="trial")["Credentials"]
    session: Any = boto3.Session(
        taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"], REGION
    )
    yield session.client("dynamodb", endpoint_url=world.aws.endpoint)
    for policy in policies:
        iam.delete_role_policy(RoleName=copy, PolicyName=policy)
    iam.delete_role(RoleName=copy)


@pytest.mark.parametrize("change", CHANGES)
def test_no_function_may_change_or_delete_an_entry(world: World, in_its_role: Any, change: str) -> None:
    account = world.account()
    world.pending(account)
    trail = world.trail().page(account.id, datetime.now(UTC), limit=10)
    key = {"pk": {"S": f"ACCOUNT#{account.id}"}, "sk": {"S": trail[0].id}}
    with pytest.raises(ClientError) as refused:
        CHANGES[change](in_its_role, world.outputs["AuditTable"], key)
    assert refused.value.response["Error"]["Code"] in ("AccessDeniedException", "AccessDenied")
    assert world.trail().page(account.id, datetime.now(UTC), limit=10) == trail


def test_every_function_may_append_an_entry(world: World, in_its_role: Any) -> None:
    """As the control of the trials above: it is the right that is wanting there, not the way to it."""
    account = world.account()
    person = Person(sub="s", name="Ann Other", email=None, language="en")
    trail = Trail(in_its_role, world.outputs["AuditTable"], days=1)
    trail.append(audit.encoding_chosen(account.id, "utf-16", person, datetime.now(UTC)))
    assert len(world.trail().page(account.id, datetime.now(UTC), limit=10)) == 1
