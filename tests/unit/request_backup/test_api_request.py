"""POST /backups: one backup at a time, by those who may, and never half."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from shared.backup import Reason, State
from shared.moments import to_text
from tests.unit.request_backup.api_world import CLIENT, SALES, ApiWorld, claims_of
from tests.unit.shared.backups_table import THROTTLED, next_account_id


def pending_of(world: ApiWorld, account: str) -> Any:
    return world.table.records(account).get("PENDING")


def test_a_request_is_accepted_recorded_and_started(world: ApiWorld, account: str) -> None:
    answer = world.request(account)
    (backup_id,) = world.given_ids[-1:]
    assert answer.status == 202
    assert answer.body == {
        "id": backup_id,
        "state": "pending",
        "requested_at": to_text(world.table.now),
        "requested_by": {"name": "Ann"},
        "scheduled": False,
        "encoding": "windows-1252",
        "progress": {"units": None, "units_done": 0, "records": 0},
    }
    assert world.calls == {"GetItem": 2, "TransactWriteItems": 1, "StartExecution": 1}
    assert world.executions(backup_id) == [{"account_id": account, "backup_id": backup_id}]
    running = world.store.running(account)
    assert running is not None
    assert (running.id, running.state, running.snapshot_at) == (backup_id, State.PENDING, world.table.now)
    assert running.requested_by.email == "ann@example.com"
    assert running.requested_by.language == "nl"
    assert re.fullmatch(rf"{account}_{world.table.now:%d_%m_%Y}_[0-9]{{5}}\.zip", running.file_name)


def test_location_leads_to_the_backup(world: ApiWorld, account: str) -> None:
    answer = world.request(account)
    followed = world.follow("/backups", answer.headers["Location"], account)
    assert followed.status == 200
    assert followed.body == answer.body


def test_the_answer_has_neither_the_address_nor_the_place_of_the_archive(
    world: ApiWorld, account: str
) -> None:
    answer = world.request(account)
    running = world.store.running(account)
    assert running is not None
    assert "ann@example.com" not in answer.text
    assert running.object_key not in answer.text
    assert running.requested_by.sub not in answer.text


def test_encoding_and_language_can_be_wished_for_one_backup(world: ApiWorld, account: str) -> None:
    answer = world.request(account, '{"encoding": "utf-16", "language": "pt-BR"}')
    assert answer.status == 202
    running = world.store.running(account)
    assert running is not None
    assert running.encoding == answer.body["encoding"] == "utf-16"
    assert running.requested_by.language == "pt-BR"


def test_an_account_set_to_an_encoding_that_there_is_not_gets_utf_8(world: ApiWorld) -> None:
    account = next_account_id()
    world.table.set_account(account, encoding="rot13")
    assert world.request(account).body["encoding"] == "utf-8"


@pytest.mark.parametrize("plan", ["enterprise", "Unlimited", "ENTERPRISE"])
def test_plans_with_backups_are_told_by_name_in_any_case(world: ApiWorld, plan: str) -> None:
    account = next_account_id()
    world.table.set_account(account, plan=plan)
    assert world.request(account).status == 202


def test_a_request_while_one_runs_is_told_which_and_since_when(world: ApiWorld, account: str) -> None:
    first = world.request(account).body
    before = world.table.records(account)
    second = world.request(account, claims=claims_of(account, name="Bob"))
    assert (second.status, second.problem) == (409, "backup-running")
    assert second.body["running"] == {"id": first["id"], "requested_at": first["requested_at"]}
    assert first["id"] in second.body["detail"]
    assert world.table.records(account) == before
    assert world.calls["StartExecution"] == 1


def test_an_account_is_free_again_once_its_backup_has_ended(world: ApiWorld, account: str) -> None:
    world.table.failed(account)
    world.table.ready(account)
    assert world.request(account).status == 202


def test_accounts_do_not_wait_for_each_other(world: ApiWorld, account: str) -> None:
    world.request(account)
    other = next_account_id()
    world.table.set_account(other)
    assert world.request(other).status == 202


# --- who may not ---


@pytest.mark.parametrize(
    ("claims", "status", "problem"),
    [
        (None, 401, "unauthorized"),
        ({"token_use": "access"}, 401, "unauthorized"),
        ({"token_use": "access", "aud": None, "client_id": CLIENT}, 401, "unauthorized"),
        ({"aud": "another-client"}, 401, "unauthorized"),
        ({"aud": None}, 401, "unauthorized"),
        ({"custom:account_id": None}, 403, "no-account"),
        ({"custom:account_id": ""}, 403, "no-account"),
        ({"custom:account_id": "../1"}, 403, "no-account"),
        ({"custom:account_id": "9789#FILES"}, 403, "no-account"),
        ({"custom:account_id": "\u0669\u0667"}, 403, "no-account"),
        ({"custom:account_id": "424242424242"}, 403, "unknown-account"),
        ({"cognito:groups": None}, 403, "not-an-admin"),
        ({"cognito:groups": ""}, 403, "not-an-admin"),
        ({"cognito:groups": "account-admins-not,staff"}, 403, "not-an-admin"),
        ({"cognito:groups": "[reviewers xaccount-admins]"}, 403, "not-an-admin"),
        ({"cognito:groups": "ACCOUNT-ADMINS"}, 403, "not-an-admin"),
    ],
)
def test_who_may_not_is_told_why_and_nothing_is_written(
    world: ApiWorld, account: str, claims: dict[str, str | None] | None, status: int, problem: str
) -> None:
    answer = world.request(account, claims=claims and claims_of(account, **claims))
    assert (answer.status, answer.problem) == (status, problem)
    assert pending_of(world, account) is None
    assert not {"TransactWriteItems", "StartExecution"} & set(world.calls)


@pytest.mark.parametrize(
    "groups",
    [
        "account-admins",
        "staff,account-admins",
        "[staff account-admins]",
        "[account-admins]",
        "a,account-admins,b",
    ],
)
def test_groups_are_read_as_api_gateway_sends_them(world: ApiWorld, account: str, groups: str) -> None:
    assert world.request(account, claims=claims_of(account, **{"cognito:groups": groups})).status == 202


def test_a_plan_without_backups_is_sent_to_sales(world: ApiWorld) -> None:
    account = next_account_id()
    world.table.set_account(account, plan="Select")
    answer = world.request(account)
    assert (answer.status, answer.problem) == (403, "plan-without-backups")
    assert answer.body["contact"] == SALES
    assert SALES in answer.body["detail"]
    assert pending_of(world, account) is None


def test_the_account_is_the_token_s_whatever_path_query_and_body_say(world: ApiWorld, account: str) -> None:
    other = next_account_id()
    world.table.set_account(other)
    answer = world.request(account, json.dumps({"account_id": other}), query={"account_id": other})
    assert (answer.status, answer.problem) == (422, "invalid-request")
    answer = world.request(account, query={"account_id": other}, headers={"X-Account-Id": other})
    assert answer.status == 202
    assert pending_of(world, account) is not None
    assert pending_of(world, other) is None


@pytest.mark.parametrize("verified", ["false", None, "", "TRUE "])
def test_no_mail_goes_to_an_address_that_cognito_has_not_verified(
    world: ApiWorld, account: str, verified: str | None
) -> None:
    world.request(account, claims=claims_of(account, email_verified=verified))
    running = world.store.running(account)
    assert running is not None
    assert running.requested_by.email is None


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({}, "Ann"),
        ({"name": None}, "ann@example.com"),
        ({"name": "", "email": None}, "5b1c7c4e"),
        ({"name": "x\r\nBcc: e@x"}, "x\r\nBcc: e@x"),
        ({"name": "\U0001f600" * 400}, "\U0001f600" * 300),
    ],
)
def test_who_asked_is_shown_by_the_name_that_the_token_has(
    world: ApiWorld, account: str, other: dict[str, str | None], name: str
) -> None:
    answer = world.request(account, claims=claims_of(account, **other))
    assert answer.body["requested_by"] == {"name": name}


@pytest.mark.parametrize("locale", [None, "", "../../etc", "nl\n", "x" * 10_000, "n\u0142"])
def test_a_locale_that_is_no_language_is_english(world: ApiWorld, account: str, locale: str | None) -> None:
    world.request(account, claims=claims_of(account, locale=locale))
    running = world.store.running(account)
    assert running is not None
    assert running.requested_by.language == "en"


# --- faults ---


@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems"])
@pytest.mark.parametrize("fault", [THROTTLED, (500, "InternalServerError"), (400, "ThrottlingException")])
def test_a_busy_table_is_503_with_a_wait_and_nothing_half_written(
    world: ApiWorld, account: str, operation: str, fault: tuple[int, str]
) -> None:
    world.table.line.refuse(operation, *fault)
    answer = world.request(account)
    assert (answer.status, answer.problem) == (503, "unavailable")
    assert re.fullmatch("[1-9][0-9]*", answer.headers["Retry-After"])
    assert world.calls["StartExecution"] == 0
    world.begin_anew()
    assert world.table.records(account).keys() == {"SETTINGS"}
    assert world.request(account).status == 202


def test_a_throttled_put_is_repeated_before_anyone_hears_of_it(world: ApiWorld, account: str) -> None:
    world.table.line.refuse("TransactWriteItems", *THROTTLED, times=1)
    assert world.request(account).status == 202
    assert world.calls["TransactWriteItems"] == 2


def test_my_own_record_met_again_after_a_lost_answer_is_no_conflict(world: ApiWorld, account: str) -> None:
    world.table.line.lose_answer("TransactWriteItems", times=1)
    assert world.request(account).status == 202
    assert len(world.executions(world.given_ids[-1])) == 1


def test_where_it_is_unknown_whether_the_lock_was_taken_nobody_says_that_nothing_was_changed(
    world: ApiWorld, account: str
) -> None:
    world.table.line.lose_answer("TransactWriteItems")
    answer = world.request(account)
    assert pending_of(world, account) is not None
    assert answer.status in (202, 503)
    assert "Nothing was changed" not in answer.text


@pytest.mark.parametrize("times", [1, 10])
def test_a_start_whose_answer_was_lost_is_accepted_and_is_one_execution(
    world: ApiWorld, account: str, times: int
) -> None:
    world.lines["sfn"].lose_answer("StartExecution", times=times)
    answer = world.request(account)
    assert answer.status == 202
    assert len(world.executions(answer.body["id"])) == 1
    assert pending_of(world, account)["backup_id"] == {"S": answer.body["id"]}


@pytest.mark.parametrize(
    "fault", [(400, "ThrottlingException"), (500, "InternalFailure"), (400, "ExecutionLimitExceeded")]
)
def test_a_start_put_off_keeps_the_record_for_whoever_starts_it_later(
    world: ApiWorld, account: str, fault: tuple[int, str]
) -> None:
    world.lines["sfn"].refuse("StartExecution", *fault)
    answer = world.request(account)
    assert answer.status == 202
    assert pending_of(world, account)["backup_id"] == {"S": answer.body["id"]}
    assert world.executions(answer.body["id"]) == []
    assert "unclear" in world.log.getvalue()


def test_a_start_put_off_is_made_up_for_by_the_next_request_after_half_a_minute(
    world: ApiWorld, account: str
) -> None:
    world.lines["sfn"].refuse("StartExecution", 400, "ThrottlingException")
    first = world.request(account).body["id"]
    world.lines["sfn"].mend()
    assert world.request(account).body["running"]["id"] == first
    assert world.executions(first) == []
    world.table.now += timedelta(seconds=31)
    again = world.request(account)
    assert (again.status, again.body["running"]["id"]) == (409, first)
    assert world.executions(first) == [{"account_id": account, "backup_id": first}]
    assert world.request(account).status == 409
    assert len(world.executions(first)) == 1


def test_a_backup_that_runs_is_not_started_again(world: ApiWorld, account: str) -> None:
    first = world.request(account).body["id"]
    world.store.begin(account, first, units=1, now=world.table.now)
    world.table.now += timedelta(hours=1)
    before = world.calls["StartExecution"]
    assert world.request(account).status == 409
    assert world.calls["StartExecution"] == before


@pytest.mark.parametrize(
    "code", ["StateMachineDoesNotExist", "AccessDeniedException", "StateMachineDeleting"]
)
def test_a_start_refused_for_good_is_closed_as_failed_and_the_account_is_free(
    world: ApiWorld, account: str, code: str
) -> None:
    world.lines["sfn"].refuse("StartExecution", 400, code)
    answer = world.request(account)
    assert (answer.status, answer.problem) == (500, "start-refused")
    assert pending_of(world, account) is None
    shown = world.get(account, f"/backups/{answer.body['id']}").body
    assert shown["state"] == "failed"
    assert shown["failure"] == {"reason": Reason.START_REFUSED.value, "detail": None}
    assert '"level":"ERROR"' in world.log.getvalue()
    world.begin_anew()
    assert world.request(account).status == 202


def test_a_refused_start_that_cannot_be_closed_does_not_say_that_nothing_was_changed(
    world: ApiWorld, account: str
) -> None:
    world.lines["sfn"].refuse("StartExecution", 400, "StateMachineDoesNotExist")
    world.table.line.refuse("TransactWriteItems", *THROTTLED, after=1)
    answer = world.request(account)
    assert answer.status in (500, 503)
    assert pending_of(world, account) is not None
    assert "Nothing was changed" not in answer.text


@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems"])
def test_a_fault_of_ours_is_500_and_says_nothing_about_itself(
    world: ApiWorld, account: str, operation: str
) -> None:
    world.table.line.refuse(operation, 400, "AccessDeniedException")
    answer = world.request(account)
    assert (answer.status, answer.problem) == (500, "internal")
    for word in ("AccessDenied", "made up", "GetItem", "TransactWriteItems", account, "Error"):
        assert word not in answer.text
    assert "at client.py" in world.log.getvalue()
    assert "AccessDeniedException" in world.log.getvalue()
    assert "made up" not in world.log.getvalue()


def test_a_bug_is_500_and_its_text_is_neither_told_nor_logged(
    world: ApiWorld, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_account_id: str) -> None:
        raise ZeroDivisionError("about ann@example.com")

    monkeypatch.setattr(world.store, "settings", broken)
    answer = world.request(account)
    assert (answer.status, answer.problem) == (500, "internal")
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError at test_api_request.py" in world.log.getvalue()


def test_a_winner_of_a_newer_version_is_a_fault_and_not_overwritten(world: ApiWorld, account: str) -> None:
    world.request(account)
    record = pending_of(world, account) | {"format": {"N": "2"}}
    world.table.dynamodb.put_item(TableName="backups", Item=record)
    assert world.request(account).status == 500
    assert pending_of(world, account) == record


def test_what_is_logged_of_a_request_are_ids(world: ApiWorld, account: str) -> None:
    answer = world.request(account)
    (line,) = [json.loads(line) for line in world.log.getvalue().splitlines()]
    assert line["message"] == "backup requested"
    assert (line["backup_id"], line["account_id"]) == (answer.body["id"], account)
    assert "Ann" not in world.log.getvalue()
