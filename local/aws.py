"""The local AWS: ministack as a child process, and the ways to it.

It listens on the loopback only, keeps its state in memory, enforces IAM (AUTH=true), and ends with
the process that started it. The user's own AWS settings (~/.aws, AWS_* variables) are never read.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import boto3
import botocore.session
import requests
from botocore.config import Config

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
"""Environments, logs and packages; git ignores it."""

MINISTACK = STATE / "ministack" / "bin"
REGION = "eu-west-1"
ROOT_KEY = "test"
"""ministack lets this access key do everything, as the root of its one AWS account."""

START_SECONDS = 60
STOP_SECONDS = 10
_API = re.compile(r"https://(?P<id>[^.]+)\.execute-api\.[^/]+(?P<path>/.*)")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "USER")


class LocalAwsDied(Exception):
    """ministack did not start. Nobody retries; its log, whose path is told, says why."""


@dataclass(frozen=True)
class Mail:
    """One e-mail that SES took."""

    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class LocalAws:
    port: int
    log: Path
    pid: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The environment for programs that shall speak to this AWS and to no other."""
        return clean_environment() | {"AWS_ENDPOINT_URL": self.endpoint}

    def client(self, service: str) -> Any:
        """A boto3 client of that service. Any, since stubs are locked for some services only."""
        core = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        session = boto3.Session(
            aws_access_key_id=ROOT_KEY,
            aws_secret_access_key=ROOT_KEY,
            region_name=REGION,
            botocore_session=core,
        )
        config = Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4" if service == "s3" else None,
            retries={"mode": "standard"},
            max_pool_connections=32,
        )
        return cast(Any, session).client(service, endpoint_url=self.endpoint, config=config)

    def api_url(self, url: str) -> str:
        """Where the API with this AWS address answers here."""
        match = _API.fullmatch(url)
        if match is None:
            raise ValueError(f"not the address of an API: {url}")
        return f"{self.endpoint}/_aws/execute-api/{match['id']}{match['path']}"

    def mails(self) -> list[Mail]:
        """All e-mails so far, oldest first."""
        answer = requests.get(f"{self.endpoint}/_ministack/ses/messages", timeout=10)
        answer.raise_for_status()
        return [
            Mail(
                sender=str(message["Source"]),
                to=tuple(message["To"]),
                subject=str(message["Subject"] or ""),
                text=str(message["BodyText"] or ""),
                html=str(message["BodyHtml"] or ""),
            )
            for account in answer.json()["messages"].values()
            for message in account
        ]


def clean_environment() -> dict[str, str]:
    """What a child process needs of this environment, without anything of the user's AWS.

    Lambdas inherit it through ministack, so nothing else goes in: no token, no PYTHONPATH.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(("PIP_", "SSL_CERT", "REQUESTS_CA"))
    }
    return inherited | {
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(
    *, log: Path = STATE / "ministack.log", port: int | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[LocalAws]:
    """A local AWS for the time of the `with` block, empty at first and gone afterwards.

    `settings` are further variables for ministack, such as `SFN_WAIT_SCALE`. Start it in a thread
    that lives as long as it shall live. Raises LocalAwsDied.
    """
    port = port or free_port()
    log.parent.mkdir(parents=True, exist_ok=True)
    # Its scratch files (code of Lambdas, pid file) go into one folder, which goes away with it.
    with tempfile.TemporaryDirectory(prefix="local-aws-") as scratch, log.open("wb") as output:
        process = subprocess.Popen(
            [*_tied_to_parent(), str(MINISTACK / "ministack")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean_environment()
            | {
                "AUTH": "true",
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "MINISTACK_REGION": REGION,
                "IOT_MTLS_ENABLED": "0",  # it would listen on every interface
                "TMPDIR": scratch,
            }
            | dict(settings or {}),
            cwd=scratch,
            start_new_session=True,  # Ctrl-C is ours, and the group holds the Lambdas too
        )
        try:
            aws = LocalAws(port, log, process.pid)
            _wait_until_healthy(aws, process)
            yield aws
        finally:
            _stop(process)


def _tied_to_parent() -> list[str]:
    # Where the kernel can (Linux), it ends ministack even when we are killed and no `finally` runs.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _wait_until_healthy(aws: LocalAws, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError, json.JSONDecodeError):
            answer = requests.get(f"{aws.endpoint}/_ministack/health", timeout=1)
            if answer.ok and answer.json().get("auth") == "enabled":
                return
        time.sleep(0.1)
    raise LocalAwsDied(f"the local AWS did not start; see {aws.log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:  # died while it started, and was reaped then
        return
    process.terminate()
    end = time.monotonic() + STOP_SECONDS
    # Not reaped yet (WNOWAIT), so that its number still means this process and its group below.
    while not _ended(process) and time.monotonic() < end:
        time.sleep(0.05)
    # What is left of the group: itself, if it hangs, and Lambdas in the middle of a call.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ended(process: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
