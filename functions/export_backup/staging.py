"""Where units leave their segments and reports until the archive is assembled.

    staging/<backup id>/<unit>/<attempt>/<member>.deflate
                                        /report.json

Nothing is shared between attempts, so a late one overwrites nothing; the workflow's state names the attempt
that counts at a unit's last go, and each report the one that counts at the go before. When the backup has
ended, all of it is removed (leftovers.py); what that misses goes by the bucket's lifecycle rule, which waits
for longer than a workflow may run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from functions.export_backup.archive import SegmentDamaged, SegmentMissing
from functions.export_backup.bucket_errors import error_code, translated, translating
from functions.export_backup.catalogue import DATA_MEMBERS
from functions.export_backup.event import Exported, NumberedUnit
from functions.export_backup.segments import Segment, SegmentWriters, segment_key
from functions.export_backup.unit_report import UnitReport

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_REPORT = "report.json"


def corner_of(backup_id: str) -> str:
    """The prefix of all that the backup's units leave, and of nothing of another backup's."""
    return f"staging/{backup_id}/"


@dataclass(frozen=True)
class Go:
    """What one attempt at a go at a unit wrote, and where: from `first_proof` up to `report.resume_at`, or to
    `before_proof` where that is None."""

    first_proof: str | None
    before_proof: str | None
    previous: str | None
    """The attempt at the go before this one."""
    segments: list[Segment]
    report: UnitReport


class Staging:
    """One backup's corner of the staging area."""

    def __init__(self, client: S3Client, bucket: str, backup_id: str) -> None:
        self._client = client
        self._bucket = bucket
        self._backup_id = backup_id

    def writers(self, unit: int, attempt: str) -> SegmentWriters:
        return SegmentWriters(self._client, self._bucket, self._place(unit, attempt))

    def keep_report(
        self, unit: NumberedUnit, attempt: str, segments: Sequence[Segment], report: UnitReport
    ) -> None:
        """Raises BucketUnavailable, BucketRefused."""
        document = {
            "first_proof": unit.first_proof,
            "before_proof": unit.before_proof,
            "previous": unit.gone.attempt if unit.gone else None,
            "segments": [segment.to_dict() for segment in segments],
            "counts": report.to_json(),
        }
        with translating("keeping a unit's report"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._place(unit.number, attempt) + _REPORT,
                Body=json.dumps(document).encode(),
                ContentType="application/json",
            )

    def goes(self, exported: Exported) -> list[Go]:
        """What the goes at a unit wrote, in their order, each from where the one before it stopped.

        Raises BucketUnavailable, BucketRefused, SegmentMissing, SegmentDamaged.
        """
        goes: list[Go] = []
        attempt: str | None = exported.attempt
        while attempt is not None:
            go = self._go(exported.unit, attempt)
            if not _is_followed(go, goes[-1] if goes else None):
                raise SegmentDamaged(_REPORT, self._place(exported.unit, attempt) + _REPORT)
            goes.append(go)
            attempt = go.previous
        return goes[::-1]

    def _go(self, unit: int, attempt: str) -> Go:
        """What the attempt says, all of it at its own place."""
        place = self._place(unit, attempt)
        key = place + _REPORT
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            if error_code(error) == "NoSuchKey":
                raise SegmentMissing(_REPORT, key) from None
            raise translated(error, "reading a unit's report") from error
        try:
            document = json.loads(body)
            go = _go_of(document)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SegmentDamaged(_REPORT, key) from None
        members = [segment.member for segment in go.segments]
        if len(set(members)) != len(members) or not set(members) <= set(DATA_MEMBERS):
            raise SegmentDamaged(_REPORT, key)
        for segment in go.segments:
            if segment.key != segment_key(place, segment.member):
                raise SegmentDamaged(segment.member, segment.key)
        for member, count in go.report.members.items():
            if count.rows and member not in members:
                raise SegmentMissing(member, segment_key(place, member))
        return go

    def _place(self, unit: int, attempt: str) -> str:
        return f"{corner_of(self._backup_id)}{unit:05d}/{attempt}/"


def _go_of(document: Any) -> Go:
    """Raises ValueError, KeyError, TypeError or AttributeError for what is no report."""
    # One of before there were several units names neither a range nor a go before.
    span = document.get("first_proof"), document.get("before_proof")
    previous = document.get("previous")
    if not all(isinstance(proof, str | None) for proof in span) or not isinstance(previous, str | None):
        raise ValueError("a report's range and previous attempt are texts")
    segments = [Segment.from_dict(one) for one in document["segments"]]
    return Go(*span, previous, segments, UnitReport.from_json(document["counts"]))


def _is_followed(go: Go, following: Go | None) -> bool:
    """Whether the go stopped where the following one began; or, where there is none, did not stop.

    Since no go ends before it begins, whoever follows them back comes to an end.
    """
    stopped = go.report.resume_at
    if following is None or stopped is None:
        return following is None and stopped is None
    return (
        stopped == following.first_proof
        and go.before_proof == following.before_proof
        and (go.first_proof is None or go.first_proof < stopped)
    )
