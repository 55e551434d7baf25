"""What an ended backup has left in the bucket that nobody will fetch, and how it goes.

Nothing stays, in whatever order an end (cancelled, failed) and the steps come. A step asks *after*
its last write whether its backup still runs, and removes what there is when it has ended; and whoever ends
a backup has a removal begun after that end stands in the table:

    write ── asks: runs ── END ── removal            this removal meets what was written
    write ── END ── asks: ended ── removal           the step's own removal meets it, also where the
    END ── write ── asks: ended ── removal           other one came before the write

Both sides see the truth: the record is read consistently, and a list of S3's holds all that was written
before (https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel).
A Lambda that is killed between writing and asking, and a request that S3 carries out after its caller has
given it up, are left to the bucket's lifecycle rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from functions.export_backup.bucket_errors import error_code, translating
from functions.export_backup.staging import corner_of
from shared.backup import Backup, State

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_WITHOUT_FILE = frozenset({State.FAILED, State.CANCELLED, State.DELETED})


class Leftovers:
    """Takes away what ended backups have left in this bucket."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def remove(self, backup: Backup) -> None:
        """Remove the ended backup's segments, its open uploads and, unless it is ready, its archive.

        Doing it again does nothing. Raises ValueError for a backup that has not ended; BucketUnavailable or
        BucketRefused where something could not be removed, and then the rest may be there or not.
        """
        if backup.finished_at is None:
            raise ValueError("what a running backup has in the bucket is no leftover")
        corner = corner_of(backup.id)
        # Uploads first: one that is completed meanwhile is an object below, so that none slips through.
        for prefix in (corner, backup.object_key):
            self._abort_uploads(prefix)
        if backup.state in _WITHOUT_FILE:
            self._delete([backup.object_key])
        for keys in self._listed(corner):
            self._delete(keys)

    def _abort_uploads(self, prefix: str) -> None:
        with translating("aborting leftover uploads"):
            pages = self._s3.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            for page in pages:
                for upload in page.get("Uploads", []):
                    try:
                        self._s3.abort_multipart_upload(
                            Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                    except ClientError as error:
                        if error_code(error) != "NoSuchUpload":  # its own step was quicker
                            raise

    def _listed(self, prefix: str) -> Iterator[list[str]]:
        """The keys, in lists of 1000 at most: as many as S3 gives, and as many as it deletes, at once."""
        with translating("listing leftovers"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            ):
                if "Contents" in page:
                    yield [entry["Key"] for entry in page["Contents"]]

    def _delete(self, keys: Sequence[str]) -> None:
        with translating("deleting leftovers"):
            answer = self._s3.delete_objects(
                Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
            # The answer is 200 also where some of the keys were refused, each for a reason of its own.
            for refusal in answer.get("Errors", []):
                raise ClientError({"Error": {"Code": refusal.get("Code", "")}}, "DeleteObjects")
