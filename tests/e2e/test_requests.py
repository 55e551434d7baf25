"""Requests over real HTTP: who may, who may not, and many at once."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from local import people
from tests.e2e.world import World

TYPE = "tag:account-backup,2026:"


@contextmanager
def held_back(world: World) -> Iterator[None]:
    """Backups that begin now do not get on: Lambda throttles the export until the block ends."""
    functions, name = world.client("lambda"), world.resource("ExportBackupFunction")
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        functions.delete_function_concurrency(FunctionName=name)


def test_fifty_requests_at_once_make_one_backup(world: World) -> None:
    account = world.account()
    token = world.token(account.id)
    with ThreadPoolExecutor(50) as pool:
        # Fifty cold starts first, so that the requests below really meet.
        list(pool.map(lambda _: world.call("GET", "/backups", token), range(50)))
        with held_back(world):
            calls = [pool.submit(world.call, "POST", "/backups", token, json={}) for _ in range(50)]
            answers = [call.result() for call in calls]
    assert Counter(answer.status_code for answer in answers) == {202: 1, 409: 49}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 202]
    losers = [answer.json() for answer in answers if answer.status_code == 409]
    assert {loser["running"]["id"] for loser in losers} == {winner["id"]}
    assert all(winner["requested_at"] in loser["detail"] for loser in losers)
    mine = {record["backup_id"] for record in world.records_of(account.id) if "backup_id" in record}
    assert mine == {winner["id"]}
    assert world.outcome_of(winner["id"]) == "SUCCEEDED"
    assert world.executions().count(winner["id"]) == 1
    ours = [name for name in world.executions() if account.id in world.execution(name)["input"]]
    assert ours == [winner["id"]]


@contextmanager
def slower_stage(world: World, rate: int, burst: int) -> Iterator[None]:
    """The API takes fewer requests than the template says, so that a slow machine can ask too often too."""
    gateway, stage = world.client("apigateway"), {"restApiId": world.resource("Api"), "stageName": "v1"}
    (limits,) = gateway.get_stage(**stage)["methodSettings"].values()

    def set_to(rate: float, burst: int) -> None:
        paths = {"/*/*/throttling/rateLimit": rate, "/*/*/throttling/burstLimit": burst}
        operations = [{"op": "replace", "path": path, "value": str(value)} for path, value in paths.items()]
        gateway.update_stage(**stage, patchOperations=operations)

    set_to(rate, burst)
    try:
        yield
    finally:
        set_to(limits["throttlingRateLimit"], limits["throttlingBurstLimit"])


def test_a_script_that_posts_without_end_gets_one_backup_and_429(world: World) -> None:
    token = world.token(world.account().id)
    with slower_stage(world, rate=2, burst=10), ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(world.call, "POST", "/backups", token, json={}) for _ in range(100)]
        statuses = Counter(call.result().status_code for call in calls)
    assert statuses[429] > 0
    # The first backup may have ended by then and another one begun, but never are two alive.
    assert statuses[202] >= 1
    assert set(statuses) == {202, 409, 429}


def test_after_the_backup_another_one_may_be_asked_for(world: World) -> None:
    account = world.account()
    token = world.token(account.id)
    first, second = (world.ended(token, world.ask(token)) for _ in range(2))
    assert first["state"] == second["state"] == "ready"
    history = world.call("GET", "/backups", token).json()["history"]
    assert [backup["id"] for backup in history] == [second["id"], first["id"]]


def test_while_it_runs_the_tab_names_it_and_the_last_one_stays(world: World) -> None:
    account = world.account()
    token = world.token(account.id)
    first = world.ended(token, world.ask(token))
    running = world.pending(account)
    overview = world.call("GET", "/backups", token).json()
    assert overview["running"]["id"] == running.id
    assert overview["may_request"] is False
    assert overview["why_not"]["type"] == TYPE + "backup-running"
    assert overview["last_ready"]["id"] == first["id"]


def forged(token: str) -> dict[str, str]:
    header, payload, signature = token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    other = base64.urlsafe_b64encode(json.dumps(claims | {"custom:account_id": "1"}).encode()).rstrip(b"=")
    return {
        "empty": "",
        "garbage": "garbage",
        "three parts of garbage": "a.b.c",
        "alg none": f"{none}.{payload}.",
        "altered claims": f"{header}.{other.decode()}.{signature}",
        "altered signature": f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
    }


@pytest.mark.parametrize("kind", list(forged("e30.e30.00000000")))
def test_a_token_that_is_not_ours_is_refused_before_any_function_runs(world: World, kind: str) -> None:
    account = world.account()
    token = forged(world.token(account.id))[kind]
    for method, path in (("POST", "/backups"), ("GET", "/backups"), ("GET", "/backups/0")):
        answer = world.call(method, path, token, json={})
        assert answer.status_code == 401
        assert "tag:" not in answer.text  # API Gateway's own answer, not the function's
    assert [record["sk"] for record in world.records_of(account.id)] == ["SETTINGS"]


def test_an_access_token_is_refused(world: World) -> None:
    account = world.account()
    cognito = world.client("cognito-idp")
    person = people.Person(f"access-{account.id}@example.com", "Ann", account.id)
    people.add(cognito, world.outputs, person)
    tokens = cognito.admin_initiate_auth(
        UserPoolId=world.outputs["UserPoolId"],
        ClientId=world.outputs["AppClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": person.email, "PASSWORD": person.password},
    )["AuthenticationResult"]
    assert world.call("POST", "/backups", tokens["AccessToken"], json={}).status_code == 401
    assert world.call("POST", "/backups", tokens["IdToken"], json={}).status_code == 202


def test_a_token_of_another_client_is_refused(world: World) -> None:
    token = world.token_of_another_client(world.account().id)
    answer = world.call("POST", "/backups", token, json={})
    assert (answer.status_code, answer.json()["type"]) == (401, TYPE + "unauthorized")


def refusal(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, str(body["type"]).removeprefix(TYPE)


def test_who_may_not_ask_is_told_why_and_nothing_is_written(world: World) -> None:
    account, small = world.account(), world.account(plan="team")
    refused = {
        "no-account": world.token(None),
        "unknown-account": world.token("77777777"),
        "plan-without-backups": world.token(small.id),
        "not-an-admin": world.token(account.id, group=None),
    }
    for slug, token in refused.items():
        assert refusal(world.call("POST", "/backups", token, json={})) == (403, slug)
    for account_id in (account.id, small.id, "77777777"):
        assert {record["sk"] for record in world.records_of(account_id)} <= {"SETTINGS"}
    assert (
        "sales@example.com" in world.call("POST", "/backups", refused["plan-without-backups"], json={}).text
    )


def test_another_accounts_backup_is_answered_like_one_that_never_was(world: World) -> None:
    mine, theirs = world.token(world.account().id), world.token(world.account().id)
    backup_id = world.ask(theirs)
    never_was = backup_id[:-4] + "0000"
    for method, path in (("GET", ""), ("POST", "/download-url")):
        foreign = world.call(method, f"/backups/{backup_id}{path}", mine)
        unknown = world.call(method, f"/backups/{never_was}{path}", mine)
        assert refusal(foreign) == (404, "unknown-backup")
        assert foreign.content == unknown.content
    listed = world.call("GET", f"/backups?before={backup_id}", mine).json()
    assert listed["history"] == []
    world.outcome_of(backup_id)


def test_an_account_in_path_query_or_body_has_no_effect(world: World) -> None:
    theirs = world.account()
    token = world.token(world.account().id)
    assert world.call("POST", f"/backups?account_id={theirs.id}", token, json={}).status_code == 202
    assert world.call("POST", "/backups", token, json={"account_id": theirs.id}).status_code == 422
    assert [record["sk"] for record in world.records_of(theirs.id)] == ["SETTINGS"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b"[]", 400),
        (b'"x"', 400),
        (b"{", 400),
        (b'{"encoding":"utf-8","encoding":"utf-8"}', 400),
        (b"[" * 10_000, 400),
        (b'{"encoding":NaN}', 400),
        (b'{"encoding":1e400}', 400),
        (b'{"language":"' + b"x" * 3_000_000 + b'"}', 400),
        (b'{"colour":"red"}', 422),
        (b'{"encoding":1}', 422),
        (b'{"encoding":"rot13"}', 422),
        (b'{"encoding":"utf-8\\u0000"}', 422),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_body_is_a_problem_and_writes_nothing(world: World, body: bytes, status: int) -> None:
    account = world.account()
    token = world.token(account.id)
    answer = world.call("POST", "/backups", token, data=body, headers={"Content-Type": "application/json"})
    assert refusal(answer)[0] == status
    assert [record["sk"] for record in world.records_of(account.id)] == ["SETTINGS"]


@pytest.mark.parametrize(
    "backup_id",
    ["..%2F..%2Fetc", "%2e%2e", "a%23b", "%00", "x" * 8_000, "٠١٢", "%C0%80", "'%20OR%201=1", "{{7*7}}"],
    ids=lambda value: value[:20],
)
def test_an_id_that_is_none_is_not_found(world: World, backup_id: str) -> None:
    token = world.token(world.account().id)
    # 403 is API Gateway's own answer to a path that, decoded, is none of the routes.
    assert world.call("GET", f"/backups/{backup_id}", token).status_code in (400, 403, 404)
    assert world.call("POST", f"/backups/{backup_id}/download-url", token).status_code in (400, 403, 404)


def test_the_description_is_served_without_sign_in(world: World) -> None:
    answer = world.call("GET", "/openapi.yaml")
    assert answer.status_code == 200
    assert answer.text.startswith("openapi: 3.1")
