"""The main job, as its user lives it: ask for a backup, wait, get the e-mail, download, look inside.

`run` is `make demo`, `serve` is `make serve`: the same service, left running.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import requests

from local import aws, expected, people, seed, stack

WAIT_SECONDS = 300
MAIL_SECONDS = 30
POLL_SECONDS = 0.5


class DemoFailed(Exception):
    """A step did not do what it should. Nobody retries; the message says which, and how."""


@dataclass(frozen=True)
class Service:
    """The service with one account in it and somebody who may ask for its backup."""

    cloud: aws.LocalAws
    outputs: dict[str, str]
    records: list[seed.Record]
    anna: people.Person

    @property
    def api(self) -> str:
        return self.cloud.api_url(self.outputs["ApiUrl"])

    def token(self) -> str:
        return people.sign_in(self.cloud.client("cognito-idp"), self.outputs, self.anna)


def say(line: str) -> None:
    print(f"· {line}", flush=True)


@contextmanager
def service(port: int | None = None) -> Iterator[Service]:
    """Starts the local AWS, deploys the stack, writes an account and makes its user."""
    template = stack.build(say)
    say("Starting the local AWS")
    with aws.running(port=port) as cloud:
        outputs = stack.deploy(cloud, template, say=say)
        account = seed.Account()
        records = list(seed.records(account, datetime.now(UTC)))
        dynamodb = cloud.client("dynamodb")
        written = seed.write(dynamodb, outputs["SourceTable"], (item for _, item in records))
        seed.write(dynamodb, outputs["BackupsTable"], [seed.settings(account)])
        say(f"Wrote {written} records of account {account.id}, “{account.name}”")
        anna = people.Person("anna@example.com", "Anna Jansen", account.id, outputs["AdminGroup"])
        people.add(cloud.client("cognito-idp"), outputs, anna)
        yield Service(cloud, outputs, records, anna)


def run(folder: Path) -> None:
    """The demo; leaves the archive in `folder`. Raises DemoFailed."""
    with service() as here:
        token = here.token()
        say(f"{here.anna.name} signed in and asks for a backup (POST /backups)")
        answer = _request("POST", f"{here.api}/backups", token, json={})
        _expect(answer.status_code == 202, f"POST /backups answered {_shown(answer)}")
        backup = _wait_until_ready(here, token, str(answer.json()["id"]))
        mail = _mail(here)
        print(f"\n  From: {mail.sender}\n  To: {', '.join(mail.to)}\n  Subject: {mail.subject}\n")
        print("\n".join(f"  | {line}" for line in mail.text.strip().splitlines()) + "\n")
        archive = _download(mail, folder)
        size = archive.stat().st_size
        _expect(
            archive.name == backup["file"]["name"], f"the file is called {archive.name}, not as the API says"
        )
        _expect(size == backup["file"]["bytes"], f"the file has {size} bytes, not as the API says")
        snapshot = datetime.fromisoformat(backup["requested_at"])
        _check(archive, expected.expected(here.records, snapshot))
        print(f"\nDone: {archive}")


def serve(port: int | None) -> None:
    """The service, until Ctrl-C."""
    with service(port) as here:
        endpoint, outputs = here.cloud.endpoint, here.outputs
        # ministack reads the region from the signature's scope, and lets the root key in by its name alone.
        scope = f"Credential={aws.ROOT_KEY}/20260101/{aws.REGION}/cognito-idp/aws4_request"
        print(
            f"""
  Backups page     {here.api}/
  API              {here.api}
  local AWS        {endpoint} (region {aws.REGION}, access key and secret: {aws.ROOT_KEY})
  user, password   {here.anna.email}  {here.anna.password}
  source table     {outputs["SourceTable"]}
  backups table    {outputs["BackupsTable"]}
  bucket           {outputs["Bucket"]}
  log              {_short(here.cloud.log)}

A token, good for an hour; a backup; how it is doing; the e-mails:

  TOKEN=$(curl -s {endpoint}/ -H 'Content-Type: application/x-amz-json-1.1' \\
    -H 'X-Amz-Target: AWSCognitoIdentityProviderService.AdminInitiateAuth' \\
    -H 'Authorization: AWS4-HMAC-SHA256 {scope}' \\
    -d '{json.dumps(_sign_in_body(here))}' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["AuthenticationResult"]["IdToken"])')
  curl -i {here.api}/backups -H "Authorization: $TOKEN" -H 'Content-Type: application/json' -d '{{}}'
  curl -s {here.api}/backups -H "Authorization: $TOKEN"
  curl -s {endpoint}/_ministack/ses/messages

