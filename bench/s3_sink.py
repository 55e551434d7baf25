"""As much of S3 as an exporter needs: takes objects, checks what it got, gives them back."""

from __future__ import annotations

import base64
import hashlib
import mmap
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from typing import BinaryIO
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from isal import isal_zlib

from bench.http_server import Answer, Request

LEAST_PART = 5 * 1024**2
_CRC32 = "x-amz-checksum-crc32"
_SUM_HEADERS = ("x-amz-checksum-algorithm", "x-amz-checksum-type")
_KEPT_HEADERS = re.compile(r"content-(type|disposition|encoding)|x-amz-meta-.*")


class Refused(Exception):
    """Answered as S3 would: an HTTP status and an error code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Stored:
    pieces: tuple[memoryview, ...]
    size: int
    crc32: int
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def range(self, start: int, end: int) -> tuple[memoryview, ...]:
        """The bytes from `start` to `end`, exclusive."""
        cut: list[memoryview] = []
        for piece in self.pieces:
            if start < len(piece) and end > 0:
                cut.append(piece[max(0, start) : end])
            start, end = start - len(piece), end - len(piece)
        return tuple(cut)


@dataclass
class _Upload:
    key: str
    headers: Mapping[str, str]
    parts: dict[int, Stored] = field(default_factory=dict)


class OnDisk:
    """Keeps bytes in a file, of `most` bytes at most, which takes no more room than is written to it."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        file.truncate(most)
        self._file = file
        self._view = memoryview(mmap.mmap(file.fileno(), most, access=mmap.ACCESS_READ))
        self._end = 0
        self._lock = threading.Lock()

    def __call__(self, content: bytearray) -> memoryview:
        with self._lock:
            start, self._end = self._end, self._end + len(content)
        written = os.pwrite(self._file.fileno(), content, start)
        assert written == len(content)
        return self._view[start : start + written]


