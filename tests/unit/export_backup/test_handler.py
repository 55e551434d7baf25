"""The Lambda entry: what Step Functions sees of a failure, what log and record keep, and what nobody sees."""

from __future__ import annotations

import importlib
import io
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.export_backup.archive import ArchiveKeyTaken, ArchiveMissing, SegmentDamaged, SegmentMissing
from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.event import ForeignEvent
from functions.export_backup.outcomes import RecordsUnavailable, StepBroken
from functions.export_backup.source import SourceRefused, SourceUnavailable
from functions.export_backup.unit_report import RecordsUnaccounted
from functions.export_backup.verification import ArchiveDamaged
from shared.backup import Backup, Failure, Reason, State
from shared.environment import SettingMissing
from shared.logs import get_logger
from shared.store import Superseded
from tests.faults import Line
from tests.unit.export_backup.running_backup import (
    ACCOUNT_ID,
    BACKUPS,
    OTHER,
    OWN,
    RECORDS,
    SECRET,
    WHOLE,
    World,
    a_world,
    account_items,
)
from tests.unit.export_backup.s3_bucket import BUCKET

ENVIRONMENT = {
    "STACK_NAME": "account-backup",
    "TABLE_NAME": BACKUPS,
    "SOURCE_TABLE_NAME": RECORDS,
    "BUCKET_NAME": BUCKET,
    "RETENTION_DAYS": "14",
    "HISTORY_DAYS": "730",
    "AUDIT_TABLE_NAME": "audit",
    "AUDIT_DAYS": "1096",
    "EXPORT_CONCURRENCY": "8",
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_DEV": "false",
}
OUTCOMES = (
    Superseded,
    ForeignEvent,
    SourceUnavailable,
    SourceRefused,
    BucketUnavailable,
    BucketRefused,
    RecordsUnavailable,
    SegmentMissing,
    SegmentDamaged,
    ArchiveKeyTaken,
    ArchiveMissing,
    ArchiveDamaged,
    RecordsUnaccounted,
    StepBroken,
)


class Context:
    function_name = "export"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn"
    aws_request_id = "request"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 890_000


@dataclass
class Entry:
    """The handler, imported as Lambda does, on the world's tables and bucket."""

    world: World
    module: Any
    lines: io.StringIO

    def __call__(self, step: str, backup_id: str = OWN, **payload: Any) -> Any:
        event = {"step": step, "account_id": ACCOUNT_ID, "backup_id": backup_id, **payload}
        return self.module.handler(event, Context())

    def fails(self, step: str, **payload: Any) -> Exception:
        with pytest.raises(OUTCOMES) as failure:
            self(step, **payload)
        assert type(failure.value) in OUTCOMES, "Step Functions sees this class and none of its bases"
        # What Lambda prints and returns of it.
        assert SECRET not in "".join(traceback.format_exception(failure.value))
        assert failure.value.__suppress_context__ or failure.value.__context__ is None
        return failure.value

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]

    @property
    def backup(self) -> Backup:
        found = self.world.store.find(ACCOUNT_ID, OWN)
        assert found is not None
        return found


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Entry]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    lines = io.StringIO()
    logger = get_logger("export_backup")
    stream = logging.StreamHandler(lines)
    stream.setFormatter(logger.registered_formatter)
    with a_world() as world:
        # As if people had put it everywhere.
        world.fill(account_items(note=f"{SECRET} "))
        sys.modules.pop("functions.export_backup.handler", None)
        module = importlib.import_module("functions.export_backup.handler")
        for client in (module.dynamodb, module.records):
            client.meta.events.register(
                "before-parameter-build.dynamodb", lambda params, model, **_: world._asked(model, params)
            )
        logger.addHandler(stream)
        yield Entry(world, module, lines)
        logging.getLogger(logger.name).removeHandler(stream)
        sys.modules.pop("functions.export_backup.handler", None)
        assert SECRET not in lines.getvalue()


@pytest.mark.parametrize("missing", ["TABLE_NAME", "BUCKET_NAME", "EXPORT_CONCURRENCY"])
def test_without_a_setting_it_does_not_start_and_names_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    sys.modules.pop("functions.export_backup.handler", None)
    with pytest.raises(SettingMissing, match=missing):
        importlib.import_module("functions.export_backup.handler")


def test_the_steps_of_the_workflow_make_a_ready_backup_and_say_no_word_of_its_data(entry: Entry) -> None:
    entry.world.claim()
    plan = entry("plan")
    exported = [entry("export", unit=unit) for unit in plan["units"]]
    archive = entry("assemble", exported=exported)
    verified = entry("verify", exported=exported, archive=archive)
    assert entry("ready", archive=archive) == {}
    assert entry.backup.state is State.READY
    assert SECRET not in json.dumps([plan, exported, archive, verified])
    assert [line["message"] for line in entry.log] == ["step taken"] * 5
    assert [line["step"] for line in entry.log] == ["plan", "export", "assemble", "verify", "ready"]
    assert {(line["account_id"], line["backup_id"]) for line in entry.log} == {(ACCOUNT_ID, OWN)}


