"""The rules of the house: who may know whom, how long a file is, and what never stands in one."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent.name for path in (ROOT / "functions").glob("*/__init__.py"))
MOST_LINES = 400

# Hosts of package registries. An operator's own mirror is an operator's own business.
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|registry\.yarnpkg\.com|crates\.io|rubygems\.org"
    r"|repo1?\.maven\.(?:org|apache\.org)|proxy\.golang\.org|conda\.anaconda\.org|artifactory|nexus3?[./]"
    r"|[A-Za-z0-9.-]+/simple/?\b|--(?:extra-)?index-url[ =]",
    re.IGNORECASE,
)
# What is the same on every machine: temporary files, devices, what Lambda and the FHS promise.
MACHINE_PATH = re.compile(r"(?<![\w.~}/-])/(?:work|home|Users|root|mnt|workspace|data)/[\w.-]+")
RULES_OF_THIS_FILE = Path(__file__).relative_to(ROOT).as_posix()


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, *, at_run_time: bool = False) -> set[str]:
    """The modules that the file imports, anywhere in it; `at_run_time` leaves out what only mypy imports."""
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    if at_run_time:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                skipped |= {inner for statement in node.body for inner in ast.walk(statement)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the whole way"
            module = node.module or ""
            found.add(module)
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


# --- one way down ---


def test_there_are_packages_to_look_at() -> None:
    assert PACKAGES == ["export_backup", "notify", "request_backup"]


def test_shared_knows_no_function() -> None:
    for path in sources("shared"):
        assert not [module for module in imports(path) if is_in(module, "functions")], path


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_do_not_know_each_other(package: str) -> None:
    for path in sources(f"functions/{package}"):
        strangers = [
            module
            for module in imports(path)
            if is_in(module, "functions")
            and not is_in(module, f"functions.{package}")
            and module != "functions"
        ]
        assert not strangers, path


def test_what_is_deployed_knows_neither_tests_nor_the_local_aws() -> None:
    for path in sources("functions", "shared"):
        for other in ("tests", "local", "bench", "infra", "pytest", "moto", "hypothesis"):
            assert not [module for module in imports(path) if is_in(module, other)], (path, other)


def test_nobody_imports_a_handler() -> None:
    for path in sources("functions", "shared", "local", "infra"):
        handlers = [module for module in imports(path) if re.fullmatch(r"functions\..*handler", module)]
        assert not handlers, path


@pytest.mark.parametrize(
    "package", [*(f"functions/{package}" for package in PACKAGES), "shared", "local", "bench"]
)
def test_no_two_modules_of_a_package_import_each_other_directly_or_through_others(package: str) -> None:
    modules = {name_of(path): path for path in sources(package)}
    knows = {
        name: {other for other in imports(path, at_run_time=True) if other in modules}
        for name, path in modules.items()
    }
    done: set[str] = set()

    def follow(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in sorted(knows[name]):
                follow(other, (*way, name))
            done.add(name)

    for name in knows:
        follow(name, ())


def test_only_handlers_read_the_environment() -> None:
    for path in sources("functions", "shared"):
        if not path.name.endswith("handler.py"):
            assert not re.search(r"\bos\.(?:environ|getenv)\b", path.read_text()), path


def test_only_handlers_and_the_signer_of_links_make_clients() -> None:
    makers = {
        name_of(path) for path in sources("functions", "shared") if re.search(r"\.client\(", path.read_text())
    }
    handlers = {name_of(path) for path in sources("functions") if path.stem.endswith("handler")}
    assert makers == handlers | {"shared.link"}


def test_no_module_is_named_after_what_it_is_not() -> None:
    for path in sources("functions", "shared", "local", "infra"):
        assert not re.search(r"util|helper|common|base|manager|misc", path.stem), path


# --- size, and what never stands in a file ---


def test_no_file_is_longer_than_anyone_reads() -> None:
    for path in sources("functions", "shared", "local", "bench", "infra"):
        assert len(path.read_text().splitlines()) <= MOST_LINES, path


def kept() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    for path in kept():
        content = path.read_bytes()
        if b"\0" not in content:
            yield path.relative_to(ROOT).as_posix(), content.decode("utf-8")


def test_no_file_names_a_package_registry() -> None:
    for name, text in texts():
        if name != RULES_OF_THIS_FILE:
            assert not REGISTRY.findall(text), name


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    for name, text in texts():
        assert not MACHINE_PATH.findall(text), name


def test_nothing_that_a_run_leaves_is_kept() -> None:
    for path in kept():
        name = path.relative_to(ROOT).as_posix()
        assert not re.search(
            r"__pycache__|\.pyc$|\.zip$|\.egg-info|(^|/)\.(venv|local|aws-sam|hypothesis)/", name
        ), name


# --- dependencies ---


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def groups() -> dict[str, list[str]]:
    """The requirements of each group, those that it includes left out."""
    return {
        group: [entry for entry in entries if isinstance(entry, str)]
        for group, entries in project()["dependency-groups"].items()
    }


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[~=<>;! ]", name, maxsplit=1)[0]).lower()


def test_every_dependency_says_why_it_is_there() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    reasons: dict[str, list[bool]] = {}
    for entries in groups().values():
        for entry in entries:
            written = [line for line in lines if line.strip().startswith(f'"{entry}"')]
            assert written, entry
            reasons.setdefault(normalized(entry), []).extend("# " in line for line in written)
    # One that several functions want says it once, at the first.
    assert [name for name, said in reasons.items() if not said[0]] == []


def test_a_dependency_of_several_groups_is_the_same_in_all_of_them() -> None:
    wanted: dict[str, set[frozenset[str]]] = {}
    for entries in groups().values():
        for name in {normalized(entry) for entry in entries}:
            # More than one line of one name: one for each version of Python.
            lines = frozenset(entry for entry in entries if normalized(entry) == name)
            wanted.setdefault(name, set()).add(lines)
    assert [lines for lines in wanted.values() if len(lines) > 1] == []


LOCKS = {
    **{f"functions/{package}/requirements.txt": package for package in PACKAGES},
    "tests/requirements.txt": "dev",
    "local/ministack.requirements.txt": "ministack",
    "local/sam.requirements.txt": "sam",
    "local/fuzz.requirements.txt": "fuzz",
    "local/audit.requirements.txt": "audit",
}
OURS = [lock for lock in LOCKS if not lock.startswith("local/")]


def entries_of(lock: str) -> list[str]:
    """The entries of a lock, each with its hashes on one line."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def versions(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in entries_of(lock):
        name, _, rest = entry.partition("==")
        found.setdefault(normalized(name), set()).add(rest.split()[0])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_each_dependency_with_its_hashes(lock: str) -> None:
    assert entries_of(lock)
    for entry in entries_of(lock):
        assert re.match(r"[A-Za-z0-9._\[\],-]+==[\w.!+-]+( ;[^\\]*?)?\s+--hash=sha256:[0-9a-f]{64}", entry), (
            entry[:80]
        )
        assert not re.search(r"--hash=(?!sha256:[0-9a-f]{64}(\s|$))", entry), entry[:80]


