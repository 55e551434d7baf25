"""Fault 28: a new version is deployed while an export runs: it finishes, or ends as failed and free."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from functions.export_backup.archive import SegmentDamaged
from functions.export_backup.event import ForeignEvent
from functions.export_backup.outcomes import of_error
from functions.export_backup.unit_report import UnitReport
from shared.backup import State, UnknownFormat
from tests.unit.export_backup.running_backup import ACCOUNT_ID, OTHER, OWN, World, a_world, account_items
from tests.unit.export_backup.s3_bucket import BUCKET
from tests.unit.infra.stack import workflow


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as world:
        world.fill(account_items())
        world.claim()
        yield world


def state(world: World) -> State:
    backup = world.store.find(ACCOUNT_ID, OWN)
    assert backup is not None
    return backup.state


def test_an_execution_that_began_with_the_definition_before_verify_finishes(world: World) -> None:
    """Step Functions keeps an execution on the definition it began with: from Assemble to Ready."""
    world.take("ready", archive=world.assembled())
    assert state(world) is State.READY


def test_an_execution_that_began_with_the_definition_before_units_could_go_on_finishes(world: World) -> None:
    """Its unit says neither of how many it is nor what went before; what it returns is handed on whole."""
    world.take("plan")
    unit = {"number": 0, "first_proof": None, "before_proof": None, "first": True, "last": True}
    exported = [world.take("export", unit=unit)]
    archive = world.take("assemble", exported=exported)
    assert world.take("verify", exported=exported, archive=archive)["verified"]
    world.take("ready", archive=archive)
    assert state(world) is State.READY


def test_an_execution_of_before_a_unit_could_go_on_fails_where_one_has_to(world: World) -> None:
    world.take("plan")
    unit = {"number": 0, "first_proof": None, "before_proof": None, "first": True, "last": True}
    exported = [world.take("export", unit=unit, seconds_left=1)]
    assert exported[0]["left"]
    with pytest.raises(SegmentDamaged):
        world.take("assemble", exported=exported)


REPORT_OF_FORMAT_1 = {
    "segments": [
        {"member": "users.csv", "key": "…", "bytes": 0, "compressed": 0, "crc32": 0, "etag": "…"},
    ],
    "counts": {
        "members": {"users.csv": {"rows": 1, "guarded": 0, "long_cells": 0, "replaced": {"U+1F600": 1}}},
        "tables": {"USERS": {"read": 2, "written": 1, "left_out": {"trash": 1}}},
        "resume_at": None,
    },
}
"""What a unit leaves for the assembly, which another version may take."""
ADDED_TO_A_SEGMENT = {"stored_crc32": 0}
"""Of which the versions before know nothing: they neither write nor read it."""


@pytest.mark.parametrize("version", ["this", "before stored_crc32", "before units could go on"])
def test_what_one_version_exported_another_assembles(world: World, version: str) -> None:
    """Whoever gives the report another form must be able to read this one: change the test with a reader."""
    exported = world.exported()
    (key,) = [key for key in world.bucket.stored_keys() if key.endswith("report.json")]
    report = json.loads(world.bucket.get(key))
    segment_of_format_1 = REPORT_OF_FORMAT_1["segments"][0]  # type: ignore[index]
    assert form(report["segments"][0]) == form(segment_of_format_1 | ADDED_TO_A_SEGMENT)
    if version == "before stored_crc32":
        for segment in report["segments"]:
            del segment["stored_crc32"]
    if version == "before units could go on":
        report = {name: report[name] for name in REPORT_OF_FORMAT_1}
    world.bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(report).encode())
    assert form(report["counts"]["members"]["users.csv"]) == form(
        REPORT_OF_FORMAT_1["counts"]["members"]["users.csv"]  # type: ignore[index]
    )
    UnitReport.from_json(REPORT_OF_FORMAT_1["counts"])  # type: ignore[arg-type]
    archive = world.take("assemble", exported=exported)
    assert world.take("verify", exported=exported, archive=archive)["verified"]


def form(document: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in document.items()}


def test_a_report_of_another_form_ends_the_backup_and_damages_nothing(world: World) -> None:
    exported = world.exported()
    (key,) = [key for key in world.bucket.stored_keys() if key.endswith("report.json")]
    report = json.loads(world.bucket.get(key)) | {"counts": {"format": 2}}
    world.bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(report).encode())
    with pytest.raises(Exception, match=r"report\.json") as unread:
        world.take("assemble", exported=exported)
    outcome, _ = of_error(unread.value)
    assert type(outcome).__name__ not in retried()
    world.take("fail", error=type(outcome).__name__)
    assert state(world) is State.FAILED


def test_a_step_that_the_deployed_version_does_not_know_is_refused_and_frees_the_account(
    world: World,
) -> None:
    """Back to an older version in the middle of a run."""
    with pytest.raises(ForeignEvent):
        world.take("export", unit={"number": 0, "form": "new"})
    world.take("fail", error="ForeignEvent")
    assert state(world) is State.FAILED
    assert world.store.running(ACCOUNT_ID) is None


def test_a_record_of_a_newer_version_is_left_as_it_is(world: World) -> None:
    record = world.record("PENDING")
    assert record is not None
    record["format"] = {"N": "99"}
    world.dynamodb.put_item(TableName="backups", Item=record)
    payload: dict[str, Any] = {
        "unit": {"number": 0, "first_proof": None, "before_proof": None, "first": True, "last": True},
        "exported": [{"unit": 0, "attempt": OTHER, "records": 7}],
        "archive": {"bytes": 1000, "records": 7, "replaced": 1},
    }
    for step in ("export", "assemble", "verify", "ready", "fail"):
        with pytest.raises(UnknownFormat):
            world.take(step, **payload)
    assert world.record("PENDING") == record


def retried() -> set[str]:
    return {error for rule in workflow()["States"]["Assemble"]["Retry"] for error in rule["ErrorEquals"]}
