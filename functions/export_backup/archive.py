"""One ZIP from the segments of all units, put together inside S3."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from functions.export_backup.bucket_errors import error_code, is_passing, translated, translating
from functions.export_backup.lanes import Lanes, threads_for
from functions.export_backup.part_sender import MISSING_CODES, PartSender, glued
from functions.export_backup.part_sender import SegmentDamaged as SegmentDamaged  # assembling raises them
from functions.export_backup.part_sender import SegmentMissing as SegmentMissing
from functions.export_backup.parts import GluedPart, Part, cut
from functions.export_backup.zip_layout import Layout, Member, MemberTotal, lay_out

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        CompleteMultipartUploadRequestTypeDef,
        CreateMultipartUploadRequestTypeDef,
        HeadObjectOutputTypeDef,
        PutObjectRequestTypeDef,
    )

_PARTS_AT_ONCE = 8
# What each of them may take of Lambda's 512 MiB of temporary files. A glued part has 10 MiB as a rule; of the
# largest, of 80 MiB, there are two at once.
_PART_BYTES = 20 * 1024**2
_MIME_TYPE = "application/zip"
_ID_IN_METADATA = "backup-id"
# RFC 6266: such a name needs neither escaping nor `filename*`, in any browser.
_SAFE_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


class ArchiveMissing(Exception):
    """There is no archive of this backup, size and CRC-32 at its key. Nobody retries it: what was there is
    gone."""


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
    """What was published: `size` in bytes, each member's numbers in the archive's order, and the CRC-32 of
    the whole file; None where a segment is of a version that did not note its own."""

    size: int
    members: tuple[MemberTotal, ...]
    crc32: int | None = None

    @classmethod
    def of(cls, layout: Layout) -> Self:
        return cls(layout.size, layout.members, layout.crc32)


def assemble(
    client: S3Client,
    destination: Destination,
    members: Iterable[Member],
    modified_at: datetime,
    still_wanted: Callable[[], None],
) -> Archive:
    """Publish one ZIP of the members at the destination, or nothing at all.

    Called again with the same members after it has published, it finds its own archive and says so. Parts
    are sent side by side; glued ones are collected on disk, 160 MiB together at most.

    S3 is told the CRC-32 that the whole file has to have, as it follows from the segments', and compares it
    with what it has put together.

    `still_wanted` is called before each part and before the whole is published, by this thread; what it
    raises ends the work. It cannot be asked in the same moment as S3 publishes: the caller asks once more
    afterwards.

    Raises BucketUnavailable (Step Functions retries); BucketRefused, SegmentMissing, SegmentDamaged,
    ArchiveKeyTaken, ArchiveNotDivisible (nobody does); and what `still_wanted` raises.
    """
    layout = lay_out(members, modified_at)
    archive = Archive.of(layout)
    parts = cut(layout.pieces)
    match parts:
        case (GluedPart() as whole,):
            _put(client, destination, whole, archive, still_wanted)
        case _:
            _upload(client, destination, parts, archive, still_wanted)
    return archive


def head_of_ours(
    client: S3Client, destination: Destination, size: int, crc32: int | None = None
) -> HeadObjectOutputTypeDef:
    """What S3 says of this backup's archive of so many bytes, and of this CRC-32 where S3 knows it.

    Raises BucketUnavailable (Step Functions retries); BucketRefused, ArchiveMissing (nobody does).
    """
    try:
        found = _head(client, destination)
    except (BotoCoreError, ClientError) as error:
        if error_code(error) in MISSING_CODES:
            raise ArchiveMissing("the archive is not in the bucket") from None
        raise translated(error, "looking for the archive") from error
    if not _is_ours(found, destination, size, crc32):
        raise ArchiveMissing("the archive's key holds another object")
    return found


def published_at(client: S3Client, destination: Destination, size: int) -> datetime:
    """When this backup's archive, of so many bytes, came into the bucket: its life there counts from then.

    Raises as `head_of_ours`.
    """
    return head_of_ours(client, destination, size)["LastModified"]


def _put(
    client: S3Client,
    destination: Destination,
    whole: GluedPart,
    archive: Archive,
    still_wanted: Callable[[], None],
) -> None:
    """An archive that is one part needs no multipart upload's three calls."""
    with glued(client, destination.bucket, whole, still_wanted) as body:
        request: PutObjectRequestTypeDef = {
            "Bucket": destination.bucket,
            "Key": destination.key,
            "Body": body,
            "ContentType": _MIME_TYPE,
            "ContentDisposition": destination.disposition,
            "Metadata": {_ID_IN_METADATA: destination.backup_id},
            "IfNoneMatch": "*",  # a late attempt never overwrites an archive that is offered
        }
        if archive.crc32 is not None:
            request["ChecksumCRC32"] = _in_base64(archive.crc32)
        still_wanted()
        try:
            client.put_object(**request)
        except (BotoCoreError, ClientError) as error:
            _require_ours(client, destination, archive, error)


