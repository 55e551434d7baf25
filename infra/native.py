"""Compiles the functions' C code: beside it for this machine, into a package for every processor of Lambda.

    python -m infra.native                 what changed since it was last compiled, for this machine

The compiler is Zig's `cc`, which comes as a wheel and compiles for any processor on any machine; it is locked
like everything else (local/compiler.requirements.txt), and `local/setup.sh compiler` installs it.
"""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "functions"
COMPILER = ROOT / ".local" / "compiler"
GLIBC = "2.26"
"""The oldest that Lambda runs on: Amazon Linux 2, for Python 3.11."""
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-nostdlib", "-s")
"""No library is linked: memcpy, all that is called, is in every process."""


def main() -> None:
    for source in sorted(FUNCTIONS.rglob("*.c")):
        library = library_of(source, source.parent, platform.machine())
        changed = max(file.stat().st_mtime for file in source.parent.glob("*.[ch]"))
        if not library.exists() or library.stat().st_mtime < changed:
            print(f"· Compiling {source.relative_to(ROOT)}")  # noqa: T201
            compile_one(source, source.parent, platform.machine())


def compile_for(processors: tuple[str, ...], folder: Path, target: Path) -> None:
    """All C code in the folder, for each of the processors, into that one."""
    for source in sorted(folder.rglob("*.c")):
        for processor in processors:
            compile_one(source, target / source.parent.relative_to(folder), processor)


def library_of(source: Path, target: Path, processor: str) -> Path:
    """The file that the Python code beside the source loads on this processor."""
    return target / f"{source.stem}.{processor}.so"


def compile_one(source: Path, target: Path, processor: str) -> None:
    library = library_of(source, target, processor)
    unfinished = library.with_suffix(".unfinished")
    scratch = str(COMPILER / "cache")
    subprocess.run(  # noqa: S603  the locked compiler, with arguments from this file
        [
            *(compiler(), "-m", "ziglang", "cc"),
            *("-target", f"{processor}-linux-gnu.{GLIBC}", *FLAGS),
            *("-o", unfinished, source),
        ],
        check=True,
        env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch},
    )
    unfinished.replace(library)  # whole or not at all: others may be loading it


@cache
def compiler() -> Path:
    """The interpreter whose module the compiler is; it is installed, where it is not there."""
    subprocess.run([ROOT / "local" / "setup.sh", "compiler"], check=True)  # noqa: S603  our own
    return COMPILER / "bin" / "python"


if __name__ == "__main__":
    main()
