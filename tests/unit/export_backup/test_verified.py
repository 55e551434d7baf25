"""Verified before ready: the step between assembling and offering, and what it stops."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from functions.export_backup.archive import ArchiveMissing, SegmentDamaged, SegmentMissing
from functions.export_backup.bucket_errors import BucketUnavailable
from functions.export_backup.catalogue import TABLES
from functions.export_backup.event import ForeignEvent
from functions.export_backup.manifest import manifest
from functions.export_backup.unit_report import RecordsUnaccounted
from functions.export_backup.verification import ArchiveDamaged
from shared.backup import State
from shared.store import Superseded
from tests.unit.export_backup.running_backup import ACCOUNT_ID, OWN, WRITTEN, World, a_world, account_items
from tests.unit.export_backup.s3_bucket import BUCKET, EACH_REFUSAL

Exported = list[dict[str, Any]]


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as world:
        world.fill(account_items())
        world.claim()
        yield world


@pytest.fixture
def exported(world: World) -> Exported:
    return world.exported()


@pytest.fixture
def archive(world: World, exported: Exported) -> dict[str, Any]:
    return world.take("assemble", exported=exported)


def archive_key(world: World) -> str:
    (key,) = [key for key in world.bucket.stored_keys() if key.startswith("backups/")]
    return key


def put_archive(world: World, body: bytes) -> None:
    """Another object in the archive's place, with all that S3 says of an archive of ours."""
    world.bucket.s3.put_object(Bucket=BUCKET, Key=archive_key(world), Body=body, Metadata={"backup-id": OWN})


def state(world: World) -> State:
    backup = world.store.find(ACCOUNT_ID, OWN)
    assert backup is not None
    return backup.state


# --- the archive ---


def test_of_a_whole_archive_all_is_read_and_nothing_is_written(
    world: World, exported: Exported, archive: dict[str, Any]
) -> None:
    before = world.writes()
    with zipfile.ZipFile(io.BytesIO(world.archive())) as opened:
        compressed = sum(entry.compress_size for entry in opened.infolist())
    assert world.take("verify", exported=exported, archive=archive) == {"verified": compressed}
    assert world.take("verify", exported=exported, archive=archive) == {"verified": compressed}
    assert world.writes() == before


def test_with_little_time_left_the_frame_is_verified_and_the_contents_are_not(
    world: World, exported: Exported, archive: dict[str, Any]
) -> None:
    step = world.step("verify", exported=exported, archive=archive)
    assert world.steps.take(step, seconds_left=60) == {"verified": 0}


