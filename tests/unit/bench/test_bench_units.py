"""An account in several units: all of it, in one archive like that of one unit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import contents, pages, run
from bench.ours import cut
from tests.unit.bench.bench_server import bench_server


def test_units_follow_on_each_other_and_leave_nothing_out(tmp_path: Path) -> None:
    units = cut(pages.recorded(1000, kept_in=tmp_path), 4)
    assert [unit.first for unit in units] == [True, False, False, False]
    assert [unit.last for unit in units] == [False, False, False, True]
    assert units[0].first_proof is units[-1].before_proof is None
    assert [unit.before_proof for unit in units[:-1]] == [unit.first_proof for unit in units[1:]]
    widths = {int(unit.before_proof or 0) - int(unit.first_proof or 0) for unit in units[1:-1]}
    assert max(widths) - min(widths) <= 1


def test_small_pages_hold_the_same_account(tmp_path: Path) -> None:
    whole, small = (pages.recorded(200, kept_in=tmp_path, page_bytes=size) for size in (1024**2, 4096))
    assert small.records == whole.records
    assert max(page.length for page in small.tables["COMMENTS"]) < 16 * 1024
    assert len(small.tables["COMMENTS"]) > len(whole.tables["COMMENTS"]) == 1


@pytest.mark.parametrize("way", ["together", "alone"])
def test_several_units_make_the_archive_that_one_makes(tmp_path: Path, way: str) -> None:
    made = pages.recorded(500, kept_in=tmp_path, page_bytes=16 * 1024)
    with bench_server(made, "archives/test.zip") as (place, sink):
        run.prepared("ours-xml", place)()
        one = contents.fetch(place, tmp_path / "one.zip")
        sink.clear()
        command = [sys.executable, "-m", "bench.units", way, "3", place.url, str(made.directory), place.key]
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        measured = run.Measurement(**json.loads(finished.stdout))
        several = contents.fetch(place, tmp_path / "several.zip")
        assert sink.open_uploads == 0
    assert contents.require_same(one, several, theirs_escaped=True) > 900
    assert 0 < measured.assembly_seconds < measured.seconds
    assert measured.cpu_seconds > 0
    assert 30 < measured.peak_mb < 500
