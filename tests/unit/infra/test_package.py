"""What the build takes into a package and what it leaves out; a whole build is tested on the local AWS."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import babel
import pytest

from infra import native, package
from infra.package import (
    PROCESSORS,
    compile_bytecode,
    compiled_requirements,
    copy_sources,
    keep_locales,
    languages_of,
)
from shared.languages import Languages
from tests.unit.infra.stack import ROOT, functions, package_of, written

MAKEFILE = (ROOT / "infra" / "Makefile").read_text()
BUILDS = {
    target: (function, set(services.split()))
    for target, function, services in re.findall(
        r'^build-(\w+):\n\t@\$\(PYTHON\) -m infra\.package (\w+) "\$\(ARTIFACTS_DIR\)" --services ([\w ]+)$',
        MAKEFILE,
        re.MULTILINE,
    )
}

SAME_PACKAGE = {
    target: BUILDS[built][0]
    for target, built in re.findall(r"^build-(\w+): build-(\w+)$", MAKEFILE, re.MULTILINE)
}


def modules_of(function: str) -> set[Path]:
    """The function's modules, and those of `shared` that they import, whether or not through others."""
    found: set[Path] = set()
    waiting = list((ROOT / "functions" / function).glob("*.py"))
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shared."):
                waiting.append(ROOT.joinpath(*str(node.module).split(".")).with_suffix(".py"))
    return found


def services_of(function: str) -> set[str]:
    """What the modules ask boto3 for: `….client("s3", …)`."""
    calls = [
        node
        for module in modules_of(function)
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"client", "resource"}
    ]
    return {call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)}  # type: ignore[misc]


def test_every_function_of_the_template_is_built() -> None:
    assert {target: build[0] for target, build in BUILDS.items()} | SAME_PACKAGE == {
        name: package_of(function) for name, function in functions().items()
    }
    assert MAKEFILE.count("\nbuild-") == len(BUILDS) + len(SAME_PACKAGE)


@pytest.mark.parametrize("function", ["request_backup", "export_backup", "notify"])
def test_a_package_keeps_the_services_that_its_function_calls_and_no_others(function: str) -> None:
    ((_, services),) = [build for build in BUILDS.values() if build[0] == function]
    assert services == services_of(function)


LOCK = """\
boto3==1.44.5 \\
    --hash=sha256:aa
isal==1.9.1 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
markupsafe==3.0.3 ; python_version >= '3.11' \\
    --hash=sha256:dd
python-ulid==4.0.1 \\
    --hash=sha256:ee
"""


def install(place: Path, name: str, *files: str) -> None:
    information = place / f"{name.replace('-', '_')}-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n\nName: not me\n"
    )
    (information / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))


def test_dependencies_with_compiled_modules_are_found_whatever_their_name_is_spelled_like(
    tmp_path: Path,
) -> None:
    install(tmp_path, "boto3", "boto3/__init__.py", "boto3/notes.so.txt")
    install(tmp_path, "isal", "isal/isal_zlib.cpython-313-aarch64-linux-gnu.so")
    install(
        tmp_path,
        "MarkupSafe",
        "markupsafe/_speedups.cpython-313-aarch64-linux-gnu.so",
        "markupsafe/__init__.py",
    )
    install(tmp_path, "python-ulid", "ulid/__init__.py")
    lock = tmp_path / "requirements.txt"
    lock.write_text(LOCK)
    assert compiled_requirements(lock, tmp_path).rstrip() == "\n".join(LOCK.splitlines()[2:7])


def test_no_compiled_modules_no_further_installations(tmp_path: Path) -> None:
    install(tmp_path, "boto3", "boto3/__init__.py")
    lock = tmp_path / "requirements.txt"
    lock.write_text(LOCK)
    assert compiled_requirements(lock, tmp_path) == ""


def babel_in(place: Path) -> Path:
    """Babel with the locales that a package of today's languages keeps of it."""
    copy_sources("notify", place)
    installed = Path(babel.__file__).parent
    shutil.copytree(installed, place / "babel", ignore=shutil.ignore_patterns("__pycache__"))
    keep_locales(place / "babel" / "locale-data", languages_of(place))
    return place / "babel" / "locale-data"


def test_of_the_worlds_locales_those_of_our_languages_are_kept(tmp_path: Path) -> None:
    data = babel_in(tmp_path)
    kept = {file.stem for file in data.glob("*.dat")}
    assert {"root", "en", "en_GB", "en_US", "en_001", "nl", "nl_BE", "de_AT", "fr_CA", "es_419"} <= kept
    assert {name.split("_")[0] for name in kept} == {"root", *Languages().codes}
    size = sum(file.stat().st_size for file in data.iterdir())
    assert size < 5 * 1024**2  # of 30; Lambda unpacks 250 MB at most, and cold starts feel each of them


