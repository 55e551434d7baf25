"""An archive over 4 GiB with a member over 4 GiB, made by the real code and read by programs of others.

    python -m tests.large_archive    (`make big`)

What nobody can make smaller is written into the segments of three units, on an S3 of the loopback that keeps
it on disk; assembled there; verified as the workflow does; fetched; and read by each unzipper to its end.
Twice the archive's size is needed among the temporary files for as long as it goes on.
"""

from __future__ import annotations

import math
import random
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.aws import BUCKET, Place
from bench.http_server import Server
from bench.s3_sink import OnDisk, Sink
from functions.export_backup.archive import Archive, Destination, assemble, head_of_ours
from functions.export_backup.segments import Segment, SegmentWriters
from functions.export_backup.verification import StoredArchive
from functions.export_backup.zip_layout import Member
from tests.unzippers import TESTERS

MIB = 1024**2
MEBIBYTES = 4 * 1024 + 300  # so that sizes and the offset behind it need ZIP64
UNITS = 3
MOMENT = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
DESTINATION = Destination(BUCKET, "backups/large.zip", "large.zip", "01JD0000000000000000000000")

Say = Callable[[str, float], None]
"""Told what was done, and how many seconds it took."""


def make(directory: Path, mebibytes: int, testers: Mapping[str, Callable[[Path], None]], say: Say) -> Path:
    """Make an archive with a member of so many mebibytes in the directory, have it read, and return it.

    Raises AssertionError when anybody finds anything wrong with it.
    """
    with (directory / "bucket").open("w+b") as file:
        sink = Sink(OnDisk(file, (2 * mebibytes + 1024) * MIB))
        server = Server(sink)
        try:
            place = Place(server.url, directory, DESTINATION.key)
            s3 = place.session.client("s3", **place.parameters)
            with said(say, "written by three units"):
                members = written(s3, mebibytes)
            with said(say, "assembled"):
                archive = assemble(s3, DESTINATION, members, MOMENT, lambda: None)
            assert not sink.open_uploads
            with said(say, "verified"):
                verify(s3, archive)
            with said(say, "fetched"):
                path = fetched(s3, directory)
        finally:
            server.close()
    assert path.stat().st_size == archive.size
    for name, test in testers.items():
        with said(say, f"read by {name}"):
            test(path)
    return path


def written(s3: Any, mebibytes: int) -> list[Member]:
    """Members whose segments lie in the bucket: a small one, the large one, and a small one behind it."""
    segments: dict[str, list[Segment]] = {"files.csv": [], "comments.csv": [], "backup.xml": []}
    for unit in range(UNITS):
        noise = random.Random(unit).randbytes(MIB)  # noqa: S311 - data that deflate cannot make smaller
        with SegmentWriters(s3, BUCKET, f"staging/{unit:05d}/") as writers:
            for number in range(mebibytes * unit // UNITS, mebibytes * (unit + 1) // UNITS):
                writers["comments.csv"].write(noise)
                for member in ("files.csv", "backup.xml"):
                    writers[member].write(b"%d,proof\r\n" % number)
        for segment in writers.segments:
            segments[segment.member].append(segment)
    return [*(Member(name, parts) for name, parts in segments.items()), Member("manifest.json", [b"{}"])]


def verify(s3: Any, archive: Archive) -> None:
    """As the workflow does, and that the sum of the whole was compared by the one who put it together."""
    assert archive.crc32 is not None
    found = head_of_ours(s3, DESTINATION, archive.size, archive.crc32)
    assert found["ChecksumType"] == "FULL_OBJECT"
    compressed = sum(member.compressed for member in archive.members)
    stored = StoredArchive(s3, DESTINATION, archive, lambda: None)
    assert stored.verify_contents(math.inf) == compressed


def fetched(s3: Any, directory: Path) -> Path:
    path = directory / DESTINATION.file_name
    with path.open("wb") as file:
        for chunk in s3.get_object(Bucket=BUCKET, Key=DESTINATION.key)["Body"].iter_chunks(MIB):
            file.write(chunk)
    return path


@contextmanager
def said(say: Say, done: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    say(done, time.perf_counter() - begun)


def main() -> None:
    def say(done: str, seconds: float) -> None:
        print(f"{seconds:7.1f} s  {done}", flush=True)

    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="large-archive-") as directory:
        path = make(Path(directory), MEBIBYTES, TESTERS, say)
        with zipfile.ZipFile(path) as opened:
            entries = opened.infolist()
        for entry in entries:
            numbers = (entry.header_offset, entry.compress_size, entry.file_size)
            print(*(f"{number:14,}" for number in numbers), f" {entry.filename}")
        print(f"{path.stat().st_size:14,} bytes in all")
        large = next(entry for entry in entries if entry.filename == "comments.csv")
        assert min(large.file_size, large.compress_size, entries[-1].header_offset) > 2**32
    say("in all", time.perf_counter() - begun)


if __name__ == "__main__":
    main()
