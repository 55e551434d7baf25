"""The pieces that an archive is made of: raw deflate, cut where nothing refers back across the cut.

A deflate stream that ends in a sync flush ends on a byte boundary and without a final block (RFC 1951,
3.2.4: an empty stored block), so streams made apart, by several Lambdas, are one stream when laid end to
end. Whoever lays them together adds the final block.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from isal import isal_zlib

from functions.export_backup.lanes import Lanes, threads_for
from functions.export_backup.object_stream import ObjectStream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

COMPRESSION_LEVEL = 2  # ISA-L's: 415 MB/s at ratio 2.66; level 3 gains 2 % of size for a third of the speed
_UPLOADS_AT_ONCE = 4  # a large unit has three or four large members; a small one is published in two rounds
_MOST_WAITING_BYTES = 8 * 1024**2  # of all members, deflated, for the uploads: 0.25 s of computing
_BATCH_BYTES = 256 * 1024  # rows handed to ISA-L one by one cost five times the time (19 MB: 0.49 s, 0.09 s)
_MOST_BYTES = 1024**2  # deflated at once, so that what waits for the uploads waits in small pieces
_RAW_DEFLATE = -15  # no zlib or gzip frame round it: ZIP has its own


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of one member, as it lies in the bucket.

    `bytes` counts what was written, `compressed` the object's size, `crc32` is that of what was written;
    `etag` is S3's, quotes included, and pins the very object that this attempt wrote. `stored_crc32` is that
    of the object's own bytes; None in reports of versions that did not note it.
    """

    member: str
    key: str
    bytes: int
    compressed: int
    crc32: int
    etag: str
    stored_crc32: int | None = None

    def to_dict(self) -> dict[str, str | int | None]:
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
        if document.get("stored_crc32") is not None:
            numbers["stored_crc32"] = document["stored_crc32"]
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
    """Deflates one member's bytes, and has them streamed to one object. Made by `SegmentWriters`."""

    def __init__(
        self, client: S3Client, bucket: str, key: str, member: str, level: int, lanes: Lanes
    ) -> None:
        self._key = key
        self._member = member
        self._lanes = lanes
        self._deflater = Deflater(level)
        self._object = ObjectStream(client, bucket, key, lanes, f"uploading a segment of {member}")
        self._batch: list[bytes] = []
        self._batched = 0

    def write(self, data: bytes) -> None:
        """Add `data` to the member. Raises what an upload of any member has failed with."""
        self._lanes.check()
        if not data:
            return
        self._batch.append(data)
        self._batched += len(data)
        if self._batched >= _BATCH_BYTES:
            self._deflate_batch()

    def finish(self) -> None:
        """Have the object published; none when nothing was written."""
        self._deflate_batch()
        if self._deflater.bytes:
            self._object.write(self._deflater.flush())
            self._object.finish()
        else:
            self._object.discard()

    def discard(self) -> str | None:
        """Leave neither object nor open upload, once the lanes have stopped: see `ObjectStream`."""
        return self._object.discard()

    @property
    def segment(self) -> Segment | None:
        """What was published, once the lanes have finished; None when nothing was written."""
        if not self._deflater.bytes:
            return None
        return Segment(
            member=self._member,
            key=self._key,
            bytes=self._deflater.bytes,
            compressed=self._object.size,
            crc32=self._deflater.crc32,
            etag=self._object.etag,
            stored_crc32=self._object.crc32,
        )

    def _deflate_batch(self) -> None:
        if self._batched:
            batch = self._batch[0] if len(self._batch) == 1 else b"".join(self._batch)
            self._batch.clear()
            self._batched = 0
            for start in range(0, len(batch), _MOST_BYTES):
                self._object.write(self._deflater.compress(batch[start : start + _MOST_BYTES]))


def segment_key(prefix: str, member: str) -> str:
    """Where an attempt whose objects have this prefix leaves its segment of the member."""
    return f"{prefix}{member}.deflate"


class SegmentWriters:
    """The writers of one attempt at one unit, by member name; the `with` block is the transaction.

        with SegmentWriters(s3, bucket, f"staging/{backup_id}/{unit:05d}/{attempt_id}/") as writers:
            writers["files.csv"].write(line)
        report(writers.segments)

    A writer is made when it is first asked for; a member to which nothing was written has no segment. They
    are for one thread; what they send is sent by others, several members' parts side by side.

    When the block raises, every upload is aborted, nothing is published, and it is the block's error that is
    seen. When S3 fails, the next `write` raises it, or the end of the block. When it fails while the block
    ends, the segments that were already published stay, whole and reported to nobody, until the staging
    area's lifecycle takes them. However the block ends, no thread of it is left.

    Raises BucketUnavailable (Step Functions retries), BucketRefused (nobody does).
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str, *, level: int = COMPRESSION_LEVEL) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._level = level
        self._lanes = Lanes(threads_for(client, _UPLOADS_AT_ONCE), _MOST_WAITING_BYTES)
        self._writers: dict[str, SegmentWriter] = {}
        self.segments: tuple[Segment, ...] = ()

    def __getitem__(self, member: str) -> SegmentWriter:
        if member not in self._writers:
            self._writers[member] = SegmentWriter(
                self._client,
                self._bucket,
                segment_key(self._prefix, member),
                member,
                self._level,
                self._lanes,
            )
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
            for writer in self._writers.values():
                writer.finish()
            self._lanes.finish()
        except BaseException as failure:
            self._discard(failure)
            raise
        segments = [writer.segment for writer in self._writers.values()]
        self.segments = tuple(segment for segment in segments if segment is not None)

    def _discard(self, error: BaseException) -> None:
        self._lanes.stop()  # what is on its way to S3 would otherwise come after the abort, and stay
        for member, writer in self._writers.items():
            refusal = writer.discard()
            if refusal is not None:
                error.add_note(f"the upload of {member} could not be aborted: {refusal}")
