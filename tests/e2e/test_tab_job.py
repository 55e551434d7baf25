"""The Backups tab in use: sign in, ask, watch, fetch, cancel, delete, choose; by mouse, keyboard and link."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Route, expect

from tests.e2e import tab
from tests.e2e.browser import Windows, picture
from tests.e2e.tab import LANGUAGES, button, opened, row, seen
from tests.e2e.test_requests import held_back
from tests.e2e.world import World, eventually

HOSTILE = "<img src=x onerror=\"window.hacked='name'\"> \u202eevil " + "W" * 300


def test_from_signed_out_to_the_file_without_a_reload(world: World, windows: Windows) -> None:
    account = world.account()
    world.fill(account)
    window = opened(world, windows, account)
    page = window.page
    page.evaluate("window.sameDocument = true")
    button(page, "Request new backup").click()
    expect(button(page, "Request new backup")).to_have_count(0)
    seen(page, "Your backup has been processed and is ready now to download.")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile(r"Download backup \(.+\)")).click()
    (key,) = [key for key in world.objects("backups/") if f"/{account.id}_" in key]
    stored = world.client("s3").get_object(Bucket=world.outputs["Bucket"], Key=key)["Body"].read()
    fetched = download.value.path().read_bytes()
    assert hashlib.sha256(fetched).digest() == hashlib.sha256(stored).digest()
    assert download.value.suggested_filename == key.rpartition("/")[2]
    assert page.evaluate("window.sameDocument")

    (mail,) = eventually(lambda: world.mails_about(download.value.suggested_filename), "the e-mail")
    file_link, tab_link = re.findall(r"https?://\S+", mail.text)
    with page.expect_download() as by_mail:
        page.evaluate("link => { location.href = link }", file_link)
    assert by_mail.value.path().read_bytes() == stored
    # The other link, in a browser that nobody is signed in to: it leads to this backup.
    other = windows.signed_in(world.person(account.id), tab_link).page
    expect(other.locator("tr[aria-current=true]")).to_have_count(1)
    picture(other, "tab-from-mail-light")


def test_two_people_of_one_account_see_one_backup(world: World, windows: Windows) -> None:
    account = world.account()
    first = opened(world, windows, account, name="Anna Jansen").page
    second = opened(world, windows, account, name="Bo de Vries", expected=["409"]).page
    expect(button(second, "Request new backup")).to_be_enabled()
    with held_back(world):
        button(first, "Request new backup").click()
        seen(first, "Your backup has been requested")
        # The second page is older than the request: its button is still there, and does no harm.
        button(second, "Request new backup").click()
        seen(second, "A backup of your account is being made already.")
        seen(second, "Your backup has been requested")
        expect(second.locator("dl")).to_contain_text("Anna Jansen")
        expect(button(second, "Request new backup")).to_have_count(0)
    for page in (first, second):
        seen(page, "Your backup has been processed and is ready now to download.")
    mine = {record["backup_id"] for record in world.records_of(account.id) if "backup_id" in record}
    assert len(mine) == 1


def test_progress_never_goes_back(world: World, windows: Windows) -> None:
    account = world.account()
    tab.running(world, account, units=4, done=2, records=900)
    window = opened(world, windows, account)
    page = window.page
    seen(page, "900 records so far · 2 of 4 parts")

    def fewer(route: Route) -> None:
        # The service does not count down by itself either; a page must not rely on it.
        answer = route.fetch()
        overview = answer.json()
        overview["running"]["progress"] |= {"units_done": 1, "records": 10}
        route.fulfill(response=answer, json=overview)

    page.route("**/backups", fewer)
    with page.expect_response("**/backups"):
        pass
    with page.expect_response("**/backups"):
        pass
    seen(page, "900 records so far")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "0.5")


def test_a_running_backup_is_cancelled_after_a_question(world: World, windows: Windows) -> None:
    account = world.account()
    page = opened(world, windows, account, name="Bo de Vries").page
    with held_back(world):
        button(page, "Request new backup").click()
        button(page, "Cancel backup").click()
        dialog = page.get_by_role("dialog", name="Cancel this backup?")
        expect(dialog).to_be_visible()
        picture(page, "tab-ask-cancel-light")
        dialog.get_by_role("button", name="Let it run").click()
        expect(dialog).to_have_count(0)
        seen(page, "Your backup has been requested")
        button(page, "Cancel backup").click()
        dialog.get_by_role("button", name="Cancel backup").click()
        seen(page, "The backup was cancelled.")
        expect(row(page, "Cancelled")).to_contain_text("Bo de Vries")
        expect(button(page, "Request new backup")).to_be_enabled()
    assert not [mail for mail in world.aws.mails() if account.id in mail.text]


def test_a_file_is_deleted_after_a_question_and_its_entry_stays(world: World, windows: Windows) -> None:
    account = world.account()
    backup = tab.ready(world, account)
    page = opened(world, windows, account).page
    button(page, "Delete file").click()
    dialog = page.get_by_role("dialog", name="Delete this backup file?")
    expect(dialog).to_be_visible()
    picture(page, "tab-ask-delete-light")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert backup.object_key in world.objects("backups/")
    button(page, "Delete file").click()
    dialog.get_by_role("button", name="Delete file").click()
    seen(page, "The file was deleted.")
    assert backup.object_key not in world.objects("backups/")
    expect(row(page, "Deleted")).to_have_count(1)


def test_a_cancel_that_comes_too_late_deletes_nothing(world: World, windows: Windows) -> None:
    account = world.account()
    page = opened(world, windows, account, expected=["409"]).page
    with held_back(world):
        button(page, "Request new backup").click()
        button(page, "Cancel backup").click()
    seen(page, "Your backup has been processed")  # while the question is open
    page.get_by_role("dialog").get_by_role("button", name="Cancel backup").click()
    seen(page, "This backup has meanwhile gone on.")
    expect(page.get_by_role("button", name=re.compile("Download backup"))).to_be_enabled()


def test_the_encoding_is_chosen_and_kept_for_the_next_backup(world: World, windows: Windows) -> None:
    account = world.account()
    page = opened(world, windows, account).page
    settings = page.get_by_role("region", name="Settings")
    expect(settings).to_contain_text("UTF-8")
    settings.get_by_role("button", name="Edit").first.click()
    expect(settings.get_by_role("option")).to_have_count(12)
    seen(page, "UTF-8 holds every character and is recommended.")
    picture(page, "tab-encoding-light")
    settings.get_by_label("Data encoding").select_option(label="UTF-8 for Excel")
    settings.get_by_role("button", name="Save").click()
    seen(page, "Saved. It applies from your next backup on.")
    expect(settings).to_contain_text("UTF-8 for Excel")
    button(page, "Request new backup").click()
    seen(page, "Your backup has been processed")
    (backup,) = world.call("GET", "/backups", world.token(account.id)).json()["history"]
    assert backup["encoding"] == "utf-8-sig"


def test_older_backups_come_page_by_page(world: World, windows: Windows) -> None:
    account = world.account()
    for days in range(25):
        tab.ready(world, account, age=timedelta(days=40 - days))
    page = opened(world, windows, account).page
    rows = page.get_by_role("table").locator("tbody").get_by_role("row")
    expect(rows).to_have_count(20)
    button(page, "Show older backups").click()
    expect(rows).to_have_count(25)
    expect(button(page, "Show older backups")).to_have_count(0)


def test_a_link_to_a_backup_far_back_shows_it_and_to_none_says_so(world: World, windows: Windows) -> None:
    account = world.account()
    backups = [tab.ready(world, account, age=timedelta(days=40 - days)) for days in range(22)]
    page = windows.signed_in(world.person(account.id), f"{world.page_url}?backup={backups[0].id}").page
    expect(page.locator("tr[aria-current=true]")).to_have_count(1)
    expect(page.get_by_role("table").locator("tbody").get_by_role("row")).to_have_count(21)
    hostile = windows.open()
    hostile.page.goto(f"{world.page_url}?backup=<script>window.hacked=1</script>", wait_until="commit")
    windows.sign_in(hostile, world.person(account.id))
    seen(hostile.page, "Your account has no backup \u2068<script>window.hacked=1</script>\u2069.")
    assert hostile.page.evaluate("window.hacked") is None


def test_a_file_expires_before_the_reader_s_eyes_at_the_promised_moment(
    world: World, windows: Windows
) -> None:
    account = world.account()
    page = opened(world, windows, account).page
    seen(page, "Your account has no backups.")
    page.evaluate("window.sameDocument = true")
    backup = tab.ready(world, account, age=tab.KEPT - timedelta(seconds=15))
    assert backup.expires_at is not None
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # it looks again
    seen(page, "Your backup has been processed and is ready now to download.")
    expect(page.get_by_role("button", name=re.compile("Download"))).to_have_count(2)
    seen(page, "has been deleted, as announced.")
    late = datetime.now(UTC) - backup.expires_at
    assert timedelta() <= late < timedelta(seconds=10)  # and not at the next minute's question
    expect(row(page, "Expired")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("Download"))).to_have_count(0)
    assert page.evaluate("window.sameDocument")
    # The file itself is still there: it is the promise that has ended.
    assert backup.object_key in world.objects("backups/")


def test_the_keyboard_is_enough_and_never_gets_lost(world: World, windows: Windows) -> None:
    account = world.account()
    page = opened(world, windows, account).page
    expect(button(page, "Request new backup")).to_be_visible()

    def focused() -> str:
        return str(
            page.evaluate(
                "document.querySelector('account-backups').shadowRoot.activeElement?.textContent.trim()"
            )
        )

    with held_back(world):
        for _ in range(10):
            page.keyboard.press("Tab")
            if focused() == "Request new backup":
                break
        page.keyboard.press("Enter")
        seen(page, "Your backup has been requested")
        # The button is gone; the reader is where the news is.
        assert focused() == "Your backup has been requested and will begin shortly."
        page.keyboard.press("Tab")
        assert focused() == "Cancel backup"
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        assert focused() == "Let it run"  # what changes nothing
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert focused() == "Cancel backup"


def test_what_happens_is_announced(world: World, windows: Windows) -> None:
    account = world.account()
    page = opened(world, windows, account).page
    status = page.locator(".said[role=status]")
    with held_back(world):
        button(page, "Request new backup").click()
        expect(status).to_have_text("Your backup has been requested and will begin shortly.")
    expect(status).to_have_text("Your backup has been processed and is ready now to download.")


def test_nothing_is_asked_from_a_tab_that_nobody_sees(world: World, windows: Windows) -> None:
    account = world.account()
    tab.running(world, account, units=2, records=1)
    window = windows.open()
    window.page.clock.install()
    window.page.goto(world.page_url, wait_until="commit")
    windows.sign_in(window, world.person(account.id))
    page = window.page
    seen(page, "1 record so far")

    def polls() -> int:
        return sum(request.url.endswith("/backups") for request in window.requests)

    def see(hidden: bool) -> None:
        page.evaluate(
            """hidden => {
              Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )

    see(hidden=True)
    before = polls()
    page.clock.run_for(3_600_000)
    assert polls() - before <= 1  # one may have been under way
    with page.expect_response("**/backups"):
        see(hidden=False)
    # Each next question waits for an answer, so a minute brings between a few and a dozen.
    before = polls()
    for minute_over in range(5, 600, 5):
        page.clock.run_for(5_000)
        page.wait_for_load_state("networkidle")
        if minute_over >= 60 and polls() - before >= 3:  # on a slow machine answers take more of its clock
            break
    assert 3 <= polls() - before <= 20


