"""What a new Lambda imports is timed as SAM leaves it: zipped, dated 1980, by itself."""

from __future__ import annotations

from pathlib import Path

from bench import cold_start
from infra.package import compile_bytecode

HANDLER = """
import os, sys, time
import colorsys
import slow
assert os.environ["SENDER"] and os.environ["EMAIL_LINK_SECONDS"] == "1"
assert os.stat(__file__).st_mtime < 400_000_000, "not of 1980"
assert not [path for path in sys.path if "site-packages" in path], sys.path
assert __cached__ and os.path.exists(__cached__)
time.sleep(0.02)  # among the heaviest, however long the interpreter's own take
"""


def test_a_package_is_imported_by_itself_with_the_bytecode_that_it_brings(tmp_path: Path) -> None:
    package = tmp_path / "NotifyFunction"
    (package / "functions" / "notify").mkdir(parents=True)
    (package / "functions" / "notify" / "handler.py").write_text(HANDLER)
    (package / "slow.py").write_text("import time; time.sleep(0.05)")
    compile_bytecode(package)
    (tmp_path / "unzipped").mkdir()
    handler = cold_start.handler_of(package, tmp_path / "unzipped")
    imports = cold_start.Imports([handler])
    imports.run(1)
    imports.run(2)
    (start,) = imports.starts
    assert start.name == "NotifyFunction"
    assert start.ours
    assert len(start.milliseconds) == len(start.cpu_milliseconds) == 3
    assert min(start.milliseconds) >= 50
    heaviest = dict(start.heaviest)
    assert heaviest["slow"] >= 50
    assert "functions.notify.handler" in heaviest
    assert start.kilobytes is not None
    assert 0 < start.kilobytes < 10


def test_boto3_alone_is_timed_without_anything_of_ours() -> None:
    imports = cold_start.Imports([cold_start.boto3_alone()])
    imports.run(2)
    (start,) = imports.starts
    assert not start.ours
    assert len(start.milliseconds) == 2
    heaviest = dict(start.heaviest)
    assert "botocore" in heaviest
    assert not [name for name in heaviest if name.startswith(("functions", "shared"))]
