"""A bucket on paper: it takes an archive's parts of any size and number, and keeps their sizes only."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace
from typing import Any

from botocore.response import StreamingBody


class PaperBucket:
    """As much of S3's client as assembling by parts uses. Segments are zeros, as many as their keys say."""

    def __init__(self, connections: int = 10) -> None:
        self.meta = SimpleNamespace(config=SimpleNamespace(max_pool_connections=connections))
        self.parts: dict[int, int] = {}
        self.completed: list[int] = []
        self.pause_seconds = 0.001
        """For which each part is on its way."""
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def create_multipart_upload(self, **_: Any) -> dict[str, Any]:
        return {"UploadId": "one"}

    def upload_part_copy(self, **request: Any) -> dict[str, Any]:
        start, last = map(int, request["CopySourceRange"].removeprefix("bytes=").split("-"))
        return {"CopyPartResult": self._take(request["PartNumber"], last + 1 - start)}

    def upload_part(self, **request: Any) -> dict[str, Any]:
        return self._take(request["PartNumber"], request["Body"].seek(0, io.SEEK_END))

    def get_object(self, **request: Any) -> dict[str, Any]:
        start, last = map(int, request["Range"].removeprefix("bytes=").split("-"))
        size = last + 1 - start
        body: Any = io.BytesIO(bytes(size))
        whole = request["Key"].rpartition("/")[2]
        return {"Body": StreamingBody(body, size), "ContentRange": f"bytes {start}-{last}/{whole}"}

    def complete_multipart_upload(self, **request: Any) -> None:
        self.completed = [part["PartNumber"] for part in request["MultipartUpload"]["Parts"]]

    def abort_multipart_upload(self, **_: Any) -> None:
        self.parts.clear()

    def _take(self, number: int, size: int) -> dict[str, Any]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        threading.Event().wait(self.pause_seconds)
        with self._lock:
            self._at_once -= 1
            self.parts[number] = size
        return {"ETag": f'"{number}"'}
