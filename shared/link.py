"""Download links: S3 presigned URLs whose end is known.

A URL presigned with a Lambda's own role dies with that role's session, at a moment nobody is told. So the
links are signed with a session of the download role, opened for each link: it may read archives and
nothing else, and its end is in STS's answer. A session of a role assumed from a role lasts one hour at
most: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage-assume.html (role chaining).
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

LONGEST_SECONDS = 3600
SHORTEST_SESSION_SECONDS = 900  # STS opens no session for less
SIGNING_SECONDS = 30  # the session is asked for before the URL is signed; both must end as printed


_S3 = Config(
    # Without these two boto3 signs with SigV2 in some regions, which the bucket refuses.
    signature_version="s3v4",
    s3={"addressing_style": "virtual"},
    # The callers answer people: within seconds, or not at all.
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 3},
)


class ArchiveGone(Exception):
    """There is no object at the key any more. Nobody retries; the reader is told."""


class TooLate(Exception):
    """The time that the file was promised for is as good as over. Nobody retries; the reader is told."""


@dataclass(frozen=True)
class Link:
    """A presigned GET. `url` is a secret until `ends_at`: it goes to its reader and into no log.

    `id` is none: the trail and AWS's own logs have it, and tell by it which link a download came by.
    """

    id: str
    url: str
    ends_at: datetime


class LinkSigner:
    """Signs links to archives in one bucket, as the download role.

    `session` is the one that the caller's own clients come from: a second would read botocore's data again.
    """

    def __init__(self, session: boto3.Session, sts: STSClient, *, role_arn: str, bucket: str) -> None:
        self._session = session
        self._sts = sts
        self._role_arn = role_arn
        self._bucket = bucket

    def sign(self, object_key: str, *, backup_id: str, seconds: int, not_after: datetime) -> Link:
        """A link that works for `seconds` (1 to 3600), or less: never beyond its session, nor `not_after`.

        Raises ArchiveGone, TooLate, and botocore's ClientError where STS or S3 refuses. The session is named
        after backup and link, so that CloudTrail and S3's access log tell which link a download came by.
        """
        link_id = secrets.token_hex(8)
        wanted = min(seconds, LONGEST_SECONDS)
        session = self._sts.assume_role(
            RoleArn=self._role_arn,
            RoleSessionName=f"backup-{backup_id}-{link_id}",
            DurationSeconds=max(SHORTEST_SESSION_SECONDS, min(wanted + SIGNING_SECONDS, LONGEST_SECONDS)),
        )["Credentials"]
        s3 = self._session.client(
            "s3",
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
            config=_S3,
        )
        try:
            s3.head_object(Bucket=self._bucket, Key=object_key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise ArchiveGone from None
            raise
        latest = min(session["Expiration"], not_after)
        while wanted >= 1:
            url = s3.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": object_key}, ExpiresIn=wanted
            )
            # What S3 goes by stands in the URL. botocore dates it by the full second, by its own clock.
            ends_at = end_of(url)
            if ends_at <= latest:
                return Link(link_id, url, ends_at)
            wanted -= math.ceil((ends_at - latest).total_seconds())
        raise TooLate


def end_of(url: str) -> datetime:
    """The moment from which S3 refuses this presigned URL, read from the URL itself.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """
    query = parse_qs(urlsplit(url).query)
    signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return signed_at + timedelta(seconds=int(query["X-Amz-Expires"][0]))
