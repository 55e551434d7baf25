"""What `make big` does, in small; and that the unzippers it asks would tell of a fault."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import pytest

from tests.large_archive import make
from tests.unzippers import TESTERS


def test_an_archive_is_made_verified_fetched_and_read(tmp_path: Path) -> None:
    done: list[str] = []
    path = make(tmp_path, 24, {"python": TESTERS["python"]}, lambda what, _: done.append(what))
    assert done == ["written by three units", "assembled", "verified", "fetched", "read by python"]
    with zipfile.ZipFile(path) as opened:
        sizes = {entry.filename: entry.file_size for entry in opened.infolist()}
    lines = sum(len(b"%d,proof\r\n" % number) for number in range(24))
    assert sizes == {
        "files.csv": lines,
        "comments.csv": 24 * 1024**2,
        "backup.xml": lines,
        "manifest.json": 2,
    }


@pytest.mark.parametrize("tester", TESTERS)
def test_every_unzipper_takes_a_whole_archive_and_none_with_another_byte(tester: str, tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.csv", b"id,type\r\n" + b"17,proof\r\n" * 900)
    TESTERS[tester](path)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"a.csv") + 20] ^= 0x10
    path.write_bytes(damaged)
    with pytest.raises((AssertionError, zipfile.BadZipFile, zlib.error)):
        TESTERS[tester](path)
