"""GET /audit: who did what, told to administrators of the account and to nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from functions.request_backup.desk import AUDIT_PAGE, LINK_SECONDS
from shared.backup import Failure, Reason
from shared.link import end_of
from shared.moments import from_text, to_text
from tests.unit.request_backup.api_world import CLIENT, NOBODY, ApiWorld, claims_of
from tests.unit.shared.backups_table import BOB, THROTTLED, next_account_id

ANN = {"id": claims_of("1")["sub"], "name": "Ann"}
BO = {"id": "sub-of-bo", "name": "Bo"}


def trail_of(world: ApiWorld, account: str) -> list[dict[str, Any]]:
    """All of it, oldest first, by following `next`."""
    pages = [world.get(account, "/audit")]
    while pages[-1].body["next"]:
        pages.append(world.follow("/audit", pages[-1].body["next"], account))
    assert {page.status for page in pages} == {200}
    return [entry for page in pages for entry in page.body["entries"]][::-1]


def told(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry without its id, which has tests of its own."""
    assert entry["id"].startswith(entry["at"].removesuffix("Z"))
    return {name: value for name, value in entry.items() if name != "id"}


def test_an_account_that_has_done_nothing_has_an_empty_trail(world: ApiWorld, account: str) -> None:
    assert world.get(account, "/audit").body == {"entries": [], "next": None}


def test_what_people_do_through_the_api_stands_in_the_trail_with_their_names(
    world: ApiWorld, account: str
) -> None:
    bo = claims_of(account, name="Bo", sub="sub-of-bo")
    start = world.table.now
    first = world.request(account).body["id"]
    world.table.now += timedelta(minutes=1)
    world.remove(account, first, claims=bo)
    world.choose(account, '{"encoding": "utf-16"}', claims=bo)
    second = world.table.ready(account)
    world.put_archive(second.object_key)
    link = world.call("POST", f"/backups/{second.id}/download-url", claims=bo).body
    world.remove(account, second.id)
    at, later = to_text(start), to_text(world.table.now)
    one = {"id": first, "requested_at": at}
    two = {"id": second.id, "requested_at": later}
    entries = [told(entry) for entry in trail_of(world, account)]
    made = entries[4].pop("link")
    assert entries == [
        {"at": at, "event": "requested", "backup": one, "by": ANN},
        {"at": later, "event": "cancelled", "backup": one, "by": BO},
        {"at": later, "event": "requested", "backup": two, "by": {"id": "sub-of-ann", "name": "Ann"}},
        {"at": later, "event": "ready", "backup": two, "expires_at": to_text(second.expires_at)},  # type: ignore[arg-type]
        {"at": later, "event": "link_made", "backup": two, "by": BO},
        {"at": later, "event": "deleted", "backup": two, "by": ANN},
        {"at": later, "event": "settings_changed", "by": BO, "encoding": "utf-16"},
    ]
    assert (made["way"], made["ends_at"]) == ("tab", link["ends_at"])


def test_a_failed_and_an_expired_backup_stand_in_the_trail_with_nobody_s_name(
    world: ApiWorld, account: str
) -> None:
    lost = world.table.failed(account, Failure(Reason.STORAGE_REFUSED))
    ready = world.table.ready(account, days=1)
    world.table.now += timedelta(days=1)
    entries = [told(entry) for entry in trail_of(world, account)]
    assert entries[1]["reason"] == "storage_refused"
    assert (entries[1]["event"], entries[1]["backup"]["id"]) == ("failed", lost.id)
    assert entries[-1] == {
        "at": to_text(world.table.now),
        "event": "expired",
        "backup": {"id": ready.id, "requested_at": to_text(ready.requested_at)},
    }
    assert not [entry for entry in entries if "by" in entry and entry["event"] != "requested"]


@pytest.mark.parametrize(("seconds", "told_there"), [(-1, 0), (0, 1), (1, 1)])
def test_the_trail_the_tab_and_the_link_agree_on_the_second_at_which_a_backup_expires(
    world: ApiWorld, account: str, seconds: int, told_there: int
) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)  # which is there before and after: nobody looks at it to tell
    assert ready.expires_at is not None
    world.table.now = ready.expires_at + timedelta(seconds=seconds)
    state = world.get(account, f"/backups/{ready.id}").body["state"]
    events = [entry["event"] for entry in trail_of(world, account)]
    heads = world.lines["s3"].calls["HeadObject"]
    assert events.count("expired") == told_there
    assert state == ("expired" if told_there else "ready")
    assert world.lines["s3"].calls["HeadObject"] == heads == 0


def test_what_is_refused_leaves_nothing_in_the_trail(world: ApiWorld, account: str) -> None:
    running = world.request(account).body["id"]
    before = trail_of(world, account)
    assert world.request(account).status == 409
    assert world.download(account, running).status == 409
    assert world.remove(account, running, query={"expect": "ready"}).status == 409
    assert world.choose(account, '{"encoding": "rot13"}').status == 422
    assert world.remove(account, running, claims=claims_of(account, **NOBODY)).status == 403
    assert trail_of(world, account) == before


