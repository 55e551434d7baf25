"""The other side, in a process of its own: DynamoDB's Query and an S3 sink on one port of the loopback.

    python -m bench.server RECORDING [--tls CERTIFICATE KEY] [--cores 0 1]
        prints its address, serves until it is ended

`POST /-/latency?seconds=0.045` makes every page wait, `POST /-/clear` empties the sink.
"""

from __future__ import annotations

import argparse
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import cores, recording
from bench.dynamodb_pages import QueryPages
from bench.http_server import Answer, Handler, Request, Server
from bench.s3_sink import Sink


def handler(pages: QueryPages, sink: Sink) -> Handler:
    def handle(request: Request) -> Answer:
        if "x-amz-target" in request.headers:
            return pages(request)
        match request.path:
            case "/-/latency":
                pages.latency = float(request.query["seconds"])
            case "/-/clear":
                sink.clear()
            case _:
                return sink(request)
        return Answer()

    return handle


@contextmanager
def serving(directory: Path, on: Iterable[int], tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """A server of that recording in another process, on these cores; its address."""
    command = [sys.executable, "-m", "bench.server", str(directory), "--cores", *map(str, on)]
    if tls is not None:
        command += ["--tls", *map(str, tls)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.server")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--cores", type=int, nargs="+", default=cores.all_cores())
    arguments = parser.parse_args()
    cores.stay_on(arguments.cores)
    context = None
    if arguments.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*arguments.tls)
    server = Server(handler(QueryPages(recording.load(arguments.recording)), Sink()), context)
    print(server.url, flush=True)
    server.wait()


if __name__ == "__main__":
    main()
