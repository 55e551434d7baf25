"""The runbook can be followed: what it names is there, and what is to be pasted works."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name

from functions.request_backup.problems import BY_REFUSAL
from shared import metrics
from shared.backup import Reason
from shared.metrics import Metric
from tests.doubles import aws_in_process, make_table
from tests.unit.infra.stack import ROOT, of_type, operations, translated, written
from tests.unit.operations.runbook import PAGES, RUNBOOK, aws_calls, links, sections, shell_blocks

# Of the CLI itself, not of a service.
GLOBAL = {"--query", "--output", "--region", "--cli-binary-format"}
# The CLI's own names, where those of the API are options of its own.
RENAMED = {("sns", "subscribe"): {"--endpoint": "--notification-endpoint"}}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_or_a_section_that_is_there(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in sections(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_call_of_the_aws_cli_is_one_that_it_takes(page: Path) -> None:
    for words in aws_calls(page):
        service, operation, *more = words
        if service == "s3":  # the CLI's own commands for files
            assert operation in {"rb", "cp", "ls", "rm"}, words
            continue
        if operation == "wait":
            assert (service, more[0]) == ("dynamodb", "table-exists")
            operation = "describe-table"
        required, known = options_of(service, operation)
        given = {word for word in more if word.startswith("--")} - GLOBAL
        assert given <= known, words
        assert required <= given or more[-1] == "…", words


def options_of(service: str, operation: str) -> tuple[set[str], set[str]]:
    """The options that a call must have, and those that it may."""
    model: Any = botocore.session.get_session().get_service_model(service)
    name = {xform_name(one, "-"): one for one in model.operation_names}[operation]
    shape = model.operation_model(name).input_shape
    known = {f"--{xform_name(member, '-')}" for member in (shape.members if shape else ())}
    required = {f"--{xform_name(member, '-')}" for member in (shape.required_members if shape else ())}
    for theirs, ours in RENAMED.get((service, operation), {}).items():
        known = (known - {theirs}) | {ours}
    return required, known | {option.replace("--", "--no-", 1) for option in known}


def test_the_runbook_has_calls_to_look_at() -> None:
    assert len(aws_calls(RUNBOOK)) > 30


def test_what_is_looked_up_in_the_stack_is_there() -> None:
    text = RUNBOOK.read_text()
    resources = set(translated()["Resources"]) | set(operations()["Resources"])
    looked_up = set(re.findall(r"\bres (\w+)", text))
    assert looked_up
    assert looked_up <= resources
    assert set(re.findall(r"\bout (\w+)", text)) <= set(written()["Outputs"])


def test_every_reason_of_a_failure_has_a_remedy() -> None:
    table = sections(RUNBOOK)["a-backup-failed"]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE))))
    assert named == {reason.value for reason in Reason}


MISSED = {Reason.OTHER_RUNNING, Reason.PLAN_CHANGED}
"""Reasons of what was not even begun."""


def test_the_section_on_cost_counts_alarms_and_metrics_right() -> None:
    cost = sections(RUNBOOK)["what-watching-costs"]
    assert len(of_type(operations(), "AWS::CloudWatch::Alarm")) == 11
    assert cost.strip().startswith("Eleven alarms")
    values = {
        "reason": {
            metrics.REFUSED: len(BY_REFUSAL),
            metrics.FAILED: len(Reason) - len(MISSED),
            metrics.MISSED: len(MISSED),
        },
        "outcome": {metrics.MAILS: 5},
    }
    most = 0
    for metric in [one for one in vars(metrics).values() if isinstance(one, Metric)]:
        most += (values[metric.by][metric] if metric.by else 0) + (metric.in_all or not metric.by)
    assert f"{most} at the very most" in cost


def test_what_is_kept_after_the_stack_is_what_the_runbook_lists() -> None:
    kept = {
        name
        for name, resource in translated()["Resources"].items()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    rows = re.findall(r"^\| (`[^|]+)\|", sections(RUNBOOK)["removing-everything"], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", "".join(rows))) == kept


def test_what_is_missing_in_the_table_is_copied_back_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (block,) = [one for one in shell_blocks(RUNBOOK) if "PYTHON" in one]
    program = re.search(r"<<'PYTHON'\n(.*?)^PYTHON$", block, re.MULTILINE | re.DOTALL)
    assert program
    with aws_in_process():
        dynamodb: Any = boto3.client("dynamodb")
        for table in ("restored", "backups"):
            make_table(dynamodb, table)

        def put(table: str, sk: str, state: str) -> None:
            item = {"pk": {"S": "ACCOUNT#1"}, "sk": {"S": sk}, "state": {"S": state}}
            dynamodb.put_item(TableName=table, Item=item)

        put("restored", "BACKUP#1", "ready")
        put("restored", "BACKUP#2", "ready")
        put("restored", "PENDING", "running")
        put("backups", "BACKUP#2", "deleted")
        monkeypatch.setattr(sys, "argv", ["-", "restored", "backups"])
        exec(program[1], {})  # noqa: S102  it is ours, out of the runbook
        found = dynamodb.scan(TableName="backups")["Items"]
    assert {item["sk"]["S"]: item["state"]["S"] for item in found} == {
        "BACKUP#1": "ready",
        "BACKUP#2": "deleted",
    }


def test_no_page_of_the_docs_is_left_out_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [
        page.name for page in PAGES if page.name != "README.md" and f"docs/{page.name}" not in readme
    ] == []
