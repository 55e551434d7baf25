"""How long a new Lambda imports our handlers: of each package as SAM builds, zips and dates it.

    python -m bench.cold_start    prints it

Nothing is called while importing, so credentials are made up. Which interpreter an operator chooses is up to
them: here it is the one that the benchmark runs on, for which the build made the bytecode.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

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
_SAMS_DATE = (1980, 1, 1, 0, 0, 0)
_HEAVIEST = 6
_TIMED = """
import sys, time
sys.path.insert(0, {package!r})
begun, used = time.perf_counter(), time.process_time()
import {handler}
print((time.perf_counter() - begun) * 1000, (time.process_time() - used) * 1000)
"""
_IMPORTED = re.compile(r"import time: +(\d+) \| +\d+ \| *(\S+)")


def measured(rounds: int, say: stack.Say = stack.quiet) -> list[ColdStart]:
    """Builds what is not built yet, and imports each handler so many times, in turns."""
    return of_build(stack.build(say).parent, HANDLERS, rounds)


def of_build(build: Path, names: Iterable[str], rounds: int) -> list[ColdStart]:
    """`build` is the directory in which SAM made a folder of each function's package."""
    with TemporaryDirectory() as directory:
        packages = {name: _unzipped(build / name, Path(directory)) for name in names}
        starts = {
            name: ColdStart(name, [], [], _heaviest(package, name), kilobytes)
            for name, (package, kilobytes) in packages.items()
        }
        for _ in range(rounds):
            for name, (package, _) in packages.items():
                wall, cpu = map(float, _imported(package, name).stdout.split())
                starts[name].milliseconds.append(wall)
                starts[name].cpu_milliseconds.append(cpu)
    return list(starts.values())


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


def _heaviest(package: Path, name: str) -> list[tuple[str, float]]:
    """What takes longest, summed by the package that a module belongs to; of our own, by module."""
    took: dict[str, float] = {}
    for microseconds, module in _IMPORTED.findall(_imported(package, name, "-X", "importtime").stderr):
        group = module if module.startswith(("functions.", "shared.")) else module.partition(".")[0]
        took[group] = took.get(group, 0) + int(microseconds) / 1000
    return sorted(took.items(), key=lambda entry: -entry[1])[:_HEAVIEST]


def _imported(package: Path, name: str, *flags: str) -> subprocess.CompletedProcess[str]:
    handler, _ = HANDLERS[name]
    code = _TIMED.format(package=str(package), handler=handler)
    # Isolated from the packages that the benchmark itself runs on.
    command = [sys.executable, "-I", "-S", "-B", *flags, "-c", code]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=package, env=dict(_environment(name))
    )


def _environment(name: str) -> Iterator[tuple[str, str]]:
    yield from {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "LANG": "en_US.UTF-8",
    }.items()
    settings = import_module(HANDLERS[name][1]).Settings
    for field in dataclasses.fields(settings):
        yield field.name.upper(), "1" if field.type in {int, "int"} else f"https://{field.name}.example"


def main() -> None:
    cores.stay_on(cores.contenders())
    for start in measured(7, print):
        print(start)


if __name__ == "__main__":
    main()
