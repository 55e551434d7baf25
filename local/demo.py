"""The main job, as its user lives it: ask for a backup, wait, get the e-mail, download, look inside.

`run` is `make demo`, `serve` is `make serve`: the same service, left running.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local import aws, expected, people, seed, stack
from local.job import POLL_SECONDS, JobFailed, ask, expect, fetch, look_into, say, wait_until_ready

MAIL_SECONDS = 30


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
    """The demo; leaves the archive in `folder`. Raises JobFailed."""
    with service() as here:
        token = here.token()
        say(f"{here.anna.name} signed in and asks for a backup (POST /backups)")
        backup = wait_until_ready(here.api, token, ask(here.api, token))
        mail = _mail(here)
        print(f"\n  From: {mail.sender}\n  To: {', '.join(mail.to)}\n  Subject: {mail.subject}\n")
        print("\n".join(f"  | {line}" for line in mail.text.strip().splitlines()) + "\n")
        links = [link for link in re.findall(r"https?://[^\s<>\"]+", mail.text) if "X-Amz-Signature" in link]
        expect(len(links) == 1, f"the e-mail has {len(links)} signed links instead of one")
        archive = fetch(links[0], folder)
        size = archive.stat().st_size
        say(f"Downloaded {archive.name} ({size:,} bytes) through the link in the e-mail")
        name = backup["file"]["name"]
        expect(archive.name == name, f"the file is called {archive.name}, not as the API says")
        expect(size == backup["file"]["bytes"], f"the file has {size} bytes, not as the API says")
        snapshot = datetime.fromisoformat(backup["requested_at"])
        look_into(archive, expected.expected(here.records, snapshot))
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


def _mail(here: Service) -> aws.Mail:
    end = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < end:
        mails = [mail for mail in here.cloud.mails() if any(here.anna.email in to for to in mail.to)]
        if mails:
            expect(len(mails) == 1, f"{len(mails)} e-mails came instead of one")
            say("An e-mail came:")
            return mails[0]
        time.sleep(POLL_SECONDS)
    raise JobFailed(f"no e-mail came within {MAIL_SECONDS} seconds of the backup")


def _short(path: Path) -> str:
    return str(path.relative_to(aws.ROOT)) if path.is_relative_to(aws.ROOT) else str(path)


def where_to_look() -> str:
    """What to read after a failure."""
    return f"Logs: {_short(aws.STATE)}/*.log"
