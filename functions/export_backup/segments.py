"""The pieces that an archive is made of: raw deflate, cut where nothing refers back across the cut.

A deflate stream that ends in a sync flush ends on a byte boundary and without a final block (RFC 1951,
3.2.4: an empty stored block), so streams made apart, by several Lambdas, are one stream when laid end to
end. Whoever lays them together adds the final block.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from tempfile import TemporaryFile
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import smart_open
from botocore.exceptions import BotoCoreError, ClientError
from isal import isal_zlib

from functions.export_backup.bucket_errors import error_code, translating

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

COMPRESSION_LEVEL = 2  # ISA-L's: 415 MB/s at ratio 2.66; level 3 gains 2 % of size for a third of the speed
PART_BYTES = 5 * 1024**2  # S3's floor for every part but the last
_BATCH_BYTES = 256 * 1024  # rows handed to ISA-L one by one cost five times the time (19 MB: 0.49 s, 0.09 s)
_RAW_DEFLATE = -15  # no zlib or gzip frame round it: ZIP has its own


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of one member, as it lies in the bucket.

    `bytes` counts what was written, `compressed` the object's size, `crc32` is that of what was written;
    `etag` is S3's, quotes included, and pins the very object that this attempt wrote.
    """

    member: str
    key: str
    bytes: int
    compressed: int
    crc32: int
    etag: str

    def to_dict(self) -> dict[str, str | int]:
        """A dict that JSON holds as it is."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises KeyError or ValueError when a field is absent, of another type or negative.
        """
        texts = {name: document[name] for name in ("member", "key", "etag")}
        numbers = {name: document[name] for name in ("bytes", "compressed", "crc32")}
        for name, text in texts.items():
            if not isinstance(text, str) or not text:
                raise ValueError(f"a segment's {name} is a text")
        for name, number in numbers.items():
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise ValueError(f"a segment's {name} is a whole number")
        return cls(**texts, **numbers)


class Deflater:
    """Deflates one segment; counts and sums what went in."""

    def __init__(self, level: int = COMPRESSION_LEVEL) -> None:
        self._stream = isal_zlib.compressobj(level, isal_zlib.DEFLATED, _RAW_DEFLATE)
        self.bytes = 0
        self.crc32 = 0

    def compress(self, data: bytes) -> bytes:
        self.bytes += len(data)
        self.crc32 = isal_zlib.crc32(data, self.crc32)
        return self._stream.compress(data)

    def flush(self) -> bytes:
        """What is left, up to a byte boundary; never a final block."""
        return self._stream.flush(isal_zlib.Z_SYNC_FLUSH)


