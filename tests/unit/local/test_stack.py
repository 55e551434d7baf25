"""When packages are built anew."""

from pathlib import Path

import pytest

from local import stack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "a.py").write_text("a = 1\n")
    return tmp_path / "functions"


def test_the_fingerprint_changes_with_a_content_a_name_and_a_new_file(folder: Path) -> None:
    def fingerprint() -> str:
        return stack.fingerprint(iter([folder]))

    seen = [fingerprint()]
    assert fingerprint() == seen[0]
    (folder / "a.py").write_text("a = 2\n")
    seen.append(fingerprint())
    (folder / "a.py").rename(folder / "b.py")
    seen.append(fingerprint())
    (folder / "empty.py").touch()
    seen.append(fingerprint())
    assert len(set(seen)) == 4


def test_bytecode_changes_nothing(folder: Path) -> None:
    before = stack.fingerprint(iter([folder]))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert stack.fingerprint(iter([folder])) == before