@pytest.mark.parametrize(
    ("refusal", "outcome", "failure"),
    [
        (("ThrottlingException", 400), SourceUnavailable, Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS")),
        (("InternalServerError", 500), SourceUnavailable, Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS")),
        (("AccessDeniedException", 400), SourceRefused, Failure(Reason.SOURCE_REFUSED, "COMMENTS")),
        (("ValidationException", 400), StepBroken, Failure(Reason.INTERNAL, "ClientError")),
    ],
)
def test_a_source_that_fails_in_table_five_of_seven_is_named_by_the_failed_backup(
    entry: Entry, refusal: tuple[str, int], outcome: type[Exception], failure: Failure
) -> None:
    """Fault 20, to the end: the record names the table."""
    entry.world.claim()
    entry("plan")
    entry.world.refused["Query:COMMENTS"] = refusal
    error = entry.fails("export", unit=WHOLE)
    assert type(error) is outcome
    assert entry.world.bucket.stored_keys() == []
    assert entry.world.bucket.open_uploads() == []
    entry.world.refused.clear()
    entry("fail", error=outcome.__name__)
    assert entry.backup.state is State.FAILED
    assert entry.backup.failure == failure


def test_what_s3_refuses_four_times_is_sent_a_fifth_time(entry: Entry) -> None:
    """Fault 17, before the workflow hears of it."""
    entry.world.claim()
    (unit,) = entry("plan")["units"]
    line = Line(entry.module.steps._export._s3)
    line.refuse("PutObject", 503, "SlowDown", times=4)
    entry("export", unit=unit)
    assert line.calls["PutObject"] == line.answered["PutObject"] + 4


def test_a_records_table_that_does_not_answer_is_tried_again(entry: Entry) -> None:
    entry.world.claim()
    entry.world.refused["UpdateItem"] = ("ProvisionedThroughputExceededException", 400)
    assert type(entry.fails("plan")) is RecordsUnavailable


def test_a_records_table_that_refuses_is_not(entry: Entry) -> None:
    entry.world.claim()
    entry.world.refused["UpdateItem"] = ("AccessDeniedException", 400)
    assert type(entry.fails("plan")) is StepBroken


def test_a_segment_that_is_gone_damages_the_archive(entry: Entry) -> None:
    entry.world.claim()
    exported = [entry("export", unit=unit) for unit in entry("plan")["units"]]
    for key in entry.world.bucket.stored_keys():
        if key.endswith("comments.csv.deflate"):
            entry.world.bucket.s3.delete_object(Bucket=BUCKET, Key=key)
    assert type(entry.fails("assemble", exported=exported)) is SegmentMissing
    assert entry.backup.failure == Failure(Reason.ARCHIVE_DAMAGED, "comments.csv")
    assert not [key for key in entry.world.bucket.stored_keys() if key.startswith("backups/")]


def test_a_foreign_object_at_the_archives_key_is_left_alone(entry: Entry) -> None:
    backup = entry.world.claim()
    exported = [entry("export", unit=unit) for unit in entry("plan")["units"]]
    entry.world.bucket.s3.put_object(Bucket=BUCKET, Key=backup.object_key, Body=b"theirs")
    assert type(entry.fails("assemble", exported=exported)) is ArchiveKeyTaken
    assert entry.world.bucket.get(backup.object_key) == b"theirs"


def test_an_exception_that_quotes_data_gets_out_as_its_class_alone(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_step: object, _seconds_left: float) -> dict[str, object]:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"row {SECRET}") from error

    entry.world.claim()
    monkeypatch.setattr(entry.module.steps, "take", explode)
    error = entry.fails("plan")
    assert type(error) is StepBroken
    assert str(error) == "ValueError"
    (line,) = entry.log
    assert [shape.split(" at ")[0] for shape in line["error"]] == ["ValueError", "KeyError"]
    assert entry.backup.failure == Failure(Reason.INTERNAL, "ValueError")


@pytest.mark.parametrize("error", [SourceUnavailable("FILES"), BucketUnavailable("copying part 3: SlowDown")])
def test_a_reason_that_cannot_be_noted_does_not_hide_what_went_wrong(
    entry: Entry, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def explode(_step: object, _seconds_left: float) -> dict[str, object]:
        raise error

    entry.world.claim()
    monkeypatch.setattr(entry.module.steps, "take", explode)
    entry.world.refused["UpdateItem"] = ("InternalServerError", 500)
    assert entry.fails("export", unit=WHOLE) is error
    assert [line["message"] for line in entry.log] == ["step failed", "reason not noted"]


def test_an_overtaken_step_is_no_fault_and_leaves_no_reason(entry: Entry) -> None:
    entry.world.claim()
    entry.world.overtake()
    lock = entry.world.record("PENDING")
    assert type(entry.fails("export", unit=WHOLE)) is Superseded
    assert entry.world.record("PENDING") == lock
    assert [line["level"] for line in entry.log] == ["INFO"]


def test_a_cleaning_that_fails_is_raised_for_lambda_to_repeat_and_logged_once(entry: Entry) -> None:
    entry.world.claim()
    entry("plan")
    entry.world.cancel()
    record = entry.world.record(f"BACKUP#{OWN}")
    entry.world.refused["GetItem"] = ("InternalServerError", 500)
    assert type(entry.fails("clean")) is RecordsUnavailable
    entry.world.refused.clear()
    entry.lines.truncate(0)
    entry.lines.seek(0)
    assert entry("clean") == {}
    assert [line["message"] for line in entry.log] == ["step taken"]
    assert entry.world.record(f"BACKUP#{OWN}") == record


def test_a_reason_for_a_backup_that_has_ended_is_not_missed(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_step: object, _seconds_left: float) -> dict[str, object]:
        raise BucketUnavailable("deleting leftovers: SlowDown")

    entry.world.claim()
    entry.world.cancel()
    monkeypatch.setattr(entry.module.steps, "take", explode)
    assert type(entry.fails("clean")) is BucketUnavailable
    assert [(line["level"], line["message"]) for line in entry.log] == [("ERROR", "step failed")]


FOREIGN: list[Any] = [
    {},
    [],
    None,
    "plan",
    {"step": "plan"},
    {"step": "erase", "account_id": ACCOUNT_ID, "backup_id": OWN},
    {"step": "plan", "account_id": SECRET, "backup_id": OWN},
    {"step": "plan", "account_id": ACCOUNT_ID, "backup_id": f"../{SECRET}"},
    {"step": "export", "account_id": ACCOUNT_ID, "backup_id": OWN},
    {"step": "export", "account_id": ACCOUNT_ID, "backup_id": OWN, "unit": {"number": SECRET}},
    {
        "step": "assemble",
        "account_id": ACCOUNT_ID,
        "backup_id": OWN,
        "exported": [{"attempt": f"../{SECRET}"}],
    },
    {"step": "ready", "account_id": ACCOUNT_ID, "backup_id": OWN, "archive": {"bytes": SECRET}},
]


def test_a_foreign_event_is_refused_and_nothing_is_written(entry: Entry) -> None:
    entry.world.claim()
    lock = entry.world.record("PENDING")
    changed = []
    for event in FOREIGN:
        with pytest.raises(ForeignEvent) as refusal:
            entry.module.handler(event, Context())
        assert SECRET not in str(refusal.value)
        if entry.world.record("PENDING") != lock:
            changed.append(event)
            entry.world.free()
            entry.world.dynamodb.put_item(TableName=BACKUPS, Item=lock or {})
    assert changed == []
    assert entry.world.bucket.stored_keys() == []


def test_one_that_corrupts_what_a_step_is_sent_does_no_harm(entry: Entry) -> None:
    entry.world.claim()
    lock = entry.world.record("PENDING")
    values = (
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.none(), max_size=2)
    )

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.sampled_from(["export", "assemble", "verify", "ready"]),
        st.fixed_dictionaries({}, optional=dict.fromkeys(["unit", "exported", "archive", "error"], values)),
    )
    def corrupted(step: str, payload: dict[str, Any]) -> None:
        assert isinstance(entry.fails(step, **payload), ForeignEvent)

    corrupted()
    assert entry.world.bucket.stored_keys() == []
    now = entry.world.record("PENDING")
    assert now is not None
    now.pop("failure", None)  # the test above is about it
    assert now == lock


def test_a_failing_of_another_accounts_backup_finds_nothing(entry: Entry) -> None:
    entry.world.claim()
    event = {"step": "fail", "account_id": "97890", "backup_id": OWN, "error": "States.Timeout"}
    with pytest.raises(Superseded):
        entry.module.handler(event, Context())
    assert entry.backup.state is State.PENDING


def test_of_an_earlier_call_nothing_stands_in_the_log_of_the_next(entry: Entry) -> None:
    entry.world.claim()
    entry("plan")
    with pytest.raises(ForeignEvent):
        entry.module.handler({}, Context())
    assert entry.log[-1]["message"] == "event refused"
    assert "backup_id" not in entry.log[-1]
    assert OTHER not in entry.lines.getvalue()