@pytest.mark.parametrize(("lock", "group"), LOCKS.items())
def test_a_lock_holds_what_its_group_wants(lock: str, group: str) -> None:
    included = [
        entry["include-group"] for entry in project()["dependency-groups"][group] if isinstance(entry, dict)
    ]
    wanted = {normalized(entry) for name in [group, *included] for entry in groups()[name]}
    assert wanted <= set(versions(lock))


@pytest.mark.parametrize("lock", OURS)
def test_what_is_tested_is_what_is_deployed(lock: str) -> None:
    tested = versions("tests/requirements.txt")
    assert {name: found for name, found in versions(lock).items() if tested.get(name) != found} == {}


def test_boto3_is_one_version_everywhere() -> None:
    assert len({frozenset(versions(lock)["boto3"]) for lock in OURS}) == 1
    for lock in OURS:
        assert versions(lock)["boto3"] == versions(lock)["botocore"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_function_asks_for_what_it_imports_and_imports_what_it_asks_for(package: str) -> None:
    distributions = {
        "aws_lambda_powertools": "aws-lambda-powertools",
        "ulid": "python-ulid",
        "smart_open": "smart-open",
    }
    comes_along = {"botocore", "markupsafe"}  # with boto3 and jinja2, which cannot do without
    data_of = {"zoneinfo": "tzdata"}  # found by a module of Python's own
    asked = {normalized(entry) for entry in groups()[package]}
    standard = {"functions", "shared", *sys.stdlib_module_names}
    imported = set()
    for path in [*sources(f"functions/{package}"), *sources("shared")]:
        for module in imports(path, at_run_time=True):
            top = module.split(".")[0]
            if top in data_of and package == "request_backup":  # others know its record only
                imported.add(data_of[top])
            if top not in standard and top not in comes_along:
                imported.add(normalized(distributions.get(top, top)))
    assert imported == asked
