"""An archive as an object that can be read by range, of any size: what nobody wrote is zeros."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from botocore.response import StreamingBody

from functions.export_backup.zip_layout import Layout, Piece
from tests.unit.export_backup.s3_bucket import BUCKET

BACKUP_ID = "01JD0000000000000000000000"
KEY = "backups/0123456789abcdef0123456789abcdef/backup.zip"


class StoredObject:
    """What S3 has at KEY, and as much of S3's client as reads it; `ranges` are those that were asked for.

    Segments' bytes come from `objects` by key.
    """

    def __init__(self, layout: Layout, objects: dict[str, bytes]) -> None:
        self.size = layout.size
        self.metadata = {"backup-id": BACKUP_ID}
        self.ranges: list[tuple[int, int]] = []
        self.sum: dict[str, str] = {}
        """What S3 tells of the whole object's checksum."""
        self.changed: dict[int, int] = {}
        """Bytes that are not what was written, by their place."""
        self.pieces: Sequence[Piece] = layout.pieces
        self._objects = objects

    def head_object(self, **request: Any) -> dict[str, Any]:
        assert (request["Bucket"], request["Key"], request["ChecksumMode"]) == (BUCKET, KEY, "ENABLED")
        return {"ContentLength": self.size, "Metadata": self.metadata, "ETag": '"one"', **self.sum}

    def get_object(self, **request: Any) -> dict[str, Any]:
        assert (request["Bucket"], request["Key"], request["IfMatch"]) == (BUCKET, KEY, '"one"')
        start, last = map(int, request["Range"].removeprefix("bytes=").split("-"))
        self.ranges.append((start, last + 1))
        content = bytearray(self.read(start, last + 1))
        for place, byte in self.changed.items():
            if start <= place <= last:
                content[place - start] = byte
        return {"Body": StreamingBody(io.BytesIO(bytes(content)), len(content))}

    def read(self, start: int, end: int) -> bytes:
        found, begins = [], 0
        for piece in self.pieces:
            first, last = max(start - begins, 0), min(end - begins, len(piece))
            begins += len(piece)
            if first < last:
                found.append(self._content(piece, first, last))
        return b"".join(found)

    def _content(self, piece: Piece, first: int, last: int) -> bytes:
        if isinstance(piece, bytes):
            return piece[first:last]
        stored = self._objects.get(piece.segment.key)
        if stored is None:
            return bytes(last - first)
        return stored[piece.start + first : piece.start + last]
