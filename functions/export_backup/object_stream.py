"""Bytes of any number to one object in the bucket, published whole or not at all, without waiting for S3."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import smart_open
from botocore.exceptions import BotoCoreError, ClientError
from isal import isal_zlib

from functions.export_backup.bucket_errors import error_code, translating
from functions.export_backup.lanes import Lanes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 5 * 1024**2  # S3's floor for every part but the last
_CHUNK_BYTES = 256 * 1024


class ObjectStream:
    """One object, sent by its lane while its caller computes; `size` and `crc32` are of what was written.

    Nothing is sent until a part is full, so that a small object is one PutObject instead of a multipart
    upload's three calls. `finish` has the object published, `discard` leaves none; one of the two is due.
    Parts are collected in files without a name, in the temporary directory (10 MiB at most), so that memory
    is the same for a big object as for a small one.

    `action` ("uploading …") goes into the messages of BucketUnavailable and BucketRefused, which the lanes
    raise.
    """

    def __init__(self, client: S3Client, bucket: str, key: str, lanes: Lanes, action: str) -> None:
        self._client = _AnswerKeeper(client)
        self._bucket = bucket
        self._key = key
        self._lanes = lanes
        self._action = action
        self.size = 0
        self.crc32 = 0
        # Until it is known whether there will be a second; then it is the lane's.
        self._first_part = TemporaryFile()  # noqa: SIM115 - open for as long as the stream is
        self._is_one_part = True
        self._writer: Any = None  # smart_open's, from the first full part on
        # Ours, not smart_open's own, because closing it disarms a writer that could not be aborted.
        self._buffer = self._first_part

    def write(self, data: bytes) -> None:
        """Raises what has failed in any lane."""
        self.size += len(data)
        self.crc32 = isal_zlib.crc32(data, self.crc32)
        if self._is_one_part and self.size < PART_BYTES:
            self._first_part.write(data)
            return
        if self._is_one_part:
            self._is_one_part = False
            self._hand_over(self._begin_multipart)
        self._hand_over(partial(self._write, data), len(data))

    def finish(self) -> None:
        """Have the object published, once all that came before is sent."""
        self._hand_over(self._publish)

    @property
    def etag(self) -> str:
        """S3's, quotes included, once the lanes have finished."""
        return self._client.etag

    def discard(self) -> str | None:
        """Leave neither object nor open upload. Returns S3's code when it refused that; raises nothing.

        The lanes have stopped before: what is on its way to S3 would come after the abort, and stay.
        """
        refusal = None
        if self._writer is not None and not self._writer.closed:
            try:
                self._writer.terminate()
            except (BotoCoreError, ClientError) as error:
                refusal = error_code(error)
        # A writer that is not terminated would be closed by the garbage collector, which *publishes* what
        # there is of it; without its buffer that close fails before it sends anything.
        self._buffer.close()
        self._first_part.close()
        return refusal

    def _hand_over(self, work: Callable[[], None], size: int = 0) -> None:
        self._lanes.hand_over(self._key, partial(self._in_lane, work), size)

    # --- what the lane does ---

    def _in_lane(self, work: Callable[[], None]) -> None:
        with translating(self._action):
            work()

    def _begin_multipart(self) -> None:
        with self._first_part as first_part:
            self._buffer = TemporaryFile()  # noqa: SIM115 - closed by publishing and discarding
            self._writer = self._opened(multipart_upload=True, min_part_size=PART_BYTES)
            first_part.seek(0)
            while chunk := first_part.read(_CHUNK_BYTES):
                self._writer.write(chunk)

    def _write(self, data: bytes) -> None:
        self._writer.write(data)

    def _publish(self) -> None:
        if self._writer is None:
            self._writer = self._opened(multipart_upload=False)
        self._writer.close()
        self._buffer.close()

    def _opened(self, **parameters: object) -> Any:
        return smart_open.open(
            f"s3://{self._bucket}/{self._key}",
            "wb",
            compression="disable",  # else smart_open takes the key's ending for its compression
            transport_params={"client": self._client, "writebuffer": self._buffer, **parameters},
        )


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