def _upload(
    client: S3Client,
    destination: Destination,
    parts: Iterable[Part],
    archive: Archive,
    still_wanted: Callable[[], None],
) -> None:
    request: CreateMultipartUploadRequestTypeDef = {
        "Bucket": destination.bucket,
        "Key": destination.key,
        "ContentType": _MIME_TYPE,
        "ContentDisposition": destination.disposition,
        "Metadata": {_ID_IN_METADATA: destination.backup_id},
    }
    if archive.crc32 is not None:
        # Of copied parts, too, S3 then makes a CRC-32, and of all parts' that of the whole:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyPartResult.html
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
        request["ChecksumAlgorithm"], request["ChecksumType"] = "CRC32", "FULL_OBJECT"
    threads = threads_for(client, _PARTS_AT_ONCE)
    lanes = Lanes(threads, threads * _PART_BYTES)
    sent: dict[int, CompletedPartTypeDef] = {}
    with translating("beginning the archive's upload"):
        begun = client.create_multipart_upload(**request)
    sender = PartSender(
        client, destination.bucket, destination.key, begun["UploadId"], summed=archive.crc32 is not None
    )
    # Not every store that speaks S3 takes the sum of a whole; one that does says so.
    crc32 = archive.crc32 if begun.get("ChecksumType") == "FULL_OBJECT" else None

    def send(part: Part) -> None:
        sent[part.number] = sender.send(part, lanes.still_wanted)

    try:
        for part in parts:
            size = max(_PART_BYTES, part.size if isinstance(part, GluedPart) else 0)
            lanes.wait_for_room(size)
            still_wanted()
            lanes.hand_over(part.number, partial(send, part), size)
        lanes.finish()
        still_wanted()
        _complete(sender, destination, [sent[number] for number in sorted(sent)], archive, crc32)
    except BaseException as error:
        lanes.stop()  # a part that came after the abort would stay
        refusal = _abort(sender)
        if refusal is not None:
            error.add_note(f"the upload could not be aborted: {refusal}")
        raise


def _complete(
    sender: PartSender,
    destination: Destination,
    sent: list[CompletedPartTypeDef],
    archive: Archive,
    crc32: int | None,
) -> None:
    request: CompleteMultipartUploadRequestTypeDef = {
        "Bucket": sender.bucket,
        "Key": sender.key,
        "UploadId": sender.upload_id,
        "MultipartUpload": {"Parts": sent},
        "IfNoneMatch": "*",  # a late attempt never overwrites an archive that is offered
    }
    if crc32 is not None:
        request["ChecksumType"], request["ChecksumCRC32"] = "FULL_OBJECT", _in_base64(crc32)
    try:
        sender.client.complete_multipart_upload(**request)
    except (BotoCoreError, ClientError) as error:
        _require_ours(sender.client, destination, archive, error)
        # Ours, from this upload or from an earlier attempt's: in the second case this one is still open.
        # A refusal is left to the lifecycle rule, because the archive is there.
        _abort(sender)


def _require_ours(client: S3Client, destination: Destination, archive: Archive, error: Exception) -> None:
    """Return when the archive is there in spite of `error`, which publishing it was answered with.

    The answer may be lost, botocore may have tried again and met the first try's object, or an earlier
    attempt at this step was late: only id, size and sum tell whose object it is.
    """
    try:
        found = _head(client, destination)
    except (BotoCoreError, ClientError) as unseen:
        # 404, or 403 in its stead where the role may not list: not published. Not reached: not known.
        cause = unseen if is_passing(unseen) else error
        raise translated(cause, "publishing the archive") from error
    if not _is_ours(found, destination, archive.size, archive.crc32):
        raise ArchiveKeyTaken("the archive's key holds another object") from error


def _head(client: S3Client, destination: Destination) -> HeadObjectOutputTypeDef:
    return client.head_object(Bucket=destination.bucket, Key=destination.key, ChecksumMode="ENABLED")


def _is_ours(found: HeadObjectOutputTypeDef, destination: Destination, size: int, crc32: int | None) -> bool:
    if found["Metadata"].get(_ID_IN_METADATA) != destination.backup_id or found["ContentLength"] != size:
        return False
    # A composite sum is one of the parts' sums, and tells nothing.
    knows_sum = found.get("ChecksumType") == "FULL_OBJECT" and "ChecksumCRC32" in found
    return crc32 is None or not knows_sum or found["ChecksumCRC32"] == _in_base64(crc32)


def _in_base64(crc32: int) -> str:
    """As S3 writes it."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def _abort(sender: PartSender) -> str | None:
    """Give the parts back. Returns S3's code when it refused, None when no upload is open; raises nothing."""
    try:
        sender.client.abort_multipart_upload(Bucket=sender.bucket, Key=sender.key, UploadId=sender.upload_id)
    except (BotoCoreError, ClientError) as error:
        code = error_code(error)
        return None if code == "NoSuchUpload" else code
    return None
