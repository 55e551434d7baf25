"""How long a new Lambda imports our handlers: of each package as SAM builds, zips and dates it.

    python -m bench.cold_start    prints it

Next to them boto3 alone as pip leaves it, imported for two clients: what any Lambda that uses it takes, on
the same machine at the same time. Nothing is called while importing, so credentials are made up. Which
interpreter an operator chooses is up to them: here it is the one that the benchmark runs on, for which the
build made the bytecode.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3

from bench import cores
from bench.series import ColdStart
from local import stack

HANDLERS = {
    "RequestBackupFunction": ("functions.request_backup.handler", "functions.request_backup.settings"),
    "SweepBackupsFunction": (
        "functions.request_backup.sweep_handler",
        "functions.request_backup.sweep_settings",
    ),
    "ExportBackupFunction": ("functions.export_backup.handler", "functions.export_backup.settings"),
    "NotifyFunction": ("functions.notify.handler", "functions.notify.settings"),
}
"""By the name that the template has for the function: its handler, and where its settings are."""
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "LANG": "en_US.UTF-8",
}
_SAMS_DATE = (1980, 1, 1, 0, 0, 0)
_HEAVIEST = 6
_TIMED = """
import sys, time
sys.path.insert(0, {place!r})
begun, used = time.perf_counter(), time.process_time()
{statement}
print((time.perf_counter() - begun) * 1000, (time.process_time() - used) * 1000)
"""
_IMPORTED = re.compile(r"import time: +(\d+) \| +\d+ \| *(\S+)")


@dataclasses.dataclass(frozen=True)
class Imported:
    name: str
    place: Path
    """Where Python finds it, and nothing else but what is its own."""
    statement: str
    environment: Mapping[str, str]
    kilobytes: float | None = None


class Imports:
    """What is imported, in turns, whenever somebody has the time for it: the machine of one minute is half as
    fast as that of another, so that all runs of one minute would tell of the minute."""

    def __init__(self, all_imported: Sequence[Imported]) -> None:
        self._all = all_imported
        self.starts = [ColdStart(one.name, [], [], _heaviest(one), one.kilobytes) for one in all_imported]

    def run(self, rounds: int) -> None:
        for _ in range(rounds):
            for one, start in zip(self._all, self.starts, strict=True):
                wall, cpu = map(float, _run(one).stdout.split())
                start.milliseconds.append(wall)
                start.cpu_milliseconds.append(cpu)


@contextmanager
def imports(say: stack.Say) -> Iterator[Imports]:
    """Of each handler, and of boto3. Builds what is not built yet."""
    build = stack.build(say).parent
    with TemporaryDirectory() as directory:
        handlers = [handler_of(build / name, Path(directory)) for name in HANDLERS]
        yield Imports([*handlers, boto3_alone()])


def handler_of(package: Path, directory: Path) -> Imported:
    """The handler of a function from the folder that SAM made of its package, unzipped in `directory`."""
    place, kilobytes = _unzipped(package, directory)
    module, settings = HANDLERS[package.name]
    environment = _ENVIRONMENT | dict(_values(settings)) | {"AWS_LAMBDA_FUNCTION_NAME": package.name}
    return Imported(package.name, place, f"import {module}", environment, kilobytes)


def boto3_alone() -> Imported:
    statement = "import boto3; boto3.client('dynamodb'); boto3.client('s3')"
    place = Path(boto3.__file__).parent.parent
    return Imported("boto3 alone, with two clients", place, statement, _ENVIRONMENT)


def _unzipped(package: Path, directory: Path) -> tuple[Path, float]:
    """The package as Lambda finds it, and the kilobytes of its ZIP."""
    path, unzipped = directory / f"{package.name}.zip", directory / package.name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(package.rglob("*")):
            if file.is_file():
                entry = zipfile.ZipInfo(file.relative_to(package).as_posix(), _SAMS_DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                zipped.writestr(entry, file.read_bytes())
    # Not zipfile's extractall, which dates every file today.
    subprocess.run(["unzip", "-q", str(path), "-d", str(unzipped)], check=True)  # noqa: S607
    return unzipped, path.stat().st_size / 1000


def _heaviest(one: Imported) -> list[tuple[str, float]]:
    """What takes longest, summed by the package that a module belongs to; of our own, by module."""
    took: dict[str, float] = {}
    for microseconds, module in _IMPORTED.findall(_run(one, "-X", "importtime").stderr):
        group = module if module.startswith(("functions.", "shared.")) else module.partition(".")[0]
        took[group] = took.get(group, 0) + int(microseconds) / 1000
    return sorted(took.items(), key=lambda entry: -entry[1])[:_HEAVIEST]


def _run(one: Imported, *flags: str) -> subprocess.CompletedProcess[str]:
    code = _TIMED.format(place=str(one.place), statement=one.statement)
    # Isolated from the packages that the benchmark itself runs on.
    command = [sys.executable, "-I", "-S", "-B", *flags, "-c", code]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=one.place, env=dict(one.environment)
    )


def _values(settings: str) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(import_module(settings).Settings):
        yield field.name.upper(), "1" if field.type in {int, "int"} else f"https://{field.name}.example"


def main() -> None:
    cores.stay_on(cores.contenders())
    with imports(print) as of_all:
        of_all.run(7)
        for start in of_all.starts:
            print(start)


if __name__ == "__main__":
    main()
