"""PUT /settings: the account's own encoding, chosen by those who may."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.encodings import ENCODING_NAMES
from tests.unit.request_backup.api_world import CLIENT, SALES, ApiWorld, claims_of
from tests.unit.shared.backups_table import next_account_id


def test_a_chosen_encoding_is_the_next_backup_s_and_stays_when_the_product_writes_again(
    world: ApiWorld, account: str
) -> None:
    answer = world.choose(account, '{"encoding": "shift_jis"}')
    assert (answer.status, answer.body) == (200, {"encoding": "shift_jis"})
    world.table.set_account(account, encoding="utf-16")
    assert world.get(account, "/backups").body["account"]["encoding"] == "shift_jis"
    assert world.request(account).body["encoding"] == "shift_jis"


def test_what_is_running_keeps_its_encoding(world: ApiWorld, account: str) -> None:
    backup_id = world.request(account).body["id"]
    world.choose(account, '{"encoding": "big5"}')
    assert world.get(account, f"/backups/{backup_id}").body["encoding"] == "windows-1252"


def test_a_wish_for_one_backup_counts_more_and_changes_no_choice(world: ApiWorld, account: str) -> None:
    world.choose(account, '{"encoding": "big5"}')
    assert world.request(account, '{"encoding": "utf-16"}').body["encoding"] == "utf-16"
    assert world.get(account, "/backups").body["account"]["encoding"] == "big5"


@pytest.mark.parametrize("name", ENCODING_NAMES)
def test_every_offered_encoding_can_be_chosen_again_and_again(
    world: ApiWorld, account: str, name: str
) -> None:
    for _ in range(2):
        assert world.choose(account, json.dumps({"encoding": name})).body == {"encoding": name}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, ["encoding"]),
        ({"encoding": None}, ["encoding"]),
        ({"encoding": 1}, ["encoding"]),
        ({"encoding": ["utf-8"]}, ["encoding"]),
        ({"encoding": "rot13"}, ["encoding"]),
        ({"encoding": "UTF-8"}, ["encoding"]),
        ({"encoding": "utf-8\0"}, ["encoding"]),
        ({"encoding": "utf-8", "language": "nl"}, ["language"]),
        ({"encoding": "utf-8", "plan": "enterprise"}, ["plan"]),
        ({"account_id": "1"}, ["account_id", "encoding"]),
    ],
)
def test_what_cannot_be_set_is_422_naming_the_field_and_listing_what_can(
    world: ApiWorld, account: str, fields: dict[str, Any], named: list[str]
) -> None:
    answer = world.choose(account, json.dumps(fields))
    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert [error["field"] for error in answer.body["errors"]] == named
    for error in answer.body["errors"]:
        if error["field"] == "encoding":
            assert all(name in error["problem"] for name in ENCODING_NAMES)
    assert set(world.table.records(account)) == {"SETTINGS"}


@pytest.mark.parametrize(
    ("claims", "status", "problem"),
    [
        (None, 401, "unauthorized"),
        ({"token_use": "access", "aud": None, "client_id": CLIENT}, 401, "unauthorized"),
        ({"custom:account_id": None}, 403, "no-account"),
        ({"custom:account_id": "424242424242"}, 403, "unknown-account"),
        ({"cognito:groups": None}, 403, "not-an-admin"),
    ],
)
def test_who_may_not_is_told_why_and_nothing_is_chosen(
    world: ApiWorld, account: str, claims: dict[str, str | None] | None, status: int, problem: str
) -> None:
    answer = world.choose(account, '{"encoding": "big5"}', claims=claims and claims_of(account, **claims))
    assert (answer.status, answer.problem) == (status, problem)
    assert set(world.table.records(account)) == {"SETTINGS"}
    assert world.table.records("424242424242") == {}


def test_a_plan_without_backups_has_nothing_to_set(world: ApiWorld) -> None:
    account = next_account_id()
    world.table.set_account(account, plan="Select")
    answer = world.choose(account, '{"encoding": "big5"}')
    assert (answer.status, answer.problem, answer.body["contact"]) == (403, "plan-without-backups", SALES)
    assert set(world.table.records(account)) == {"SETTINGS"}


def test_a_busy_table_is_503(world: ApiWorld, account: str) -> None:
    world.table.line.refuse("TransactWriteItems", 400, "ProvisionedThroughputExceededException")
    assert world.choose(account, '{"encoding": "big5"}').status == 503


def test_who_chose_what_is_logged(world: ApiWorld, account: str) -> None:
    world.choose(account, '{"encoding": "big5"}')
    (line,) = [json.loads(line) for line in world.log.getvalue().splitlines()]
    assert (line["message"], line["account_id"], line["encoding"]) == ("encoding chosen", account, "big5")
    assert line["user"] == claims_of(account)["sub"]
