"""The browser of these tests notices what it is there to notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route

from tests.e2e.browser import Windows, axe, axe_in_light_and_dark

HERE = "http://127.0.0.1:1"
POLICY = "default-src 'none'; script-src 'nonce-a'; connect-src 'self' http://localhost:2"


@pytest.fixture
def windows(chromium: Browser) -> Iterator[Windows]:
    opened = Windows(chromium, [HERE])
    yield opened
    opened.close()


def faults_of(windows: Windows, body: str, policy: str = POLICY) -> list[str]:
    window = windows.open()

    def answer(route: Route) -> None:
        page = f"<!doctype html><html lang=en><title>t</title><main><h1>t</h1>{body}</main></html>"
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        route.fulfill(status=200 if route.request.url == f"{HERE}/" else 409, headers=headers, body=page)

    window.page.route("**/*", answer)
    window.page.goto(f"{HERE}/")
    window.page.wait_for_load_state("networkidle")
    assert windows.close() == window.faults
    return window.faults


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script nonce=a>console.error('a pity')</script>", f"console: a pity ({HERE}/)"),
        ("<script nonce=a>throw new Error('a bug')</script>", "uncaught: a bug"),
        ("<script nonce=a>Promise.reject(new Error('unheard'))</script>", "uncaught: unheard"),
        ("<script nonce=a>fetch('/x')</script>", "console: Failed to load resource"),
        ("<script>1</script>", "Content Security Policy"),
        ("<p style='color:red'>t</p>", "Content Security Policy"),
        ("<script nonce=a>fetch('http://localhost:3').catch(() => 0)</script>", "Content Security Policy"),
        (
            "<script nonce=a>fetch('http://localhost:2').catch(() => 0)</script>",
            "foreign: GET http://localhost:2",
        ),
    ],
)
def test_what_goes_wrong_in_a_page_is_a_fault(windows: Windows, body: str, fault: str) -> None:
    assert any(fault in found for found in faults_of(windows, body))


def test_a_page_that_does_well_has_none(windows: Windows) -> None:
    assert faults_of(windows, "<script nonce=a>console.info('well')</script>") == []


def test_only_what_a_test_expects_is_passed_over(windows: Windows) -> None:
    window = windows.open(expected=["a pity"])
    window.page.evaluate("console.error('a pity'), console.error('another')")
    assert windows.close() == ["console: another ()"]


def test_axe_looks_into_shadow_roots_and_at_both_schemes(windows: Windows) -> None:
    page = windows.open().page
    page.set_content("<!doctype html><html lang=en><title>t</title><main><h1>t</h1><x-y></x-y></main></html>")
    inside = "document.querySelector('x-y').attachShadow({mode: 'open'}).innerHTML"
    page.evaluate(
        inside
        + " = `<style>p { background: #fff; color: #000 }"
        + " @media (prefers-color-scheme: dark) { p { color: #eee } }</style><p>text</p>`"
    )
    axe(page)
    with pytest.raises(AssertionError, match="color-contrast"):
        axe_in_light_and_dark(page)
    page.evaluate("document.querySelector('x-y').shadowRoot.innerHTML = '<img src=data:,>'")
    with pytest.raises(AssertionError, match="image-alt"):
        axe(page)


def test_a_window_has_its_own_language_place_scheme_and_size(windows: Windows) -> None:
    page = windows.open(locale="nl-NL", timezone="Asia/Tokyo", scheme="dark", viewport=(320, 600)).page
    assert page.evaluate("navigator.language") == "nl-NL"
    assert page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone") == "Asia/Tokyo"
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert page.evaluate("innerWidth") == 320
