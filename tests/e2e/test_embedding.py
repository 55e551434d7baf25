"""The element in a settings page of the operator's own, which is another origin than the API."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e import tab
from tests.e2e.browser import Windows, picture
from tests.e2e.conftest import OWN_PAGE
from tests.e2e.tab import button, seen
from tests.e2e.world import World

SETTINGS_PAGE = """<!doctype html><html lang="en"><title>Settings</title><h1>Your settings</h1>
<script type="module" src="{api}/page/account-backups.js"></script>
<account-backups api="{api}"></account-backups>
<script type="module">
  const element = document.querySelector("account-backups");
  element.token = async () => {token!r};
  for (const name of ["sign-in", "session-ended"]) {{
    element.addEventListener(name, () => (document.title = name));
  }}
</script>"""


def page_of_their_own(world: World, windows: Windows, token: str) -> Page:
    window = windows.open(expected=["401"])
    window.origins = {*window.origins, OWN_PAGE}
    body = SETTINGS_PAGE.format(api=world.page_url.rstrip("/"), token=token)
    window.page.route(f"{OWN_PAGE}/**", lambda route: route.fulfill(body=body, content_type="text/html"))
    window.page.goto(f"{OWN_PAGE}/settings")
    return window.page


def test_the_element_works_on_a_page_of_another_origin(world: World, windows: Windows) -> None:
    account = world.account()
    tab.ready(world, account)
    page = page_of_their_own(world, windows, world.token(account.id))
    seen(page, "Backup created on ")
    button(page, "Edit").first.click()
    page.get_by_label("Data encoding").select_option("utf-16")
    button(page, "Save").click()  # PUT: the browser asks first whether it may
    seen(page, "Saved.")
    button(page, "Who did what").click()
    seen(page, "chose the encoding UTF-16.")
    picture(page, "tab-embedded-light")


def test_a_token_that_is_refused_ends_the_session_and_the_page_is_told(
    world: World, windows: Windows
) -> None:
    # Another client's: the function refuses it. What API Gateway refuses by itself has no CORS header here.
    page = page_of_their_own(world, windows, world.token_of_another_client(world.account().id))
    seen(page, "Your session has ended")
    button(page, "Sign in").click()
    expect(page).to_have_title("sign-in")


def test_a_page_of_any_other_origin_is_told_nothing(world: World) -> None:
    answer = world.call(
        "OPTIONS",
        "/backups",
        headers={"Origin": "https://elsewhere.example.com", "Access-Control-Request-Method": "POST"},
    )
    assert "Access-Control-Allow-Origin" not in answer.headers
