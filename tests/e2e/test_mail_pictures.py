"""Both mails in every language, as Chromium shows them on a phone and on a desk, by day and by night."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from lxml import html  # type: ignore[import-untyped]
from playwright.sync_api import Browser

from functions.notify.forms import Forms
from functions.notify.mail import failure_mail, ready_mail
from functions.notify.rendering import letter_of
from shared.backup import Backup, Failure, Person, Reason, State
from shared.languages import DEFAULT, Languages
from shared.link import Link
from tests.e2e.browser import SCHEMES, Scheme, Windows, picture

PHONE, DESK = 320, 700
KINDS = ["ready", "failed"]
LANGUAGES = Languages()
TAB = "https://app.proofdesk.example/settings/backups"
# Of the length that links have, with a session token.
URL = f"https://archives.example/backups/0f/9789_22_11_2026_61703.zip?X-Amz-Security-Token={'Ab3%2F' * 150}"
NOW = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
READY = Backup(
    account_id="9789",
    id="01JDA8Z4T0ABCDEFGHJKMNPQRS",
    state=State.READY,
    requested_at=NOW,
    requested_by=Person("s-1", "Ann Example", "ann@example.com", "en"),
    account_name="Acme",
    encoding="windows-1252",
    file_name="9789_22_11_2026_61703.zip",
    object_key="backups/0f/9789_22_11_2026_61703.zip",
    finished_at=NOW,
    expires_at=datetime(2026, 12, 6, 10, 15, tzinfo=UTC),
    bytes=142_950,
    records=12_345,
    replaced=3,
)
# The longest and widest names there may be, and one from right to left.
NAMES = {
    "latin": "ProofDesk",
    "wide": "プルーフデスク・オンライン校正サービス株式会社" * 2 + "東京本社第一営業部門東京支店",
    "arabic": "شركة النور للنشر والتوزيع (2019)",
    "unbroken": "W" * 60,
}


def page_of(kind: str, code: str, name: str = "ProofDesk") -> str:
    language = LANGUAGES.best(code)
    person = dataclasses.replace(READY.requested_by, language=code)
    if name != "ProofDesk":
        person = dataclasses.replace(person, name=name)
    backup = dataclasses.replace(READY, requested_by=person)
    if kind == "ready":
        link = Link("1f0c4a52d3b6e789", URL, datetime(2026, 11, 22, 11, 15, 3, tzinfo=UTC))
        return letter_of(ready_mail(backup, link, language, product=name, tab_url=TAB)).html
    failed = dataclasses.replace(
        backup, state=State.FAILED, failure=Failure(Reason.SOURCE_UNAVAILABLE), replaced=None
    )
    return letter_of(failure_mail(failed, language, product=name, tab_url=TAB)).html


@pytest.fixture
def windows(chromium: Browser) -> Iterator[Windows]:
    """Windows that may ask nobody for anything."""
    opened = Windows(chromium, [])
    yield opened
    assert opened.close() == []


def shown(windows: Windows, page: str, width: int, scheme: Scheme = "light") -> Any:
    window = windows.open(viewport=(width, 640), scheme=scheme)
    # The dark scheme is the client's to choose: the mail only says that it goes with both.
    window.page.set_content(page, wait_until="load")
    assert window.requests == []
    return window.page


def barriers(page: Any) -> list[str]:
    """What axe finds against WCAG. Landmarks and headings are the client's, in whose page the mail stands."""
    # The colour behind everything is the scheme's own, which axe takes for white where nobody names it.
    page.add_style_tag(content="html { background: Canvas }")
    wcag = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = Axe().run(page, options=wcag).response
    assert len(found["passes"]) > 5
    return [f"{each['id']}: {node['html']}" for each in found["violations"] for node in each["nodes"]]


def wider_than_its_window(page: Any) -> list[str]:
    """Elements that stick out, where a reader would have to scroll sideways."""
    found: list[str] = page.evaluate(
        """() => [document.documentElement, ...document.querySelectorAll("body *")]
            .filter(one => one.getBoundingClientRect().right > innerWidth || one.scrollWidth > innerWidth)
            .map(one => one.outerHTML.slice(0, 200))"""
    )
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", LANGUAGES.codes)
def test_a_mail_is_read_without_effort(
    windows: Windows, code: str, kind: str, width: int, scheme: Scheme
) -> None:
    page = shown(windows, page_of(kind, code), width, scheme)
    picture(page, f"mail-{code}-{kind}-{width}-{scheme}")
    assert wider_than_its_window(page) == []
    assert barriers(page) == []
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert ink == {"light": "rgb(0, 0, 0)", "dark": "rgb(255, 255, 255)"}[scheme]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_long_and_foreign_names_make_no_mail_wider_than_a_phone(
    windows: Windows, kind: str, name: str
) -> None:
    page = shown(windows, page_of(kind, DEFAULT, NAMES[name]), PHONE)
    picture(page, f"mail-{DEFAULT}-{kind}-{PHONE}-light-{name}")
    assert wider_than_its_window(page) == []
    assert barriers(page) == []


def phrases(page: str) -> set[str]:
    """Every four words in a row that stand in the mail; names, links and numbers left out."""
    found = set()
    for text in html.fromstring(page).itertext():
        words = re.findall(r"[^\W\d_]{2,}", text)
        found |= {" ".join(words[at : at + 4]) for at in range(len(words) - 3)}
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [code for code in LANGUAGES.codes if code != DEFAULT])
def test_no_english_is_left_in_another_language(code: str, kind: str) -> None:
    english = phrases(page_of(kind, DEFAULT))
    assert len(english) > 30
    assert phrases(page_of(kind, code)) & english == set()


@pytest.mark.parametrize("tag", ["en", "en-US", "nl", "nl-BE", "de", "de-CH", "fr", "fr-CH", "es", "es-MX"])
def test_the_browser_writes_dates_and_numbers_as_the_mails_do(chromium: Browser, tag: str) -> None:
    """Mail and page are read one after the other: Babel's CLDR and the browser's must agree."""
    language = LANGUAGES.best(tag)
    page = chromium.new_page()
    date, number = page.evaluate(
        """([locale, moment]) => [
            new Intl.DateTimeFormat(locale, {dateStyle: "medium", timeZone: "UTC"}).format(new Date(moment)),
            new Intl.NumberFormat(locale, {minimumFractionDigits: 1, useGrouping: false}).format(1023.9),
        ]""",
        [language.forms_for(tag), NOW.isoformat()],
    )
    page.close()
    forms = Forms(language, tag)
    assert forms.moment(NOW) == language.says("mail.moment").format(date=date, time="10:11:12")
    unit = language.words["sizes"][1]
    assert forms.size(1024**2 - 52) == language.says("size").format(number=number, unit=unit)