def test_text_of_the_account_is_shown_as_text(world: World, windows: Windows) -> None:
    account = world.account()
    tab.ready(world, account, name=HOSTILE)
    page = opened(world, windows, account, name=HOSTILE).page
    seen(page, "Backup created on ")
    shown = page.locator("dl").inner_text()
    assert "<img src=x onerror=" in shown
    assert "\u202e" not in page.locator("body").inner_text()
    assert "\u202e" not in shown
    assert page.evaluate("window.hacked") is None
    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert tab.sticking_out(page) == []
    picture(page, "tab-hostile-phone")


def test_the_policy_blocks_a_script_that_got_into_the_page(world: World, windows: Windows) -> None:
    window = windows.open(expected=["Content Security Policy", "TrustedHTML"])

    def injected(route: Route) -> None:
        answer = route.fetch()  # the real answer with its real headers, and a foreign script in it
        body = answer.text().replace(
            "<body>", "<body><script>window.hacked = 1</script><img src=data: onerror='window.hacked = 2'>"
        )
        route.fulfill(response=answer, body=body)

    window.page.route(world.page_url, injected)
    window.page.goto(world.page_url, wait_until="commit")
    windows.sign_in(window, world.person(world.account().id))
    seen(window.page, "Your account has no backups.")
    assert window.page.evaluate("window.hacked") is None
    assert any("script" in fault for fault in window.faults)
    # Nor can the page's own scripts be made to write markup.
    refused = window.page.evaluate("try { document.body.innerHTML = '<p>'; 0 } catch (error) { error.name }")
    assert refused == "TypeError"


def test_the_page_is_light_and_asks_nobody_else(world: World, windows: Windows) -> None:
    for language in LANGUAGES:
        window = windows.signed_in(world.person(world.account().id, locale=language), world.page_url)
        expect(window.page.locator("#state")).to_be_visible()
        own = {
            request.url: request
            for request in window.requests
            if request.url.startswith(world.page_url) and not request.url.endswith("/backups")
        }
        files = {url.partition("?")[0]: request for url, request in own.items()}
        answers = [answer for request in files.values() if (answer := request.response())]
        weight = sum(len(answer.body()) for answer in answers)
        assert 30_000 < weight < 60_000, language
        assert window.asked <= {world.aws.endpoint, world.sign_in_url}


def test_signing_out_ends_at_the_sign_in_page(world: World, windows: Windows) -> None:
    page = opened(world, windows, world.account()).page
    button(page, "Sign out").click()
    page.wait_for_url("**/oauth2/authorize?**")
    expect(page.get_by_label("Password")).to_be_visible()
