"""One mail per outcome: what is sent, what is recorded, and what hostile text and settings make of it."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from lxml import html  # type: ignore[import-untyped]

from functions.notify.notice import MailDelayed, NoOutcome
from shared.link import end_of
from shared.moments import to_text
from tests.unit.notify.ses_line import Killed
from tests.unit.notify.world import ACCOUNT, ANN, BACKUP, PAST_CLAIM, SENDER, TAB, World, simple


def test_a_ready_backup_is_told_once_to_the_one_who_asked(world: World) -> None:
    world.ready()
    assert world.give() == "sent"
    assert world.recorded() == "sent"
    assert world.give() == "already"
    (mail,) = world.line.taken
    assert mail["FromEmailAddress"] == SENDER
    assert mail["Destination"] == {"ToAddresses": ["ann@example.com"]}
    assert set(mail) == {"FromEmailAddress", "Destination", "Content"}
    assert set(mail["Content"]) == {"Simple"}
    assert simple(mail)["Headers"] == [{"Name": "Auto-Submitted", "Value": "auto-generated"}]
    assert simple(mail)["Subject"] == {"Data": "Your ProofDesk backup is ready", "Charset": "UTF-8"}
    assert {part["Charset"] for part in simple(mail)["Body"].values()} == {"UTF-8"}


def test_a_failed_backup_is_told_without_a_download_link(world: World) -> None:
    world.failed()
    assert world.give() == "sent"
    (mail,) = world.line.taken
    assert simple(mail)["Subject"]["Data"] == "Your ProofDesk backup could not be made"
    body = simple(mail)["Body"]
    assert re.findall(r"https?://\S+", body["Text"]["Data"]) == [f"{TAB}?backup={BACKUP}"]
    links = html.fromstring(body["Html"]["Data"]).iter("a")
    assert [link.get("href") for link in links] == [f"{TAB}?backup={BACKUP}"]


def test_the_mailed_link_is_signed_for_the_set_time_and_its_end_is_printed(world: World) -> None:
    world.link_seconds = 1800
    backup = world.ready()
    world.give()
    text = simple(world.line.taken[0])["Body"]["Text"]["Data"]
    url, tab = re.findall(r"^https?://\S+$", text, re.MULTILINE)
    ends_at = end_of(url)
    assert tab == f"{TAB}?backup={BACKUP}"
    assert url.startswith(f"https://archives.s3.eu-west-1.amazonaws.com/{backup.object_key}?")
    assert "X-Amz-Expires=1800" in url
    assert "X-Amz-Security-Token=" in url
    printed = f"{ends_at.day} {ends_at:%b %Y, %H:%M:%S} UTC"
    assert f"This download link works until {printed}." in " ".join(text.split())
    page = html.fromstring(simple(world.line.taken[0])["Body"]["Html"]["Data"])
    assert [link.get("href") for link in page.iter("a")] == [url, tab]
    assert f"until {printed}." in page.text_content()


def test_no_link_outlives_the_promise_of_its_file(world: World) -> None:
    world.ready()
    promised = world.now + timedelta(seconds=600)
    world.dynamodb.update_item(
        TableName="backups",
        Key={"pk": {"S": f"ACCOUNT#{ACCOUNT}"}, "sk": {"S": f"BACKUP#{BACKUP}"}},
        UpdateExpression="SET expires_at = :soon",
        ExpressionAttributeValues={":soon": {"S": to_text(promised)}},
    )
    world.give()
    url = re.findall(r"https://archives\S+", simple(world.line.taken[0])["Body"]["Text"]["Data"])[0]
    assert end_of(url) == promised


@pytest.mark.parametrize(
    ("seconds", "told"), [(-61, "sent"), (-60, "sent"), (-59, "not_sent"), (0, "not_sent")]
)
def test_a_file_that_is_as_good_as_gone_is_not_announced(world: World, seconds: int, told: str) -> None:
    world.ready()
    world.now += timedelta(days=14, seconds=seconds)
    assert world.give() == told
    assert world.recorded() == told
    assert len(world.line.taken) == (told == "sent")


@pytest.mark.parametrize(
    "email", [None, "", "ann", "a@b.example,c@d.example", "ann@example.com\r\nBcc: e@x.example"]
)
def test_without_one_plain_address_nothing_is_sent_and_the_record_says_so(
    world: World, log: io.StringIO, email: str | None
) -> None:
    world.ready(email=email)
    assert world.give() == "not_sent"
    assert world.recorded() == "not_sent"
    assert world.line.calls == 0
    assert '"why":"no_address"' in log.getvalue()
    assert world.give() == "already"


def test_a_backup_that_runs_or_is_unknown_has_no_outcome_and_nothing_is_written(world: World) -> None:
    with pytest.raises(NoOutcome):
        world.give()
    world.pending()
    before = world.dynamodb.scan(TableName="backups")["Items"]
    with pytest.raises(NoOutcome):
        world.give()
    assert world.dynamodb.scan(TableName="backups")["Items"] == before
    assert world.line.calls == 0


@pytest.mark.parametrize("state", ["cancelled", "deleted"])
def test_of_a_backup_that_somebody_has_ended_nothing_is_sent_and_nobody_retries(
    world: World, log: io.StringIO, state: str
) -> None:
    getattr(world, state)()
    before = world.dynamodb.scan(TableName="backups")["Items"]
    assert world.give() == world.give() == "void"
    assert world.dynamodb.scan(TableName="backups")["Items"] == before
    assert world.line.calls == 0
    assert f'"outcome":"{state}"' in log.getvalue()


@pytest.mark.parametrize("fault", ["429 TooManyRequestsException", "lost", "killed before"])
def test_a_file_that_is_deleted_while_its_mail_is_delayed_is_not_announced_any_more(
    world: World, fault: str
) -> None:
    backup = world.ready()
    world.line.faults = [fault]
    with pytest.raises((MailDelayed, Killed)):
        world.give()
    world.store.delete(backup, by=ANN, now=world.now)
    assert world.give() == "void"
    world.now += PAST_CLAIM
    assert world.give() == "void"
    assert world.line.calls == 1


def test_a_mail_that_was_sent_stays_on_record_when_the_file_is_deleted(world: World) -> None:
    backup = world.ready()
    world.give()
    world.store.delete(backup, by=ANN, now=world.now)
    assert world.give() == "void"
    assert world.recorded() == "sent"


@pytest.mark.parametrize(
    ("state", "told"),
    [("ready", "is ready"), ("failed", "could not be made"), ("cancelled", None), ("deleted", None)],
)
def test_each_way_to_end_has_its_own_mail_or_none(world: World, state: str, told: str | None) -> None:
    getattr(world, state)()
    world.give()
    assert [simple(mail)["Subject"]["Data"] for mail in world.line.taken] == (
        [f"Your ProofDesk backup {told}"] if told else []
    )


# --- what account text and clients can do ---

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "{{7*7}}",
    "{product.__class__}",
    "%s%n",
    "x\r\nBcc: e@x.example",
    "evil\u202egpj.exe",
    "a" * 300,
    "\ud800\udc00\ud83d",
    "\x00\x1b[31m\u2028\u2029\x85",
    "محمد العلي",
    "José \U0001f469\u200d\U0001f4bb",
    "",
]


FORBIDDEN = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *"\u202e\u2028\u2029\ud800\udc00\ud83d"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_product_names_reach_the_reader_as_text(world: World, text: str) -> None:
    world.ready()
    world.product = text
    assert world.give() == "sent"
    subject = simple(world.line.taken[0])["Subject"]["Data"]
    assert not FORBIDDEN & set(subject)
    assert len(subject) <= 90
    page = html.fromstring(simple(world.line.taken[0])["Body"]["Html"]["Data"])
    assert not list(page.iter("img", "script"))
    assert page.findtext(".//title") == subject


@pytest.mark.parametrize("text", [name for name in HOSTILE if "\ud800" not in name])
def test_hostile_names_of_persons_reach_the_reader_as_text(world: World, text: str) -> None:
    world.ready(name=text)
    assert world.give() == "sent"
    mail = world.line.taken[0]
    assert mail["Destination"] == {"ToAddresses": ["ann@example.com"]}
    greeting = simple(mail)["Body"]["Text"]["Data"].splitlines()[0]
    assert greeting.startswith("Hello")
    assert greeting.endswith(",")
    assert not FORBIDDEN & set(greeting)
    assert len(greeting) <= 72
    page = html.fromstring(simple(mail)["Body"]["Html"]["Data"])
    assert not list(page.iter("img", "script"))
    assert page.findall(".//p")[0].text_content() == greeting


@pytest.mark.parametrize(
    "language", ["../../etc/passwd", "x" * 10_000, "", "tlh", "en-US", "\x00", "EN", "{}"]
)
def test_an_unknown_language_is_english(world: World, language: str) -> None:
    world.ready(language=language)
    assert world.give() == "sent"
    assert simple(world.line.taken[0])["Subject"]["Data"] == "Your ProofDesk backup is ready"


@pytest.mark.parametrize(
    "faults",
    [[], ["lost"], ["429 TooManyRequestsException"], ["400 MessageRejected"], ["503 X"], ["unreachable"]],
)
def test_logs_and_errors_hold_no_address_name_or_link(
    world: World, log: io.StringIO, faults: list[str]
) -> None:
    backup = world.ready(name="Ann Example")
    world.line.faults = faults
    said = ""
    try:
        said = world.give()
    except MailDelayed as delayed:
        said = f"{delayed!r} {delayed.__cause__!r} {delayed.__suppress_context__}"
        assert "True" in said
    for secret in ("ann@", "Ann", "X-Amz", "https", backup.object_key):
        assert secret not in log.getvalue()
        assert secret not in said
    assert BACKUP in log.getvalue()
