"""GET /backups and GET /backups/{id}: what is shown in each state, and to whom."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from typing import Any

import pytest

from shared.backup import Failure, MailState, Reason, State
from shared.encodings import ENCODING_NAMES
from shared.moments import from_text, to_text
from tests.unit.request_backup.api_world import NOBODY, SALES, Answer, ApiWorld, claims_of
from tests.unit.shared.backups_table import next_account_id


def tab_of(world: ApiWorld, account: str, **claims: str | None) -> Any:
    answer = world.call("GET", "/backups", claims=claims_of(account, **claims))
    assert answer.status == 200
    return answer.body


def told_by(refusal: Answer) -> dict[str, object]:
    """What the tab says of a refusal in advance: all but what only HTTP needs."""
    return {name: value for name, value in refusal.body.items() if name not in {"title", "status"}}


# --- the tab ---


def test_an_account_that_asked_for_nothing_has_no_backups_and_may_ask(world: ApiWorld, account: str) -> None:
    assert tab_of(world, account) == {
        "account": {
            "id": account,
            "name": "Acme",
            "encoding": "windows-1252",
            "encodings": list(ENCODING_NAMES),
        },
        "may_manage": True,
        "may_request": True,
        "why_not": None,
        "running": None,
        "last_ready": None,
        "history": [],
        "next": None,
        "schedule": None,
    }


def test_while_one_runs_its_progress_is_shown_and_no_other_may_be_asked_for(
    world: ApiWorld, account: str
) -> None:
    backup = world.table.pending(account)
    world.store.begin(account, backup.id, units=3, now=world.table.now)
    world.store.advance(account, backup.id, unit=0, records=10, now=world.table.now, done=True)
    world.store.advance(account, backup.id, unit=1, records=5, now=world.table.now)
    tab = tab_of(world, account)
    assert tab["running"]["state"] == "running"
    assert tab["running"]["progress"] == {"units": 3, "units_done": 1, "records": 15}
    assert tab["may_request"] is False
    assert tab["why_not"]["type"].endswith(":backup-running")
    assert backup.id in tab["why_not"]["detail"]
    assert tab["history"] == []


def test_the_last_ready_one_stays_while_a_newer_one_runs_and_after_it_failed(
    world: ApiWorld, account: str
) -> None:
    ready = world.table.ready(account)
    running = world.table.pending(account)
    tab = tab_of(world, account)
    assert (tab["last_ready"]["id"], tab["running"]["id"]) == (ready.id, running.id)
    world.store.finish(
        dataclasses.replace(
            running, state=State.FAILED, failure=Failure(Reason.INTERNAL), finished_at=world.table.now
        )
    )
    tab = tab_of(world, account)
    assert (tab["last_ready"]["id"], tab["running"]) == (ready.id, None)
    assert [one["id"] for one in tab["history"]] == [running.id, ready.id]
    assert tab["may_request"] is True


def test_a_ready_backup_is_shown_with_its_file_and_when_it_goes(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    shown = tab_of(world, account)["last_ready"]
    assert shown["state"] == "ready"
    assert shown["created_at"] == to_text(world.table.now)
    assert shown["expires_at"] == to_text(world.table.now + timedelta(days=14))
    assert shown["file"] == {"name": ready.file_name, "bytes": 142_950, "replaced": 0}
    assert shown["progress"] == {"units": 1, "units_done": 1, "records": 12}
    assert "failure" not in shown
    assert shown == world.get(account, f"/backups/{ready.id}").body


def test_a_failed_backup_is_shown_with_its_reason(world: ApiWorld, account: str) -> None:
    lost = world.table.failed(account, Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS"))
    shown = world.get(account, f"/backups/{lost.id}").body
    assert shown["state"] == "failed"
    assert shown["failed_at"] == to_text(world.table.now)
    assert shown["failure"] == {"reason": "source_unavailable", "detail": "COMMENTS"}
    assert not {"file", "created_at", "expires_at"} & set(shown)
    assert tab_of(world, account)["history"] == [shown]


@pytest.mark.parametrize(("seconds", "state"), [(-1, "ready"), (0, "expired"), (1, "expired")])
def test_a_backup_is_there_until_the_second_that_was_promised(
    world: ApiWorld, account: str, seconds: int, state: str
) -> None:
    ready = world.table.ready(account)
    assert ready.expires_at is not None
    world.put_archive(ready.object_key)
    world.table.now = ready.expires_at + timedelta(seconds=seconds)
    assert world.get(account, f"/backups/{ready.id}").body["state"] == state
    tab = tab_of(world, account)
    assert [one["state"] for one in tab["history"]] == [state]
    assert (tab["last_ready"] is not None) == (state == "ready")
    answer = world.download(account, ready.id)
    assert answer.status == (200 if state == "ready" else 410)


def test_an_expired_backup_still_shows_what_it_was(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    world.table.now += timedelta(days=15)
    shown = world.get(account, f"/backups/{ready.id}").body
    assert shown["file"]["name"] == ready.file_name
    assert from_text(shown["expires_at"]) < world.table.now


@pytest.mark.parametrize("state", MailState)
def test_how_the_mail_went_is_shown(world: ApiWorld, account: str, state: MailState) -> None:
    ready = world.table.ready(account)
    assert "mail" not in world.get(account, f"/backups/{ready.id}").body
    world.store.claim_mail(account, ready.id, world.table.now)
    world.store.mark_mail(account, ready.id, state)
    assert world.get(account, f"/backups/{ready.id}").body["mail"] == state.value


@pytest.mark.parametrize(
    ("plan", "claims", "problem"),
    [
        ("Select", {}, "plan-without-backups"),
        ("Select", NOBODY, "plan-without-backups"),
        ("Enterprise", NOBODY, "not-an-admin"),
    ],
)
def test_the_tab_says_why_a_request_would_be_refused_in_the_refusal_s_own_words(
    world: ApiWorld, plan: str, claims: dict[str, str | None], problem: str
) -> None:
    account = next_account_id()
    world.table.set_account(account, plan=plan)
    tab = tab_of(world, account, **claims)
    refusal = world.request(account, claims=claims_of(account, **claims))
    assert refusal.problem == problem
    assert (tab["may_manage"], tab["may_request"]) == (False, False)
    assert tab["why_not"] == told_by(refusal)
    assert tab["why_not"].get("contact") == (SALES if problem == "plan-without-backups" else None)


def test_the_tab_says_the_same_of_a_running_backup_as_the_refusal(world: ApiWorld, account: str) -> None:
    world.request(account)
    refusal = world.request(account)
    tab = tab_of(world, account)
    assert tab["why_not"] == told_by(refusal)
    assert tab["why_not"]["running"]["id"] == tab["running"]["id"]
    assert tab["may_manage"] is True


def test_one_that_has_not_begun_is_said_to_be_requested_not_to_run(world: ApiWorld, account: str) -> None:
    backup = world.table.pending(account)
    at = to_text(backup.requested_at)
    assert tab_of(world, account)["why_not"]["detail"] == f"Backup {backup.id} was requested at {at}."
    world.store.begin(account, backup.id, units=1, now=world.table.now)
    assert f"has been running since {at}." in tab_of(world, account)["why_not"]["detail"]


@pytest.mark.parametrize("how", ["cancelled", "deleted"])
def test_who_ended_a_backup_and_when_is_shown_to_everyone(world: ApiWorld, account: str, how: str) -> None:
    backup = world.table.pending(account) if how == "cancelled" else world.table.ready(account)
    world.table.now += timedelta(hours=1)
    world.remove(account, backup.id, claims=claims_of(account, name="Bob"))
    tab = tab_of(world, account, **NOBODY)
    (shown,) = tab["history"]
    assert (shown["state"], shown["ended_by"]) == (how, {"name": "Bob"})
    assert shown[f"{how}_at"] == to_text(world.table.now)
    assert shown["requested_by"] == {"name": "Ann"}
    assert (tab["running"], tab["last_ready"]) == (None, None)
    assert {"cancelled_at", "deleted_at"} & set(shown) == {f"{how}_at"}


def test_a_deleted_backup_still_shows_what_it_was_and_a_cancelled_one_never_was_a_file(
    world: ApiWorld, account: str
) -> None:
    ready = world.table.ready(account)
    before = world.get(account, f"/backups/{ready.id}").body
    after = world.remove(account, ready.id).body
    for name in ("created_at", "expires_at", "file", "progress", "requested_at"):
        assert after[name] == before[name]
    cancelled = world.remove(account, world.table.pending(account).id).body
    assert not {"created_at", "expires_at", "file", "failed_at", "failure"} & set(cancelled)


def test_every_user_of_the_account_may_look_but_none_of_an_unknown_one(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    assert tab_of(world, account, **NOBODY)["last_ready"]["id"] == ready.id
    answer = world.call("GET", f"/backups/{ready.id}", claims=claims_of(account, **NOBODY))
    assert answer.status == 200
    answer = world.get("42424242", "/backups")
    assert (answer.status, answer.problem) == (403, "unknown-account")


def test_neither_tab_nor_backup_tells_places_or_addresses(world: ApiWorld, account: str) -> None:
    ready, running = world.table.ready(account), world.table.pending(account)
    for path in ("/backups", f"/backups/{ready.id}", f"/backups/{running.id}"):
        text = world.get(account, path).text
        for secret in (
            ready.object_key,
            running.object_key,
            running.file_name,
            "ann@example.com",
            "sub-of-ann",
        ):
            assert secret not in text


# --- the history ---


@pytest.mark.parametrize("number", [0, 20, 21, 40, 41])
def test_the_history_is_read_page_by_page_by_following_next(world: ApiWorld, number: int) -> None:
    account = next_account_id()
    world.table.set_account(account)
    made = [world.table.failed(account).id for _ in range(number)]
    world.table.pending(account)
    world.table.line.mend()
    seen: list[str] = []
    pages = [world.get(account, "/backups")]
    while pages[-1].body["next"]:
        assert len(pages[-1].body["history"]) == 20
        pages.append(world.follow("/backups", pages[-1].body["next"], account))
    seen = [one["id"] for page in pages for one in page.body["history"]]
    assert seen == list(reversed(made))
    assert len(pages) == max(1, -(-number // 20))


def test_a_look_at_the_tab_costs_few_calls(world: ApiWorld, account: str) -> None:
    for _ in range(3):
        world.table.ready(account)
    world.table.line.mend()
    tab_of(world, account)
    assert world.calls["GetItem"] <= 4
    assert world.calls["Query"] <= 2


# --- every answer ---


@pytest.mark.parametrize(
    ("path", "operation"),
    [("/backups", "GetItem"), ("/backups", "Query"), ("/backups/01JDA8Z4T0ABCDEFGHJKMNPQRS", "GetItem")],
)
def test_a_busy_table_is_503_with_a_wait(world: ApiWorld, account: str, path: str, operation: str) -> None:
    world.table.line.refuse(operation, 400, "ProvisionedThroughputExceededException")
    answer = world.get(account, path)
    assert (answer.status, answer.problem) == (503, "unavailable")
    assert re.fullmatch("[1-9][0-9]*", answer.headers["Retry-After"])


def test_one_backup_is_found_without_a_query(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    world.table.line.mend()
    assert world.get(account, f"/backups/{ready.id}").status == 200
    assert world.calls == {"GetItem": 3}


def test_the_description_is_for_everyone_and_costs_no_call(world: ApiWorld) -> None:
    answer = world.call("GET", "/openapi.yaml", claims=None)
    assert answer.status == 200
    assert answer.text.startswith("openapi: 3.1")
    assert not world.calls


def test_the_answers_are_never_kept_or_guessed_at(world: ApiWorld, account: str) -> None:
    for answer in (world.get(account, "/backups"), world.get(account, "/backups/x"), world.request(account)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
