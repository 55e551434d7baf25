"""Where units leave their segments and reports until the archive is assembled.

    staging/<backup id>/<unit>/<attempt>/<member>.deflate
                                        /report.json

Nothing is shared between attempts, so a late one overwrites nothing; the workflow's state names the attempt
that counts. When the backup has ended, all of it goes (leftovers.py); what that misses goes after a day,
by the bucket's lifecycle rule.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions.export_backup.archive import SegmentDamaged, SegmentMissing
from functions.export_backup.bucket_errors import error_code, translated, translating
from functions.export_backup.catalogue import DATA_MEMBERS
from functions.export_backup.event import Exported
from functions.export_backup.segments import Segment, SegmentWriters, segment_key
from functions.export_backup.unit_report import UnitReport

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_REPORT = "report.json"


def corner_of(backup_id: str) -> str:
    """The prefix of all that the backup's units leave, and of nothing of another backup's."""
    return f"staging/{backup_id}/"


class Staging:
    """One backup's corner of the staging area."""

    def __init__(self, client: S3Client, bucket: str, backup_id: str) -> None:
        self._client = client
        self._bucket = bucket
        self._backup_id = backup_id

    def writers(self, unit: int, attempt: str) -> SegmentWriters:
        return SegmentWriters(self._client, self._bucket, self._place(unit, attempt))

    def keep_report(self, unit: int, attempt: str, segments: tuple[Segment, ...], report: UnitReport) -> None:
        """Raises BucketUnavailable, BucketRefused."""
        document = {"segments": [segment.to_dict() for segment in segments], "counts": report.to_json()}
        with translating("keeping a unit's report"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._place(unit, attempt) + _REPORT,
                Body=json.dumps(document).encode(),
                ContentType="application/json",
            )

    def report(self, exported: Exported) -> tuple[list[Segment], UnitReport]:
        """What the attempt that counts wrote, all of it at that attempt's own place.

        Raises BucketUnavailable, BucketRefused, SegmentMissing, SegmentDamaged.
        """
        place = self._place(exported.unit, exported.attempt)
        key = place + _REPORT
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            if error_code(error) == "NoSuchKey":
                raise SegmentMissing(_REPORT, key) from None
            raise translated(error, "reading a unit's report") from error
        try:
            document = json.loads(body)
            segments = [Segment.from_dict(one) for one in document["segments"]]
            report = UnitReport.from_json(document["counts"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SegmentDamaged(_REPORT, key) from None
        members = [segment.member for segment in segments]
        if len(set(members)) != len(members) or not set(members) <= set(DATA_MEMBERS):
            raise SegmentDamaged(_REPORT, key)
        for segment in segments:
            if segment.key != segment_key(place, segment.member):
                raise SegmentDamaged(segment.member, segment.key)
        for member, count in report.members.items():
            if count.rows and member not in members:
                raise SegmentMissing(member, segment_key(place, member))
        return segments, report

    def _place(self, unit: int, attempt: str) -> str:
        return f"{corner_of(self._backup_id)}{unit:05d}/{attempt}/"