@pytest.mark.parametrize("member", ["users.csv", "comments.csv", "backup.xml", "manifest.json"])
def test_one_byte_that_is_another_damages_the_archive_and_its_member_is_named(
    world: World, exported: Exported, archive: dict[str, Any], member: str
) -> None:
    body = bytearray(world.archive())
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        entry = opened.getinfo(member)
    body[entry.header_offset + 30 + len(member) + entry.compress_size // 2] ^= 0x20
    put_archive(world, bytes(body))
    with pytest.raises(ArchiveDamaged) as damaged:
        world.take("verify", exported=exported, archive=archive)
    assert damaged.value.member == member
    assert state(world) is State.RUNNING


def test_an_archive_that_is_another_one_while_it_is_read_is_damaged(
    world: World, exported: Exported, archive: dict[str, Any]
) -> None:
    other = bytearray(world.archive())
    other[other.index(b"backup.xml") + 50] ^= 1  # content, for which there is no time
    world.bucket.before(
        "HeadObject", lambda: world.bucket.before("GetObject", lambda: put_archive(world, bytes(other)))
    )
    step = world.step("verify", exported=exported, archive=archive)
    with pytest.raises(ArchiveDamaged, match="another object"):
        world.steps.take(step, seconds_left=60)


def test_without_its_archive_a_backup_is_not_verified(
    world: World, exported: Exported, archive: dict[str, Any]
) -> None:
    world.bucket.s3.delete_object(Bucket=BUCKET, Key=archive_key(world))
    with pytest.raises(ArchiveMissing):
        world.take("verify", exported=exported, archive=archive)


@EACH_REFUSAL
@pytest.mark.parametrize("operation", ["HeadObject", "GetObject"])
def test_a_bucket_that_does_not_let_it_read_says_whether_to_try_again(
    world: World,
    exported: Exported,
    archive: dict[str, Any],
    operation: str,
    status: int,
    code: str,
    outcome: type[Exception],
) -> None:
    # The first read is that of the report.
    world.bucket.refuse(operation, status, code, after=1 if operation == "GetObject" else 0)
    with pytest.raises(outcome):
        world.take("verify", exported=exported, archive=archive)
    world.bucket.mend()
    assert world.take("verify", exported=exported, archive=archive)["verified"]


def test_an_answer_that_does_not_come_is_waited_for_by_trying_again(
    world: World, exported: Exported, archive: dict[str, Any]
) -> None:
    world.bucket.cut("GetObject", after=2)
    with pytest.raises(BucketUnavailable):
        world.take("verify", exported=exported, archive=archive)


@pytest.mark.parametrize("count", ["bytes", "records", "replaced"])
def test_counts_that_are_not_the_units_are_no_archives(
    world: World, exported: Exported, archive: dict[str, Any], count: str
) -> None:
    with pytest.raises(ForeignEvent):
        world.take("verify", exported=exported, archive=archive | {count: archive[count] + 1})


def test_fault_16_the_verification_of_an_overtaken_run_stops(
    world: World, exported: Exported, archive: dict[str, Any]
) -> None:
    world.overtake()
    with pytest.raises(Superseded):
        world.take("verify", exported=exported, archive=archive)


def test_fault_11_a_verification_that_is_overtaken_while_it_reads_stops_within_a_second(
    world: World, exported: Exported, archive: dict[str, Any]
) -> None:
    def overtake() -> None:
        world.overtake()
        world.now += timedelta(seconds=1)

    world.bucket.before("HeadObject", overtake)
    world.bucket.calls.clear()
    with pytest.raises(Superseded):
        world.take("verify", exported=exported, archive=archive)
    assert world.bucket.calls["GetObject"] <= 3  # the report, and one range of the archive


# --- all that was read was written ---


def changed_report(world: World, change: Callable[[dict[str, Any]], object]) -> None:
    (key,) = [key for key in world.bucket.stored_keys() if key.endswith("report.json")]
    report = json.loads(world.bucket.get(key))
    change(report)
    world.bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(report).encode())


@pytest.mark.parametrize("table", [table.name for table in TABLES])
@pytest.mark.parametrize("count", ["read", "written"])
def test_a_table_of_which_not_every_record_is_accounted_for_is_named_and_nothing_is_published(
    world: World, exported: Exported, table: str, count: str
) -> None:
    def forget(report: dict[str, Any]) -> None:
        report["counts"]["tables"][table][count] += 1

    changed_report(world, forget)
    with pytest.raises(RecordsUnaccounted) as lost:
        world.take("assemble", exported=exported)
    assert lost.value.table == table
    assert not [key for key in world.bucket.stored_keys() if key.startswith("backups/")]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_file_with_fewer_rows_than_its_table_has_is_named(
    world: World, exported: Exported, table: Any
) -> None:
    def lose(report: dict[str, Any]) -> None:
        report["counts"]["members"][table.member]["rows"] -= 1

    changed_report(world, lose)
    with pytest.raises(RecordsUnaccounted, match=table.name):
        world.take("assemble", exported=exported)


def test_an_xml_with_fewer_records_than_the_tables_have_is_named(world: World, exported: Exported) -> None:
    def lose(report: dict[str, Any]) -> None:
        report["counts"]["members"]["backup.xml"]["rows"] -= 1

    changed_report(world, lose)
    with pytest.raises(RecordsUnaccounted, match=r"backup\.xml"):
        world.take("assemble", exported=exported)


def test_a_report_that_changes_after_assembling_does_not_fit_the_archive(
    world: World, exported: Exported, archive: dict[str, Any]
) -> None:
    def shrink(report: dict[str, Any]) -> None:
        for segment in report["segments"]:
            segment["crc32"] ^= 1

    changed_report(world, shrink)
    with pytest.raises(ArchiveDamaged):
        world.take("verify", exported=exported, archive=archive)


