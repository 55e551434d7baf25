"""Both mails in every language: what a reader of it meets, whatever names stand in it."""

from __future__ import annotations

import dataclasses
from email.header import Header, decode_header, make_header
from pathlib import Path

import pytest
from lxml import html  # type: ignore[import-untyped]

from functions.notify.columns import columns_of
from functions.notify.mail import failure_mail, ready_mail
from functions.notify.rendering import Letter, letter_of
from shared.backup import Backup, Failure, Reason
from shared.languages import DIRECTORY, Language, Languages
from tests.unit.notify.test_notify_mail import FAILED, LINK, READY, TAB, TAB_LINK, URL, shown

LANGUAGES = Languages()
KINDS = ["ready", *Reason]
NAMES = {
    "plain": "ProofDesk",
    "arabic": "شركة النور للنشر والتوزيع المحدودة",
    "hebrew": "דפוס ירושלים (2019) בע״מ",
    "chinese": "北京校样协同审阅软件有限公司" * 4 + "北京校样",
    "japanese": "プルーフデスク・オンライン校正サービス株式会社" * 2 + "東京本社第一営業部門東京支店",
    "emoji": "Proof \U0001f469\u200d\U0001f4bb\U0001f44d\U0001f3fd Desk",
}


def asked_by(backup: Backup, name: str, tag: str) -> Backup:
    person = dataclasses.replace(backup.requested_by, name=name, language=tag)
    return dataclasses.replace(backup, requested_by=person)


def letter(kind: str, language: Language, name: str = "ProofDesk") -> Letter:
    """The ready mail, or the failure mail of that reason, of a product and a person of that name."""
    if kind == "ready":
        backup = asked_by(READY, name, language.code)
        return letter_of(ready_mail(backup, LINK, language, product=name, tab_url=TAB))
    failed = dataclasses.replace(FAILED, failure=Failure(Reason(kind)))
    return letter_of(failure_mail(asked_by(failed, name, language.code), language, product=name, tab_url=TAB))


def test_the_names_are_as_long_as_names_may_be() -> None:
    assert len(NAMES["chinese"]) == len(NAMES["japanese"]) == 60


@pytest.mark.parametrize("code", LANGUAGES.codes)
@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_say_the_same(kind: str, code: str) -> None:
    mail = letter(kind, LANGUAGES.best(code))
    assert shown(html.fromstring(mail.html)) == " ".join(mail.text.replace("-- \n", "").split())
    assert "{" not in mail.text.replace(r"\u{1F600}", "")


@pytest.mark.parametrize("code", LANGUAGES.codes)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_lines_are_at_most_72_columns_wide_but_links_are_whole(name: str, kind: str, code: str) -> None:
    lines = letter(kind, LANGUAGES.best(code), NAMES[name]).text.splitlines()
    links = [URL, TAB_LINK] if kind == "ready" else [TAB_LINK]
    assert [line for line in lines if line.startswith("http")] == links
    assert [line for line in lines if columns_of(line) > 72 and line not in links] == []


@pytest.mark.parametrize("code", LANGUAGES.codes)
@pytest.mark.parametrize("kind", ["ready", "internal"])
@pytest.mark.parametrize("name", NAMES)
def test_a_subject_is_one_line_and_comes_through_a_mail_as_it_was_meant(
    name: str, kind: str, code: str
) -> None:
    language = LANGUAGES.best(code)
    subject = letter(kind, language, NAMES[name]).subject
    sentence = language.says(f"mail.{'ready' if kind == 'ready' else 'failure'}.subject")
    assert subject == sentence.replace("{product}", NAMES[name])
    # As it travels: RFC 2047, in the lines of RFC 5322.
    travelling = Header(subject, "utf-8", header_name="Subject").encode()
    assert travelling.isascii()
    assert str(make_header(decode_header(travelling))) == subject
    assert len(subject.splitlines()) == 1


@pytest.mark.parametrize("code", LANGUAGES.codes)
@pytest.mark.parametrize("name", NAMES)
def test_a_greeting_names_the_person(name: str, code: str) -> None:
    language = LANGUAGES.best(code)
    greeting = html.fromstring(letter("ready", language, NAMES[name]).html).find(".//p")
    assert greeting.text_content() == language.says("mail.greeting").replace("{name}", NAMES[name])
    assert [(span.text, span.get("dir")) for span in greeting.iter("span")] == [(NAMES[name], "auto")]


@pytest.mark.parametrize("code", LANGUAGES.codes)
@pytest.mark.parametrize("kind", ["ready", "internal"])
def test_the_html_says_its_language_and_direction(kind: str, code: str) -> None:
    page = html.fromstring(letter(kind, LANGUAGES.best(code)).html)
    assert (page.get("lang"), page.get("dir")) == (code, "ltr")
    assert "border-left" in page.xpath("//p[strong]/@style")[0]


def test_a_language_that_is_written_from_the_right_is_shown_so(tmp_path: Path) -> None:
    words = (DIRECTORY / "en.toml").read_text("utf-8")
    (tmp_path / "en.toml").write_text(words, "utf-8")
    (tmp_path / "he.toml").write_text(words.replace('locale = "en-GB"', 'locale = "he"'), "utf-8")
    page = html.fromstring(letter("ready", Languages(tmp_path).best("he-IL")).html)
    assert (page.get("lang"), page.get("dir")) == ("he", "rtl")
    assert "border-right" in page.xpath("//p[strong]/@style")[0]


def test_a_reader_elsewhere_meets_the_words_of_the_language_and_the_forms_of_the_place() -> None:
    american = asked_by(READY, "Ann", "en-US")
    mail = letter_of(ready_mail(american, LINK, LANGUAGES.best("en-US"), product="P", tab_url=TAB))
    assert "This download link works until Nov 22, 2026, 11:15:03 UTC." in mail.text
