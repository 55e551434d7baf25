"""Download links: what they lead to, when they end, and that they end as printed."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from shared.aws_errors import may_pass
from shared.link import ArchiveGone, LinkSigner, TooLate, end_of
from tests.faults import Line
from tests.unit.shared.backups_table import TWICE, next_backup_id

BUCKET = "archives"
ROLE = "arn:aws:iam::123456789012:role/download"
KEY = "backups/00112233445566778899aabbccddeeff/9789_05_05_2011_61703.zip"
FAR = datetime(9999, 1, 1, tzinfo=UTC)
_sleep = time.sleep  # the fixture takes botocore's pauses away


class Sts:
    """Moto's STS, and what it was asked and answered."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("sts", config=TWICE)
        self.line = Line(self.client)
        self.asked: list[dict[str, Any]] = []
        self.sessions: list[dict[str, Any]] = []
        events = self.client.meta.events
        events.register("provide-client-params.sts", lambda params, **_: self.asked.append(dict(params)))
        events.register(
            "after-call.sts", lambda parsed, **_: self.sessions.append(parsed.get("Credentials", {}))
        )


@pytest.fixture(scope="module")
def bucket(aws: None) -> Any:  # noqa: ARG001
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"PK\x03\x04")
    return s3


@pytest.fixture
def sts(bucket: Any) -> Sts:  # noqa: ARG001
    return Sts()


def signer(sts: Sts) -> LinkSigner:
    return LinkSigner(boto3.Session(), sts.client, role_arn=ROLE, bucket=BUCKET)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_the_link_fetches_the_archive(sts: Sts) -> None:
    link = signer(sts).sign(KEY, backup_id=next_backup_id(), seconds=300, not_after=FAR)
    assert requests.get(link.url, timeout=5).content == b"PK\x03\x04"


def test_the_link_is_sigv4_of_the_region_to_the_bucket_s_own_host_over_tls(sts: Sts) -> None:
    url = signer(sts).sign(KEY, backup_id=next_backup_id(), seconds=300, not_after=FAR).url
    assert url.startswith(f"https://{BUCKET}.s3.eu-west-1.amazonaws.com/{KEY}?")
    query = query_of(url)
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert "/eu-west-1/s3/aws4_request" in query["X-Amz-Credential"]
    assert not {"AWSAccessKeyId", "Signature", "Expires"} & set(query)


def test_the_link_is_signed_by_a_session_of_the_download_role_named_after_backup_and_link(sts: Sts) -> None:
    backup_id = next_backup_id()
    link = signer(sts).sign(KEY, backup_id=backup_id, seconds=300, not_after=FAR)
    url = link.url
    (asked,) = sts.asked
    assert asked["RoleArn"] == ROLE
    assert asked["RoleSessionName"] == f"backup-{backup_id}-{link.id}"
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", asked["RoleSessionName"], re.ASCII)  # STS's own rule
    assert query_of(url)["X-Amz-Credential"].startswith(sts.sessions[0]["AccessKeyId"])
    assert query_of(url)["X-Amz-Security-Token"] == sts.sessions[0]["SessionToken"]


@pytest.mark.parametrize("seconds", [1, 300, 899, 900, 3569, 3570, 3600])
def test_the_link_ends_when_it_says_and_its_session_no_sooner(sts: Sts, seconds: int) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    link = signer(sts).sign(KEY, backup_id=next_backup_id(), seconds=seconds, not_after=FAR)
    after = datetime.now(UTC)
    assert before + timedelta(seconds=seconds - 1) <= link.ends_at <= after + timedelta(seconds=seconds)
    assert link.ends_at == end_of(link.url)
    assert link.ends_at <= sts.sessions[0]["Expiration"]
    assert 900 <= sts.asked[0]["DurationSeconds"] <= 3600  # STS's floor, and the most of a chained role


def test_an_hour_is_the_most_that_can_be_had(sts: Sts) -> None:
    link = signer(sts).sign(KEY, backup_id=next_backup_id(), seconds=86_400, not_after=FAR)
    assert link.ends_at <= sts.sessions[0]["Expiration"]
    assert sts.asked[0]["DurationSeconds"] == 3600


