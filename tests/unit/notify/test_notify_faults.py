"""What becomes of the one e-mail when SES, the other services or the run itself fail."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.notify.notice import MailDelayed
from tests.unit.notify.ses_line import Killed, refuse
from tests.unit.notify.world import ACCOUNT, BACKUP, PAST_CLAIM, SENDER, World

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
