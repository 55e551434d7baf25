"""The template on the local AWS: built once per change, deployed, its outputs returned."""

from __future__ import annotations

import fcntl
import hashlib
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from local import gaps
from local.aws import MINISTACK, ROOT, STATE, LocalAws, clean_environment

SAM = STATE / "sam" / "bin" / "sam"
BUILD = STATE / "build"
SOURCES = ("functions", "shared", "infra")
STACK = "account-backup"
PRODUCT = "Northwind"
SENDER = "backups@example.com"
LOG_LINES = 30

Say = Callable[[str], None]
"""Told what happens, one line each."""


class StackFailed(Exception):
    """`sam build` or `sam deploy` failed. Nobody retries; the message holds the end of its log."""


def quiet(_line: str) -> None:
    """A Say for callers that print nothing."""


def build(say: Say = quiet, *, sources: Path = ROOT, to: Path = BUILD) -> Path:
    """Builds the packages of that checkout's infra/template.yaml, unless nothing changed since; returns the
    built template.

    Two callers at once wait for one another. Raises StackFailed.
    """
    to.parent.mkdir(exist_ok=True)
    stamp = to.with_name(f"{to.name}.sha256")
    with to.with_name(f"{to.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint(sources / name for name in SOURCES)
        if stamp.exists() and stamp.read_text() == wanted and (to / "template.yaml").exists():
            say("Packages are built already")
        else:
            say("Building the packages (sam build, once per change)")
            stamp.unlink(missing_ok=True)
            _sam(
                ["build", "--parallel", "--template-file", "infra/template.yaml", "--build-dir", str(to)],
                clean_environment(),
                to.with_name(f"{to.name}.log"),
                folder=sources,
            )
            stamp.write_text(wanted)
    return to / "template.yaml"


def fingerprint(folders: Iterator[Path]) -> str:
    """A hash over the names and contents of all source files below these folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                name, content = str(path.relative_to(folder.parent)).encode(), path.read_bytes()
                digest.update(b"%d %d " % (len(name), len(content)) + name + content)
    return digest.hexdigest()


def deploy(
    aws: LocalAws,
    template: Path,
    parameters: Mapping[str, str] | None = None,
    *,
    name: str = STACK,
    say: Say = quiet,
) -> dict[str, str]:
    """Deploys the built template as a stack of that name; returns its outputs by name.

    `parameters` go before the local defaults. The sender is verified with SES first. Raises StackFailed.
    """
    chosen = default_parameters() | dict(parameters or {})
    say("Deploying the stack (sam deploy)")
    aws.client("sesv2").create_email_identity(EmailIdentity=chosen["Sender"])
    _sam(
        [
            *("deploy", "--template-file", str(template), "--stack-name", name, "--resolve-s3"),
            *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
            *("--parameter-overrides", *(f"{key}={value}" for key, value in chosen.items())),
        ],
        aws.environment(),
        aws.log.with_name(f"{aws.log.stem}-deploy.log"),
    )
    gaps.close(aws, name)
    stack = aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    return {str(output["OutputKey"]): str(output["OutputValue"]) for output in stack["Outputs"]}


def default_parameters() -> dict[str, str]:
    """The template's parameters as this machine needs them.

    The local AWS runs Lambdas under its own interpreter, whatever the runtime says.
    """
    version = subprocess.run(
        [str(MINISTACK / "python"), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    return {
        "Runtime": f"python{version}",
        "Architecture": "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
        "ProductName": PRODUCT,
        "Sender": SENDER,
        "SalesContact": "sales@example.com",
    }


def _sam(arguments: list[str], environment: dict[str, str], log: Path, *, folder: Path = ROOT) -> None:
    # No samconfig.toml: its settings are for the operator's own AWS. The poll delay spares two seconds.
    no_settings = STATE / "samconfig.toml"
    no_settings.write_text("version = 0.1\n")
    settings = {"SAM_CLI_POLL_DELAY": "0.2", "PYTHONWARNINGS": "ignore"}
    with log.open("w+") as output:
        result = subprocess.run(
            [str(SAM), *arguments, "--config-file", str(no_settings)],
            cwd=folder,
            env=environment | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if result.returncode != 0:
            raise StackFailed(f"sam {arguments[0]} failed ({log}):\n{_tail(output)}")


def _tail(output: IO[str]) -> str:
    output.seek(0)
    return "".join(output.readlines()[-LOG_LINES:])
