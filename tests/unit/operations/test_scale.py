"""docs/scale.md says what a backup costs; here is what it calls, and that the page says what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.client import BaseClient

from bench import cost
from tests.unit.infra.stack import ROOT, workflow
from tests.unit.operations.whole_service import WholeService, whole_service

PAGE = ROOT / "docs" / "scale.md"
PUTS = {
    "PutObject",
    "CopyObject",
    "UploadPart",
    "UploadPartCopy",
    "CreateMultipartUpload",
    "CompleteMultipartUpload",
    "ListObjectsV2",
    "ListMultipartUploads",
    "ListParts",
}
GETS = {"GetObject", "HeadObject"}


@pytest.fixture
def service() -> Iterator[WholeService]:
    with whole_service() as service:
        yield service


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """What is called of AWS meanwhile, in the units of cost.CALLS; deleting from S3 is free."""
    counts: Counter[str] = Counter()
    make: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

    def count(client: Any, operation: str, arguments: Any) -> Any:
        match client.meta.service_model.service_name, operation:
            case "dynamodb", "GetItem" | "Query":
                counts["reads of records"] += 1
            case "dynamodb", "PutItem" | "UpdateItem" | "DeleteItem":
                counts["writes of records"] += 2  # itself, and its lease in the index
            case "dynamodb", "TransactWriteItems":
                counts["writes of records"] += 2 * len(arguments["TransactItems"]) + 1
            case "s3", name if name in PUTS:
                counts["objects written"] += 1
            case "s3", name if name in GETS:
                counts["objects read"] += 1
        return make(client, operation, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", count)
        yield counts


def test_a_backup_calls_what_the_page_counts_on(service: WholeService) -> None:
    account = service.account()
    with counted() as once:
        backup = service.request(account)
        ids = account, backup
        plan = service.step("plan", *ids)
        once["Lambda invocations"] += 2
    with counted() as a_unit:
        exported = [service.step("export", *ids, unit=unit) for unit in plan["units"]]
        a_unit["Lambda invocations"] += len(exported)
    assert len(exported) == 1
    with counted() as rest:
        archive = service.step("assemble", *ids, exported=exported)
        service.step("verify", *ids, exported=exported, archive=archive)
        service.step("ready", *ids, archive=archive)
        service.tell(*ids)
        rest["Lambda invocations"] += 4
    together = once + a_unit + rest
    for what in (
        "Lambda invocations",
        "reads of records",
        "writes of records",
        "objects written",
        "objects read",
    ):
        calls = cost.CALLS[what]
        assert together[what] == pytest.approx(calls.once + calls.a_unit, abs=1), what
        assert a_unit[what] <= calls.a_unit, what


def test_the_workflow_has_as_many_transitions_as_the_page_counts_on() -> None:
    """One for each state that an execution enters; of a unit in a child execution its start and its end too.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-states.html"""
    states = workflow()["States"]
    well = [
        "Plan",
        "How many units?",
        "Export units",
        "Assemble",
        "Verify",
        "Ready",
        "Tell that it is ready",
        "Done",
    ]
    assert set(well) <= set(states)
    calls = cost.CALLS["state transitions"]
    assert calls.once == len(well) + 1  # the start
    unit = states["Export many units"]["ItemProcessor"]["States"]
    assert calls.a_unit == len(unit) + 2


def test_the_page_says_what_comes_of_it() -> None:
    assert cost.table() in PAGE.read_text()
