"""The steps that make the archive of what the units left: assemble, and verify what was assembled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.export_backup.accounts import check_manifest
from functions.export_backup.archive import Archive, Destination, assemble
from functions.export_backup.catalogue import MANIFEST_MEMBER
from functions.export_backup.contents import Contents, contents_of
from functions.export_backup.event import ForeignEvent, Step, archive_of, exported_of
from functions.export_backup.lock import running
from functions.export_backup.progress import Paced
from functions.export_backup.staging import Staging
from functions.export_backup.verification import StoredArchive, readable_bytes
from functions.export_backup.zip_layout import lay_out
from shared.backup import Backup
from shared.moments import Clock
from shared.store import BackupStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def destination(bucket: str, backup: Backup) -> Destination:
    return Destination(bucket, backup.object_key, backup.file_name, backup.id)


class ArchiveSteps:
    def __init__(self, store: BackupStore, s3: S3Client, bucket: str, *, clock: Clock) -> None:
        self._store = store
        self._s3 = s3
        self._bucket = bucket
        self._clock = clock

    def assemble(self, step: Step) -> dict[str, object]:
        """Raises Superseded, ForeignEvent, and the outcomes of `contents_of` and `archive.assemble`."""
        backup, contents = self._gathered(step)
        archive = assemble(
            self._s3,
            destination(self._bucket, backup),
            contents.members,
            backup.snapshot_at,
            Paced(lambda: running(self._store, step), self._clock),
        )
        running(self._store, step)  # the backup may have ended in the very moment in which S3 published
        return {"bytes": archive.size, "records": contents.records, "replaced": contents.replaced}

    def verify(self, step: Step, seconds_left: float) -> dict[str, object]:
        """Read back what was assembled, and compare it with what the units say, whom assembling asked too.

        Raises Superseded, ForeignEvent, and the outcomes of `contents_of` and of `StoredArchive`.
        """
        counts = archive_of(step)
        backup, contents = self._gathered(step)
        layout = lay_out(contents.members, backup.snapshot_at)
        if counts != (layout.size, contents.records, contents.replaced):
            raise ForeignEvent("the counts are not those of these units")
        stored = StoredArchive(
            self._s3,
            destination(self._bucket, backup),
            Archive.of(layout),
            Paced(lambda: running(self._store, step), self._clock),
        )
        check_manifest(stored.content(MANIFEST_MEMBER), contents.counts)
        return {"verified": stored.verify_contents(readable_bytes(seconds_left))}

    def _gathered(self, step: Step) -> tuple[Backup, Contents]:
        exported = exported_of(step)
        backup = running(self._store, step)
        return backup, contents_of(backup, Staging(self._s3, self._bucket, backup.id), exported)