class Sink:
    """Objects by `bucket/key`; any bucket is there. `keep` puts their bytes somewhere: memory, or OnDisk."""

    def __init__(self, keep: Callable[[bytearray], memoryview] = memoryview) -> None:
        self._keep = keep
        self.objects: dict[str, Stored] = {}
        self._uploads: dict[str, _Upload] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()  # of publishing, where If-None-Match decides

    def clear(self) -> None:
        self.objects.clear()
        self._uploads.clear()

    @property
    def open_uploads(self) -> int:
        return len(self._uploads)

    def __call__(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except Refused as refused:
            body = f"<Error><Code>{refused.code}</Code><Message>{refused.code}</Message></Error>"
            return _xml(body, refused.status)

    def _answer(self, request: Request) -> Answer:
        key, query = request.path.lstrip("/"), request.query
        match request.method:
            case "PUT" if "partNumber" in query:
                return self._put_part(request)
            case "PUT":
                stored = self._received(request, _kept(request.headers))
                self._publish(key, stored, request)
                return Answer(headers={"etag": stored.etag})
            case "POST" if "uploads" in query:
                upload_id = f"upload-{next(self._numbers)}"
                self._uploads[upload_id] = _Upload(key, _kept(request.headers))
                declared = {name: request.headers[name] for name in _SUM_HEADERS if name in request.headers}
                body = _element("InitiateMultipartUploadResult", _element("UploadId", upload_id))
                return _xml(body, headers=declared)
            case "POST" if "uploadId" in query:
                return self._complete(request)
            case "POST" if "delete" in query:
                _check(request.headers, request.body)
                for element in _parsed(request).iter():
                    if element.tag.endswith("Key"):
                        self.objects.pop(f"{key.rstrip('/')}/{element.text}", None)
                return _xml("<DeleteResult/>")
            case "DELETE":
                if "uploadId" in query:
                    self._upload(query)
                    del self._uploads[query["uploadId"]]
                self.objects.pop(key, None)
                return Answer(204)
            case "GET" if "list-type" in query:
                return self._list(key.rstrip("/"), query.get("prefix", ""))
            case _:
                return self._get(request, key)

    def _received(self, request: Request, headers: Mapping[str, str]) -> Stored:
        body = request.body
        sums = dict(request.headers)
        if "aws-chunked" in request.headers.get("content-encoding", ""):
            body, trailer = _unchunked(body)
            sums |= trailer
            if len(body) != int(request.headers["x-amz-decoded-content-length"]):
                raise Refused(400, "IncompleteBody")
        return self._stored((self._keep(body),), len(body), _check(sums, body), headers)

    def _stored(
        self, pieces: tuple[memoryview, ...], size: int, crc32: int, headers: Mapping[str, str]
    ) -> Stored:
        return Stored(pieces, size, crc32, f'"{crc32:08x}-{next(self._numbers)}"', headers)

    def _put_part(self, request: Request) -> Answer:
        upload = self._upload(request.query)
        number = int(request.query["partNumber"])
        if not 1 <= number <= 10_000:
            raise Refused(400, "InvalidArgument")
        copy_source = request.headers.get("x-amz-copy-source")
        if copy_source is None:
            part = self._received(request, {})
        else:
            source = self.objects.get(copy_source.lstrip("/"))
            if source is None:
                raise Refused(404, "NoSuchKey")
            if request.headers.get("x-amz-copy-source-if-match", source.etag) != source.etag:
                raise Refused(412, "PreconditionFailed")
            start, end = _bounds(request.headers.get("x-amz-copy-source-range"), source.size)
            pieces = source.range(start, end)
            part = self._stored(pieces, end - start, _crc32_of(source, start, end), {})
        upload.parts[number] = part
        crc32 = _base64_of(part.crc32)
        if copy_source is None:
            return Answer(headers={"etag": part.etag, _CRC32: crc32})
        told = _element("ETag", escape(part.etag)), _element("ChecksumCRC32", crc32)
        return _xml(_element("CopyPartResult", *told))

    def _complete(self, request: Request) -> Answer:
        upload = self._upload(request.query)
        parts: list[Stored] = []
        numbers: list[int] = []
        for element in _parsed(request):
            said = {field.tag.rpartition("}")[2]: field.text or "" for field in element}
            numbers.append(int(said["PartNumber"]))
            part = upload.parts.get(numbers[-1])
            if part is None or part.etag.strip('"') != said["ETag"].strip('"'):
                raise Refused(400, "InvalidPart")
            if said.get("ChecksumCRC32") not in (None, _base64_of(part.crc32)):
                raise Refused(400, "InvalidPart")
            parts.append(part)
        if not parts or numbers != sorted(set(numbers)):
            raise Refused(400, "InvalidPartOrder")
        if any(part.size < LEAST_PART for part in parts[:-1]):
            raise Refused(400, "EntityTooSmall")
        crc32 = 0
        for part in parts:
            crc32 = isal_zlib.crc32_combine(crc32, part.crc32, part.size)
        if request.headers.get(_CRC32, _base64_of(crc32)) != _base64_of(crc32):
            raise Refused(400, "BadDigest")
        pieces = tuple(piece for part in parts for piece in part.pieces)
        stored = self._stored(pieces, sum(part.size for part in parts), crc32, upload.headers)
        self._publish(upload.key, stored, request)
        del self._uploads[request.query["uploadId"]]
        return _xml(_element("CompleteMultipartUploadResult", _element("ETag", escape(stored.etag))))

    def _publish(self, key: str, stored: Stored, request: Request) -> None:
        with self._lock:
            if request.headers.get("if-none-match") == "*" and key in self.objects:
                raise Refused(412, "PreconditionFailed")
            self.objects[key] = stored

    def _upload(self, query: Mapping[str, str]) -> _Upload:
        upload = self._uploads.get(query["uploadId"])
        if upload is None:
            raise Refused(404, "NoSuchUpload")
        return upload

    def _get(self, request: Request, key: str) -> Answer:
        stored = self.objects.get(key)
        if stored is None:
            raise Refused(404, "NoSuchKey")
        if request.headers.get("if-match", stored.etag) != stored.etag:
            raise Refused(412, "PreconditionFailed")
        headers = {"etag": stored.etag, "last-modified": formatdate(usegmt=True), **stored.headers}
        if "range" not in request.headers:
            if request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
                headers[_CRC32] = _base64_of(stored.crc32)
                headers["x-amz-checksum-type"] = "FULL_OBJECT"
            return Answer(200, stored.pieces, headers, stored.size)
        start, end = _bounds(request.headers["range"], stored.size)
        headers["content-range"] = f"bytes {start}-{end - 1}/{stored.size}"
        return Answer(206, stored.range(start, end), headers, end - start)

    def _list(self, bucket: str, prefix: str) -> Answer:
        listed = []
        for key in sorted(self.objects):
            if key.startswith(f"{bucket}/{prefix}"):
                name, size = escape(key.removeprefix(f"{bucket}/")), self.objects[key].size
                listed.append(_element("Contents", _element("Key", name), _element("Size", size)))
        return _xml(_element("ListBucketResult", _element("IsTruncated", "false"), *listed))


def _parsed(request: Request) -> ElementTree.Element:
    return ElementTree.fromstring(bytes(request.body))  # noqa: S314  our own contenders' bodies


def _element(name: str, *content: object) -> str:
    return f"<{name}>{''.join(map(str, content))}</{name}>"


def _xml(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, (body.encode(),), {"content-type": "application/xml", **(headers or {})})


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in headers.items() if _KEPT_HEADERS.fullmatch(name)}
    if "aws-chunked" in kept.get("content-encoding", ""):
        del kept["content-encoding"]
    return kept


