"""What both mails say, word for word, and how they are rendered."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import html  # type: ignore[import-untyped]

from functions.notify.mail import failure_mail, ready_mail
from functions.notify.rendering import Letter, letter_of
from shared.backup import Backup, Failure, Person, Reason, State
from shared.languages import Language, Languages
from shared.link import Link

TAB = "https://app.proofdesk.example/settings/backups"
TAB_LINK = f"{TAB}?backup=01JDA8Z4T0ABCDEFGHJKMNPQRS"
URL = "https://archives.example/backups/0f/9789_22_11_2026_61703.zip?X-Amz-Expires=3600&X-Amz-Signature=ab"
LINK = Link("1f0c4a52d3b6e789", URL, datetime(2026, 11, 22, 11, 15, 3, tzinfo=UTC))
READY = Backup(
    account_id="9789",
    id="01JDA8Z4T0ABCDEFGHJKMNPQRS",
    state=State.READY,
    requested_at=datetime(2026, 11, 22, 10, 11, 12, 345_000, tzinfo=UTC),
    requested_by=Person("s-1", "Ann Example", "ann@example.com", "en"),
    account_name="Acme & Sons",
    encoding="windows-1252",
    file_name="9789_22_11_2026_61703.zip",
    object_key="backups/0f/9789_22_11_2026_61703.zip",
    finished_at=datetime(2026, 11, 22, 10, 15, tzinfo=UTC),
    expires_at=datetime(2026, 12, 6, 10, 15, tzinfo=UTC),
    bytes=142_950,
    records=12,
    replaced=3,
)
FAILED = dataclasses.replace(
    READY, state=State.FAILED, failure=Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS"), replaced=None
)
LANGUAGES = Languages()

READY_TEXT = f"""\
Hello Ann Example,

Your ProofDesk backup is ready to download.

File: 9789_22_11_2026_61703.zip
Size: 139.6\u00a0KB
Data up to: 22 Nov 2026, 10:11:12 UTC
Will be deleted: 6 Dec 2026, 10:15:00 UTC

Some characters cannot be stored in XML, or in the encoding of your CSV
files (windows-1252). This backup has 3 of them; each is written as a
code such as \\u{{1F600}}. The file manifest.json in the backup says how to
turn these codes back into characters.

Download backup (139.6\u00a0KB)
{URL}

This download link works until 22 Nov 2026, 11:15:03 UTC. Until then it
works for anyone who has it, so please do not pass it on.

After that, sign in and get a new link on the Backups page of your
account settings, for as long as the file exists (until 6 Dec 2026,
10:15:00 UTC).

Open the Backups page
{TAB_LINK}

--\x20
This message was sent by ProofDesk because a backup was requested with
this e-mail address. Replies are not read.
"""

FAILURE_TEXT = f"""\
Hello Ann Example,

The ProofDesk backup that was requested could not be made.

What happened? Your account's data could not be read, and trying again
for a while did not help. This usually passes by itself.

Nothing is lost: making a backup only reads your data, and earlier
backups stay available until they are due to be deleted. You can request
a new backup on the Backups page of your account settings.

Open the Backups page
{TAB_LINK}

Requested: 22 Nov 2026, 10:11:12 UTC
Reference: 01JDA8Z4T0ABCDEFGHJKMNPQRS