def test_the_trail_tells_no_link_place_or_address(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    url = world.download(account, ready.id).body["url"]
    text = world.get(account, "/audit").text
    for secret in (url, "X-Amz", ready.object_key, ready.file_name, "ann@example.com"):
        assert secret not in text


# --- links ---


def test_a_link_is_in_the_trail_before_it_is_handed_out(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    world.table.line.refuse("PutItem", *THROTTLED)
    answer = world.download(account, ready.id)
    assert (answer.status, answer.problem) == (503, "unavailable")
    assert "X-Amz" not in answer.text
    world.table.line.mend()
    assert [entry["event"] for entry in trail_of(world, account)] == ["requested", "ready"]


def test_every_link_has_an_entry_of_its_own_that_aws_s_logs_can_be_joined_with(
    world: ApiWorld, account: str
) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    ends = [from_text(world.download(account, ready.id).body["ends_at"]) for _ in range(3)]
    links = [entry["link"] for entry in trail_of(world, account) if "link" in entry]
    assert sorted(from_text(link["ends_at"]) for link in links) == sorted(ends)
    assert len({link["id"] for link in links}) == 3


def test_a_link_to_a_file_that_is_gone_was_never_made(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    assert world.download(account, ready.id).status == 410
    assert [entry["event"] for entry in trail_of(world, account)] == ["requested", "ready"]


@pytest.mark.parametrize("left", [20, 100, 299])
def test_a_link_ends_with_the_promise_where_that_is_sooner_than_five_minutes(
    world: ApiWorld, account: str, left: int
) -> None:
    now = world.table.now
    world.table.now = now - timedelta(days=14, seconds=-left)
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    world.table.now = now
    assert ready.expires_at == now + timedelta(seconds=left)
    answer = world.download(account, ready.id)
    assert end_of(answer.body["url"]) == from_text(answer.body["ends_at"]) == ready.expires_at
    assert left < LINK_SECONDS


def test_in_the_promise_s_last_split_second_there_is_no_link_any_more(world: ApiWorld, account: str) -> None:
    """A link ends with a full second, and the next one is beyond the promise."""
    now = world.table.now
    world.table.now = now - timedelta(days=14) + timedelta(milliseconds=500)
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    world.table.now = now
    answer = world.download(account, ready.id)
    assert (answer.status, answer.problem) == (410, "file-gone")
    assert [entry["event"] for entry in trail_of(world, account)] == ["requested", "ready"]


# --- pages ---


@pytest.mark.parametrize("number", [0, 1, AUDIT_PAGE, AUDIT_PAGE + 1, 2 * AUDIT_PAGE])
def test_the_trail_is_read_page_by_page_by_following_next(world: ApiWorld, number: int) -> None:
    account = next_account_id()
    world.table.set_account(account)
    for second in range(number):
        name = ("utf-16", "big5")[second % 2]
        at = world.table.now - timedelta(days=1) + timedelta(seconds=second)
        world.store.choose_encoding(account, name, by=BOB, now=at)
    entries = trail_of(world, account)
    assert len(entries) == number
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    assert len(world.get(account, "/audit").body["entries"]) == min(number, AUDIT_PAGE)


@pytest.mark.parametrize(
    "before", ["", "x", "~", "01JDA8Z4T0ABCDEFGHJKMNPQRS", "2026-11-22T10:11:12Z", "x" * 10_000]
)
def test_a_cursor_that_is_none_is_400(world: ApiWorld, account: str, before: str) -> None:
    answer = world.get(account, "/audit", query={"before": before})
    assert (answer.status, answer.problem) == (400, "malformed-request")


def test_another_account_s_cursor_is_a_moment_and_nothing_more(world: ApiWorld, account: str) -> None:
    other = next_account_id()
    world.table.set_account(other)
    theirs = world.table.ready(other)
    world.table.now += timedelta(minutes=1)
    mine = world.table.ready(account)
    world.table.now += timedelta(minutes=1)
    cursor = trail_of(world, other)[-1]["id"]
    never_was = cursor.replace(theirs.id, mine.id)
    pages = [world.get(account, "/audit", query={"before": before}) for before in (cursor, never_was)]
    assert [page.body for page in pages] == [{"entries": [], "next": None}] * 2
    assert theirs.id not in world.get(account, "/audit").text


# --- who may look ---


@pytest.mark.parametrize(
    ("claims", "status", "problem"),
    [
        (None, 401, "unauthorized"),
        ({"token_use": "access", "aud": None, "client_id": CLIENT}, 401, "unauthorized"),
        ({"custom:account_id": None}, 403, "no-account"),
        ({"custom:account_id": "424242424242"}, 403, "unknown-account"),
        (NOBODY, 403, "not-an-admin"),
        ({"cognito:groups": "account-admins-not"}, 403, "not-an-admin"),
    ],
)
def test_who_may_not_look_learns_nothing(
    world: ApiWorld, account: str, claims: dict[str, str | None] | None, status: int, problem: str
) -> None:
    ready = world.table.ready(account)
    world.table.line.mend()
    answer = world.call("GET", "/audit", claims=claims and claims_of(account, **claims))
    assert (answer.status, answer.problem) == (status, problem)
    assert ready.id not in answer.text
    assert world.calls["Query"] == 0


def test_administrators_of_a_downgraded_account_still_see_who_did_what(world: ApiWorld, account: str) -> None:
    world.table.ready(account)
    world.table.set_account(account, plan="Select")
    assert len(trail_of(world, account)) == 2


def test_the_account_is_the_token_s_whatever_the_query_says(world: ApiWorld, account: str) -> None:
    other = next_account_id()
    world.table.set_account(other)
    world.table.ready(other)
    answer = world.get(account, "/audit", query={"account_id": other})
    assert answer.body == {"entries": [], "next": None}


def test_a_busy_table_is_503(world: ApiWorld, account: str) -> None:
    world.table.line.refuse("Query", *THROTTLED)
    answer = world.get(account, "/audit")
    assert (answer.status, answer.problem) == (503, "unavailable")
