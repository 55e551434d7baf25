"""What the benchmark compares does the same work: everybody's archive has the same rows."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import limit, pages, text
from bench.aws import Place
from bench.contents import Different, fetch, prepare, require_same
from bench.recording import SNAPSHOT, Recording
from bench.run import CONTENDERS, measured, prepared
from bench.s3_sink import Sink
from functions.export_backup.catalogue import DATA_MEMBERS, TABLES
from local import expected, seed
from tests.unit.bench.bench_server import bench_server


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return pages.recorded(400, tmp_path_factory.mktemp("recordings"))


@pytest.fixture
def served(small: Recording) -> Iterator[tuple[Place, Sink]]:
    with bench_server(small, "backup.zip") as place_and_sink:
        yield place_and_sink


def archive_of(name: str, recorded: Recording, directory: Path) -> Path:
    with bench_server(recorded, "backup.zip") as (place, sink):
        prepared(name, place)()
        assert sink.open_uploads == 0
        return fetch(place, directory / f"{name}.zip")


@pytest.fixture(scope="module")
def ours(small: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive_of("ours-xml", small, tmp_path_factory.mktemp("archives"))


def test_ours_holds_what_the_seeded_account_has(small: Recording, ours: Path) -> None:
    account = seed.Account("9789", proofs=small.comments // pages.COMMENTS_PER_PROOF, comments=small.comments)
    wanted = expected.expected(seed.records(account, SNAPSHOT, text), SNAPSHOT)
    with zipfile.ZipFile(ours) as archive:
        for member, rows in wanted.items():
            assert list(expected.read(archive.read(member))) == rows


@pytest.mark.parametrize("name", [name for name in CONTENDERS if not name.startswith("limit")])
def test_everybody_makes_the_same_rows(name: str, small: Recording, ours: Path, tmp_path: Path) -> None:
    theirs = archive_of(name, small, tmp_path)
    assert require_same(ours, theirs, theirs_escaped=name.startswith("ours")) > small.comments


def test_a_row_that_differs_is_found(small: Recording, ours: Path, tmp_path: Path) -> None:
    theirs = archive_of("ordinary", small, tmp_path)
    altered = tmp_path / "altered.zip"
    with zipfile.ZipFile(theirs) as source, zipfile.ZipFile(altered, "w") as target:
        for table in TABLES:
            content = source.read(table.member)
            if table.member == "recipients.csv":
                content = content[: content.rindex(b"\r\n", 0, -2) + 2]  # without its last row
            target.writestr(table.member, content)
    with pytest.raises(Different, match=r"recipients\.csv"):
        require_same(ours, altered, theirs_escaped=False)


def test_the_limit_takes_the_bytes_of_our_members(
    small: Recording, ours: Path, served: tuple[Place, Sink]
) -> None:
    prepare(small.directory, ours)
    with zipfile.ZipFile(ours) as archive:
        for member in DATA_MEMBERS:
            assert limit.prepared(small.directory, member).read_bytes() == archive.read(member)
    place, sink = served
    measured_run = measured(prepared("limit-xml", place))
    assert measured_run.peak_mb > 0
    assert not sink.objects
