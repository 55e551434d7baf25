"""What an error means for the backup, and what the workflow is told."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from functions.export_backup.archive import ArchiveKeyTaken, ArchiveMissing, SegmentDamaged, SegmentMissing
from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.contents import UnitsApart
from functions.export_backup.event import ForeignEvent
from functions.export_backup.export_step import UnitEndless
from functions.export_backup.source import SourceRefused, SourceUnavailable
from functions.export_backup.unit_report import RecordsUnaccounted
from functions.export_backup.verification import ArchiveDamaged
from shared.aws_errors import may_pass
from shared.backup import Failure, Reason
from shared.store import Superseded


class RecordsUnavailable(Exception):
    """The backups table did not answer after botocore's retries. The workflow takes the step again."""


class StepBroken(Exception):
    """A bug, or a fault of the deployment. Nobody retries; the log has its shape."""


def of_error(error: Exception) -> tuple[Exception, Failure]:
    """The outcome to raise, one of our own without a word of data, and the reason to note."""
    match error:
        case SourceUnavailable():
            return error, Failure(Reason.SOURCE_UNAVAILABLE, error.table)
        case SourceRefused():
            return error, Failure(Reason.SOURCE_REFUSED, error.table)
        case BucketUnavailable():
            return error, Failure(Reason.STORAGE_UNAVAILABLE)
        case BucketRefused():
            return error, Failure(Reason.STORAGE_REFUSED)
        case SegmentMissing() | SegmentDamaged() | ArchiveDamaged():
            return error, Failure(Reason.ARCHIVE_DAMAGED, error.member)
        case RecordsUnaccounted():
            return error, Failure(Reason.ARCHIVE_DAMAGED, error.table)
        case ArchiveMissing() | ArchiveKeyTaken() | UnitsApart():
            return error, Failure(Reason.ARCHIVE_DAMAGED)
        case UnitEndless():
            return error, Failure(Reason.TIMED_OUT)
        case Superseded() | ForeignEvent():
            return error, Failure(Reason.INTERNAL)
        case ClientError() | BotoCoreError() if may_pass(error):
            return RecordsUnavailable("the backups table did not answer"), Failure(Reason.INTERNAL)
        case _:
            return StepBroken(type(error).__name__), Failure(Reason.INTERNAL, type(error).__name__)
