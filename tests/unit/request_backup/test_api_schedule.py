"""Setting, reading and ending an account's schedule over the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.moments import to_text
from shared.schedule import Every, Rhythm
from tests.unit.request_backup.api_world import NOBODY, ApiWorld, claims_of
from tests.unit.shared.backups_table import next_account_id

DAILY = {"every": "daily", "at": "02:30", "zone": "Europe/Amsterdam"}
WEEKLY = {"every": "weekly", "at": "23:59", "zone": "UTC", "weekday": 7, "keep": 4}
MONTHLY = {"every": "monthly", "at": "00:00", "zone": "America/St_Johns", "day": 31, "keep": None}


def put(world: ApiWorld, account: str, body: object, **claims: str | None) -> Any:
    return world.call("PUT", "/schedule", claims=claims_of(account, **claims), body=json.dumps(body))


def shown(world: ApiWorld, account: str, **claims: str | None) -> Any:
    answer = world.call("GET", "/schedule", claims=claims_of(account, **claims))
    assert answer.status == 200
    return answer.body["schedule"]


def test_an_account_has_no_schedule_until_somebody_sets_one(world: ApiWorld, account: str) -> None:
    assert shown(world, account) is None


@pytest.mark.parametrize("rhythm", [DAILY, WEEKLY, MONTHLY])
def test_what_was_set_is_shown_everywhere_with_its_next_moment_and_who_set_it(
    world: ApiWorld, account: str, rhythm: dict[str, Any]
) -> None:
    answer = put(world, account, rhythm)
    assert answer.status == 200
    schedule = world.store.schedule(account)
    assert schedule is not None
    expected = {"keep": None} | rhythm | {"set_by": {"name": "Ann"}, "next_at": to_text(schedule.next_at)}
    assert answer.body == {"schedule": expected}
    assert shown(world, account) == expected
    assert world.get(account, "/backups").body["schedule"] == expected
    assert schedule.next_at == schedule.rhythm.after(world.table.now)


def test_another_one_takes_its_place(world: ApiWorld, account: str) -> None:
    put(world, account, WEEKLY)
    put(world, account, DAILY)
    schedule = world.store.schedule(account)
    assert schedule is not None
    assert schedule.rhythm == Rhythm(Every.DAILY, schedule.rhythm.at, "Europe/Amsterdam")


def test_the_same_again_leaves_one_entry_in_the_trail(world: ApiWorld, account: str) -> None:
    for _ in range(2):
        assert put(world, account, DAILY).status == 200
    entries = world.get(account, "/audit").body["entries"]
    assert [(one["event"], one["by"]["name"]) for one in entries] == [("schedule_changed", "Ann")]


def test_it_ends_when_somebody_says_so_and_saying_so_again_does_nothing(
    world: ApiWorld, account: str
) -> None:
    put(world, account, DAILY)
    for _ in range(2):
        answer = world.call("DELETE", "/schedule", claims=claims_of(account))
        assert (answer.status, answer.body) == (200, {"schedule": None})
    assert shown(world, account) is None
    assert len(world.get(account, "/audit").body["entries"]) == 2


def test_everybody_of_the_account_sees_it_and_administrators_alone_change_it(
    world: ApiWorld, account: str
) -> None:
    put(world, account, DAILY)
    assert shown(world, account, **NOBODY)["every"] == "daily"
    assert put(world, account, WEEKLY, **NOBODY).status == 403
    assert world.call("DELETE", "/schedule", claims=claims_of(account, **NOBODY)).status == 403
    assert shown(world, account)["every"] == "daily"


def test_nobody_sees_another_account_s(world: ApiWorld, account: str) -> None:
    put(world, account, DAILY)
    other = next_account_id()
    world.table.set_account(other)
    assert shown(world, other) is None
    world.call("DELETE", "/schedule", claims=claims_of(other))
    assert shown(world, account) is not None


def test_without_backups_in_the_plan_none_is_set_but_one_can_be_ended(world: ApiWorld, account: str) -> None:
    put(world, account, DAILY)
    world.table.set_account(account, plan="Team")
    refused = put(world, account, WEEKLY)
    assert (refused.status, refused.body["type"].rpartition(":")[2]) == (403, "plan-without-backups")
    assert world.call("DELETE", "/schedule", claims=claims_of(account)).status == 200
    assert shown(world, account) is None


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"every": "hourly"}, ["every"]),
        ({"every": None}, ["every"]),
        ({"every": ["daily"]}, ["every"]),
        ({"at": "24:00"}, ["at"]),
        ({"at": "2:30"}, ["at"]),
        ({"at": "02:30\n"}, ["at"]),
        ({"at": "٠٢:٣٠"}, ["at"]),
        ({"at": 230}, ["at"]),
        ({"zone": "Europe/Nowhere"}, ["zone"]),
        ({"zone": "../../etc/passwd"}, ["zone"]),
        ({"zone": "Europe"}, ["zone"]),
        ({"zone": ""}, ["zone"]),
        ({"zone": "localtime"}, ["zone"]),
        ({"zone": None}, ["zone"]),
        ({"keep": 0}, ["keep"]),
        ({"keep": 101}, ["keep"]),
        ({"keep": True}, ["keep"]),
        ({"keep": 1.5}, ["keep"]),
        ({"keep": "3"}, ["keep"]),
        ({"weekday": 1}, ["weekday"]),
        ({"day": 1}, ["day"]),
        ({"every": "weekly"}, ["weekday"]),
        ({"every": "weekly", "weekday": 0}, ["weekday"]),
        ({"every": "weekly", "weekday": 8}, ["weekday"]),
        ({"every": "weekly", "weekday": 1, "day": 1}, ["day"]),
        ({"every": "monthly", "day": 32}, ["day"]),
        ({"every": "monthly", "day": True}, ["day"]),
        ({"next_at": "2026-11-27T00:00:00Z"}, ["next_at"]),
        ({"at": "x", "zone": "y"}, ["at", "zone"]),
    ],
)
def test_what_is_no_schedule_is_refused_field_by_field_and_changes_nothing(
    world: ApiWorld, account: str, changed: dict[str, Any], fields: list[str]
) -> None:
    put(world, account, WEEKLY)
    before = world.store.schedule(account)
    answer = put(world, account, DAILY | changed)
    assert answer.status == 422
    assert [error["field"] for error in answer.body["errors"]] == fields
    assert world.store.schedule(account) == before


def test_a_whole_number_is_one_however_it_is_written(world: ApiWorld, account: str) -> None:
    body = {"every": "monthly", "day": 30.0, "at": "02:30", "zone": "UTC", "keep": 1e1}
    answer = put(world, account, body)
    assert (answer.body["schedule"]["day"], answer.body["schedule"]["keep"]) == (30, 10)
    assert world.store.schedule(account) is not None


@pytest.mark.parametrize("left_out", ["every", "at", "zone"])
def test_no_part_of_it_is_guessed(world: ApiWorld, account: str, left_out: str) -> None:
    answer = put(world, account, {name: value for name, value in DAILY.items() if name != left_out})
    assert answer.status == 422
    assert [error["field"] for error in answer.body["errors"]] == [left_out]
