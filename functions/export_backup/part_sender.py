"""Parts of an archive brought into its upload: copied inside S3, or glued of small segments and headers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from functions.export_backup.bucket_errors import error_code, translated, translating
from functions.export_backup.parts import CopiedPart, GluedPart, Part
from functions.export_backup.zip_layout import Stored

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopyPartResultTypeDef, UploadPartOutputTypeDef

_CHUNK_BYTES = 256 * 1024
# What a source says that is not the object which its attempt reported: other ETag, or too short.
_DAMAGE_CODES = frozenset({"PreconditionFailed", "InvalidRange", "InvalidArgument", "416", "412"})
MISSING_CODES = frozenset({"NoSuchKey", "404"})


class SegmentMissing(Exception):
    """A segment that a unit reported, or the report, is not in the bucket; `member` and the key are named.

    Nobody retries it: what is gone (the staging area lives for a day) does not come back.
    """

    def __init__(self, member: str, key: str) -> None:
        super().__init__(f"{member} at {key}")
        self.member = member


class SegmentDamaged(Exception):
    """A segment's object is not the one that its unit reported: other ETag or size; or the report is none
    of this backup's. `member` and the key are named. Nobody retries it."""

    def __init__(self, member: str, key: str) -> None:
        super().__init__(f"{member} at {key}")
        self.member = member


@dataclass(frozen=True, slots=True)
class PartSender:
    """The bucket, and one upload into it, of the object at `key`."""

    client: S3Client
    bucket: str
    key: str
    upload_id: str
    summed: bool
    """Whether the upload was begun with CRC-32 as its checksum, so that each part has one."""

    def send(self, part: Part, still_wanted: Callable[[], None]) -> CompletedPartTypeDef:
        """Bring one part into the upload; what CompleteMultipartUpload wants to know of it is returned.

        Raises BucketUnavailable, BucketRefused, SegmentMissing, SegmentDamaged, and what `still_wanted`
        raises, which is called before each piece that is read.
        """
        answer = self._copy(part) if isinstance(part, CopiedPart) else self._upload(part, still_wanted)
        sent: CompletedPartTypeDef = {"ETag": answer["ETag"], "PartNumber": part.number}
        if self.summed and "ChecksumCRC32" in answer:
            sent["ChecksumCRC32"] = answer["ChecksumCRC32"]
        return sent

    def _copy(self, part: CopiedPart) -> CopyPartResultTypeDef:
        source = part.source
        try:
            answer = self.client.upload_part_copy(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=self.upload_id,
                PartNumber=part.number,
                CopySource={"Bucket": self.bucket, "Key": source.segment.key},
                CopySourceRange=_range(source),
                CopySourceIfMatch=source.segment.etag,
            )
        except (BotoCoreError, ClientError) as error:
            raise _source_outcome(error, source) from error
        return answer["CopyPartResult"]

    def _upload(self, part: GluedPart, still_wanted: Callable[[], None]) -> UploadPartOutputTypeDef:
        with (
            glued(self.client, self.bucket, part, still_wanted) as body,
            translating(f"uploading part {part.number} of the archive"),
        ):
            return self.client.upload_part(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=self.upload_id,
                PartNumber=part.number,
                Body=body,
            )


@contextmanager
def glued(
    client: S3Client, bucket: str, part: GluedPart, still_wanted: Callable[[], None]
) -> Iterator[BinaryIO]:
    """The part's bytes in a file without a name, so that memory does not depend on them.

    Raises as `PartSender.send`.
    """
    with TemporaryFile() as body:
        for piece in part.pieces:
            if isinstance(piece, bytes):
                body.write(piece)
            else:
                still_wanted()
                _fetch(client, bucket, piece, body)
        body.seek(0)
        yield body


def _fetch(client: S3Client, bucket: str, source: Stored, into: BinaryIO) -> None:
    fetched = 0
    try:
        answer = client.get_object(
            Bucket=bucket, Key=source.segment.key, Range=_range(source), IfMatch=source.segment.etag
        )
        for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
            fetched += into.write(chunk)
    except (BotoCoreError, ClientError) as error:
        raise _source_outcome(error, source) from error
    size = answer.get("ContentRange", "").rpartition("/")[2]
    if fetched != len(source) or size != str(source.segment.compressed):
        raise SegmentDamaged(source.segment.member, source.segment.key)


def _range(source: Stored) -> str:
    return f"bytes={source.start}-{source.end - 1}"


def _source_outcome(error: BaseException, source: Stored) -> Exception:
    code, segment = error_code(error), source.segment
    if code in MISSING_CODES:
        return SegmentMissing(segment.member, segment.key)
    if code in _DAMAGE_CODES:
        return SegmentDamaged(segment.member, segment.key)
    return translated(error, f"reading a segment of {segment.member}")
