"""A backup as its user lives it: asked for over the API, waited for, fetched by a link, looked into."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import time
import zipfile
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import requests

from local import expected

WAIT_SECONDS = 300
POLL_SECONDS = 0.5


class JobFailed(Exception):
    """A step did not do what it should. Nobody retries; the message says which, and how."""


def say(line: str) -> None:
    print(f"· {line}", flush=True)


def expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise JobFailed(otherwise)


def ask(api: str, token: str) -> str:
    """Asks for a backup; returns its id."""
    answer = request("POST", f"{api}/backups", token, json={})
    expect(answer.status_code == 202, f"POST /backups answered {_shown(answer)}")
    return str(answer.json()["id"])


def wait_until_ready(api: str, token: str, backup_id: str) -> dict[str, Any]:
    end = time.monotonic() + WAIT_SECONDS
    shown = ""
    while time.monotonic() < end:
        answer = request("GET", f"{api}/backups/{backup_id}", token)
        expect(answer.status_code == 200, f"GET /backups/{backup_id} answered {_shown(answer)}")
        backup: dict[str, Any] = answer.json()
        progress = backup.get("progress") or {}
        units = f"{progress.get('units_done', 0)} of {progress.get('units') or '?'} units"
        line = f"{backup['state']}: {units}, {progress.get('records', 0)} records"
        if line != shown:
            say(line)
            shown = line
        expect(backup["state"] != "failed", f"the backup failed: {json.dumps(backup.get('failure'))}")
        if backup["state"] == "ready":
            return backup
        time.sleep(POLL_SECONDS)
    raise JobFailed(f"the backup was not ready after {WAIT_SECONDS} seconds")


def fetch(link: str, folder: Path) -> Path:
    """Saves what a link leads to, with no other right, under the name that it comes with."""
    with requests.get(link, stream=True, timeout=60) as answer:
        expect(answer.status_code == 200, f"the link answered {answer.status_code}")
        header = EmailMessage()
        header["Content-Disposition"] = answer.headers.get("Content-Disposition", "")
        name = header.get_filename() or ""
        expect(
            re.fullmatch(r"\d+_\d\d_\d\d_\d{4}_\d+\.zip", name) is not None, f"the file is called {name!r}"
        )
        target = folder / name
        with target.open("wb") as file:
            shutil.copyfileobj(answer.raw, file)
    return target


def look_into(archive: Path, wanted: Mapping[str, expected.Rows] | None) -> None:
    """What anyone can check with unzip; whether the members are those of the manifest; and, where it is known
    what is `wanted`, whether all rows are there as they should be."""
    if shutil.which("unzip"):
        result = subprocess.run(["unzip", "-t", str(archive)], capture_output=True, text=True, check=False)
        expect(result.returncode == 0, f"unzip -t refuses the archive:\n{result.stdout}{result.stderr}")
        say(f"unzip -t: {result.stdout.strip().splitlines()[-1].replace(str(archive), archive.name)}")
    with zipfile.ZipFile(archive) as opened:
        damaged = opened.testzip()
        expect(damaged is None, f"the CRC of {damaged} is wrong")
        print(f"\n    {'member':24}{'rows':>8}{'bytes':>12}")
        for member in opened.infolist():
            content = opened.read(member)
            expect(b"SECRET" not in content, f"{member.filename} holds what must not leave")
            count: object = ""
            if member.filename.endswith(".csv") and wanted is not None:
                rows = list(expected.read(content))
                _compare(member.filename, rows, wanted[member.filename])
                count = len(rows)
            print(f"    {member.filename:24}{count!s:>8}{member.file_size:>12,}")
        missing = set(wanted or ()) - set(opened.namelist())
        expect(not missing, f"missing in the archive: {', '.join(sorted(missing))}")
        _compare_with_manifest(opened)


def _compare_with_manifest(opened: zipfile.ZipFile) -> None:
    manifest = json.load(io.TextIOWrapper(opened.open("manifest.json"), "utf-8"))
    said = {one["name"]: (one["bytes"], one["crc32"]) for one in manifest["files"]}
    there = {
        one.filename: (one.file_size, f"{one.CRC:08x}")
        for one in opened.infolist()
        if one.filename != "manifest.json"
    }
    expect(there == said, "the members are not those that manifest.json lists")


def _compare(member: str, rows: expected.Rows, wanted: expected.Rows) -> None:
    expect(len(rows) == len(wanted), f"{member} has {len(rows)} rows instead of {len(wanted)}")
    for number, (row, right) in enumerate(zip(rows, wanted, strict=True), 1):
        differing = [column for column in right if row.get(column) != right[column]]
        if differing:
            column = differing[0]
            raise JobFailed(
                f"{member}, row {number}, {column}: {row.get(column)!r} instead of {right[column]!r}"
            )
        expect(list(row) == list(right), f"{member} has the columns {list(row)}")


def request(method: str, url: str, token: str, **more: Any) -> requests.Response:
    return requests.request(method, url, headers={"Authorization": token}, timeout=60, **more)


def _shown(answer: requests.Response) -> str:
    return f"{answer.status_code}: {answer.text[:500]}"
