"""Clients of the benchmark's server, the same for everybody: as boto3 makes them, made-up credentials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bench import recording
from bench.recording import Recording

BUCKET = "backups"
_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})


@dataclass(frozen=True)
class Place:
    """Where a contender works: what it reads, and where its archive goes."""

    url: str
    directory: Path
    """The recording's, for those that take something from it without asking the server."""
    key: str
    certificate: Path | None = None

    @property
    def recording(self) -> Recording:
        return recording.load(self.directory)

    @property
    def session(self) -> boto3.Session:
        return boto3.Session("AKIDEXAMPLE", "secret", region_name="eu-west-1")

    @property
    def parameters(self) -> dict[str, Any]:
        """Of a client or a resource."""
        verify = str(self.certificate) if self.certificate else None
        return {"endpoint_url": self.url, "config": _CONFIG, "verify": verify}
