"""A larger account out of a recorded one: the same several times over, each time with proofs of other ids.

The seeder would write texts for ten million records for a quarter of an hour. That they come again makes no
difference: deflate looks back 32 KiB, and no processor's cache holds the megabytes in between.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench import recording
from bench.pages import going_on
from bench.recording import Page, Recording
from functions.export_backup.catalogue import PROOF_TABLES, TABLES, Table

_COUNTED: Final = 6
"""Digits of a proof's id, the first of its twelve, that are 0 in what was recorded, and count the copies."""


def repeated(made: Recording, times: int) -> Recording:
    """So many times what hangs on proofs, and once the rest; kept beside the recording, and made once.

    Raises ValueError where an id of the recorded account has more than six digits.
    """
    name, made_by = f"{times}-times-{made.directory.name}", recording.fingerprint(__file__)
    directory = made.directory.with_name(f"{name}-{made_by}")
    if (directory / "index.json").exists():
        return recording.load(directory)
    of_same_size = made.directory.name.rpartition("-")[0]
    for outdated in directory.parent.glob(f"{times}-times-{of_same_size}-*"):
        shutil.rmtree(outdated)
    directory.mkdir()
    larger = Recording(directory, made.comments * times, {})
    for table in TABLES:
        larger.tables[table.name] = _write(
            larger.file(table.name), made, table, times if table in PROOF_TABLES else 1
        )
    recording.save(larger)
    return larger


def _write(path: Path, made: Recording, table: Table, times: int) -> list[Page]:
    pages: list[Page] = []
    offset = 0
    with path.open("wb") as file:
        for copy in range(times):
            bodies = _bodies(made, table, copy, times)
            for page, body in zip(made.tables[table.name], bodies, strict=True):
                first, last = (_renumbered(key, copy) for key in (page.first, page.last))
                file.write(body)
                pages.append(Page(offset, len(body), page.records, first, last, zlib.crc32(body)))
                offset += len(body)
    return pages


def _bodies(made: Recording, table: Table, copy: int, times: int) -> Iterator[bytes]:
    *_, end = made.tables[table.name]
    for page, recorded in zip(made.tables[table.name], made.bodies(table.name), strict=True):
        body = recorded
        if page is end and copy + 1 < times:
            items, end_of_items, rest = body.rpartition(b"]")
            next_key = {"pk": recording.partition(table.name), "sk": page.last}
            body = b"".join((items, end_of_items, going_on(next_key), rest))
        yield body.replace(_beginning(0), _beginning(copy))


def _beginning(copy: int) -> bytes:
    """Of a sort key, as it is sent."""
    return b'"S":"%0*d' % (_COUNTED, copy)


def _renumbered(key: str, copy: int) -> str:
    if copy and not key.startswith("0" * _COUNTED):
        raise ValueError(f"{key} has an id of more than six digits")
    return f"{copy:0{_COUNTED}d}{key[_COUNTED:]}" if copy else key
