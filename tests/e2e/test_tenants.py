"""Of another account nothing can be learned or changed, by any route, id, cursor, query or body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import requests
import yaml  # type: ignore[import-untyped]
from ulid import ULID

from functions.request_backup.routes import OPENAPI
from local import seed
from tests.e2e.test_requests import TYPE
from tests.e2e.world import World

SPEC: dict[str, Any] = yaml.safe_load(OPENAPI.read_text())
OF_ONE_BACKUP = [
    (method.upper(), path)
    for path, item in SPEC["paths"].items()
    for method in item
    if "{id}" in path and method != "parameters"
]
STATES = ["ready", "deleted", "cancelled", "pending"]
PER_CALL = {"date", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id", "x-amz-request-id", "x-amz-id-2"}
"""Headers of an answer that differ from call to call, whatever was asked."""


@dataclass
class Neighbour:
    """An account with a backup in each state, and the tokens of its administrator and of a stranger's."""

    account: seed.Account
    backups: dict[str, str]
    token: str
    stranger: str
    strangers_account: seed.Account


@pytest.fixture(scope="module")
def neighbour(world: World) -> Neighbour:
    account, other = world.account(), world.account()
    token, stranger = world.token(account.id), world.token(other.id)
    ready, deleted = (str(world.ended(token, world.ask(token))["id"]) for _ in range(2))
    assert world.call("DELETE", f"/backups/{deleted}", token).status_code == 200
    cancelled = world.pending(account).id
    assert world.call("DELETE", f"/backups/{cancelled}", token).status_code == 200
    backups = {
        "ready": ready,
        "deleted": deleted,
        "cancelled": cancelled,
        "pending": world.pending(account).id,
    }
    # The stranger has a history too, on both sides of the neighbour's in time.
    assert world.ended(stranger, world.ask(stranger))["state"] == "ready"
    return Neighbour(account, backups, token, stranger, other)


def told(answer: requests.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in PER_CALL}
    return answer.status_code, headers, answer.content


def state_of(world: World, neighbour: Neighbour) -> tuple[object, ...]:
    """All that the account has: records, settings, files, executions."""
    return (
        world.records_of(neighbour.account.id),
        sorted(key for key in world.objects() if neighbour.account.id in key),
        sorted(name for name in world.executions() if name in neighbour.backups.values()),
    )


def test_there_are_routes_to_try() -> None:
    assert len(OF_ONE_BACKUP) >= 3


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("method", "path"), OF_ONE_BACKUP)
def test_another_accounts_id_is_answered_word_for_word_like_one_that_never_was(
    world: World, neighbour: Neighbour, method: str, path: str, state: str
) -> None:
    before = state_of(world, neighbour)
    # With the same moment in it, so that nothing but whose it is tells the two apart.
    never_was = neighbour.backups[state][:10] + str(ULID())[10:]
    queries = ("", "?expect=running", "?expect=ready") if method == "DELETE" else ("",)
    for query in (*queries, f"?account_id={neighbour.account.id}"):
        theirs, unknown = (
            told(world.call(method, path.format(id=backup_id) + query, neighbour.stranger))
            for backup_id in (neighbour.backups[state], never_was)
        )
        assert theirs == unknown
        assert theirs[0] == 404
        assert neighbour.backups[state].encode() not in theirs[2]
    assert state_of(world, neighbour) == before


@pytest.mark.parametrize("state", STATES)
def test_another_accounts_id_as_a_cursor_is_a_moment_and_nothing_more(
    world: World, neighbour: Neighbour, state: str
) -> None:
    never_was = neighbour.backups[state][:10] + str(ULID())[10:]
    theirs, unknown = (
        told(world.call("GET", f"/backups?before={backup_id}", neighbour.stranger))
        for backup_id in (neighbour.backups[state], never_was)
    )
    assert theirs == unknown
    assert theirs[0] == 200
    own = world.call("GET", "/backups", neighbour.stranger).text
    for text in (theirs[2].decode(), own):
        assert neighbour.account.id not in text
        assert not [backup_id for backup_id in neighbour.backups.values() if backup_id in text]


def test_an_account_named_anywhere_but_in_the_token_is_not_heard(world: World, neighbour: Neighbour) -> None:
    before, theirs = state_of(world, neighbour), neighbour.account.id
    named = {"headers": {"X-Account-Id": theirs, "Cookie": f"custom:account_id={theirs}"}}
    for method, path, body, status in (
        ("PUT", f"/settings?account_id={theirs}", {"encoding": "utf-16"}, 200),
        ("PUT", "/settings", {"encoding": "utf-16", "account_id": theirs}, 422),
        ("POST", "/backups", {"account_id": theirs}, 422),
        ("POST", "/backups", {"custom:account_id": theirs}, 422),
        ("POST", f"/backups?account_id={theirs}&custom:account_id={theirs}", {}, 202),
    ):
        assert world.call(method, path, neighbour.stranger, json=body, **named).status_code == status
    assert state_of(world, neighbour) == before
    overview = world.call("GET", f"/backups?account_id={theirs}", neighbour.stranger, **named).json()
    assert overview["account"]["id"] == neighbour.strangers_account.id
    assert overview["account"]["encoding"] == "utf-16"


def test_another_accounts_file_has_no_link_for_a_stranger(world: World, neighbour: Neighbour) -> None:
    """Not even for one who got to know where it lies: a signature is good for one place."""
    own = world.call("GET", "/backups", neighbour.stranger).json()["last_ready"]["id"]
    theirs, mine = (
        world.call("POST", f"/backups/{backup_id}/download-url", token).json()["url"]
        for backup_id, token in ((neighbour.backups["ready"], neighbour.token), (own, neighbour.stranger))
    )
    place, signature = theirs.partition("?")[0], mine.partition("?")[2]
    assert requests.get(theirs, timeout=10).status_code == 200
    assert requests.get(f"{place}?{signature}", timeout=10).status_code == 403


@pytest.mark.parametrize("account_id", ["0{}", "{}0", "{}#FILES", " {}", "{}\n", "+{}", "٢0001", ""])
def test_an_account_id_that_looks_like_another_accounts_is_not_that_account(
    world: World, neighbour: Neighbour, account_id: str
) -> None:
    near = account_id.format(neighbour.account.id)
    token = world.token(near)
    answer = world.call("GET", f"/backups/{neighbour.backups['ready']}", token)
    assert answer.status_code == 403
    assert answer.json()["type"] in {TYPE + "no-account", TYPE + "unknown-account"}
    assert world.call("POST", "/backups", token, json={}).status_code == 403
