"""An account in several units: all of it, in one archive like that of one unit."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from bench import contents, pages, run
from bench.copies import repeated
from bench.ours import cut
from bench.recording import Recording
from bench.units import LAPS, laps_of
from functions.export_backup.catalogue import COMMENTS, PROOF_TABLES, TABLES
from tests.unit.bench.bench_server import bench_server


def test_units_follow_on_each_other_and_leave_nothing_out(tmp_path: Path) -> None:
    units = cut(pages.recorded(1000, kept_in=tmp_path), 4)
    assert [unit.first for unit in units] == [True, False, False, False]
    assert [unit.last for unit in units] == [False, False, False, True]
    assert units[0].first_proof is units[-1].before_proof is None
    assert [unit.before_proof for unit in units[:-1]] == [unit.first_proof for unit in units[1:]]
    widths = {int(unit.before_proof or 0) - int(unit.first_proof or 0) for unit in units[1:-1]}
    assert 0 < min(widths) <= max(widths) <= min(widths) + 1


@pytest.fixture
def three_times(tmp_path: Path) -> Recording:
    return repeated(pages.recorded(500, kept_in=tmp_path, page_bytes=16 * 1024), 3)


def test_a_larger_account_has_what_hangs_on_proofs_several_times_under_keys_of_its_own(
    tmp_path: Path, three_times: Recording
) -> None:
    one = pages.recorded(500, kept_in=tmp_path, page_bytes=16 * 1024)
    assert repeated(one, 3) == three_times
    rows = []
    for made in (one, three_times):
        with bench_server(made, "archives/test.zip") as (place, _):
            run.prepared("ours", place)()
            archive = zipfile.ZipFile(contents.fetch(place, tmp_path / "fetched.zip"))
        with archive:
            rows.append(
                {
                    table: list(csv.reader(archive.read(table.member).decode().splitlines()))[1:]
                    for table in TABLES
                }
            )
    for table in TABLES:
        assert rows[1][table] == rows[0][table] * (3 if table in PROOF_TABLES else 1)
        all_pages = three_times.tables[table.name]
        assert all(one.last < other.first for one, other in pairwise(all_pages))
    assert len(rows[1][COMMENTS]) > 1_200


def test_a_lap_ends_with_the_page_in_which_it_is_full_and_the_last_with_the_end() -> None:
    times = [(0, 10.0), (30, 11.0), (50, 13.0), (70, 14.0), (100, 17.0), (100, 20.0)]
    assert laps_of(times, 1) == (10.0,)
    assert laps_of(times, 2) == (3.0, 7.0)
    assert laps_of(times, 4) == (1.0, 2.0, 4.0, 3.0)


def test_small_pages_hold_the_same_account(tmp_path: Path) -> None:
    whole, small = (pages.recorded(200, kept_in=tmp_path, page_bytes=size) for size in (1024**2, 4096))
    assert small.records == whole.records
    assert max(page.length for page in small.tables["COMMENTS"]) < 16 * 1024
    assert len(small.tables["COMMENTS"]) > len(whole.tables["COMMENTS"]) == 1


@pytest.mark.parametrize("way", ["together", "alone"])
def test_several_units_make_the_archive_that_one_makes(
    tmp_path: Path, three_times: Recording, way: str
) -> None:
    made = three_times
    with bench_server(made, "archives/test.zip") as (place, sink):
        run.prepared("ours-xml", place)()
        one = contents.fetch(place, tmp_path / "one.zip")
        sink.clear()
        command = [sys.executable, "-m", "bench.units", way, "3", place.url, str(made.directory), place.key]
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        measured = run.Measurement(**json.loads(finished.stdout))
        several = contents.fetch(place, tmp_path / "several.zip")
        assert sink.open_uploads == 0
    assert contents.require_same(one, several, theirs_escaped=True) > 2_600
    assert 0 < measured.assembly_seconds < measured.seconds
    assert [len(laps) for laps in measured.laps] == ([LAPS // 3] * 3 if way == "alone" else [])
    slowest = max(map(sum, measured.laps), default=0.0)
    assert 0 <= slowest <= measured.seconds - measured.assembly_seconds + 1e-6
    assert measured.cpu_seconds > 0
    assert 30 < measured.peak_mb < 500
