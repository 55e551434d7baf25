"""The benchmark's server in the test's own process, over a small recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.aws import Place
from bench.dynamodb_pages import QueryPages
from bench.http_server import Server
from bench.recording import Recording
from bench.s3_sink import Sink
from bench.server import handler


@contextmanager
def bench_server(recorded: Recording, key: str) -> Iterator[tuple[Place, Sink]]:
    sink = Sink()
    server = Server(handler(QueryPages(recorded), sink))
    try:
        yield Place(server.url, recorded.directory, key), sink
    finally:
        server.close()
