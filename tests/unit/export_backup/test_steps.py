"""The steps in the workflow's order: what is in the bucket and in the tables after each, and after faults."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from functions.export_backup.archive import ArchiveMissing
from functions.export_backup.catalogue import DATA_MEMBERS, MEMBERS, TABLES
from functions.export_backup.contents import UnitsApart
from functions.export_backup.progress import SECOND
from functions.export_backup.source import SourceRefused, SourceUnavailable
from shared.backup import Backup, Failure, Reason, State
from shared.store import Superseded
from tests.reading import csv_records, undo, xml_root
from tests.unit.export_backup.running_backup import (
    ACCOUNT_ID,
    OTHER,
    OWN,
    RECORDS,
    RETENTION,
    WHOLE,
    WRITTEN,
    SlowSource,
    World,
    a_world,
    account_items,
)
from tests.unit.export_backup.s3_bucket import BUCKET

ARCHIVE = {"bytes": 1000, "records": 7, "replaced": 1}
CUT = "000000000002"


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as world:
        world.fill(account_items())
        yield world


def unzipped(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def ended(world: World, backup_id: str = OWN) -> Backup:
    found = world.store.find(ACCOUNT_ID, backup_id)
    assert found is not None
    return found


# --- the way to ready ---


def test_plan_says_what_units_there_are_and_that_the_backup_runs(world: World) -> None:
    world.claim()
    assert world.take("plan") == {"units": [WHOLE], "concurrency": 8, "many": False}
    assert ended(world).state is State.RUNNING
    assert ended(world).units == 1


def test_plan_export_assemble_ready_makes_a_ready_backup(world: World) -> None:
    claimed = world.claim()
    archive = world.run()
    backup = ended(world)
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
    expires_at = ended(world).expires_at
    assert expires_at is not None
    assert abs(expires_at - (uploaded + RETENTION)) < timedelta(minutes=1)


def test_without_the_archive_in_the_bucket_nothing_is_ready(world: World) -> None:
    world.claim()
    world.take("plan")
    with pytest.raises(ArchiveMissing):
        world.take("ready", archive=ARCHIVE)
    assert ended(world).state is State.RUNNING


def test_an_archive_of_another_size_is_not_the_one_that_was_assembled(world: World) -> None:
    world.claim()
    archive = world.assembled()
    with pytest.raises(ArchiveMissing):
        world.take("ready", archive=archive | {"bytes": archive["bytes"] - 1})
    assert ended(world).state is State.RUNNING


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
    assert sum(sum(file["replaced"].values()) for file in manifest["files"]) == ended(world).replaced == 9


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
        assert ended(world).state is State.READY


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
    assert ended(world).progress == {0: first["records"]}
    assert ended(world).units_done == {0}
    second = world.export(units[1])
    assert ended(world).records_done == first["records"] + second["records"]
    assert ended(world).units_done == {0, 1}


# --- again, and late ---


def test_a_late_attempt_at_a_unit_leaves_the_archive_untouched(world: World) -> None:
    """Faults 10 and 11: the attempt that the workflow gave up lives on."""
    world.claim()
    units = world.take("plan")["units"]
    counted = world.export(units[0])
    before = {key: world.bucket.get(key) for key in world.bucket.stored_keys()}
    world.fill(account_items(note="changed since "))
    late = world.export(units[0])
    assert late["attempt"] != counted["attempt"]
    assert {key: world.bucket.get(key) for key in before} == before
    archive = world.take("assemble", exported=[counted])
    published = world.archive()
    world.take("export", unit=units[0])
    assert world.archive() == published
    world.take("ready", archive=archive)
    with pytest.raises(Superseded):
        world.take("export", unit=units[0])
    assert world.archive() == published
    assert b"changed since" not in unzipped(published)["users.csv"]


def test_assembling_again_after_a_lost_answer_finds_its_own_archive(world: World) -> None:
    """Faults 10 and 18."""
    world.claim()
    exported = world.exported()
    first = world.take("assemble", exported=exported)
    published = world.archive()
    world.now += timedelta(minutes=3)
    assert world.take("assemble", exported=exported) == first
    assert world.archive() == published
    assert world.bucket.open_uploads() == []


def test_ready_again_after_a_lost_answer_changes_nothing(world: World) -> None:
    world.claim()
    world.run()
    record = world.record(f"BACKUP#{OWN}")
    world.now += timedelta(minutes=3)
    assert world.take("ready", archive=ARCHIVE) == {}
    assert world.record(f"BACKUP#{OWN}") == record


def test_ready_again_while_the_next_backup_runs_leaves_that_one_alone(world: World) -> None:
    world.claim()
    world.run()
    world.claim(OTHER)
    lock = world.record("PENDING")
    assert world.take("ready", archive=ARCHIVE) == {}
    assert world.record("PENDING") == lock


def test_ready_after_failed_is_too_late(world: World) -> None:
    world.claim()
    world.take("fail", error="States.Timeout")
    record = world.record(f"BACKUP#{OWN}")
    with pytest.raises(Superseded):
        world.take("ready", archive=ARCHIVE)
    assert world.record(f"BACKUP#{OWN}") == record


PAYLOADS: dict[str, dict[str, Any]] = {
    "plan": {},
    "export": {"unit": WHOLE},
    "assemble": {"exported": [{"unit": 0, "attempt": OTHER, "records": 7}]},
    "verify": {"exported": [{"unit": 0, "attempt": OTHER, "records": 7}], "archive": ARCHIVE},
    "ready": {"archive": ARCHIVE},
    "fail": {"error": "States.Timeout"},
}


@pytest.mark.parametrize("step", PAYLOADS)
@pytest.mark.parametrize("running", [OTHER, None], ids=["another_runs", "none_runs"])
def test_a_step_of_an_overtaken_backup_stops_and_writes_nothing(
    world: World, step: str, running: str | None
) -> None:
    """Faults 11 and 16."""
    world.claim()
    if running is None:
        world.free()
    else:
        world.overtake()
    lock = world.record("PENDING")
    before = world.writes()
    with pytest.raises(Superseded):
        world.take(step, **PAYLOADS[step])
    written = world.writes() - before
    assert set(written) <= {"UpdateItem", "TransactWriteItems"}  # refused by their conditions
    assert world.record("PENDING") == lock
    assert world.bucket.stored_keys() == []
    assert world.store.history(ACCOUNT_ID, limit=9) == []
    if step != "plan":
        assert written == Counter()


@pytest.mark.parametrize("step", PAYLOADS)
def test_a_step_that_is_taken_again_after_its_backup_failed_changes_nothing(world: World, step: str) -> None:
    world.claim()
    world.take("fail", error="Oops")
    record = world.record(f"BACKUP#{OWN}")
    if step == "fail":
        world.take(step, **PAYLOADS[step])
    else:
        with pytest.raises(Superseded):
            world.take(step, **PAYLOADS[step])
    assert world.record(f"BACKUP#{OWN}") == record
    assert world.record("PENDING") is None
    assert world.bucket.stored_keys() == []


def test_an_export_stops_within_a_second_of_losing_the_lock(world: World) -> None:
    """Fault 11."""
    world.fill(account_items(proofs=30))
    world.claim()
    world.take("plan")
    taken_at = 20
    pages = []

    def on_page(number: int) -> None:
        pages.append(number)
        world.now += SECOND / 4
        if number == taken_at:
            world.overtake()

    steps = world.steps_with(lambda account: SlowSource(world.dynamodb, RECORDS, account, on_page))
    with pytest.raises(Superseded):
        world.take("export", steps=steps, unit=WHOLE)
    assert taken_at <= pages[-1] <= taken_at + 4  # four pages a second
    assert world.bucket.stored_keys() == []
    assert world.bucket.open_uploads() == []


def test_an_export_says_how_far_it_is_once_a_second_and_at_its_end(world: World) -> None:
    world.claim()
    world.take("plan")
    before = world.calls["UpdateItem"]

    def on_page(_: int) -> None:
        world.now += SECOND / 5

    steps = world.steps_with(lambda account: SlowSource(world.dynamodb, RECORDS, account, on_page))
    world.take("export", steps=steps, unit=WHOLE)
    pages = WRITTEN + 4
    # At once, then every fifth page; the last is that it is done.
    assert world.calls["UpdateItem"] - before == 1 + (pages - 1) // 5 + 1


def test_an_export_that_lost_the_lock_on_its_last_page_does_not_say_that_it_is_done(world: World) -> None:
    world.claim()
    world.take("plan")
    world.bucket.before("PutObject", world.overtake)
    with pytest.raises(Superseded):
        world.take("export", unit=WHOLE)
    assert ended(world, OTHER).units_done == frozenset()


# --- failing ---


def test_failing_frees_the_account_and_says_why(world: World) -> None:
    world.claim()
    world.store.note_failure(ACCOUNT_ID, OWN, Failure(Reason.SOURCE_REFUSED, "COMMENTS"))
    assert world.take("fail", error="SourceRefused") == {}
    backup = ended(world)
    assert backup.state is State.FAILED
    assert backup.failure == Failure(Reason.SOURCE_REFUSED, "COMMENTS")
    assert backup.finished_at == world.now
    assert backup.expires_at is None
    assert world.store.running(ACCOUNT_ID) is None


@pytest.mark.parametrize(
    "error", ["States.Timeout", "Sandbox.Timedout", "Lambda.ClientExecutionTimeoutException"]
)
def test_a_step_that_ran_out_of_time_is_said_to_have(world: World, error: str) -> None:
    """Fault 10, once the retries are used up."""
    world.claim()
    world.take("fail", error=error)
    assert ended(world).failure == Failure(Reason.TIMED_OUT)


@pytest.mark.parametrize(
    "payload", [{"error": "Runtime.ExitError"}, {"error": "Nonsense"}, {}, {"error": None}]
)
def test_any_other_end_is_internal_and_quotes_nothing_of_what_it_was_sent(
    world: World, payload: dict[str, Any]
) -> None:
    world.claim()
    world.take("fail", **payload)
    assert ended(world).failure == Failure(Reason.INTERNAL)


def test_a_reason_that_a_later_attempt_made_good_is_not_the_reason(world: World) -> None:
    world.claim()
    unit = world.take("plan")["units"][0]
    world.store.note_failure(ACCOUNT_ID, OWN, Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS"))
    world.take("export", unit=unit)  # the retry: all is read
    world.take("fail", error="States.Timeout")  # assembling was too slow
    assert ended(world).failure == Failure(Reason.TIMED_OUT)


def test_failing_again_changes_nothing(world: World) -> None:
    world.claim()
    world.take("fail", error="States.Timeout")
    record = world.record(f"BACKUP#{OWN}")
    world.now += timedelta(minutes=1)
    assert world.take("fail", error="Oops") == {}
    assert world.record(f"BACKUP#{OWN}") == record


def test_failing_a_ready_backup_leaves_it_ready(world: World) -> None:
    world.claim()
    world.run()
    record = world.record(f"BACKUP#{OWN}")
    assert world.take("fail", error="States.Timeout") == {}
    assert world.record(f"BACKUP#{OWN}") == record


def test_ready_wins_over_a_failing_that_looked_a_moment_before(world: World) -> None:
    world.claim()
    archive = world.assembled()
    world.before["TransactWriteItems"] = lambda: world.take("ready", archive=archive)
    with pytest.raises(Superseded):
        world.take("fail", error="States.Timeout")
    assert ended(world).state is State.READY


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("ThrottlingException", SourceUnavailable), ("AccessDeniedException", SourceRefused)],
)
def test_a_source_that_fails_in_whatever_table_leaves_no_archive_and_the_failure_names_the_table(
    world: World, code: str, outcome: type[SourceUnavailable | SourceRefused]
) -> None:
    """Fault 20."""
    world.claim()
    world.take("plan")
    for table in TABLES:
        world.refused = {f"Query:{table.name}": (code, 400)}
        with pytest.raises(outcome) as failure:
            world.take("export", unit=WHOLE)
        assert isinstance(failure.value, SourceUnavailable | SourceRefused)
        assert failure.value.table == table.name
        assert world.bucket.stored_keys() == []
        assert world.bucket.open_uploads() == []
        assert ended(world).state is State.RUNNING
        assert ended(world).units_done == frozenset()


def test_a_part_that_was_not_exported_is_missed(world: World) -> None:
    world.claim()
    units = world.planned(CUT)
    first = world.export(units[0])
    with pytest.raises(UnitsApart):
        world.take("assemble", exported=[first])
    assert not [key for key in world.bucket.stored_keys() if key.startswith("backups/")]


# --- orders ---


@pytest.mark.parametrize("order", list(permutations(["assemble", "ready", "fail"])))
def test_in_whatever_order_late_steps_come_the_first_end_is_the_end(
    world: World, order: tuple[str, ...]
) -> None:
    world.claim()
    exported = world.exported()
    archive = world.take("assemble", exported=exported)
    payloads = PAYLOADS | {"assemble": {"exported": exported}, "ready": {"archive": archive}}
    end: dict[str, Any] | None = None
    for step in order:
        try:
            world.take(step, **payloads[step])
        except Superseded:
            assert end is not None
        if end is None:
            end = world.record(f"BACKUP#{OWN}")
        assert world.record(f"BACKUP#{OWN}") == end
    first_end = next(step for step in order if step in {"ready", "fail"})
    assert ended(world).state is {"ready": State.READY, "fail": State.FAILED}[first_end]
