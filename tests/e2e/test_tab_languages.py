"""The Backups tab in its readers' languages, with nothing left in English."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from shared import audit
from shared.audit import Way
from shared.link import Link
from tests.e2e import tab
from tests.e2e.browser import Windows, picture
from tests.e2e.tab import LANGUAGES
from tests.e2e.world import World


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tab_speaks_its_readers_language(world: World, windows: Windows, language: str) -> None:
    account = world.account()
    tab.ready(world, account, age=timedelta(days=20))
    tab.deleted_backup(world, account)
    tab.cancelled_backup(world, account)
    tab.failed_backup(world, account)
    tab.ready(world, account, replaced=2)
    page = windows.signed_in(world.person(account.id, locale=language), world.page_url).page
    expect(page.locator("dl")).to_be_visible()
    assert page.get_attribute("html", "lang") == language
    picture(page, f"tab-language-{language}")
    page.set_viewport_size({"width": 320, "height": 700})
    assert tab.sticking_out(page) == []
    picture(page, f"tab-language-{language}-phone")
    if language != "en":
        left = english_left(page)
        assert not left, left


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_trail_speaks_its_readers_language(world: World, windows: Windows, language: str) -> None:
    account = world.account()
    backup = tab.ready(world, account, age=timedelta(days=20))
    tab.deleted_backup(world, account)
    tab.cancelled_backup(world, account)
    tab.failed_backup(world, account)
    now = datetime.now(UTC)
    for way in Way:
        link = Link(f"{way.value:0<16}", "", now + timedelta(minutes=5))
        world.trail().append(audit.link_made(backup, link, way, backup.requested_by, now))
    world.store().choose_encoding(account.id, "utf-8-sig", by=backup.requested_by, now=now)
    page = windows.signed_in(world.person(account.id, locale=language), world.page_url).page
    page.locator("#trail button").click()
    expect(page.locator(".trail li")).to_have_count(13)
    picture(page, f"tab-trail-{language}")
    page.set_viewport_size({"width": 320, "height": 700})
    assert tab.sticking_out(page) == []
    picture(page, f"tab-trail-{language}-phone")
    if language != "en":
        left = english_left(page, "trail")
        assert not left, left


def english_left(page: Page, part: str = "words") -> list[str]:
    """English sentences of the page, or of a part of it, that stand in what is shown."""
    found: list[str] = page.evaluate(
        """async (part) => {
          const own = await (await fetch(`page/${part}.json?locale=${document.documentElement.lang}`)).json();
          const english = await (await fetch(`page/${part}.json?locale=en`)).json();
          const flat = (table, path = "") => Object.entries(table).flatMap(([key, value]) =>
            typeof value === "object" ? flat(value, path + key + ".") : [[path + key, value]]);
          const shown = document.body.innerText + document.querySelector("account-backups").shadowRoot
            .querySelector("table").parentElement.parentNode.textContent;
          const mine = new Map(flat(own));
          const word = (part) => new RegExp(
            "(?<![a-z])" + part.trim().replace(/[.*+?^${}()|[\\]\\\\]/g, "\\\\$&") + "(?![a-z])", "i");
          return flat(english)
            .filter(([key, text]) => typeof text === "string" && text !== mine.get(key) && text.length > 4)
            .flatMap(([, text]) => text.split(/\\{\\w+\\}/).filter((part) => part.trim().length > 4))
            .filter((part) => word(part).test(shown));
        }""",
        part,
    )
    return found


def test_a_reader_from_a_region_gets_its_dates(world: World, windows: Windows) -> None:
    account = world.account()
    tab.ready(world, account)
    page = windows.signed_in(world.person(account.id, locale="en-US"), world.page_url).page
    created = page.get_by_text(re.compile(r"Backup created on [A-Z][a-z]{2} \d{1,2}, \d{4}\."))
    expect(created).to_be_visible()
    unknown = windows.signed_in(world.person(account.id, locale="tlh"), world.page_url, locale="de-AT").page
    expect(unknown.locator("html")).to_have_attribute("lang", "de")
