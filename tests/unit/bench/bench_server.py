"""The benchmark's server in the test's own process, over a small recording."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.aws import Place
from bench.certificate import made
from bench.dynamodb_pages import QueryPages
from bench.http_server import Server
from bench.recording import Recording
from bench.s3_sink import Sink
from bench.server import handler


@contextmanager
def bench_server(recorded: Recording, key: str, tls: Path | None = None) -> Iterator[tuple[Place, Sink]]:
    """`tls` is a directory for a certificate, where the server should speak HTTPS."""
    sink = Sink()
    certificate = context = None
    if tls is not None:
        certificate, private_key = made(tls)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private_key)
    server = Server(handler(QueryPages(recorded), sink), context)
    try:
        yield Place(server.url, recorded.directory, key, certificate), sink
    finally:
        server.close()
