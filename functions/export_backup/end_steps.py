"""The steps that end a backup: ready, or fail."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

from functions.export_backup.archive import published_at
from functions.export_backup.archive_steps import destination
from functions.export_backup.event import Step, archive_of
from shared.backup import Failure, Reason, State
from shared.moments import Clock
from shared.store import BackupStore, Superseded, failed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_A_UNIT_FAILED = "States.ExceedToleratedFailureThreshold"
"""All that a Map of many executions says of the one that failed, of whose own error a step has noted why.
https://docs.aws.amazon.com/step-functions/latest/dg/maprun-fail-threshold.html"""
_TIMEOUTS = frozenset({"States.Timeout", "Sandbox.Timedout", "Lambda.ClientExecutionTimeoutException"})


class EndSteps:
    def __init__(
        self, store: BackupStore, s3: S3Client, bucket: str, *, clock: Clock, retention: timedelta
    ) -> None:
        self._store = store
        self._s3 = s3
        self._bucket = bucket
        self._clock = clock
        self._retention = retention

    def ready(self, step: Step) -> None:
        """Offer the archive and free the account; doing it again does nothing.

        Raises Superseded, ForeignEvent, BucketUnavailable, BucketRefused, ArchiveMissing.
        """
        size, records, replaced = archive_of(step)
        backup = self._store.find(step.account_id, step.backup_id)
        if backup is not None and backup.state is State.READY:
            return  # an earlier try at this step, whose answer was lost
        if backup is None or backup.finished_at is not None:
            raise Superseded
        now = self._clock()
        # The lifecycle rule counts from the upload; the promise must not outlive the file.
        kept_from = min(now, published_at(self._s3, destination(self._bucket, backup), size))
        self._store.finish(
            dataclasses.replace(
                backup,
                state=State.READY,
                finished_at=now,
                expires_at=kept_from + self._retention,
                bytes=size,
                records=records,
                replaced=replaced,
                failure=None,
            )
        )

    def fail(self, step: Step) -> None:
        """Say why the backup failed and free the account; a backup that has ended stays as it is.

        Raises Superseded.
        """
        backup = self._store.find(step.account_id, step.backup_id)
        if backup is None or backup.state is State.CANCELLED:
            raise Superseded  # of which nobody is told by e-mail
        if backup.finished_at is None:
            error = str(step.payload.get("error", ""))
            if "." in error and error != _A_UNIT_FAILED:
                # AWS ended this attempt; what is noted is of an earlier one.
                backup = dataclasses.replace(backup, failure=None)
            reason = Reason.TIMED_OUT if error in _TIMEOUTS else Reason.INTERNAL
            self._store.finish(failed(backup, Failure(reason), self._clock()))
