"""The Lambda function as the workflow calls it."""

from __future__ import annotations

import importlib
import io
import re
import sys
from types import ModuleType
from typing import Any

import pytest

from shared.environment import SettingMissing
from tests.unit.notify.ses_line import SesLine, refuse
from tests.unit.notify.world import ACCOUNT, BACKUP, ROLE, SENDER, TAB, World

EVENT = {"account_id": ACCOUNT, "backup_id": BACKUP}
ENVIRONMENT = {
    "STACK_NAME": "account-backup",
    "TABLE_NAME": "backups",
    "BUCKET_NAME": "archives",
    "DOWNLOAD_ROLE_ARN": ROLE,
    "SENDER": SENDER,
    "PRODUCT_NAME": "ProofDesk",
    "AUDIT_TABLE_NAME": "audit",
    "AUDIT_DAYS": "1096",
    "TAB_URL": TAB,
}


class Context:
    function_name = "notify"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:notify"
    aws_request_id = "r-1"


def imported(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> ModuleType:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "functions.notify.handler", raising=False)
    return importlib.import_module("functions.notify.handler")


@pytest.fixture
def function(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ARG001
    return imported(monkeypatch, ENVIRONMENT)


def line_of(function: Any) -> SesLine:
    return SesLine(function.notice._postbox._ses)


def test_the_mail_is_sent_once_and_the_workflow_is_told(world: World, function: Any) -> None:
    world.ready()
    line = line_of(function)
    assert function.handler(EVENT, Context()) == {"mail": "sent"}
    assert function.handler(EVENT, Context()) == {"mail": "already"}
    assert len(line.taken) == 1
    link = re.search(r"X-Amz-Expires=(\d+)", line.taken[0]["Content"]["Simple"]["Body"]["Text"]["Data"])
    assert link is not None
    assert 3500 < int(link[1]) <= 3600  # less what went by since the session was opened


def test_the_workflow_is_told_that_a_deleted_backup_needs_no_mail(world: World, function: Any) -> None:
    world.deleted()
    assert function.handler(EVENT, Context()) == {"mail": "void"}


def test_silence_of_ses_is_not_filled_by_botocore(world: World, function: Any) -> None:
    world.ready()
    line = line_of(function)
    line.faults = ["lost"]
    with pytest.raises(function.MailDelayed):
        function.handler(EVENT, Context())
    assert line.calls == 1
    assert len(line.taken) == 1


def test_a_foreign_event_is_refused_and_nothing_written(
    world: World, function: Any, log: io.StringIO
) -> None:
    world.ready()
    before = world.dynamodb.scan(TableName="backups")["Items"]
    with pytest.raises(function.ForeignEvent):
        function.handler({**EVENT, "email": "eve@example.com"}, Context())
    assert world.dynamodb.scan(TableName="backups")["Items"] == before
    assert "event was refused" in log.getvalue()
    assert "eve@" not in log.getvalue()


def test_a_backup_of_another_account_is_not_told(world: World, function: Any) -> None:
    world.ready()
    with pytest.raises(function.NoOutcome):
        function.handler({**EVENT, "account_id": "1"}, Context())
    assert world.recorded() is None


def test_trouble_with_the_table_is_a_delay(world: World, function: Any, log: io.StringIO) -> None:
    world.ready()
    refuse(function.notice._store._client, "GetItem", 400, "ProvisionedThroughputExceededException")
    with pytest.raises(function.MailDelayed) as delayed:
        function.handler(EVENT, Context())
    assert delayed.value.__suppress_context__
    assert "ProvisionedThroughputExceededException" in log.getvalue()


def test_a_bug_gets_out_as_its_shape_only(world: World, function: Any, log: io.StringIO) -> None:
    backup = world.ready()
    world.dynamodb.update_item(
        TableName="backups",
        Key={"pk": {"S": f"ACCOUNT#{ACCOUNT}"}, "sk": {"S": f"BACKUP#{BACKUP}"}},
        UpdateExpression="SET expires_at = :x",
        ExpressionAttributeValues={":x": {"S": "ann@example.com"}},
    )
    with pytest.raises(function.MailBroken) as broken:
        function.handler(EVENT, Context())
    assert str(broken.value) == "ValueError"
    assert broken.value.__suppress_context__
    assert "ann@example.com" not in log.getvalue()
    assert backup.object_key not in log.getvalue()


@pytest.mark.parametrize("missing", sorted(ENVIRONMENT))
def test_a_missing_setting_is_named_at_start(
    aws: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
) -> None:
    with pytest.raises(SettingMissing, match=f"^{missing}$"):
        imported(monkeypatch, {name: value for name, value in ENVIRONMENT.items() if name != missing})
