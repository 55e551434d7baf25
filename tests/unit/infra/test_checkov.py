"""What the audit makes of checkov's and pip-audit's words; the tools have an environment of their own."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

import pytest

from tests import audit
from tests.audit import WAIVED, AuditFailed, Finding, judged
from tests.unit.infra.stack import ROOT, translated, written

KNOWN = [Finding(rule, name, "") for rule, (names, _) in WAIVED.items() for name in sorted(names)]


def test_what_is_waived_and_nothing_else_is_fine() -> None:
    assert list(judged(KNOWN)) == []


@pytest.mark.parametrize(
    "new", [Finding("CKV_AWS_999", "ArchiveBucket", "w"), Finding("CKV_AWS_21", "OtherBucket", "w")]
)
def test_a_finding_that_nobody_waived_is_told(new: Finding) -> None:
    assert list(judged([*KNOWN, new])) == [f"{new.rule} {new.resource}: w"]


def test_a_waiver_that_is_not_needed_any_more_is_told() -> None:
    assert len(list(judged(KNOWN[1:]))) == 1


def test_every_waiver_says_why_and_of_which_resources() -> None:
    there = written()["Resources"].keys() | translated()["Resources"].keys()
    for names, why in WAIVED.values():
        assert names <= there
        assert len(why) > 20


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no JSON",
        "{}",
        '{"results": {"failed_checks": []}, "summary": {"resource_count": 0, "parsing_errors": 0}}',
        '{"results": {"failed_checks": []}, "summary": {"resource_count": 9, "parsing_errors": 1}}',
    ],
)
def test_a_checkov_that_could_not_look_is_no_clean_bill(said: str) -> None:
    run = CompletedProcess([], 0, stdout=said, stderr="")
    with patch("tests.audit.subprocess.run", return_value=run), pytest.raises(AuditFailed):
        audit.findings(Path("template.yaml"))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", None),
        ('{"dependencies": [{"name": "boto3", "skip_reason": "not found"}]}', None),
        ('{"dependencies": [{"name": "boto3", "version": "1", "vulns": []}]}', []),
        (
            '{"dependencies": [{"name": "boto3", "version": "1", "vulns": [{"id": "V-1"}]}]}',
            ["tests/requirements.txt: boto3 1 has V-1"],
        ),
    ],
)
def test_a_lock_is_clean_only_where_somebody_knows_of_all_that_is_in_it(
    said: str, told: list[str] | None
) -> None:
    lock = ROOT / "tests" / "requirements.txt"
    run = CompletedProcess([], 0, stdout=said, stderr="")
    with patch("tests.audit.subprocess.run", return_value=run):
        if told is None:
            with pytest.raises(AuditFailed):
                list(audit.vulnerabilities(lock, "pypi"))
        else:
            assert list(audit.vulnerabilities(lock, "pypi")) == told
