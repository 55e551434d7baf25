"""Backups by schedule: set on the tab, made by the deployed sweeper, and so many of their files kept.

Nobody waits until a schedule is due: its moment is moved into the past, and the sweeper is sent what
EventBridge sends it every five minutes.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, time, timedelta

from playwright.sync_api import Locator, Page, expect

from local import seed
from shared.backup import Backup, Person
from shared.leases import ending
from shared.schedule import Every, Rhythm, Schedule
from tests.e2e import tab
from tests.e2e.browser import Windows, axe_in_light_and_dark, picture
from tests.e2e.tab import seen
from tests.e2e.test_requests import held_back
from tests.e2e.test_sweeper import sweep
from tests.e2e.world import World, eventually

ANN = Person(sub="s", name="Ann Other", email=None, language="en")


def change(world: World, account: seed.Account, **values: str) -> None:
    """Write these attributes into the account's schedule."""
    world.client("dynamodb").update_item(
        TableName=world.outputs["BackupsTable"],
        Key={"pk": {"S": f"ACCOUNT#{account.id}"}, "sk": {"S": "SCHEDULE"}},
        UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
        ExpressionAttributeValues={f":{name}": {"S": value} for name, value in values.items()},
    )


def look_now(world: World, account: seed.Account) -> None:
    """Have the sweeper look at the schedule, though nothing is due."""
    change(world, account, lease_until=ending(datetime.now(UTC) - timedelta(minutes=2)))


def set_schedule(world: World, account: seed.Account, *, keep: int | None = None) -> None:
    rhythm = Rhythm(Every.DAILY, time(2, 30), "Europe/Amsterdam", keep=keep)
    now = datetime.now(UTC)
    world.store().set_schedule(Schedule(account.id, rhythm, ANN, rhythm.after(now)), now=now)


def be_due(world: World, account: seed.Account) -> None:
    ago = datetime.now(UTC) - timedelta(minutes=2)
    change(world, account, next_at=ending(ago), lease_until=ending(ago))


def scheduled_and_ready(world: World, account: seed.Account, *, age: timedelta) -> Backup:
    """A backup that the schedule asked for, with its file, written by the service's own code."""
    backup = dataclasses.replace(tab.in_hand(account, age=age), scheduled=True)
    return tab.finished(world, backup)


def settings_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Settings")