class SegmentWriter:
    """Takes one member's bytes, deflates them, and streams them to one object.

    Nothing is sent until a part is full, so that a small segment is one PutObject instead of a multipart
    upload's three calls. `finish` publishes the object, `discard` leaves none; one of the two is due.
    Parts are collected in files without a name, in the temporary directory (10 MiB at most), so that memory
    is the same for a big segment as for a small one. Made by `SegmentWriters`.
    """

    def __init__(self, client: S3Client, bucket: str, key: str, member: str, level: int) -> None:
        self._client = _AnswerKeeper(client)
        self._bucket = bucket
        self._key = key
        self._member = member
        self._deflater = Deflater(level)
        self._batch: list[bytes] = []
        self._batched = 0
        self._compressed = 0
        # Until it is known whether there will be a second.
        self._first_part = TemporaryFile()  # noqa: SIM115 - open for as long as the writer is
        self._stream: Any = None  # smart_open's writer, from the first full part on
        # Ours, not smart_open's own, because closing it disarms a stream that could not be aborted.
        self._stream_buffer = self._first_part

    def write(self, data: bytes) -> None:
        """Add `data` to the member. Raises BucketUnavailable, BucketRefused."""
        if not data:
            return
        self._batch.append(data)
        self._batched += len(data)
        if self._batched >= _BATCH_BYTES:
            self._deflate_batch()

    def finish(self) -> Segment | None:
        """Publish the object and say what it is; None, and no object, when nothing was written."""
        self._deflate_batch()
        if not self._deflater.bytes:
            self._first_part.close()
            return None
        self._send(self._deflater.flush())
        with translating(f"uploading a segment of {self._member}"):
            if self._stream is None:
                self._stream = self._opened(multipart_upload=False)
            self._stream.close()
        self._stream_buffer.close()
        return Segment(
            member=self._member,
            key=self._key,
            bytes=self._deflater.bytes,
            compressed=self._compressed,
            crc32=self._deflater.crc32,
            etag=self._client.etag,
        )

    def discard(self) -> str | None:
        """Leave neither object nor open upload. Returns S3's code when it refused that; raises nothing."""
        refusal = None
        if self._stream is not None and not self._stream.closed:
            try:
                self._stream.terminate()
            except (BotoCoreError, ClientError) as error:
                refusal = error_code(error)
        # A stream that is not terminated would be closed by the garbage collector, which *publishes* what
        # there is of it; without its buffer that close fails before it sends anything.
        self._stream_buffer.close()
        self._first_part.close()
        return refusal

    def _deflate_batch(self) -> None:
        if self._batched:
            batch = self._batch[0] if len(self._batch) == 1 else b"".join(self._batch)
            self._batch.clear()
            self._batched = 0
            self._send(self._deflater.compress(batch))

    def _send(self, deflated: bytes) -> None:
        self._compressed += len(deflated)
        if self._stream is None and self._compressed < PART_BYTES:
            self._first_part.write(deflated)
            return
        with translating(f"uploading a segment of {self._member}"):
            if self._stream is None:
                self._begin_multipart()
            self._stream.write(deflated)

    def _begin_multipart(self) -> None:
        with self._first_part as first_part:
            self._stream_buffer = TemporaryFile()  # noqa: SIM115 - closed by finish and discard
            self._stream = self._opened(multipart_upload=True, min_part_size=PART_BYTES)
            first_part.seek(0)
            while chunk := first_part.read(_BATCH_BYTES):
                self._stream.write(chunk)

    def _opened(self, **parameters: object) -> Any:
        return smart_open.open(
            f"s3://{self._bucket}/{self._key}",
            "wb",
            compression="disable",  # else smart_open takes the key's ending for its compression
            transport_params={"client": self._client, "writebuffer": self._stream_buffer, **parameters},
        )


def segment_key(prefix: str, member: str) -> str:
    """Where an attempt whose objects have this prefix leaves its segment of the member."""
    return f"{prefix}{member}.deflate"


class SegmentWriters:
    """The writers of one attempt at one unit, by member name; the `with` block is the transaction.

        with SegmentWriters(s3, bucket, f"staging/{backup_id}/{unit:05d}/{attempt_id}/") as writers:
            writers["files.csv"].write(line)
        report(writers.segments)

    A writer is made when it is first asked for; a member to which nothing was written has no segment. When
    the block raises, every upload is aborted, nothing is published, and it is the block's error that is
    seen. When S3 fails while the block ends, the segments that were already published stay, whole and
    reported to nobody, until the staging area's lifecycle takes them.

    Raises BucketUnavailable (Step Functions retries), BucketRefused (nobody does).
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str, *, level: int = COMPRESSION_LEVEL) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._level = level
        self._writers: dict[str, SegmentWriter] = {}
        self.segments: tuple[Segment, ...] = ()

    def __getitem__(self, member: str) -> SegmentWriter:
        if member not in self._writers:
            key = segment_key(self._prefix, member)
            self._writers[member] = SegmentWriter(self._client, self._bucket, key, member, self._level)
        return self._writers[member]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._discard(error)
            return
        try:
            finished = [writer.finish() for writer in self._writers.values()]
        except BaseException as failure:
            self._discard(failure)
            raise
        self.segments = tuple(segment for segment in finished if segment is not None)

    def _discard(self, error: BaseException) -> None:
        for member, writer in self._writers.items():
            refusal = writer.discard()
            if refusal is not None:
                error.add_note(f"the upload of {member} could not be aborted: {refusal}")


class _AnswerKeeper:
    """The client, and the ETag of what it published: smart_open gives its caller no answer of S3's."""

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self.etag = ""

    def put_object(self, **request: Any) -> Any:
        return self._keep(self._client.put_object(**request))

    def complete_multipart_upload(self, **request: Any) -> Any:
        return self._keep(self._client.complete_multipart_upload(**request))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _keep(self, answer: Any) -> Any:
        self.etag = answer["ETag"]
        return answer
