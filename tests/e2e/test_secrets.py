"""What operators can read holds ids and counts: no link, token, address, row, or place of an archive.

Read are all log groups of the stack (whatever other tests have left there too), the inputs, outputs and
histories of the workflow's executions, and the backups' records. Looked for is what went through them:
backups of one account that were downloaded, deleted, cancelled, and failed, and requests that were refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import pytest
import requests
from ulid import ULID

from tests.e2e.statements import without
from tests.e2e.test_requests import held_back
from tests.e2e.world import World, eventually

ENOUGH = 20
"""Characters that make a text one that stands nowhere by chance."""


@dataclass
class Life:
    """`secrets` are texts by kind; `backups` the ids by how they ended."""

    account_id: str
    backups: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, set[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def life(world: World) -> Life:
    canary = str(ULID()).lower()
    account = world.account(name=f"Canary {canary} Ltd", comments=200)
    records = world.fill(account)
    person = world.person(account.id, name=f"Ann {canary} Other", locale="nl")
    token = world.token(account.id, name=f"Bob {canary} Other")
    tokens, life = {token}, Life(account.id)

    for state in ("ready", "deleted"):
        life.backups[state] = world.ask(token, {"encoding": "utf-16", "language": "de"})
        assert world.ended(token, life.backups[state])["state"] == "ready"
    links = {
        world.call("POST", f"/backups/{backup_id}/download-url", token).json()["url"]
        for backup_id in life.backups.values()
    }
    links |= {
        line.strip()
        for mail in world.aws.mails()
        for line in mail.text.splitlines()
        if "X-Amz-Signature" in line and account.id in line
    }
    assert len(links) == 4
    assert {requests.get(link, timeout=10).status_code for link in links} == {200}
    world.call("DELETE", f"/backups/{life.backups['deleted']}", token)
    with held_back(world):
        life.backups["cancelled"] = world.ask(token)
        world.call("DELETE", f"/backups/{life.backups['cancelled']}", token)
    with without(world, ("ExportBackupRole", "ReadAccountData")):
        life.backups["failed"] = world.ask(token)
        assert world.ended(token, life.backups["failed"])["state"] == "failed"
    life.backups["pending"] = world.pending(account).id
    for method, path, body in (
        ("POST", "/backups", f'{{"{canary}": 1}}'),
        ("POST", "/backups", f'{{"encoding": "{canary}"'),
        ("PUT", "/settings", f'{{"encoding": "{canary}"}}'),
        ("GET", f"/backups/{canary}", ""),
        ("GET", f"/backups?before={canary}", ""),
        ("DELETE", f"/backups/{life.backups['failed']}?expect={canary}", ""),
        ("GET", f"/page/{canary}", ""),
    ):
        answer = world.call(method, path, token, data=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500

    values = [value for _, item in records for value in item.values() if isinstance(value, str)]
    kept = [record for record in world.records_of(account.id) if "object_key" in record]
    life.secrets = {
        "token": {part for token in tokens for part in token.split(".")[1:]} | {"eyJ"},
        "address": {person.email, "@example.com", "@example.org"},
        "link": {link.rpartition("X-Amz-Signature=")[2][:64] for link in links} | {"X-Amz-"},
        "place": {str(record["object_key"]).split("/")[1] for record in kept},
        "name, or text of a request": {canary},
        "row": {value for value in values if len(value) >= ENOUGH and " " in value and canary not in value},
        "value that is never exported": {value for value in values if "SECRET-" in value},
    }
    assert all(life.secrets.values())
    return life


def found(secrets: Mapping[str, set[str]], text: str) -> dict[str, list[str]]:
    """What of it stands in the text, as it is or as JSON writes it, by kind."""
    hits: dict[str, list[str]] = {}
    for kind, texts in secrets.items():
        for secret in texts:
            forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
            # A JSON document within JSON, as Step Functions keeps causes.
            forms |= {json.dumps(form)[1:-1] for form in forms}
            if any(form in text for form in forms):
                hits.setdefault(kind, []).append(secret[:30])
    return hits


def history_of(world: World, backup_id: str) -> Iterator[str]:
    execution = world.execution(backup_id)
    yield json.dumps(execution, default=str)
    pages = world.client("stepfunctions").get_paginator("get_execution_history")
    for page in pages.paginate(executionArn=execution["executionArn"], includeExecutionData=True):
        yield from (json.dumps(event, default=str) for event in page["events"])


def test_what_is_looked_for_is_found_where_it_stands() -> None:
    secrets = {"row": {'say "é"\n'}, "link": {"X-Amz-"}}
    for text in ('say "é"\n', json.dumps('say "é"\n'), json.dumps(json.dumps({"cause": 'say "é"\n'}))):
        assert found(secrets, text) == {"row": ['say "é"\n']}
    assert found(secrets, "say") == {}


def test_no_log_holds_any_of_it(world: World, life: Life) -> None:
    logged = [backup_id for state, backup_id in life.backups.items() if state != "pending"]

    def told() -> str | None:
        lines = "\n".join(world.logs())
        return lines if all(backup_id in lines for backup_id in logged) else None

    log = eventually(told, "the functions' logs")
    assert found(life.secrets, log) == {}


def test_no_execution_holds_any_of_it(world: World, life: Life) -> None:
    for state in ("ready", "deleted", "cancelled", "failed"):
        history = "\n".join(history_of(world, life.backups[state]))
        assert life.backups[state] in history
        assert found(life.secrets, history) == {}, state


def test_a_backups_record_holds_whom_it_is_for_and_where_it_lies_and_nothing_else_of_it(
    world: World, life: Life
) -> None:
    """The address and the place are what notify and the API need; table and roles keep them."""
    needed = {"address", "place", "name, or text of a request"}
    never = {kind: texts for kind, texts in life.secrets.items() if kind not in needed}
    records = world.records_of(life.account_id)
    assert {record["backup_id"] for record in records if "backup_id" in record} == set(life.backups.values())
    assert found(never, json.dumps(records, default=str, ensure_ascii=False)) == {}


def test_the_api_shows_no_address_and_no_place(world: World, life: Life) -> None:
    colleague = world.token(life.account_id, group=None)
    asked: list[Callable[[], requests.Response]] = [
        lambda: world.call("GET", "/backups", colleague),
        *(partial(world.call, "GET", f"/backups/{one}", colleague) for one in life.backups.values()),
    ]
    never = {kind: texts for kind, texts in life.secrets.items() if not kind.startswith("name")}
    for ask in asked:
        assert found(never, ask().text) == {}
