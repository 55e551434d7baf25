"""Who did what, as the Backups tab shows it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from shared import audit
from shared.backup import Person
from tests.e2e import tab
from tests.e2e.browser import Windows
from tests.e2e.tab import button, opened, seen
from tests.e2e.world import World


def test_the_trail_shows_what_was_just_done_and_closes_again(world: World, windows: Windows) -> None:
    account = world.account()
    tab.ready(world, account)
    page = opened(world, windows, account, name="Bo de Vries").page
    heading = button(page, "Who did what")
    expect(heading).to_have_attribute("aria-expanded", "false")
    heading.focus()
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-expanded", "true")
    expect(heading).to_be_focused()
    entries = tab.trail(page)
    expect(entries).to_have_count(2)
    with page.expect_download():
        page.get_by_role("button", name=re.compile(r"Download backup \(.+\)")).click()
    expect(entries.first).to_contain_text("\u2068Bo de Vries\u2069 got a link to the backup requested on ")
    button(page, "Delete file").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete file").click()
    expect(entries.first).to_contain_text("\u2068Bo de Vries\u2069 deleted the file of the backup")
    expect(entries).to_have_count(4)
    heading.click()
    expect(entries).to_have_count(0)


def test_earlier_entries_of_the_trail_come_page_by_page(world: World, windows: Windows) -> None:
    account = world.account()
    person = Person(sub="s", name="Anna Jansen", email=None, language="en")
    for number in range(60):
        at = datetime.now(UTC) - timedelta(days=1, seconds=number)
        world.trail().append(audit.encoding_chosen(account.id, "utf-16", person, at))
    page = opened(world, windows, account).page
    button(page, "Who did what").click()
    entries = tab.trail(page)
    expect(entries).to_have_count(50)
    button(page, "Show earlier entries").click()
    expect(entries).to_have_count(60)
    expect(button(page, "Show earlier entries")).to_have_count(0)


def test_a_trail_that_cannot_be_fetched_says_so_and_can_be_tried_again(
    world: World, windows: Windows
) -> None:
    account = world.account()
    window = opened(world, windows, account, expected=["ERR_FAILED", "503"])
    page = window.page
    expect(button(page, "Who did what")).to_be_visible()
    for address, fail in (
        ("**/page/trail.json*", lambda route: route.abort()),
        ("**/audit", lambda route: route.fulfill(status=503, body="{}")),
    ):
        page.route(address, fail)
        button(page, "Who did what").click()
        seen(page, "The service could not be reached. Please try again.")
        page.unroute(address)
    button(page, "Who did what").click()
    seen(page, "Nothing has been done yet.")
