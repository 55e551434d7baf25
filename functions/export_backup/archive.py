"""One ZIP from the segments of all units, put together inside S3."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from functions.export_backup.bucket_errors import error_code, is_passing, translated, translating
from functions.export_backup.parts import CopiedPart, GluedPart, Part, cut
from functions.export_backup.zip_layout import Member, MemberTotal, Stored, lay_out

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopySourceTypeDef, HeadObjectOutputTypeDef

_CHUNK_BYTES = 256 * 1024
_MIME_TYPE = "application/zip"
_ID_IN_METADATA = "backup-id"
# RFC 6266: such a name needs neither escaping nor `filename*`, in any browser.
_SAFE_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
# What a source says that is not the object which its attempt reported: other ETag, or too short.
_DAMAGE_CODES = frozenset({"PreconditionFailed", "InvalidRange", "InvalidArgument", "416", "412"})
_MISSING_CODES = frozenset({"NoSuchKey", "404"})


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


class ArchiveMissing(Exception):
    """There is no archive of this backup and size at its key. Nobody retries it: what was there is gone."""


class ArchiveKeyTaken(Exception):
    """At the archive's key lies an object that is not this backup's, and it was left alone.

    Nobody retries it: the key has 128 random bits, so this is a bug or an intruder.
    """


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the archive goes, in the bucket that holds its segments too.

    `file_name` is the one that a browser saves it under. Raises ValueError when that name has anything but
    ASCII letters, digits, `_`, `-` and `.`.
    """

    bucket: str
    key: str
    file_name: str
    backup_id: str

    def __post_init__(self) -> None:
        if not _SAFE_FILE_NAME.fullmatch(self.file_name):
            raise ValueError("the archive's file name is not a plain one")

    @property
    def disposition(self) -> str:
        return f'attachment; filename="{self.file_name}"'


@dataclass(frozen=True, slots=True)
class Archive:
    """What was published: `size` in bytes, and each member's numbers in the archive's order."""

    size: int
    members: tuple[MemberTotal, ...]


def assemble(
    client: S3Client,
    destination: Destination,
    members: Iterable[Member],
    modified_at: datetime,
    still_wanted: Callable[[], None],
) -> Archive:
    """Publish one ZIP of the members at the destination, or nothing at all.

    Called again with the same members after it has published, it finds its own archive and says so. A glued
    part (10 MiB, at most 80 MiB for an archive of very many small segments) is collected on disk.

    `still_wanted` is called before each part and before the whole is published; what it raises ends the
    work. It cannot be asked in the same moment as S3 publishes: the caller asks once more afterwards.

    Raises BucketUnavailable (Step Functions retries); BucketRefused, SegmentMissing, SegmentDamaged,
    ArchiveKeyTaken, ArchiveNotDivisible (nobody does); and what `still_wanted` raises.
    """
    layout = lay_out(members, modified_at)
    parts = cut(layout.pieces)
    match parts:
        case (GluedPart() as whole,):
            _put(client, destination, whole, still_wanted)
        case _:
            _upload(client, destination, parts, layout.size, still_wanted)
    return Archive(layout.size, layout.members)


def head_of_ours(client: S3Client, destination: Destination, size: int) -> HeadObjectOutputTypeDef:
    """What S3 says of this backup's archive of so many bytes.

    Raises BucketUnavailable (Step Functions retries); BucketRefused, ArchiveMissing (nobody does).
    """
    try:
        found = client.head_object(Bucket=destination.bucket, Key=destination.key)
    except (BotoCoreError, ClientError) as error:
        if error_code(error) in _MISSING_CODES:
            raise ArchiveMissing("the archive is not in the bucket") from None
        raise translated(error, "looking for the archive") from error
    if not _is_ours(found, destination, size):
        raise ArchiveMissing("the archive's key holds another object")
    return found


def published_at(client: S3Client, destination: Destination, size: int) -> datetime:
    """When this backup's archive, of so many bytes, came into the bucket: its life there counts from then.

    Raises as `head_of_ours`.
    """
    return head_of_ours(client, destination, size)["LastModified"]


def _put(
    client: S3Client, destination: Destination, whole: GluedPart, still_wanted: Callable[[], None]
) -> None:
    """An archive that is one part needs no multipart upload's three calls."""
    with _glued(client, destination.bucket, whole) as body:
        still_wanted()
        try:
            client.put_object(
                Bucket=destination.bucket,
                Key=destination.key,
                Body=body,
                ContentType=_MIME_TYPE,
                ContentDisposition=destination.disposition,
                Metadata={_ID_IN_METADATA: destination.backup_id},
                IfNoneMatch="*",  # a late attempt never overwrites an archive that is offered
            )
        except (BotoCoreError, ClientError) as error:
            _require_ours(client, destination, whole.size, error)


