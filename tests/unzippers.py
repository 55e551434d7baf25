"""Programs that nobody here wrote, which read an archive back."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

_JAVA_PROGRAM = str(Path(__file__).with_name("Unzip.java"))


def _run(*command: str | Path, stdin: Path | None = None, keep: bool = True) -> str:
    """What the program prints; with `keep` off nobody looks at it, whatever its size."""
    with open(stdin or "/dev/null", "rb") as opened:
        done = subprocess.run(
            command,
            stdin=opened,
            stdout=subprocess.PIPE if keep else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout or ""


def _python(archive: Path, target: Path) -> None:
    _check_python(archive)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(target)


def _unzip(archive: Path, target: Path) -> None:
    _run("unzip", "-tqq", archive)
    _run("unzip", "-qq", archive, "-d", target)


def _7z(archive: Path, target: Path) -> None:
    _check_7z(archive)
    _run("7z", "x", f"-o{target}", archive)


def _bsdtar(archive: Path, target: Path) -> None:
    _run("bsdtar", "-xf", archive, "-C", target)


def _bsdtar_stream(archive: Path, target: Path) -> None:
    _run("bsdtar", "-xf", "-", "-C", target, stdin=archive)


def _java_file(archive: Path, target: Path) -> None:
    _run("java", _JAVA_PROGRAM, "file", archive, target)


def _java_stream(archive: Path, target: Path) -> None:
    _run("java", _JAVA_PROGRAM, "stream", archive, target)


# Each unpacks an archive into an empty directory and fails on anything that it finds wrong.
UNZIPPERS: dict[str, Callable[[Path, Path], None]] = {
    "python": _python,
    "unzip": _unzip,
    "7z": _7z,
    "bsdtar": _bsdtar,
    "bsdtar-stream": _bsdtar_stream,
    "java-ZipFile": _java_file,
    "java-ZipInputStream": _java_stream,
}


def _list_python(archive: Path) -> list[tuple[str, int]]:
    with zipfile.ZipFile(archive) as opened:
        return [(entry.filename, entry.file_size) for entry in opened.infolist()]


def _list_unzip(archive: Path) -> list[tuple[str, int]]:
    rows = [line.split() for line in _run("zipinfo", "-lhz", archive).splitlines()]
    return [(row[-1], int(row[3])) for row in rows if row and row[0].startswith("-")]


def _list_7z(archive: Path) -> list[tuple[str, int]]:
    blocks = _run("7z", "l", "-slt", archive).split("----------\n")[1].split("\n\n")
    entries = [dict(line.split(" = ", 1) for line in block.splitlines() if " = " in line) for block in blocks]
    return [(entry["Path"], int(entry["Size"])) for entry in entries if entry]


def _list_bsdtar(archive: Path) -> list[tuple[str, int]]:
    rows = [line.split() for line in _run("bsdtar", "-tvf", archive).splitlines()]
    return [(row[-1], int(row[4])) for row in rows]


def _list_java(archive: Path) -> list[tuple[str, int]]:
    rows = [line.split() for line in _run("java", _JAVA_PROGRAM, "list", archive).splitlines()]
    return [(row[0], int(row[1])) for row in rows]


# Each gives the names and sizes that an archive's directory says, in its order.
LISTERS: dict[str, Callable[[Path], list[tuple[str, int]]]] = {
    "python": _list_python,
    "unzip": _list_unzip,
    "7z": _list_7z,
    "bsdtar": _list_bsdtar,
    "java-ZipFile": _list_java,
}


def _check(*command: str | Path, stdin: Path | None = None) -> None:
    _run(*command, stdin=stdin, keep=False)


def check_with_java_stream(archive: Path) -> None:
    """Read the archive from front to end, comparing sizes and CRC-32, without writing anything."""
    _check("java", _JAVA_PROGRAM, "check", archive)


def _check_python(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None


def _check_7z(archive: Path) -> None:
    assert "Warning" not in _run("7z", "t", archive)


# Each reads all of an archive, compares sizes and CRC-32, and writes nothing.
TESTERS: dict[str, Callable[[Path], None]] = {
    "python": _check_python,
    "unzip": lambda archive: _check("unzip", "-tqq", archive),
    "7z": _check_7z,
    "bsdtar": lambda archive: _check("bsdtar", "-xOf", archive),
    "bsdtar-stream": lambda archive: _check("bsdtar", "-xOf", "-", stdin=archive),
    "java-ZipFile": lambda archive: _check("java", _JAVA_PROGRAM, "check-file", archive),
    "java-ZipInputStream": check_with_java_stream,
}
