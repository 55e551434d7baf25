"""Headless Chromium, as people use it: windows with a language, a place and a colour scheme of their own.

A window keeps an eye on what its user would not see: errors in the console, exceptions nobody caught,
breaches of the page's content security policy, and every address that is asked for anything.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from local.aws import STATE
from local.people import Person

PICTURES = STATE / "pictures"
PATIENCE_MS = 30_000
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, for the time of the block. It reaches this machine and no other."""
    program = shutil.which("chromium")
    assert program, "no chromium here: local/setup.sh chromium"
    # Five seconds, its default, are few on a machine that starts Lambdas at the same time.
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            chromium_sandbox=False,  # it refuses to start for root, who runs the tests in CI
            args=[
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
                # A page of a public origin may else not speak to the loopback, where AWS is here.
                "--disable-features=LocalNetworkAccessChecks",
            ],
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """One user's browser: pages that it opens by itself (target=_blank) count too."""

    context: BrowserContext
    page: Page
    origins: Collection[str]
    expected: list[str]
    """Parts of the faults that this test is about; it may add to them."""

    requests: list[Request] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def asked(self) -> set[str]:
        """The origins that something was asked of."""
        return {_origin(request.url) for request in self.requests}

    def unexpected(self) -> list[str]:
        return [fault for fault in self.faults if not any(part in fault for part in self.expected)]

    def watch(self) -> None:
        self.context.on("console", self._on_console)
        self.context.on("weberror", lambda error: self.faults.append(f"uncaught: {error.error}"))
        self.context.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        # Breaches of the content security policy arrive here too, report-only ones included.
        if message.type == "error":
            place = message.location["url"].partition("?")[0]
            self.faults.append(f"console: {message.text} ({place})")

    def _on_request(self, request: Request) -> None:
        self.requests.append(request)
        if _origin(request.url) not in self.origins and not request.url.startswith(("data:", "blob:")):
            self.faults.append(f"foreign: {request.method} {_origin(request.url)}")


class Windows:
    """Opens windows whose pages may speak to these origins only; closes all of them at once.

    `expected` are parts of faults that no window is blamed for.
    """

    def __init__(self, browser: Browser, origins: Collection[str], expected: Sequence[str] = ()) -> None:
        self._browser = browser
        self._origins = origins
        self._expected = expected
        self._opened: list[Window] = []

    def open(
        self,
        *,
        locale: str = "en-GB",
        timezone: str = "Europe/London",
        scheme: Scheme = "light",
        viewport: tuple[int, int] = (1280, 800),
        expected: Sequence[str] = (),
    ) -> Window:
        """A new user's window with an empty page: no cookies, nothing stored, nobody signed in."""
        context = self._browser.new_context(
            locale=locale,
            timezone_id=timezone,
            color_scheme=scheme,
            viewport={"width": viewport[0], "height": viewport[1]},
        )
        window = Window(context, context.new_page(), self._origins, [*self._expected, *expected])
        window.watch()
        self._opened.append(window)
        return window

    def signed_in(self, person: Person, address: str, **options: Any) -> Window:
        """A new window (`options` as of `open`) in which the person followed this link to the page and signed
        in on the way. The page is there then; what it shows may still be on its way.
        """
        window = self.open(**options)
        window.page.goto(address, wait_until="commit")  # the page leaves before it has loaded
        self.sign_in(window, person)
        return window

    def sign_in(self, window: Window, person: Person) -> None:
        """Sign in on the hosted page, which the window is on its way to, and come back."""
        sign_in(window.page, person)
        window.page.locator("account-backups").wait_for(state="attached")

    def close(self) -> list[str]:
        """Closes them; returns what went wrong in them and was not expected."""
        for window in self._opened:
            window.context.close()
        return [fault for window in self._opened for fault in window.unexpected()]


def sign_in(page: Page, person: Person) -> None:
    """Fills in and sends the hosted sign-in page, which `page` is on or on its way to."""
    page.wait_for_url("**/oauth2/authorize?**")
    page.get_by_label("Username").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: urlsplit(url).path not in ("/login", "/oauth2/authorize"))


def picture(page: Page, name: str) -> Path:
    """The whole page as .local/pictures/<name>.png."""
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, full_page=True, animations="disabled")
    return path


def axe(page: Page) -> None:
    """Asserts that axe-core finds nothing wrong with the page as it is now, open shadow roots included."""
    # Preloading serves one experimental rule, and makes style elements that the page's policy refuses.
    options = {"resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, options=options).response["violations"]
    assert not found, "\n".join(
        f"{violation['id']}: {violation['help']}: {node['target']} {node['html']}\n{node['failureSummary']}"
        for violation in found
        for node in violation["nodes"]
    )


def axe_in_light_and_dark(page: Page) -> None:
    """The same in both colour schemes; leaves the page in the one that it had."""
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    for scheme in SCHEMES:
        # With reduced motion no colour is caught halfway.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        axe(page)
    page.emulate_media(color_scheme=SCHEMES[dark], reduced_motion="null")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