def _upload(
    client: S3Client,
    destination: Destination,
    parts: Iterable[Part],
    size: int,
    still_wanted: Callable[[], None],
) -> None:
    with translating("beginning the archive's upload"):
        upload_id = client.create_multipart_upload(
            Bucket=destination.bucket,
            Key=destination.key,
            ContentType=_MIME_TYPE,
            ContentDisposition=destination.disposition,
            Metadata={_ID_IN_METADATA: destination.backup_id},
        )["UploadId"]
    try:
        sent = []
        # Each part is sent by itself, in any order: an executor's map would do as well.
        for part in parts:
            still_wanted()
            sent.append(_send(client, destination, upload_id, part))
        still_wanted()
        _complete(client, destination, upload_id, sent, size)
    except BaseException as error:
        refusal = _abort(client, destination, upload_id)
        if refusal is not None:
            error.add_note(f"the upload could not be aborted: {refusal}")
        raise


def _send(client: S3Client, destination: Destination, upload_id: str, part: Part) -> CompletedPartTypeDef:
    """Bring one part into the upload; what CompleteMultipartUpload wants to know of it is returned."""
    if isinstance(part, CopiedPart):
        etag = _copy(client, destination, upload_id, part)
    else:
        with (
            _glued(client, destination.bucket, part) as body,
            translating(f"uploading part {part.number} of the archive"),
        ):
            etag = client.upload_part(
                Bucket=destination.bucket,
                Key=destination.key,
                UploadId=upload_id,
                PartNumber=part.number,
                Body=body,
            )["ETag"]
    return {"ETag": etag, "PartNumber": part.number}


def _copy(client: S3Client, destination: Destination, upload_id: str, part: CopiedPart) -> str:
    source = part.source
    copy_source: CopySourceTypeDef = {"Bucket": destination.bucket, "Key": source.segment.key}
    try:
        answer = client.upload_part_copy(
            Bucket=destination.bucket,
            Key=destination.key,
            UploadId=upload_id,
            PartNumber=part.number,
            CopySource=copy_source,
            CopySourceRange=_range(source),
            CopySourceIfMatch=source.segment.etag,
        )
    except (BotoCoreError, ClientError) as error:
        raise _source_outcome(error, source) from error
    return answer["CopyPartResult"]["ETag"]


@contextmanager
def _glued(client: S3Client, bucket: str, part: GluedPart) -> Iterator[BinaryIO]:
    """The part's bytes in a file without a name, so that memory does not depend on them."""
    with TemporaryFile() as body:
        for piece in part.pieces:
            if isinstance(piece, bytes):
                body.write(piece)
            else:
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
    if code in _MISSING_CODES:
        return SegmentMissing(segment.member, segment.key)
    if code in _DAMAGE_CODES:
        return SegmentDamaged(segment.member, segment.key)
    return translated(error, f"reading a segment of {segment.member}")


def _complete(
    client: S3Client, destination: Destination, upload_id: str, sent: list[CompletedPartTypeDef], size: int
) -> None:
    try:
        client.complete_multipart_upload(
            Bucket=destination.bucket,
            Key=destination.key,
            UploadId=upload_id,
            MultipartUpload={"Parts": sent},
            IfNoneMatch="*",  # a late attempt never overwrites an archive that is offered
        )
    except (BotoCoreError, ClientError) as error:
        _require_ours(client, destination, size, error)
        # Ours, from this upload or from an earlier attempt's: in the second case this one is still open.
        # A refusal is left to the lifecycle rule, because the archive is there.
        _abort(client, destination, upload_id)


def _require_ours(client: S3Client, destination: Destination, size: int, error: Exception) -> None:
    """Return when the archive is there in spite of `error`, which publishing it was answered with.

    The answer may be lost, botocore may have tried again and met the first try's object, or an earlier
    attempt at this step was late: only id and size tell whose object it is.
    """
    try:
        found = client.head_object(Bucket=destination.bucket, Key=destination.key)
    except (BotoCoreError, ClientError) as unseen:
        # 404, or 403 in its stead where the role may not list: not published. Not reached: not known.
        cause = unseen if is_passing(unseen) else error
        raise translated(cause, "publishing the archive") from error
    if not _is_ours(found, destination, size):
        raise ArchiveKeyTaken("the archive's key holds another object") from error


def _is_ours(found: HeadObjectOutputTypeDef, destination: Destination, size: int) -> bool:
    return found["Metadata"].get(_ID_IN_METADATA) == destination.backup_id and found["ContentLength"] == size


def _abort(client: S3Client, destination: Destination, upload_id: str) -> str | None:
    """Give the parts back. Returns S3's code when it refused, None when no upload is open; raises nothing."""
    try:
        client.abort_multipart_upload(Bucket=destination.bucket, Key=destination.key, UploadId=upload_id)
    except (BotoCoreError, ClientError) as error:
        code = error_code(error)
        return None if code == "NoSuchUpload" else code
    return None
