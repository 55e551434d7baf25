"""The Lambda function as API Gateway calls it, wired by its environment."""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from shared.environment import SettingMalformed, SettingMissing
from shared.ids import is_backup_id
from tests.unit.request_backup.api_world import (
    ADDRESS,
    ADMINS,
    BUCKET,
    EXPORT_FUNCTION,
    ROLE,
    SALES,
    TABLE,
    TOKEN,
    ApiWorld,
    Context,
    claims_of,
    proxy_event,
)


def imported(monkeypatch: pytest.MonkeyPatch, world: ApiWorld, **other: str | None) -> ModuleType:
    environment = {
        "STACK_NAME": "account-backup",
        "TABLE_NAME": TABLE,
        "BUCKET_NAME": BUCKET,
        "STATE_MACHINE_ARN": world.machine,
        "DOWNLOAD_ROLE_ARN": ROLE,
        "PRODUCT_NAME": "Northwind",
        "TAB_ORIGIN": "",
        "FRAME_ANCESTORS": "'none'",
        "ADMIN_GROUP": ADMINS,
        "SALES_CONTACT": SALES,
        "HISTORY_DAYS": "730",
        "AUDIT_TABLE_NAME": "audit",
        "AUDIT_DAYS": "1096",
        "EXPORT_FUNCTION_NAME": EXPORT_FUNCTION,
    }
    for name, value in (environment | other).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "functions.request_backup.handler", raising=False)
    return importlib.import_module("functions.request_backup.handler")


def test_a_request_goes_all_the_way(world: ApiWorld, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function: Any = imported(monkeypatch, world)
    event = proxy_event("POST", "/backups", claims=claims_of(account), body="{}")
    answer = function.handler(event, Context())
    assert answer["statusCode"] == 202
    backup_id = json.loads(answer["body"])["id"]
    assert is_backup_id(backup_id)
    assert len(world.executions(backup_id)) == 1
    lines = [json.loads(line) for line in world.log.getvalue().splitlines()]
    assert {line["function_request_id"] for line in lines} == {"r-1"}
    assert not [secret for secret in (TOKEN, ADDRESS) if secret in world.log.getvalue()]


def test_botocore_s_patience_ends_before_api_gateway_s(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    function: Any = imported(monkeypatch, world)
    config = function._config
    longest = (config.connect_timeout + config.read_timeout) * config.retries["total_max_attempts"]
    assert longest < 29


@pytest.mark.parametrize(
    "name", ["TABLE_NAME", "PRODUCT_NAME", "HISTORY_DAYS", "ADMIN_GROUP", "EXPORT_FUNCTION_NAME"]
)
def test_a_missing_setting_is_named_at_start(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(SettingMissing, match=f"^{name}$"):
        imported(monkeypatch, world, **{name: None})


def test_a_malformed_setting_is_named_at_start(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingMalformed, match=r"^HISTORY_DAYS$"):
        imported(monkeypatch, world, HISTORY_DAYS="two years")
