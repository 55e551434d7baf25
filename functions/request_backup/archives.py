"""The archives in the bucket, as far as the API touches them: it deletes them, and never reads one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Archives:
    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def delete(self, object_key: str) -> None:
        """Delete the archive; links to it that were made before lead nowhere from then on.

        S3 takes the deletion of what is not there for done. Raises botocore's ClientError and BotoCoreError.
        """
        self._client.delete_object(Bucket=self._bucket, Key=object_key)
