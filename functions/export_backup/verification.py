"""The archive read back from the bucket, as whoever downloads it will read it, before it is offered.

What it shall be is told by the units' reports, never by the archive itself. All of its frame is read: the
end, the directory, every local header, nothing between them. Of the contents as much is inflated as there
is time for, the smallest members first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from isal import isal_zlib

from functions.export_backup.archive import Archive, ArchiveMissing, Destination, head_of_ours
from functions.export_backup.bucket_errors import error_code, translated
from functions.export_backup.zip_directory import (
    END_BYTES,
    Entry,
    Malformed,
    directory_of,
    entries,
    local_header,
    most_local_bytes,
)
from functions.export_backup.zip_layout import MemberTotal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Cautious, since whoever runs out of time fails a good backup: one stream from S3 into a Lambda of the
# template's size brings 50 MB/s and more, and ISA-L inflates and sums 2 GB/s on one of its processors.
# A function that has its fifteen minutes before it reads 13 GiB.
READ_BYTES_PER_SECOND = 16 * 1024**2
_INFLATED_PER_READ = 16
_RESERVE_SECONDS = 60.0

_CHUNK_BYTES = 256 * 1024
_MOST_INFLATED = 1024**2  # at once: deflate makes up to a thousand bytes of one
# Nearer neighbours than this come with one request: sent along, it is quicker than a request of its own.
_BATCH_BYTES = 64 * 1024
_MOST_DIRECTORY_BYTES = 64 * 1024  # a hundred times what nine members need
_UTF8_NAME = 1 << 11


class ArchiveDamaged(Exception):
    """The archive in the bucket is not what was assembled; `member` says where, "directory" for its end.

    Nobody retries it: what lies there does not change, and is never offered.
    """

    def __init__(self, member: str, fault: str) -> None:
        super().__init__(f"{member}: {fault}")
        self.member = member


def readable_bytes(seconds_left: float) -> float:
    """How many bytes of an archive can be read and inflated before so many seconds are over."""
    return max(0.0, seconds_left - _RESERVE_SECONDS) * READ_BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class _Placed:
    """A member, and where its deflated bytes begin."""

    total: MemberTotal
    start: int


class StoredArchive:
    """The archive at its destination, pinned to the object that lay there when it was made.

    `still_wanted` is called as often as something was read; what it raises ends the work.
    Everything here raises BucketUnavailable (Step Functions retries); BucketRefused, ArchiveMissing,
    ArchiveDamaged (nobody does).
    """

    def __init__(
        self,
        client: S3Client,
        destination: Destination,
        expected: Archive,
        still_wanted: Callable[[], None],
    ) -> None:
        self._client = client
        self._destination = destination
        self._expected = expected
        self._still_wanted = still_wanted
        self._etag = head_of_ours(client, destination, expected.size, expected.crc32)["ETag"]
        self._members = {placed.total.name: placed for placed in self._placed()}

    def verify_contents(self, limit: float) -> int:
        """Inflate members of together `limit` bytes at most; returns how many bytes of the archive it was."""
        verified = 0
        spent = 0.0
        for placed in sorted(self._members.values(), key=lambda placed: _cost(placed.total)):
            spent += _cost(placed.total)
            if spent > limit:
                break
            for _ in self._inflated(placed):
                pass
            verified += placed.total.compressed
        return verified

    def content(self, member: str) -> bytes:
        """All of a small member's content."""
        return b"".join(self._inflated(self._members[member]))

    # --- the frame ---

    def _placed(self) -> Iterator[_Placed]:
        """The members, once the whole frame round them is known to be right."""
        size = self._expected.size
        with _finding("directory"):
            directory = directory_of(self._read(max(0, size - END_BYTES), size, "directory"), size)
            if directory.count != len(self._expected.members):
                raise ArchiveDamaged("directory", f"{directory.count} members")
            if directory.end - directory.start > _MOST_DIRECTORY_BYTES:
                raise ArchiveDamaged("directory", "it is too long")
            found = list(entries(self._read(directory.start, directory.end, "directory"), directory.count))
        for (entry, _), total in zip(found, self._expected.members, strict=True):
            if entry != _entry_of(total, entry.moment):
                raise ArchiveDamaged(total.name, "the directory says otherwise of it")
        behind = 0
        for (entry, offset), total, header in zip(
            found, self._expected.members, self._headers(found, directory.start), strict=True
        ):
            with _finding(total.name):
                local, length = local_header(header)
            if local != entry:
                raise ArchiveDamaged(total.name, "its header and the directory disagree")
            if offset != behind:
                raise ArchiveDamaged(total.name, "it does not begin where the one before it ends")
            yield _Placed(total, offset + length)
            behind = offset + length + total.compressed
        if behind != directory.start:
            raise ArchiveDamaged("directory", "it does not begin where the last member ends")

    def _headers(self, found: Sequence[tuple[Entry, int]], end: int) -> Iterator[bytes]:
        """What lies where the directory says that local headers are, one request for near neighbours."""
        start, batch = 0, b""
        for number, (entry, offset) in enumerate(found):
            behind = min(offset + most_local_bytes(entry), end)
            if not start <= offset <= behind <= start + len(batch):
                last = behind
                for neighbour, its_offset in found[number + 1 :]:
                    if not offset <= its_offset <= last + _BATCH_BYTES:
                        break
                    last = max(last, min(its_offset + most_local_bytes(neighbour), end))
                start, batch = offset, self._read(offset, last, self._expected.members[number].name)
            yield batch[offset - start : behind - start]

    # --- the contents ---

    def _inflated(self, placed: _Placed) -> Iterator[bytes]:
        """The member's content, a megabyte at most at a time; that it is whole is known at its end."""
        total = placed.total
        stream = isal_zlib.decompressobj(-15)
        size = crc32 = 0
        for chunk in self._chunks(placed.start, placed.start + total.compressed, total.name):
            rest: bytes | None = chunk
            while rest is not None and not stream.eof:
                try:
                    content = stream.decompress(rest, _MOST_INFLATED)
                except isal_zlib.IsalError:  # type: ignore[misc]  # its stub calls the class an instance
                    raise ArchiveDamaged(total.name, "it cannot be inflated") from None
                size += len(content)
                crc32 = isal_zlib.crc32(content, crc32)
                if content:
                    yield content
                # ISA-L may keep content back that did not fit, also when it has taken all that came in.
                full = len(content) == _MOST_INFLATED
                rest = stream.unconsumed_tail if stream.unconsumed_tail or full else None
            if stream.unused_data or rest:
                raise ArchiveDamaged(total.name, "it ends before its place does")
        if not stream.eof or (size, crc32) != (total.bytes, total.crc32):
            raise ArchiveDamaged(total.name, "size or CRC-32 of its content are not what they were")

    # --- S3 ---

    def _read(self, start: int, end: int, member: str) -> bytes:
        if not 0 <= start < end <= self._expected.size:
            raise ArchiveDamaged(member, "it lies outside the archive")
        return b"".join(self._chunks(start, end, member))

    def _chunks(self, start: int, end: int, member: str) -> Iterator[bytes]:
        with self._reading(member):
            answer = self._client.get_object(
                Bucket=self._destination.bucket,
                Key=self._destination.key,
                Range=f"bytes={start}-{end - 1}",
                IfMatch=self._etag,
            )
            chunks = iter(answer["Body"].iter_chunks(_CHUNK_BYTES))
        read = 0
        while True:
            self._still_wanted()  # outside: what the records say is no fault of the bucket's
            with self._reading(member):
                chunk = next(chunks, b"")
            if not chunk:
                break
            read += len(chunk)
            yield chunk
        if read != end - start:
            raise ArchiveDamaged(member, "less of it is there than the archive's size promises")

    @contextmanager
    def _reading(self, member: str) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError, OSError) as error:
            match error_code(error):
                case "NoSuchKey":
                    raise ArchiveMissing("the archive went while it was read") from None
                case "PreconditionFailed" | "InvalidRange":
                    raise ArchiveDamaged(member, "another object took the archive's place") from None
            raise translated(error, "reading the archive back") from error


def _entry_of(total: MemberTotal, moment: tuple[int, int]) -> Entry:
    flags = 0 if total.name.isascii() else _UTF8_NAME
    return Entry(total.name.encode(), flags, moment, total.crc32, total.compressed, total.bytes)


def _cost(total: MemberTotal) -> float:
    return max(total.compressed, total.bytes / _INFLATED_PER_READ)


@contextmanager
def _finding(member: str) -> Iterator[None]:
    try:
        yield
    except Malformed:
        raise ArchiveDamaged(member, "it is not what a ZIP has there") from None
