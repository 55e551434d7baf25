"""Every state of the Backups tab: what it says, how it looks (a picture each), and what axe finds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from local import seed
from shared.backup import MailState
from tests.e2e import tab
from tests.e2e.browser import SCHEMES, Windows, axe, picture
from tests.e2e.tab import button, card, row, seen
from tests.e2e.world import World

PHONE = (320, 700)  # also a window of 1280 pixels at 400 % (WCAG 2.2, 1.4.10)
DISCONNECTED = "ERR_INTERNET_DISCONNECTED"


def look(page: Page, name: str) -> None:
    """Pictures in light, dark and on a phone; axe finds nothing; nothing sticks out."""
    wide = page.viewport_size
    assert wide is not None
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        picture(page, f"tab-{name}-{scheme}")
        axe(page)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    picture(page, f"tab-{name}-phone")
    axe(page)
    assert tab.sticking_out(page) == []
    page.set_viewport_size(wide)


def none(_world: World, _account: seed.Account) -> None:
    pass


def told_none(page: Page) -> None:
    seen(page, "Your account has no backups.")
    expect(button(page, "Request new backup")).to_be_enabled()


def pending(world: World, account: seed.Account) -> None:
    tab.pending(world, account)


def told_pending(page: Page) -> None:
    seen(page, "Your backup has been requested and will begin shortly.")
    # Nothing is known yet, so the bar shows no share.
    expect(page.get_by_role("progressbar")).not_to_have_attribute("value", "0")
    expect(button(page, "Request new backup")).to_have_count(0)


def running(world: World, account: seed.Account) -> None:
    tab.ready(world, account, age=timedelta(days=2))
    tab.running(world, account, units=8, done=3, records=4_321)


def told_running(page: Page) -> None:
    seen(page, "Your backup is being made.")
    seen(page, "4,321 records so far · 3 of 8 parts")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "0.375")
    expect(button(page, "Request new backup")).to_have_count(0)
    expect(
        card(page, "Your last backup").get_by_role("button", name="Download backup (139.6 KB)")
    ).to_be_enabled()


def reckoned(world: World, account: seed.Account) -> None:
    tab.ready(world, account, age=timedelta(days=2))
    tab.running(world, account, records=tab.RECORDS // 2)


def told_reckoned(page: Page) -> None:
    seen(page, "6,172 records so far · about 50%, going by your last backup")


def ready(world: World, account: seed.Account) -> None:
    tab.ready(world, account, replaced=3)


def told_ready(page: Page) -> None:
    seen(page, "Your backup has been processed and is ready now to download.")
    seen(page, "Backup created on ")
    seen(page, "3 characters could not be stored as they are")
    expect(button(page, "Download backup (139.6 KB)")).to_be_enabled()
    expect(button(page, "Request new backup")).to_be_enabled()
    facts = page.locator("dl")
    for fact in ("Requested by", "Anna Jansen", "Will be deleted", "12,345"):
        expect(facts).to_contain_text(fact)


def failed(world: World, account: seed.Account) -> None:
    tab.ready(world, account, age=timedelta(days=1))
    tab.failed_backup(world, account)


def told_failed(page: Page) -> None:
    seen(page, "could not be made.")
    seen(page, "Your account's data could not be read, and trying again for a while did not help.")
    seen(page, "Nothing is lost, and you can request a new backup.")
    expect(button(page, "Request new backup")).to_be_enabled()
    expect(button(page, "Download backup (139.6 KB)")).to_be_enabled()
    expect(row(page, "Failed")).to_have_count(1)


def expired(world: World, account: seed.Account) -> None:
    tab.ready(world, account, age=timedelta(days=15))


def told_expired(page: Page) -> None:
    seen(page, "has been deleted, as announced.")
    expect(row(page, "Expired")).to_have_count(1)
    expect(page.get_by_role("button", name="Download")).to_have_count(0)
    expect(button(page, "Request new backup")).to_be_enabled()


def cancelled(world: World, account: seed.Account) -> None:
    tab.cancelled_backup(world, account)


def told_cancelled(page: Page) -> None:
    seen(page, "was cancelled by \u2068Bo de Vries\u2069.")
    expect(row(page, "Cancelled")).to_contain_text("by \u2068Bo de Vries\u2069")


def deleted(world: World, account: seed.Account) -> None:
    tab.deleted_backup(world, account)


def told_deleted(page: Page) -> None:
    seen(page, "was deleted by \u2068Bo de Vries\u2069 on ")
    expect(row(page, "Deleted").get_by_role("button")).to_have_count(0)


def not_mailed(world: World, account: seed.Account) -> None:
    tab.ready(world, account, mail=MailState.NOT_SENT)


def told_not_mailed(page: Page) -> None:
    seen(page, "The e-mail about this backup could not be sent.")
    expect(row(page, "Ready")).to_contain_text("e-mail could not be sent")


STATES: dict[str, tuple[Callable[[World, seed.Account], None], Callable[[Page], None]]] = {
    "none": (none, told_none),
    "pending": (pending, told_pending),
    "running": (running, told_running),
    "reckoned": (reckoned, told_reckoned),
    "ready": (ready, told_ready),
    "failed": (failed, told_failed),
    "expired": (expired, told_expired),
    "cancelled": (cancelled, told_cancelled),
    "deleted": (deleted, told_deleted),
    "not-mailed": (not_mailed, told_not_mailed),
}


@pytest.mark.parametrize("state", STATES)
def test_the_tab_says_how_it_stands(world: World, windows: Windows, state: str) -> None:
    put, told = STATES[state]
    account = world.account()
    put(world, account)
    page = windows.signed_in(world.person(account.id), world.page_url).page
    told(page)
    look(page, state)


def test_an_account_whose_plan_has_no_backups_is_sent_to_sales(world: World, windows: Windows) -> None:
    page = windows.signed_in(world.person(world.account(plan="team").id), world.page_url).page
    seen(page, "Backups are not part of your plan")
    expect(page.get_by_role("link", name="sales@example.com")).to_have_attribute(
        "href", "mailto:sales@example.com"
    )
    expect(button(page, "Request new backup")).to_have_count(0)
    look(page, "plan")


def test_who_may_not_ask_sees_the_last_backup_and_no_way_to_touch_it(world: World, windows: Windows) -> None:
    account = world.account()
    tab.ready(world, account)
    page = windows.signed_in(world.person(account.id, group=None), world.page_url).page
    seen(page, "Backup created on ")
    seen(page, "Only administrators of your account can request and download backups.")
    for name in ("Request new backup", "Download", "Delete", "Edit", "Cancel", "Who did what"):
        expect(page.get_by_role("main").get_by_role("button", name=name)).to_have_count(0)
    look(page, "not-allowed")


def test_who_did_what_is_shown_to_administrators(world: World, windows: Windows) -> None:
    account = world.account()
    tab.ready(world, account, age=timedelta(days=20))
    tab.failed_backup(world, account)
    tab.cancelled_backup(world, account)
    tab.deleted_backup(world, account)
    page = windows.signed_in(world.person(account.id), world.page_url).page
    button(page, "Who did what").click()
    entries = tab.trail(page)
    expect(entries).to_have_count(10)
    for text in (
        "\u2068Anna Jansen\u2069 requested a backup.",
        "was ready, to be kept until ",
        "expired. Since then nobody can download it.",
        "could not be made. Your account's data could not be read",
        "\u2068Bo de Vries\u2069 cancelled the backup requested on ",
        "\u2068Bo de Vries\u2069 deleted the file of the backup requested on ",
    ):
        expect(entries.filter(has_text=text).first).to_be_visible()
    look(page, "trail")


def test_an_account_that_has_done_nothing_is_told_so_in_its_trail(world: World, windows: Windows) -> None:
    page = windows.signed_in(world.person(world.account().id), world.page_url).page
    button(page, "Who did what").click()
    seen(page, "Nothing has been done yet.")
    look(page, "trail-empty")


def test_an_account_that_is_not_set_up_is_told_so(world: World, windows: Windows) -> None:
    window = windows.signed_in(world.person("88888888"), world.page_url, expected=["403"])
    seen(window.page, "Backups have not been set up for your account yet.")
    look(window.page, "unknown-account")


def test_without_a_connection_the_tab_keeps_what_it_knew_and_comes_back_by_itself(
    world: World, windows: Windows
) -> None:
    account = world.account()
    tab.ready(world, account)
    window = windows.signed_in(world.person(account.id), world.page_url, expected=[DISCONNECTED])
    page = window.page
    seen(page, "Backup created on ")
    window.context.set_offline(True)
    button(page, "Request new backup").click()
    seen(page, "The service could not be reached. Please try again.")
    seen(page, "What you see is how it was at ")
    seen(page, "Backup created on ")
    look(page, "offline")
    window.context.set_offline(False)
    expect(page.get_by_text("What you see is how it was at ")).to_have_count(0)
    seen(page, "Backup created on ")


def test_a_tab_that_finds_no_service_at_all_offers_to_try_again(world: World, windows: Windows) -> None:
    account = world.account()
    window = windows.open(expected=["503"])
    # API Gateway cannot be made to fail here; the answer is the one it gives when Lambda does.
    window.page.route("**/backups", lambda route: route.fulfill(status=503, body="{}"))
    window.page.goto(world.page_url, wait_until="commit")
    windows.sign_in(window, world.person(account.id))
    seen(window.page, "The service could not be reached. Please try again.")
    look(window.page, "unreachable")
    window.page.unroute("**/backups")
    button(window.page, "Try again").click()
    seen(window.page, "Your account has no backups.")


def test_a_session_that_has_ended_says_so_and_signs_in_again(world: World, windows: Windows) -> None:
    account = world.account()
    tab.ready(world, account)
    person = world.person(account.id)
    window = windows.open(expected=["400"])
    window.page.clock.install()
    window.page.goto(world.page_url, wait_until="commit")
    windows.sign_in(window, person)
    page = window.page
    seen(page, "Backup created on ")
    world.client("cognito-idp").admin_user_global_sign_out(
        UserPoolId=world.outputs["UserPoolId"], Username=person.email
    )
    page.clock.fast_forward("02:00:00")  # the token is over, and the next one is refused
    seen(page, "Your session has ended")
    expect(page.get_by_text("Backup created on ")).to_have_count(0)
    look(page, "session-ended")
    button(page, "Sign in").click()
    page.wait_for_url("**/oauth2/authorize?**")
    page.clock.resume()
