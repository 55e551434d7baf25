"""The AWS around notify."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config

from functions.notify.notice import Notice
from functions.notify.postbox import Postbox
from shared.backup import Backup, Failure, Person, Reason, State, new_backup
from shared.languages import Languages
from shared.link import LinkSigner
from shared.logs import get_logger
from shared.mail_claims import MAIL_CLAIM
from shared.store import BackupStore, failed
from shared.trail import Trail
from tests.doubles import make_table
from tests.unit.notify.ses_line import SesLine

ACCOUNT = "9789"
BACKUP = "01JDA8Z4T0ABCDEFGHJKMNPQRS"
SENDER = "backups@proofdesk.example"
TAB = "https://app.proofdesk.example/settings/backups"
ROLE = "arn:aws:iam::123456789012:role/download"
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
PAST_CLAIM = MAIL_CLAIM + timedelta(seconds=1)
ANN = Person("s-1", "Ann", "ann@example.com", "en")


class World:
    """The service's AWS as notify meets it, with a clock that a test turns."""

    def __init__(self) -> None:
        # Real, so that what STS and botocore date by their own clocks fits; whole, as records are.
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.dynamodb: Any = boto3.client("dynamodb", config=ONCE)
        self.ses: Any = boto3.client("sesv2", config=ONCE)
        self.sts: Any = boto3.client("sts", config=ONCE)
        make_table(self.dynamodb, "backups")
        make_table(self.dynamodb, "audit")
        self.s3: Any = boto3.client("s3")
        self.s3.create_bucket(
            Bucket="archives", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        self.ses.create_email_identity(EmailIdentity=SENDER)
        boto3.client("ses").verify_email_identity(EmailAddress=SENDER)
        self.line = SesLine(self.ses)
        self.trail = Trail(self.dynamodb, "audit", days=1096)
        self.store = BackupStore(self.dynamodb, "backups", self.trail)
        self.signer = LinkSigner(boto3.Session(), self.sts, role_arn=ROLE, bucket="archives")
        self.logger = get_logger("notify")
        self.product = "ProofDesk"
        self.link_seconds = 3600

    def pending(self, **person: Any) -> Backup:
        who = Person(**{"sub": "s-1", "name": "Ann", "email": "ann@example.com", "language": "en", **person})
        backup = new_backup(
            backup_id=BACKUP,
            account_id=ACCOUNT,
            account_name="Acme",
            encoding="windows-1252",
            requested_by=who,
            now=self.now,
        )
        self.store.claim(backup)
        return backup

    def ready(self, **person: Any) -> Backup:
        backup = dataclasses.replace(
            self.pending(**person),
            state=State.READY,
            finished_at=self.now,
            expires_at=self.now + timedelta(days=14),
            bytes=142_950,
            records=12,
            replaced=0,
        )
        self.s3.put_object(Bucket="archives", Key=backup.object_key, Body=b"PK")
        self.store.finish(backup)
        return backup

    def failed(self, reason: Reason = Reason.TIMED_OUT, **person: Any) -> Backup:
        backup = failed(self.pending(**person), Failure(reason), self.now)
        self.store.finish(backup)
        return backup

    def cancelled(self) -> Backup:
        backup = dataclasses.replace(
            self.pending(), state=State.CANCELLED, finished_at=self.now, ended_by="Ann"
        )
        self.store.finish(backup)
        return backup

    def deleted(self) -> Backup:
        return self.store.delete(self.ready(), by=ANN, now=self.now)

    def give(self) -> str:
        notice = Notice(
            self.store,
            self.signer,
            Postbox(self.ses, sender=SENDER),
            Languages(),
            lambda: self.now,
            self.logger,
            product=self.product,
            tab_url=TAB,
            link_seconds=self.link_seconds,
        )
        return notice.give(ACCOUNT, BACKUP).value

    def begin_anew(self) -> None:
        """Forget the backup and its mails."""
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.line.taken.clear()
        for table in ("backups", "audit"):
            for item in self.dynamodb.scan(TableName=table)["Items"]:
                self.dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})

    def recorded(self) -> str | None:
        """What the record says of the mail."""
        backup = self.store.find(ACCOUNT, BACKUP)
        assert backup is not None
        return backup.mail and backup.mail.value


def simple(request: dict[str, Any]) -> dict[str, Any]:
    """Subject, headers and body of what SES was asked for."""
    content: dict[str, Any] = request["Content"]["Simple"]
    return content
