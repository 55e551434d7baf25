"""The steps in the workflow's order: what is in the bucket and in the tables after each, and after faults."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from datetime import UTC, datetime, timedelta

import pytest

from functions.export_backup.archive import ArchiveMissing
from functions.export_backup.catalogue import DATA_MEMBERS, MEMBERS
from shared.backup import State
from tests.reading import csv_records, undo, xml_root
from tests.unit.export_backup.running_backup import (
    ACCOUNT_ID,
    ARCHIVE,
    CUT,
    OWN,
    RECORDS,
    RETENTION,
    WHOLE,
    WRITTEN,
    World,
    a_world,
    account_items,
)
from tests.unit.export_backup.s3_bucket import BUCKET


def unzipped(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_plan_says_what_units_there_are_and_that_the_backup_runs(world: World) -> None:
    world.claim()
    assert world.take("plan") == {"units": [WHOLE], "concurrency": 8, "many": False}
    assert world.backup().state is State.RUNNING
    assert world.backup().units == 1


def test_plan_export_assemble_ready_makes_a_ready_backup(world: World) -> None:
    claimed = world.claim()
    archive = world.run()
    backup = world.backup()
    assert backup.state is State.READY
    assert backup.bytes == archive["bytes"] == len(world.archive())
    assert backup.records == archive["records"] == WRITTEN
    assert backup.replaced == archive["replaced"] == 0
    assert backup.finished_at == world.now
    assert backup.expires_at == world.now + RETENTION
    assert backup.failure is None
    assert (backup.file_name, backup.object_key) == (claimed.file_name, claimed.object_key)
    assert world.store.running(ACCOUNT_ID) is None


def test_the_retention_is_counted_from_the_upload_as_the_lifecycle_rule_counts_it(world: World) -> None:
    world.claim()
    archive = world.assembled()
    uploaded = datetime.now(UTC)  # the bucket's clock is not ours to set
    world.now = uploaded + timedelta(hours=7)
    world.take("ready", archive=archive)
    expires_at = world.backup().expires_at
    assert expires_at is not None
    assert abs(expires_at - (uploaded + RETENTION)) < timedelta(minutes=1)


def test_without_the_archive_in_the_bucket_nothing_is_ready(world: World) -> None:
    world.claim()
    world.take("plan")
    with pytest.raises(ArchiveMissing):
        world.take("ready", archive=ARCHIVE)
    assert world.backup().state is State.RUNNING


def test_an_archive_of_another_size_is_not_the_one_that_was_assembled(world: World) -> None:
    world.claim()
    archive = world.assembled()
    with pytest.raises(ArchiveMissing):
        world.take("ready", archive=archive | {"bytes": archive["bytes"] - 1})
    assert world.backup().state is State.RUNNING


def test_the_archive_has_the_nine_members_in_order_and_every_record(world: World) -> None:
    world.claim()
    world.run()
    members = unzipped(world.archive())
    assert tuple(members) == MEMBERS
    assert len(members) == 9
    assert [record["id"] for record in csv_records(members["files.csv"], "utf-8")] == ["1", "2", "3"]
    assert len(xml_root(members["backup.xml"]).findall("proofs/proof")) == 3
    assert all(b"SECRET" not in content for content in members.values())


def test_the_archive_lies_at_the_backups_place_and_downloads_under_its_name(world: World) -> None:
    backup = world.claim()
    world.run()
    head = world.bucket.s3.head_object(Bucket=BUCKET, Key=backup.object_key)
    assert head["ContentType"] == "application/zip"
    assert head["ContentDisposition"] == f'attachment; filename="{backup.file_name}"'
    assert head["Metadata"] == {"backup-id": OWN}
    assert world.bucket.open_uploads() == []
    assert world.bucket.stored_keys() == [backup.object_key]


def test_the_encoding_that_the_account_chose_rules_the_csv_files(world: World) -> None:
    world.claim(encoding="windows-1252")
    archive = world.run()
    members = unzipped(world.archive())
    (comment, *_) = csv_records(members["comments.csv"], "windows-1252")
    assert undo(comment["comment"]) == ", =1+1 \U0001f600"
    assert archive["replaced"] == 9  # a face in each of three recipients, comments and responses
    manifest = json.loads(members["manifest.json"])
    assert sum(sum(file["replaced"].values()) for file in manifest["files"]) == world.backup().replaced == 9


def test_the_manifest_says_of_each_member_what_is_true_of_it(world: World) -> None:
    world.claim()
    world.run()
    members = unzipped(world.archive())
    manifest = json.loads(members["manifest.json"])
    assert [file["name"] for file in manifest["files"]] == list(DATA_MEMBERS)
    for file in manifest["files"]:
        content = members[file["name"]]
        assert file["bytes"] == len(content)
        assert file["crc32"] == f"{zlib.crc32(content):08x}"
        if file["name"].endswith(".csv"):
            assert file["rows"] == len(csv_records(content, "utf-8")), file["name"]
    assert sum(count["written"] for count in manifest["records"].values()) == WRITTEN
    assert manifest["records"]["FILES"] == {"read": 4, "written": 3, "left_out": {"trash": 1}}


def test_records_of_another_account_stay_where_they_are(world: World) -> None:
    stranger = {
        "pk": {"S": "ACCOUNT#97890#FILES"},
        "sk": {"S": "000000000001#000001"},
        "name": {"S": "theirs"},
    }
    world.dynamodb.put_item(TableName=RECORDS, Item=stranger)
    world.claim()
    world.run()
    assert all(b"theirs" not in content for content in unzipped(world.archive()).values())


def test_an_account_without_any_record_is_backed_up_too() -> None:
    with a_world() as world:
        world.claim()
        world.run()
        members = unzipped(world.archive())
        assert tuple(members) == MEMBERS
        assert csv_records(members["organisation.csv"], "utf-8") == [{"id": "9789", "name": "Example & Sons"}]
        assert world.backup().state is State.READY


def test_the_state_of_the_workflow_is_ids_and_counts(world: World) -> None:
    world.claim()
    units = world.take("plan")["units"]
    result = world.take("export", unit=units[0])
    exported = {"unit": 0, "attempt": f"01KAQ4M2C2{1:016d}", "records": WRITTEN}
    assert result == exported | {"left": None}
    archive = world.take("assemble", exported=[exported])
    assert {type(value) for value in archive.values()} == {int}
    assert set(archive) == {"bytes", "records", "replaced"}
    assert world.take("ready", archive=archive) == {}


def test_two_units_make_the_members_that_one_makes() -> None:
    archives = []
    for cuts in ((), (CUT,)):
        with a_world() as world:
            world.fill(account_items())
            world.claim()
            result = world.run(*cuts)
            archives.append((unzipped(world.archive()), result["records"]))
    (one, records), (two, records_of_two) = archives
    assert {name: one[name] for name in DATA_MEMBERS} == {name: two[name] for name in DATA_MEMBERS}
    assert records == records_of_two
    counts = [json.loads(members["manifest.json"])["records"] for members in (one, two)]
    assert counts[0] == counts[1]


def test_how_far_each_unit_is_stands_on_the_record(world: World) -> None:
    world.claim()
    units = world.planned(CUT)
    first = world.export(units[0])
    assert world.backup().progress == {0: first["records"]}
    assert world.backup().units_done == {0}
    second = world.export(units[1])
    assert world.backup().records_done == first["records"] + second["records"]
    assert world.backup().units_done == {0, 1}