def _bounds(text: str | None, size: int) -> tuple[int, int]:
    """Start and end (exclusive) of `bytes=2-5`, `bytes=2-` or `bytes=-3`."""
    if text is None:
        return 0, size
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text)
    if found is None:
        raise Refused(400, "InvalidArgument")
    first, last = found[1], found[2]
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if start >= end:
        raise Refused(416, "InvalidRange")
    return start, end


def _unchunked(body: bytearray) -> tuple[bytearray, dict[str, str]]:
    """The content of an aws-chunked body, and its trailers:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html"""
    content = bytearray()
    place = 0
    while True:
        end = body.index(b"\r\n", place)
        size = int(bytes(body[place:end]).partition(b";")[0], 16)
        place = end + 2
        if size == 0:
            break
        content += memoryview(body)[place : place + size]
        place += size + 2
    trailers = (line.partition(":") for line in bytes(body[place:]).decode("latin-1").split("\r\n"))
    return content, {name.lower(): value for name, _, value in trailers if value}


def _check(headers: Mapping[str, str], content: bytearray) -> int:
    """Compares the content with every sum that came with it; returns its CRC-32."""
    crc32 = isal_zlib.crc32(content)
    if headers.get(_CRC32, _base64_of(crc32)) != _base64_of(crc32):
        raise Refused(400, "BadDigest")
    if "content-md5" in headers:
        md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        if headers["content-md5"] != md5:
            raise Refused(400, "BadDigest")
    return crc32


def _base64_of(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def _crc32_of(source: Stored, start: int, end: int) -> int:
    """Of a range: one that reaches to the end has its sum from the whole's and from what lies before it."""
    if end < source.size:
        return _crc32(source.range(start, end))
    before = _crc32(source.range(0, start))
    return source.crc32 ^ isal_zlib.crc32_combine(before, 0, end - start)


def _crc32(pieces: Iterable[memoryview]) -> int:
    crc32 = 0
    for piece in pieces:
        crc32 = isal_zlib.crc32(piece, crc32)
    return crc32