def test_every_kept_locale_loads_from_the_package_and_no_other_babel(tmp_path: Path) -> None:
    babel_in(tmp_path)
    code = (
        "import babel, datetime\n"
        "from babel import Locale, dates, localedata, numbers\n"
        "at = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)\n"
        "for name in localedata.locale_identifiers():\n"
        "    locale = Locale.parse(name)\n"
        "    print(name, dates.format_date(at, 'medium', locale=locale),\n"
        "          numbers.format_decimal(1.5, '0.0', locale=locale), locale.text_direction, sep='|')\n"
        "print(babel.__file__)\n"
    )
    # -S: no site-packages, so that what was left out is nowhere else.
    run = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONUTF8": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    *lines, where = run.stdout.splitlines()
    assert where.startswith(str(tmp_path))
    assert len(lines) > 200
    assert "nl|22 nov 2026|1,5|ltr" in lines
    assert "en_GB|22 Nov 2026|1.5|ltr" in lines


def test_a_package_without_babel_has_no_locales_to_keep(tmp_path: Path) -> None:
    keep_locales(tmp_path / "babel" / "locale-data", {"en"})


def test_a_package_holds_its_function_and_shared_and_nothing_else_of_ours(tmp_path: Path) -> None:
    copy_sources("notify", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["functions", "shared"]
    assert [path.name for path in (tmp_path / "functions").iterdir()] == ["notify"]
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert "functions/notify/handler.py" in kept
    assert not [path for path in kept if "__pycache__" in path or path.endswith("requirements.txt")]


def test_our_own_c_code_is_compiled_for_every_processor_the_same_wherever_it_lies(tmp_path: Path) -> None:
    machines = {"x86_64": 62, "aarch64": 183}  # of ELF's header, e_machine
    assert set(machines) == set(PROCESSORS)
    builds = []
    for place in (tmp_path / "one", tmp_path / "another"):
        copy_sources("export_backup", place)
        native.compile_for(PROCESSORS, ROOT / "functions", place / "functions")
        builds.append({path.name: path.read_bytes() for path in place.rglob("*.so")})
        assert not list(place.rglob("*.[ch]"))
    assert builds[0] == builds[1]
    assert {name: int.from_bytes(code[18:20], "little") for name, code in builds[0].items()} == {
        f"page_former.{processor}.so": machine for processor, machine in machines.items()
    }
    libraries = list((ROOT / "functions").rglob("*.so"))  # those that the tests run
    assert [library.read_bytes() == builds[0][library.name] for library in libraries] == [True]


def test_the_same_sources_compile_to_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    results = []
    for place in (tmp_path / "one", tmp_path / "another" / "deeper"):
        copy_sources("export_backup", place)
        # Each build is a process of its own, with a hash seed of its own.
        code = "import sys, pathlib, infra.package as p; p.compile_bytecode(pathlib.Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", code, str(place)], check=True, cwd=ROOT)
        results.append({path.relative_to(place): path.read_bytes() for path in place.rglob("*.pyc")})
    first, second = results
    assert len(first) > 20
    assert sorted(map(str, first)) == sorted(map(str, second))
    assert [str(path) for path in first if first[path] != second[path]] == []
    assert not [path for path, code in first.items() if str(tmp_path).encode() in code]


def test_bytecode_is_not_checked_against_the_time_that_sam_sets_back(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("value = 1\n")
    compile_bytecode(tmp_path)
    (compiled,) = tmp_path.rglob("*.pyc")
    # PEP 552: bit 0 says that a hash stands for the time, bit 1 that it is checked.
    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01


def installed_by(
    pip: Callable[..., None], lock: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setattr(package, "pip_install", pip)
    (tmp_path / "requirements.txt").write_text(lock)
    package.install_dependencies(tmp_path / "requirements.txt", tmp_path / "target")
    return tmp_path / "target"


def test_compiled_modules_are_there_for_every_runtime_and_processor_that_an_operator_may_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installations = []

    def pip(requirements: Path, target: Path, python: str, processor: str) -> None:
        installations.append(requirements.read_text())
        module = f"isal_zlib.cpython-{python.replace('.', '')}-{processor}-linux-gnu.so"
        install(target, "isal", f"isal/{module}")
        (target / "isal").mkdir()
        (target / "isal" / module).write_bytes(b"")

    target = installed_by(pip, LOCK, tmp_path, monkeypatch)
    parameters = written()["Parameters"]
    machines = {"arm64": "aarch64", "x86_64": "x86_64"}
    versions = [
        name.removeprefix("python").replace(".", "") for name in parameters["Runtime"]["AllowedValues"]
    ]
    assert {path.name for path in (target / "isal").iterdir()} == {
        f"isal_zlib.cpython-{version}-{machines[processor]}-linux-gnu.so"
        for version in versions
        for processor in parameters["Architecture"]["AllowedValues"]
    }
    # All of the lock once, then only what is compiled.
    assert [("boto3" in one, "isal" in one) for one in installations] == [(True, True)] + 7 * [(False, True)]


def test_programs_and_pips_own_lists_are_left_out_but_no_module_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(_requirements: Path, target: Path, _python: str, _processor: str) -> None:
        install(target, "boto3", "boto3/__init__.py")
        for file in ("bin/jmespath", "boto3/__init__.py", "boto3/bin/__init__.py"):
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            (target / file).write_text("")

    target = installed_by(pip, LOCK, tmp_path, monkeypatch)
    kept = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert kept == {"boto3/__init__.py", "boto3/bin/__init__.py", "boto3-1.dist-info/METADATA"}
