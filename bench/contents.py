"""That everybody made the same: archives fetched from the sink and compared, row by row."""

from __future__ import annotations

import csv
import io
import re
import shutil
import ssl
import urllib.request
import zipfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from xml.etree import ElementTree

from bench.aws import BUCKET, Place
from bench.limit import prepared
from functions.export_backup.catalogue import TABLES, XML_MEMBER

_ESCAPED = re.compile(r"\\u\{([0-9A-F]{1,6})\}")


class Different(Exception):
    """Two archives that should hold the same do not; the first difference is named."""


def ask(place: Place, path: str) -> None:
    """Tell the benchmark's server something."""
    with _open(place, path, method="POST"):
        pass


def fetch(place: Place, to: Path) -> Path:
    """The archive that was published at the place's key, as a file."""
    with _open(place, f"/{BUCKET}/{place.key}") as answer, to.open("wb") as file:
        shutil.copyfileobj(answer, file, 1024 * 1024)
    return to


def _open(place: Place, path: str, method: str = "GET") -> urllib.request._UrlopenRet:
    context = ssl.create_default_context(cafile=str(place.certificate)) if place.certificate else None
    request = urllib.request.Request(place.url + path, method=method)  # noqa: S310  our own server
    return urllib.request.urlopen(request, context=context)  # noqa: S310


def prepare(directory: Path, archive: Path) -> None:
    """Puts the bytes of our archive's members beside the recording, where `limit` takes them from."""
    with zipfile.ZipFile(archive) as zipped:
        for member in [*(table.member for table in TABLES), XML_MEMBER]:
            target = prepared(directory, member)
            target.parent.mkdir(exist_ok=True)
            with zipped.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1024 * 1024)


def require_same(ours: Path, theirs: Path, *, theirs_escaped: bool) -> int:
    """Compares every row of every CSV file, and of the XML how many elements of each kind of record there
    are (its shape is everybody's own). Returns the number of rows; raises Different."""
    rows = 0
    with zipfile.ZipFile(ours) as our_zip, zipfile.ZipFile(theirs) as their_zip:
        for table in TABLES:
            our_rows = _rows(our_zip, table.member, escaped=True)
            pairs = zip_longest(our_rows, _rows(their_zip, table.member, escaped=theirs_escaped))
            for number, (one, other) in enumerate(pairs):
                if one != other:
                    raise Different(f"{table.member}, row {number}: {one} is not {other}")
                rows += number > 0
        if {XML_MEMBER} <= set(our_zip.namelist()) & set(their_zip.namelist()):
            counts = [_elements(zipped) for zipped in (our_zip, their_zip)]
            if counts[0] != counts[1]:
                raise Different(f"{XML_MEMBER}: {counts[0]} is not {counts[1]}")
    return rows


def _rows(zipped: zipfile.ZipFile, member: str, *, escaped: bool) -> Iterator[list[str]]:
    with zipped.open(member) as stream:
        for row in csv.reader(io.TextIOWrapper(stream, encoding="utf-8", newline="")):
            yield [_ESCAPED.sub(_character, cell) for cell in row] if escaped else row


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def _elements(zipped: zipfile.ZipFile) -> dict[str, int]:
    """How many records of each kind: elements that have an id of their own."""
    counts = {table.element: 0 for table in TABLES}
    with zipped.open(XML_MEMBER) as stream:
        for _, element in ElementTree.iterparse(stream):  # noqa: S314  made by us
            if element.tag in counts and element.find("id") is not None:
                counts[element.tag] += 1
                element.clear()
    return counts