--\x20
This message was sent by ProofDesk because a backup was requested with
this e-mail address. Replies are not read.
"""


def ready(backup: Backup = READY, language: Language = LANGUAGES.best("en")) -> Letter:  # noqa: B008
    return letter_of(ready_mail(backup, LINK, language, product="ProofDesk", tab_url=TAB))


def failure(backup: Backup = FAILED, language: Language = LANGUAGES.best("en")) -> Letter:  # noqa: B008
    return letter_of(failure_mail(backup, language, product="ProofDesk", tab_url=TAB))


def test_the_ready_mail_says_this() -> None:
    assert ready().subject == "Your ProofDesk backup is ready"
    assert ready().text == READY_TEXT


def test_the_failure_mail_says_this() -> None:
    assert failure().subject == "Your ProofDesk backup could not be made"
    assert failure().text == FAILURE_TEXT


def shown(page: Any) -> str:
    """What a reader of the page sees, each link followed by its address."""
    for line_break in page.iter("br"):
        line_break.tail = f" {(line_break.tail or '').lstrip()}"
    for link in page.iter("a"):
        link.tail = f" {link.get('href')}{link.tail or ''}"
    return " ".join(" ".join(part.text_content() for part in page.iter("p")).split())


@pytest.mark.parametrize("letter", [ready(), failure()])
def test_text_and_html_say_the_same(letter: Letter) -> None:
    assert shown(html.fromstring(letter.html)) == " ".join(letter.text.replace("-- \n", "").split())


@pytest.mark.parametrize("letter", [ready(), failure()])
def test_the_html_fetches_nothing_and_runs_nothing(letter: Letter) -> None:
    page = html.fromstring(letter.html)
    assert not list(page.iter("img", "script", "link", "style", "iframe", "object", "form", "base"))
    assert "url(" not in letter.html
    assert {link.get("href") for link in page.iter("a")} <= {URL, TAB_LINK}
    assert all("ses:no-track" in link.attrib for link in page.iter("a"))
    assert page.get("lang") == "en"
    assert letter.html.startswith("<!DOCTYPE html>")


def test_names_have_a_direction_of_their_own_and_are_escaped() -> None:
    person = dataclasses.replace(READY.requested_by, name="<b>محمد</b>")
    letter = ready(dataclasses.replace(READY, requested_by=person))
    assert '<span dir="auto">&lt;b&gt;محمد&lt;/b&gt;</span>' in letter.html
    assert letter.text.startswith("Hello <b>محمد</b>,\n")


@pytest.mark.parametrize(
    ("replaced", "said"), [(None, ""), (0, ""), (1, "has 1 of"), (12_345, "has 12,345 of")]
)
def test_replaced_characters_are_told_where_there_are_any(replaced: int | None, said: str) -> None:
    text = ready(dataclasses.replace(READY, replaced=replaced)).text
    assert said in " ".join(text.split())
    assert ("manifest.json" in text) == bool(said)


def test_a_nameless_person_is_greeted_too() -> None:
    person = dataclasses.replace(READY.requested_by, name=" \u202e\n")
    assert ready(dataclasses.replace(READY, requested_by=person)).text.startswith("Hello,\n")


def test_account_data_and_inner_names_stay_out() -> None:
    for letter in (ready(), failure()):
        said = letter.text.replace(URL, "") + letter.html.replace(html_escaped(URL), "")
        for secret in ("Acme", "COMMENTS", "backups/0f", "ann@example.com", "9789\n"):
            assert secret not in said


def html_escaped(url: str) -> str:
    return url.replace("&", "&amp;")


def test_each_reason_has_words_of_its_own() -> None:
    texts = {failure(dataclasses.replace(FAILED, failure=Failure(reason))).text for reason in Reason}
    assert len(texts) == len(Reason)


def test_a_failure_without_a_reason_is_told_as_a_fault_of_ours() -> None:
    unknown = failure(dataclasses.replace(FAILED, failure=None))
    assert unknown == failure(dataclasses.replace(FAILED, failure=Failure(Reason.INTERNAL)))


@pytest.mark.parametrize("state", [state for state in State if state is not State.READY])
def test_nothing_but_a_ready_backup_is_told_to_be_ready(state: State) -> None:
    with pytest.raises(ValueError, match="ready"):
        ready(dataclasses.replace(READY, state=state))


@pytest.mark.parametrize("state", [state for state in State if state is not State.FAILED])
def test_nothing_but_a_failed_backup_is_told_to_have_failed(state: State) -> None:
    with pytest.raises(ValueError, match="failed"):
        failure(dataclasses.replace(FAILED, state=state))


def test_a_tab_whose_address_has_a_query_keeps_it() -> None:
    mail = letter_of(ready_mail(READY, LINK, LANGUAGES.best("en"), product="P", tab_url=f"{TAB}?tab=1"))
    assert f"{TAB}?tab=1&backup={READY.id}\n" in mail.text
