"""The part of HTTP/1.1 that botocore speaks, one thread per connection, as fast as Python gives bytes away.

A thread that sends, receives, sums or sleeps holds no lock, so requests overlap as they do at AWS.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_REASONS: Final = {
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    400: "Bad Request",
    404: "Not Found",
    412: "Precondition Failed",
    416: "Range Not Satisfiable",
}
_CHUNK: Final = 1024 * 1024

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """Unquoted, with the leading slash."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytearray


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Sequence[Buffer] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    """What HEAD is told; it gets no body."""


Handler = Callable[[Request], Answer]


class Server:
    """Serves `handler` on a free port of the loopback until it is closed."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Until it is closed."""
        self._thread.join()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in list(self._connections):
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.add(connection)
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                reader = _Reader(connection)
                while (request := reader.request()) is not None:
                    self._answer(connection, request)
        except OSError:
            pass  # the client has gone
        finally:
            self._connections.discard(connection)

    def _answer(self, connection: socket.socket, request: Request) -> None:
        answer = self._handler(request)
        length = answer.length if request.method == "HEAD" else None
        length = sum(map(len, answer.body)) if length is None else length
        lines = [f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}", f"content-length: {length}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        if request.method != "HEAD":
            for piece in answer.body:
                connection.sendall(piece)


class _Reader:
    """Requests from a connection, one after another."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._pending = b""

    def request(self) -> Request | None:
        """The next request, whole; None when the client has closed."""
        while (end := self._pending.find(b"\r\n\r\n")) < 0:
            received = self._connection.recv(64 * 1024)
            if not received:
                return None
            self._pending += received
        first, *lines = self._pending[:end].decode("latin-1").split("\r\n")
        self._pending = self._pending[end + 4 :]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("expect", "").lower() == "100-continue":
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        method, target, _ = first.split(" ")
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if headers.get("transfer-encoding", "").lower() == "chunked":  # botocore's trailers over TLS
            body = self._chunked_body()
        else:
            body = self._body(int(headers.get("content-length", 0)))
        return Request(method, unquote(parts.path), query, headers, body)

    def _chunked_body(self) -> bytearray:
        body = bytearray()
        while size := int(self._line().partition(b";")[0], 16):
            body += self._body(size)
            self._line()
        while self._line():
            pass  # trailers of HTTP's; those of aws-chunked are in the body
        return body

    def _line(self) -> bytes:
        while (end := self._pending.find(b"\r\n")) < 0:
            received = self._connection.recv(64 * 1024)
            if not received:
                raise ConnectionResetError
            self._pending += received
        line, self._pending = self._pending[:end], self._pending[end + 2 :]
        return line

    def _body(self, length: int) -> bytearray:
        body = bytearray(length)
        have = min(length, len(self._pending))
        body[:have] = self._pending[:have]
        self._pending = self._pending[have:]
        view = memoryview(body)
        while have < length:
            received = self._connection.recv_into(view[have : have + _CHUNK])
            if not received:
                raise ConnectionResetError
            have += received
        return body
