"""Builds one function's package: the function, `shared`, and the function's locked dependencies.

The package runs on every runtime and processor that the template lets an operator choose: dependencies
are installed once, and those with compiled modules once more for each other pair, laid over one another
(compiled modules carry interpreter and processor in their file names); our own C code is compiled for
each processor. So no parameter has to be told to `sam build`, and none can be told wrong. Of botocore's
descriptions only what the function uses is kept (`infra.service_data`); they are nine tenths of its size.
Of Babel's locales only those of the languages that `shared/languages` has are kept.
"""

from __future__ import annotations

import argparse
import compileall
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra import native
from infra.service_data import keep_services

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.13", "3.11", "3.12", "3.14")
# Lambda runs Amazon Linux 2023 (glibc 2.34), for Python 3.11 Amazon Linux 2 (2.26):
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
GLIBC_MINORS = {"3.11": 26}
GLIBC_MINOR = 34
PROCESSORS = ("aarch64", "x86_64")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("function", help="a folder of functions/")
    parser.add_argument("target", type=Path, help="where SAM wants the package")
    parser.add_argument("--services", nargs="+", required=True, help="the AWS services it calls")
    arguments = parser.parse_args()
    build(arguments.function, arguments.target, set(arguments.services))


def build(function: str, target: Path, services: set[str]) -> None:
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    copy_sources(function, target)
    ours = Path("functions", function)
    native.compile_for(PROCESSORS, ROOT / ours, target / ours)
    install_dependencies(ROOT / "functions" / function / "requirements.txt", target)
    keep_services(target / "botocore" / "data", services)
    keep_locales(target / "babel" / "locale-data", languages_of(target))
    compile_bytecode(target)


def copy_sources(function: str, target: Path) -> None:
    leave_out = shutil.ignore_patterns("__pycache__", "requirements.txt", "*.[ch]", "*.so")
    for package in (f"functions/{function}", "shared"):
        shutil.copytree(ROOT / package, target / package, ignore=leave_out)


def install_dependencies(lock: Path, target: Path) -> None:
    pairs = [(python, processor) for python in PYTHONS for processor in PROCESSORS]
    with tempfile.TemporaryDirectory() as scratch:
        first = Path(scratch, "first")
        pip_install(lock, first, *pairs[0])
        compiled = compiled_requirements(lock, first)
        overlays = [first]
        if compiled:
            only_compiled = Path(scratch, "compiled.txt")
            only_compiled.write_text(compiled)
            places = [Path(scratch, f"{python}-{processor}") for python, processor in pairs[1:]]
            with ThreadPoolExecutor(2) as pool:
                jobs = [
                    pool.submit(pip_install, only_compiled, place, *pair)
                    for place, pair in zip(places, pairs[1:], strict=True)
                ]
            for job in jobs:
                job.result()
            overlays += places
        for overlay in overlays:
            shutil.rmtree(overlay / "bin", ignore_errors=True)
            shutil.copytree(
                overlay, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("RECORD", "*.pyc")
            )


def pip_install(requirements: Path, target: Path, python: str, processor: str) -> None:
    newest = GLIBC_MINORS.get(python, GLIBC_MINOR)
    platforms = [f"manylinux_2_{minor}_{processor}" for minor in range(newest, 16, -1)]
    platforms += [f"manylinux2014_{processor}"]
    subprocess.run(  # noqa: S603  pip, with arguments from this file
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile"),
            *("--implementation", "cp", "--python-version", python),
            *(option for platform in platforms for option in ("--platform", platform)),
            *("--target", str(target), "--requirement", str(requirements)),
        ],
        check=True,
    )


def compiled_requirements(lock: Path, installed: Path) -> str:
    """The lock's entries of those dependencies that have compiled modules."""
    names = set()
    for record in installed.glob("*.dist-info/RECORD"):
        if ".so," in record.read_text():
            metadata = (record.parent / "METADATA").read_text()
            name = re.search(r"^Name: (.+)$", metadata, re.MULTILINE)
            names.add(normalized(name.group(1)) if name else "")
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text())
    return "\n".join(entry for entry in entries if normalized(re.split(r"[=<>; ]", entry)[0]) in names)


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def languages_of(target: Path) -> set[str]:
    return {file.stem for file in (target / "shared" / "languages").glob("*.toml")}


def keep_locales(data: Path, languages: set[str]) -> None:
    """Keep each language as it is written anywhere, `en_GB` inherits from `en_001`, and the root of all."""
    for file in data.glob("*.dat"):
        if file.stem.split("_")[0] not in {"root", *languages}:
            file.unlink()


def compile_bytecode(target: Path) -> None:
    # SAM dates every file 1980, so bytecode that is checked by time would be thrown away at import.
    compileall.compile_dir(
        target, quiet=1, stripdir=str(target), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )


if __name__ == "__main__":
    main()