def test_the_link_ends_with_its_session_even_where_s3_is_slow_to_answer(sts: Sts) -> None:
    slow = signer(sts)
    slow._session.events.register_first("before-call.s3.HeadObject", lambda **_: _sleep(2))
    link = slow.sign(KEY, backup_id=next_backup_id(), seconds=3600, not_after=FAR)
    assert link.ends_at <= sts.sessions[0]["Expiration"]


def test_each_link_has_a_session_and_an_id_of_its_own(sts: Sts) -> None:
    one, backup_id = signer(sts), next_backup_id()
    links = [one.sign(KEY, backup_id=backup_id, seconds=300, not_after=FAR) for _ in range(2)]
    assert len({query_of(link.url)["X-Amz-Security-Token"] for link in links}) == 2
    assert len({link.id for link in links}) == 2


# --- the promise: no link outlives it, not by a second ---


@pytest.mark.parametrize(("promised", "lasts"), [(299, 299), (300, 300), (299.5, 299), (8, 8), (8.999, 8)])
def test_a_link_ends_with_the_promise_at_the_latest(sts: Sts, promised: float, lasts: int) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    not_after = now + timedelta(seconds=promised)
    link = signer(sts).sign(KEY, backup_id=next_backup_id(), seconds=300, not_after=not_after)
    assert link.ends_at == end_of(link.url) == now + timedelta(seconds=lasts)
    assert link.ends_at <= not_after


@pytest.mark.parametrize("promised", [-1, 0, 0.999])
def test_where_no_link_could_end_in_time_there_is_none(sts: Sts, promised: float) -> None:
    not_after = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=promised)
    with pytest.raises(TooLate):
        signer(sts).sign(KEY, backup_id=next_backup_id(), seconds=300, not_after=not_after)


def test_the_promise_holds_even_where_s3_is_slow_to_answer(sts: Sts) -> None:
    slow, not_after = signer(sts), datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    slow._session.events.register_first("before-call.s3.HeadObject", lambda **_: _sleep(2))
    link = slow.sign(KEY, backup_id=next_backup_id(), seconds=20, not_after=not_after)
    assert link.ends_at == not_after


def test_no_link_is_made_to_an_object_that_is_gone(sts: Sts) -> None:
    with pytest.raises(ArchiveGone):
        signer(sts).sign(KEY + "x", backup_id=next_backup_id(), seconds=300, not_after=FAR)


def test_a_refused_session_is_no_missing_archive(sts: Sts) -> None:
    sts.line.refuse("AssumeRole", 403, "AccessDenied")
    with pytest.raises(ClientError) as refused:
        signer(sts).sign(KEY, backup_id=next_backup_id(), seconds=300, not_after=FAR)
    assert not may_pass(refused.value)


@pytest.mark.parametrize(("status", "code"), [(400, "Throttling"), (503, "ServiceUnavailable")])
def test_a_busy_sts_may_pass(sts: Sts, status: int, code: str) -> None:
    sts.line.refuse("AssumeRole", status, code)
    with pytest.raises(ClientError) as refused:
        signer(sts).sign(KEY, backup_id=next_backup_id(), seconds=300, not_after=FAR)
    assert may_pass(refused.value)


def test_a_silent_s3_is_no_missing_archive(sts: Sts) -> None:
    def silence(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://s3")

    cut = signer(sts)
    cut._session.events.register_first("before-call.s3.HeadObject", silence)
    with pytest.raises(ReadTimeoutError):
        cut.sign(KEY, backup_id=next_backup_id(), seconds=300, not_after=FAR)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(1, 604_800),
)
def test_the_end_is_read_from_the_url_itself(signed_at: datetime, seconds: int) -> None:
    url = f"https://b.s3.amazonaws.com/k?X-Amz-Date={signed_at:%Y%m%dT%H%M%SZ}&X-Amz-Expires={seconds}"
    assert end_of(url) == signed_at.replace(microsecond=0, tzinfo=UTC) + timedelta(seconds=seconds)
