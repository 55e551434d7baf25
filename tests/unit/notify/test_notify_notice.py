"""One mail per outcome: what is sent, what is recorded, and what happens when SES or the run fails."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html  # type: ignore[import-untyped]

from functions.notify.notice import MailDelayed, NoOutcome
from shared.audit import Actor, MadeLink, Way
from shared.link import end_of
from shared.mail_claims import MAIL_CLAIM
from shared.moments import to_text
from tests.unit.notify.ses_line import Killed, refuse
from tests.unit.notify.world import ACCOUNT, ANN, BACKUP, SENDER, TAB, World

THROTTLES = ["429 TooManyRequestsException", "400 LimitExceededException", "400 ThrottlingException"]
REFUSALS = [
    "400 MessageRejected",
    "400 MailFromDomainNotVerifiedException",
    "400 AccountSuspendedException",
    "400 SendingPausedException",
    "400 BadRequestException",
    "403 AccessDeniedException",
    "404 NotFoundException",
]
PAST_CLAIM = MAIL_CLAIM + timedelta(seconds=1)


def simple(request: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = request["Content"]["Simple"]
    return content


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


# --- the link in the trail ---


def links_of(world: World) -> list[MadeLink]:
    """What the trail says of links, oldest first; each was made for Ann, by e-mail."""
    entries = world.trail.page(ACCOUNT, world.now, limit=100)[::-1]
    links = [entry for entry in entries if entry.link]
    assert {entry.by for entry in links} <= {Actor("s-1", "Ann")}
    assert {entry.link.way for entry in links if entry.link} <= {Way.MAIL}
    return [entry.link for entry in links if entry.link]


def mailed_url(mail: dict[str, Any]) -> str:
    url: str = re.findall(r"https://archives\S+", simple(mail)["Body"]["Text"]["Data"])[0]
    return url


def test_the_link_of_a_mail_is_in_the_trail_with_its_end_and_whom_it_is_for(world: World) -> None:
    world.ready()
    world.give()
    assert world.give() == "already"
    (link,) = links_of(world)
    assert link.ends_at == end_of(mailed_url(world.line.taken[0]))


def test_no_mail_goes_out_whose_link_is_not_in_the_trail(world: World) -> None:
    world.ready()
    seen: list[int] = []
    world.ses.meta.events.register_first(
        "before-call.sesv2.SendEmail", lambda **_: seen.append(len(links_of(world)))
    )
    world.give()
    assert seen == [1]


@pytest.mark.parametrize("make", ["failed", "cancelled", "deleted"])
def test_a_mail_without_a_link_and_none_at_all_enter_no_link(world: World, make: str) -> None:
    getattr(world, make)()
    world.give()
    assert links_of(world) == []


@pytest.mark.parametrize("fault", ["400 MessageRejected", "429 TooManyRequestsException"])
def test_a_link_that_ses_did_not_take_was_made_all_the_same(world: World, fault: str) -> None:
    world.ready()
    world.line.faults = [fault]
    with suppress(MailDelayed):
        world.give()
    assert len(links_of(world)) == 1


def test_a_second_mail_has_a_second_link_and_each_is_in_the_trail(world: World) -> None:
    world.ready()
    world.line.faults = ["lost"]
    with pytest.raises(MailDelayed):
        world.give()
    world.now += PAST_CLAIM
    world.give()
    assert len(world.line.taken) == 2
    assert len({link.id for link in links_of(world)}) == 2


def test_whose_claim_is_refused_has_made_no_link(world: World) -> None:
    world.ready()
    world.line.faults = ["killed before"]
    with pytest.raises(Killed):
        world.give()
    for _ in range(3):  # the claim is not stale yet
        with pytest.raises(MailDelayed):
            world.give()
    assert len(links_of(world)) == 1


# --- SES says no, or nothing ---


@pytest.mark.parametrize("throttle", [*THROTTLES, "unreachable"])
def test_a_mail_that_ses_surely_did_not_take_is_sent_by_the_next_retry(world: World, throttle: str) -> None:
    world.ready()
    world.line.faults = [throttle, throttle]
    for _ in range(2):
        with pytest.raises(MailDelayed):
            world.give()
        assert world.recorded() is None
    assert world.give() == "sent"
    assert world.recorded() == "sent"
    assert len(world.line.taken) == 1
    assert world.line.calls == 3  # none by botocore itself


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_mail_that_ses_refuses_is_recorded_as_not_sent_and_not_tried_again(
    world: World, refusal: str
) -> None:
    world.ready()
    world.line.faults = [refusal]
    assert world.give() == "refused"
    assert world.recorded() == "not_sent"
    assert world.give() == "already"
    assert world.line.calls == 1


def test_a_sender_that_ses_does_not_know_leaves_a_ready_backup_without_mail(world: World) -> None:
    world.ready()
    world.ses.delete_email_identity(EmailIdentity=SENDER)
    assert world.give() == "refused"
    backup = world.store.find(ACCOUNT, BACKUP)
    assert backup is not None
    assert backup.state == "ready"


@pytest.mark.parametrize("fault", ["lost", "500 InternalFailure", "503 ServiceUnavailable"])
def test_after_silence_retries_wait_for_the_claims_end_and_one_sends_again(world: World, fault: str) -> None:
    world.ready()
    world.line.faults = [fault]
    started = world.now
    for seconds in (0, 30, 599, 600):
        world.now = started + timedelta(seconds=seconds)
        with pytest.raises(MailDelayed):
            world.give()
        assert world.recorded() == "sending"
        assert world.line.calls == 1
    world.now = started + timedelta(seconds=601)
    assert world.give() == "sent"
    assert world.recorded() == "sent"
    assert len(world.line.taken) == (2 if fault == "lost" else 1)


@pytest.mark.parametrize(("moment", "mails"), [("killed before", 1), ("killed after", 2)])
def test_a_run_that_dies_is_taken_over_once_its_claim_is_stale(world: World, moment: str, mails: int) -> None:
    world.ready()
    world.line.faults = [moment]
    with pytest.raises(Killed):
        world.give()
    with pytest.raises(MailDelayed):
        world.give()
    world.now += PAST_CLAIM
    assert world.give() == "sent"
    assert len(world.line.taken) == mails


@pytest.mark.parametrize("again", ["lost", "500 InternalFailure", "400 MessageRejected"])
def test_a_second_mail_is_the_last_whatever_becomes_of_it(world: World, again: str) -> None:
    world.ready()
    world.line.faults = ["lost", again]
    with pytest.raises(MailDelayed):
        world.give()
    world.now += PAST_CLAIM
    assert world.give() == "refused"
    assert world.recorded() == "not_sent"
    world.now += PAST_CLAIM
    assert world.give() == "already"
    assert len(world.line.taken) <= 2


def test_a_throttled_second_mail_is_still_the_second(world: World) -> None:
    world.ready()
    world.line.faults = ["lost", THROTTLES[0], "lost"]
    for _ in range(2):
        with pytest.raises(MailDelayed):
            world.give()
        assert world.recorded() == "sending"
        world.now += PAST_CLAIM
    assert world.give() == "refused"
    world.now += PAST_CLAIM
    assert world.give() == "already"
    assert len(world.line.taken) == 2


FAULTS = ["", "lost", "killed before", "killed after", "unreachable", *THROTTLES, "503 ServiceUnavailable"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.lists(st.sampled_from(FAULTS), max_size=6), wait=st.sampled_from([100, 700]))
def test_whatever_fails_in_whatever_order_there_are_two_mails_at_most(
    world: World, faults: list[str], wait: int
) -> None:
    world.begin_anew()
    world.ready()
    world.line.faults = list(faults)
    told = ""
    while not told:
        try:
            told = world.give()
        except (MailDelayed, Killed):
            world.now += timedelta(seconds=wait)
    assert len(world.line.taken) <= 2
    # A run that was killed over its second mail could not tell; the retry finds it settled.
    assert world.recorded() == ("sent" if told == "sent" else "not_sent")
    if told == "sent":
        assert world.line.taken
    silences = sum(fault in {"lost", "503 ServiceUnavailable"} or "killed" in fault for fault in faults)
    if silences < 2:
        assert told == "sent"


# --- the other services fail ---


def test_a_sent_mail_that_cannot_be_marked_is_not_sent_again(world: World, log: io.StringIO) -> None:
    world.ready()
    refuse(world.dynamodb, "UpdateItem", 400, "ThrottlingException")
    assert world.give() == "sent"
    assert "sent mail could not be marked" in log.getvalue()
    assert world.recorded() == "sending"
    assert len(world.line.taken) == 1


def test_a_claim_that_cannot_be_written_sends_nothing(world: World) -> None:
    world.ready()
    refuse(world.dynamodb, "TransactWriteItems", 400, "ThrottlingException")
    with pytest.raises(ClientError):
        world.give()
    assert world.line.calls == 0


@pytest.mark.parametrize(
    ("status", "code"), [(400, "Throttling"), (503, "ServiceUnavailable"), (500, "Internal")]
)
def test_a_link_that_cannot_be_signed_now_delays_the_mail_and_claims_nothing(
    world: World, status: int, code: str
) -> None:
    world.ready()
    refuse(world.sts, "AssumeRole", status, code)
    with pytest.raises(MailDelayed):
        world.give()
    assert world.recorded() is None
    assert world.line.calls == 0


def test_a_link_that_is_refused_for_good_is_recorded_as_no_mail(world: World, log: io.StringIO) -> None:
    world.ready()
    refuse(world.sts, "AssumeRole", 403, "AccessDenied")
    assert world.give() == "refused"
    assert world.recorded() == "not_sent"
    assert "AssumeRole: AccessDenied" in log.getvalue()
    assert world.line.calls == 0


def test_an_archive_that_is_gone_is_not_announced(world: World, log: io.StringIO) -> None:
    backup = world.ready()
    world.s3.delete_object(Bucket="archives", Key=backup.object_key)
    assert world.give() == "not_sent"
    assert world.recorded() == "not_sent"
    assert '"why":"archive_gone"' in log.getvalue()
    assert world.line.calls == 0


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