Ctrl-C ends it, and everything in it is gone.""",
            flush=True,
        )
        while True:
            time.sleep(3600)


def _sign_in_body(here: Service) -> dict[str, Any]:
    return {
        "UserPoolId": here.outputs["UserPoolId"],
        "ClientId": here.outputs["AppClientId"],
        "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
        "AuthParameters": {"USERNAME": here.anna.email, "PASSWORD": here.anna.password},
    }


def _wait_until_ready(here: Service, token: str, backup_id: str) -> dict[str, Any]:
    end = time.monotonic() + WAIT_SECONDS
    shown = ""
    while time.monotonic() < end:
        answer = _request("GET", f"{here.api}/backups/{backup_id}", token)
        _expect(answer.status_code == 200, f"GET /backups/{backup_id} answered {_shown(answer)}")
        backup: dict[str, Any] = answer.json()
        progress = backup.get("progress") or {}
        units = f"{progress.get('units_done', 0)} of {progress.get('units') or '?'} units"
        line = f"{backup['state']}: {units}, {progress.get('records', 0)} records"
        if line != shown:
            say(line)
            shown = line
        _expect(backup["state"] != "failed", f"the backup failed: {json.dumps(backup.get('failure'))}")
        if backup["state"] == "ready":
            return backup
        time.sleep(POLL_SECONDS)
    raise DemoFailed(f"the backup was not ready after {WAIT_SECONDS} seconds")


def _mail(here: Service) -> aws.Mail:
    end = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < end:
        mails = [mail for mail in here.cloud.mails() if any(here.anna.email in to for to in mail.to)]
        if mails:
            _expect(len(mails) == 1, f"{len(mails)} e-mails came instead of one")
            say("An e-mail came:")
            return mails[0]
        time.sleep(POLL_SECONDS)
    raise DemoFailed(f"no e-mail came within {MAIL_SECONDS} seconds of the backup")


def _download(mail: aws.Mail, folder: Path) -> Path:
    """Fetches the archive as the reader of the e-mail would: by its link, with no other right."""
    links = [link for link in re.findall(r"https?://[^\s<>\"]+", mail.text) if "X-Amz-Signature" in link]
    _expect(len(links) == 1, f"the e-mail has {len(links)} signed links instead of one")
    with requests.get(links[0], stream=True, timeout=60) as answer:
        _expect(answer.status_code == 200, f"the link in the e-mail answered {answer.status_code}")
        header = EmailMessage()
        header["Content-Disposition"] = answer.headers.get("Content-Disposition", "")
        name = header.get_filename() or ""
        _expect(
            re.fullmatch(r"\d+_\d\d_\d\d_\d{4}_\d+\.zip", name) is not None, f"the file is called {name!r}"
        )
        target = folder / name
        with target.open("wb") as file:
            shutil.copyfileobj(answer.raw, file)
    say(f"Downloaded {name} ({target.stat().st_size:,} bytes) through the link in the e-mail")
    return target


def _check(archive: Path, wanted: dict[str, expected.Rows]) -> None:
    """What anyone can check with unzip, and whether every row of the source is there, as it is there."""
    if shutil.which("unzip"):
        result = subprocess.run(["unzip", "-t", str(archive)], capture_output=True, text=True, check=False)
        _expect(result.returncode == 0, f"unzip -t refuses the archive:\n{result.stdout}{result.stderr}")
        say(f"unzip -t: {result.stdout.strip().splitlines()[-1].replace(str(archive), archive.name)}")
    with zipfile.ZipFile(archive) as opened:
        damaged = opened.testzip()
        _expect(damaged is None, f"the CRC of {damaged} is wrong")
        print(f"\n    {'member':24}{'rows':>8}{'bytes':>12}")
        for member in opened.infolist():
            content = opened.read(member)
            _expect(b"SECRET" not in content, f"{member.filename} holds what must not leave")
            count: object = ""
            if member.filename.endswith(".csv"):
                rows = list(expected.read(content))
                _compare(member.filename, rows, wanted[member.filename])
                count = len(rows)
            print(f"    {member.filename:24}{count!s:>8}{member.file_size:>12,}")
        missing = set(wanted) - set(opened.namelist())
        _expect(not missing, f"missing in the archive: {', '.join(sorted(missing))}")
        json.load(io.TextIOWrapper(opened.open("manifest.json"), "utf-8"))


def _compare(member: str, rows: expected.Rows, wanted: expected.Rows) -> None:
    _expect(len(rows) == len(wanted), f"{member} has {len(rows)} rows instead of {len(wanted)}")
    for number, (row, right) in enumerate(zip(rows, wanted, strict=True), 1):
        differing = [column for column in right if row.get(column) != right[column]]
        if differing:
            column = differing[0]
            raise DemoFailed(
                f"{member}, row {number}, {column}: {row.get(column)!r} instead of {right[column]!r}"
            )
        _expect(list(row) == list(right), f"{member} has the columns {list(row)}")


def _request(method: str, url: str, token: str, **more: Any) -> requests.Response:
    return requests.request(method, url, headers={"Authorization": token}, timeout=60, **more)


def _shown(answer: requests.Response) -> str:
    return f"{answer.status_code}: {answer.text[:500]}"


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise DemoFailed(otherwise)


def _short(path: Path) -> str:
    return str(path.relative_to(aws.ROOT)) if path.is_relative_to(aws.ROOT) else str(path)


def failed(error: Exception) -> int:
    """Says what went wrong and where to look; returns the exit code."""
    print(f"\nFailed: {error}\nLogs: {_short(aws.STATE)}/*.log", file=sys.stderr)
    return 1
