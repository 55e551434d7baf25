"""Cancelling, deleting and choosing over real HTTP, on the stack as it is deployed."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.e2e.test_requests import held_back, refusal
from tests.e2e.world import World


def remove(world: World, token: str, backup_id: str, expect: str | None = None) -> requests.Response:
    query = "" if expect is None else f"?expect={expect}"
    return world.call("DELETE", f"/backups/{backup_id}{query}", token)


def overview(world: World, token: str) -> dict[str, Any]:
    shown: dict[str, Any] = world.call("GET", "/backups", token).json()
    return shown


def archives_of(world: World, backup: dict[str, Any]) -> list[str]:
    return [key for key in world.objects("backups/") if key.endswith(backup["file"]["name"])]


def test_a_running_backup_is_cancelled_and_another_one_may_be_asked_for_at_once(world: World) -> None:
    token = world.token(world.account().id)
    with held_back(world):
        backup_id = world.ask(token)
        answer = remove(world, token, backup_id, "running")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert answer.json()["ended_by"] == {"name": "Ann Other"}
        assert world.execution(backup_id)["status"] == "ABORTED"
        next_id = world.ask(token)
    assert world.ended(token, next_id)["state"] == "ready"
    history = overview(world, token)["history"]
    assert [(one["id"], one["state"]) for one in history] == [(next_id, "ready"), (backup_id, "cancelled")]
    assert remove(world, token, backup_id, "running").json() == answer.json()
    assert refusal(world.call("POST", f"/backups/{backup_id}/download-url", token)) == (409, "not-ready")


def test_a_backup_whose_workflow_is_no_more_is_cancelled_like_any_other(world: World) -> None:
    account = world.account()
    token = world.token(account.id)
    stuck = world.pending(account)
    assert remove(world, token, stuck.id).json()["state"] == "cancelled"
    assert world.ended(token, world.ask(token))["state"] == "ready"


def test_a_deleted_file_is_gone_with_every_link_to_it_and_the_entry_stays(world: World) -> None:
    token = world.token(world.account().id)
    older, newer = (world.ended(token, world.ask(token)) for _ in range(2))
    link = world.call("POST", f"/backups/{newer['id']}/download-url", token).json()["url"]
    assert requests.get(link, timeout=10).status_code == 200
    answer = remove(world, token, newer["id"], "ready")
    assert (answer.status_code, answer.json()["state"]) == (200, "deleted")
    assert requests.get(link, timeout=10).status_code in (403, 404)
    assert archives_of(world, newer) == []
    assert len(archives_of(world, older)) == 1
    shown = overview(world, token)
    assert [one["state"] for one in shown["history"]] == ["deleted", "ready"]
    assert shown["history"][0] == answer.json()
    assert shown["history"][0]["file"] == newer["file"]
    assert shown["last_ready"] == older
    assert refusal(world.call("POST", f"/backups/{newer['id']}/download-url", token)) == (410, "file-gone")
    assert remove(world, token, newer["id"]).json() == answer.json()


def test_only_administrators_cancel_delete_and_choose(world: World) -> None:
    account = world.account()
    token, colleague = world.token(account.id), world.token(account.id, group=None)
    ready = world.ended(token, world.ask(token))
    running = world.pending(account)
    for backup_id in (ready["id"], running.id):
        assert refusal(remove(world, colleague, backup_id)) == (403, "not-an-admin")
    choice = world.call("PUT", "/settings", colleague, json={"encoding": "utf-16"})
    assert refusal(choice) == (403, "not-an-admin")
    assert [overview(world, who)["may_manage"] for who in (token, colleague)] == [True, False]
    shown = overview(world, token)
    assert (shown["last_ready"], shown["running"]["id"]) == (ready, running.id)
    assert len(archives_of(world, ready)) == 1
    assert remove(world, token, running.id).status_code == 200


def test_another_accounts_backup_is_not_removed_and_answered_like_one_that_never_was(world: World) -> None:
    mine, theirs = world.token(world.account().id), world.token(world.account().id)
    ready = world.ended(theirs, world.ask(theirs))
    never_was = ready["id"][:-4] + "0000"
    foreign, unknown = (remove(world, mine, backup_id) for backup_id in (ready["id"], never_was))
    assert refusal(foreign) == (404, "unknown-backup")
    assert foreign.content == unknown.content
    assert len(archives_of(world, ready)) == 1


def test_what_is_not_what_it_was_taken_for_is_left_alone(world: World) -> None:
    account = world.account()
    token = world.token(account.id)
    ready = world.ended(token, world.ask(token))
    running = world.pending(account)
    for backup_id, expect, state in ((ready["id"], "running", "ready"), (running.id, "ready", "pending")):
        answer = remove(world, token, backup_id, expect)
        assert refusal(answer) == (409, "moved-on")
        assert answer.json()["state"] == state
    assert refusal(remove(world, token, ready["id"], "anything")) == (400, "malformed-request")
    assert len(archives_of(world, ready)) == 1
    assert remove(world, token, running.id, "running").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"{}", 422), (b'{"encoding":"rot13"}', 422), (b'{"plan":"x"}', 422)],
    ids=repr,
)
def test_a_choice_that_cannot_be_made_is_a_problem(world: World, body: bytes, status: int) -> None:
    account = world.account()
    answer = world.call(
        "PUT", "/settings", world.token(account.id), data=body, headers={"Content-Type": "application/json"}
    )
    assert refusal(answer)[0] == status
    assert [record["sk"] for record in world.records_of(account.id)] == ["SETTINGS"]


def test_the_chosen_encoding_is_the_next_backups(world: World) -> None:
    token = world.token(world.account().id)
    answer = world.call("PUT", "/settings", token, json={"encoding": "utf-16"})
    assert (answer.status_code, answer.json()) == (200, {"encoding": "utf-16"})
    assert overview(world, token)["account"]["encoding"] == "utf-16"
    assert world.ended(token, world.ask(token))["encoding"] == "utf-16"