def test_a_manifest_that_says_other_rows_than_were_counted_is_noticed(
    world: World, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the program that writes it: the archive is then as it was assembled, and wrong."""

    def wrong(*arguments: Any) -> bytes:
        document = json.loads(manifest(*arguments))
        document["files"][5]["rows"] += 1
        return json.dumps(document).encode()

    monkeypatch.setattr("functions.export_backup.contents.manifest", wrong)
    archive = world.take("assemble", exported=exported)
    with pytest.raises(RecordsUnaccounted, match=r"comments\.csv"):
        world.take("verify", exported=exported, archive=archive)


# --- only what this backup's units wrote ---


def segment_keys(world: World, member: str) -> list[str]:
    return [key for key in world.bucket.stored_keys() if key.endswith(f"/{member}.deflate")]


@pytest.mark.parametrize("member", ["organisation.csv", "comments.csv", "backup.xml"])
def test_a_segment_that_is_swapped_for_another_of_equal_size_is_noticed_and_named(
    world: World, exported: Exported, member: str
) -> None:
    (key,) = segment_keys(world, member)
    body = bytearray(world.bucket.get(key))
    body[len(body) // 2] ^= 1
    world.bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(body))
    with pytest.raises(SegmentDamaged) as damaged:
        world.take("assemble", exported=exported)
    assert damaged.value.member == member


def test_a_segment_that_is_read_otherwise_than_it_was_written_is_noticed_by_the_verification(
    world: World, exported: Exported
) -> None:
    """S3 vouches for what it stores; between it and the archive nobody but the verification does."""

    def flipped(body: bytes) -> bytes:
        return bytes([body[0], body[1] ^ 4, *body[2:]])

    world.bucket.corrupt("GetObject", flipped, after=3, times=1)  # behind the report, the third segment
    archive = world.take("assemble", exported=exported)
    world.bucket.mend()
    with pytest.raises(ArchiveDamaged, match=r"contacts\.csv"):
        world.take("verify", exported=exported, archive=archive)


def test_a_report_that_is_damaged_on_its_way_is_read_again(world: World, exported: Exported) -> None:
    world.bucket.corrupt("GetObject", lambda body: body[:-2] + b" }", times=1)
    with pytest.raises(BucketUnavailable):
        world.take("assemble", exported=exported)
    assert world.take("assemble", exported=exported)["records"] == WRITTEN


@pytest.mark.parametrize(
    "other",
    [
        "staging/{other}/00000/{attempt}/",
        "staging/{own}/00001/{attempt}/",
        "staging/{own}/00000/{other}/",
    ],
)
def test_a_segment_from_another_place_than_the_attempts_own_is_refused(
    world: World, exported: Exported, other: str
) -> None:
    place = other.format(own=OWN, other="01KAQ4M2C9" + "0" * 16, attempt=exported[0]["attempt"])
    (key,) = segment_keys(world, "users.csv")
    world.bucket.s3.put_object(Bucket=BUCKET, Key=f"{place}users.csv.deflate", Body=world.bucket.get(key))

    def lead_astray(report: dict[str, Any]) -> None:
        for segment in report["segments"]:
            if segment["member"] == "users.csv":
                segment["key"] = f"{place}users.csv.deflate"

    changed_report(world, lead_astray)
    with pytest.raises(SegmentDamaged) as damaged:
        world.take("assemble", exported=exported)
    assert damaged.value.member == "users.csv"


@pytest.mark.parametrize("change", ["none", "twice", "unknown"])
def test_a_report_without_a_members_segment_or_with_one_too_many_is_refused(
    world: World, exported: Exported, change: str
) -> None:
    def alter(report: dict[str, Any]) -> None:
        segments = report["segments"]
        users = next(segment for segment in segments if segment["member"] == "users.csv")
        match change:
            case "none":
                segments.remove(users)
            case "twice":
                segments.append(users)
            case _:
                users["member"] = "passwords.csv"

    changed_report(world, alter)
    with pytest.raises(SegmentMissing if change == "none" else SegmentDamaged) as wrong:
        world.take("assemble", exported=exported)
    assert wrong.value.member == ("users.csv" if change == "none" else "report.json")  # type: ignore[attr-defined]
