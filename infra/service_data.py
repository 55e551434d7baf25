"""What a package keeps of botocore's descriptions of AWS.

botocore describes every service of AWS in JSON, and reads what it needs of that when a client is made, so
each new Lambda does. Only what makes clients work is kept: the services that the function calls, without the
texts of their documentation, which are most of a description, and of the endpoints of all services in all
regions those of the services that are kept. Nor are they gzipped: the package is zipped as a whole.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

_OF_ALL_SERVICES = re.compile(r"(_retry|endpoints|partitions|sdk-default-configuration)\.json(\.gz)?$")


def keep_services(data: Path, services: set[str]) -> None:
    """`data` is botocore's folder of that name. Exits where it does not know a service, nothing deleted."""
    unknown = {service for service in services if not (data / service).is_dir()}
    if unknown:
        raise SystemExit(f"botocore knows no service named {', '.join(sorted(unknown))}")
    for entry in data.iterdir():
        if entry.is_dir() and entry.name not in services:
            shutil.rmtree(entry)
        elif entry.is_file() and not _OF_ALL_SERVICES.search(entry.name):
            entry.unlink()
    for file in sorted(data.rglob("*.json*")):
        content = json.loads(_json(file), object_hook=_without_text)
        file.unlink()
        file.with_suffix("" if file.suffix == ".gz" else ".json").write_text(_written(content))
    _keep_endpoints(data)


def _json(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def _written(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))


def _without_text(node: dict[str, Any]) -> dict[str, Any]:
    """Emptied, for botocore looks some up. A structure's member may have that name too, and is no text."""
    return node | {"documentation": ""} if isinstance(node.get("documentation"), str) else node


def _keep_endpoints(data: Path) -> None:
    """Of the services, by the first part of their hosts' names, which is what endpoints are listed by."""
    descriptions = [json.loads(file.read_text()) for file in data.rglob("service-2.json")]
    prefixes = {description["metadata"]["endpointPrefix"] for description in descriptions}
    file = data / "endpoints.json"
    endpoints = json.loads(file.read_text())
    for partition in endpoints["partitions"]:
        partition["services"] = {
            name: service for name, service in partition["services"].items() if name in prefixes
        }
    file.write_text(_written(endpoints))