def test_a_schedule_is_set_shown_changed_and_turned_off_on_the_tab(world: World, windows: Windows) -> None:
    account = world.account()
    window = windows.signed_in(world.person(account.id), world.page_url, timezone="Asia/Tokyo")
    page = window.page
    settings = settings_of(page)
    expect(settings).to_contain_text("Automatic backups")
    expect(settings).to_contain_text("Off")
    edit = settings.get_by_role("button", name="Edit").nth(1)
    edit.click()
    expect(settings.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    expect(settings.get_by_label("Day of the month")).to_be_hidden()
    settings.get_by_label("How often").select_option(label="Monthly")
    expect(settings.get_by_label("Day of the week")).to_be_hidden()
    settings.get_by_label("Day of the month").fill("31")
    settings.get_by_label("Time", exact=True).fill("23:45")
    settings.get_by_label("Number of files to keep").fill("3")
    axe_in_light_and_dark(page)
    picture(page, "tab-schedule-light")
    settings.get_by_role("button", name="Save").click()
    seen(page, "Saved. Backups will be made by themselves.")
    expect(settings).to_contain_text("Every month, next on")
    token = world.token(account.id)
    set_one = world.call("GET", "/schedule", token).json()["schedule"]
    assert {name: set_one[name] for name in ("every", "day", "at", "zone", "keep")} == {
        "every": "monthly",
        "day": 31,
        "at": "23:45",
        "zone": "Asia/Tokyo",
        "keep": 3,
    }

    edit.click()
    expect(settings.get_by_label("Day of the month")).to_have_value("31")
    settings.get_by_label("How often").select_option(label="Weekly")
    settings.get_by_label("Day of the week").select_option(label="Saturday")
    settings.get_by_label("Number of files to keep").fill("")
    settings.get_by_role("button", name="Save").click()
    expect(settings).to_contain_text("Every week, next on")
    set_one = world.call("GET", "/schedule", token).json()["schedule"]
    assert (set_one["every"], set_one["weekday"], set_one["keep"]) == ("weekly", 6, None)
    assert "day" not in set_one

    edit.click()
    settings.get_by_role("button", name="Turn off").click()
    seen(page, "No more backups will be made by themselves.")
    expect(settings).to_contain_text("Off")
    assert world.call("GET", "/schedule", token).json() == {"schedule": None}


def test_in_a_narrow_window_and_in_dutch_it_fits(world: World, windows: Windows) -> None:
    account = world.account()
    window = windows.signed_in(
        world.person(account.id, locale="nl-NL"), world.page_url, viewport=(320, 700), scheme="dark"
    )
    page = window.page
    region = page.get_by_role("region", name="Instellingen")
    region.get_by_role("button").nth(1).click()
    seen(page, "Hoe vaak")
    assert tab.sticking_out(page) == []
    picture(page, "tab-schedule-nl-narrow-dark")


def test_whoever_may_only_look_sees_it_and_cannot_change_it(world: World, windows: Windows) -> None:
    account = world.account()
    set_schedule(world, account)
    page = windows.signed_in(world.person(account.id, group=None), world.page_url).page
    expect(settings_of(page)).to_contain_text("Every day, next on")
    expect(settings_of(page).get_by_role("button")).to_have_count(0)


def test_a_backup_that_is_due_is_made_mailed_and_listed_and_only_the_last_is_kept(
    world: World, windows: Windows
) -> None:
    account = world.account()
    world.fill(account)
    person = world.person(account.id, name="Anna Jansen")
    token = world.token_of(person)
    body = {"every": "daily", "at": "02:30", "zone": "Europe/Amsterdam", "keep": 1}
    assert world.call("PUT", "/schedule", token, json=body).status_code == 200
    names = []
    for number in (1, 2):
        be_due(world, account)
        assert sweep(world) is None
        scheduled = [one for one in world.records_of(account.id) if one.get("scheduled")]
        (backup,) = [one for one in scheduled if one["file_name"] not in names]
        shown = world.ended(token, backup["backup_id"])
        assert (shown["state"], shown["scheduled"]) == ("ready", True)
        assert shown["requested_by"] == {"name": "Anna Jansen"}
        names.append(shown["file"]["name"])
        (mail,) = eventually(lambda: world.mails_about(names[-1]), "the e-mail")
        assert any(person.email in to for to in mail.to)
        look_now(world, account)
        assert sweep(world) is None
        assert len(world.call("GET", "/backups", token).json()["history"]) == number

    def files() -> list[str]:
        return [key.rpartition("/")[2] for key in world.objects("backups/") if f"/{account.id}_" in key]

    eventually(lambda: files() == names[1:], "the older file to be gone")
    next_at = world.call("GET", "/schedule", token).json()["schedule"]["next_at"]
    assert datetime.fromisoformat(next_at) > datetime.now(UTC)

    page = windows.signed_in(person, world.page_url).page
    expect(tab.row(page, "automatic")).to_have_count(2)
    seen(page, "not kept any longer")
    tab.button(page, "Who did what").click()
    expect(tab.trail(page).filter(has_text="since newer automatic backups were made")).to_have_count(1)
    picture(page, "tab-scheduled-light")


def test_one_that_is_due_while_another_is_made_is_missed_and_told(world: World) -> None:
    account = world.account()
    person = world.person(account.id)
    token = world.token_of(person)
    body = {"every": "weekly", "weekday": 1, "at": "02:30", "zone": "UTC"}
    assert world.call("PUT", "/schedule", token, json=body).status_code == 200
    with held_back(world):
        running = world.ask(token)
        be_due(world, account)
        assert sweep(world) is None
    assert world.ended(token, running)["state"] == "ready"
    history = world.call("GET", "/backups", token).json()["history"]
    (missed,) = [one for one in history if one["id"] != running]
    assert (missed["state"], missed["scheduled"]) == ("failed", True)
    assert missed["failure"]["reason"] == "other_running"
    mails = eventually(
        lambda: [
            mail
            for mail in world.aws.mails()
            if person.email in mail.to and "could not be made" in mail.subject
        ],
        "the e-mail about it",
    )
    assert "while another backup was still being made" in " ".join(mails[0].text.split())
