"""Rules of cloud security over the template, and known vulnerabilities of what the locks pin.

    python -m tests.audit [template] [locks]

Both tools are in an environment of their own (.local/audit). checkov looks at the template as it is written
and as SAM translates it; what it finds must be waived below, with the reason. pip-audit asks an advisory
service on the internet: where none can be reached, that is a failure and not a clean bill.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws import ROOT, STATE
from tests.unit.infra import stack

TOOLS = STATE / "audit" / "bin"
SERVICES = ("pypi", "osv")
"""pip-audit's names for who keeps advisories; the first that answers counts."""

FUNCTIONS = frozenset(
    {"RequestBackupFunction", "ExportBackupFunction", "NotifyFunction", "SweepBackupsFunction"}
)
LOGS = frozenset(
    {"ApiLogs", "RequestBackupLogs", "ExportBackupLogs", "NotifyLogs", "SweepBackupsLogs", "WorkflowLogs"}
)
WAIVED: Mapping[str, tuple[frozenset[str], str]] = {
    "CKV_AWS_21": (
        frozenset({"ArchiveBucket"}),
        "an old version of an archive would outlive its deletion, which users are promised is final",
    ),
    "CKV_AWS_27": (
        frozenset({"FailedInvocations"}),
        "encrypted with SQS's own key (SqsManagedSseEnabled), of which the rule does not know",
    ),
    "CKV_AWS_115": (FUNCTIONS, "reserving a part of the AWS account's concurrency is the operator's to do"),
    "CKV_AWS_116": (
        FUNCTIONS,
        "API and workflow wait for the answer; asynchronous calls have a destination for failures instead",
    ),
    "CKV_AWS_117": (
        FUNCTIONS,
        "they speak to AWS's own services only, which IAM guards",
    ),
    "CKV_AWS_119": (
        frozenset({"BackupsTable", "AuditTable", "SourceTable"}),
        "encrypted with AWS's key for DynamoDB; a key of one's own is for the operator's rules",
    ),
    "CKV_AWS_120": (
        frozenset({"Api", "Apiv1Stage"}),
        "answers are one account's and of the moment: a cache could only show them late, or to others",
    ),
    "CKV_AWS_158": (LOGS, "they hold ids and counts, and are encrypted with AWS's key for logs"),
    "CKV_AWS_173": (FUNCTIONS, "the variables are names of resources and no secrets"),
}
"""By rule: the resources, by logical id, and the reason."""


class AuditFailed(Exception):
    """A tool could not do its work. Nobody retries; the message says what it said."""


@dataclass(frozen=True, order=True)
class Finding:
    rule: str
    resource: str
    words: str


def findings(template: Path) -> set[Finding]:
    """What checkov finds in a CloudFormation template, waived or not. Raises AuditFailed."""
    run = subprocess.run(
        [
            *(str(TOOLS / "checkov"), "--file", str(template), "--framework", "cloudformation"),
            *("--output", "json", "--quiet", "--compact", "--soft-fail", "--skip-download"),
        ],
        capture_output=True,
        text=True,
        check=False,
        # Without its logger's voice; and it need not ask whether there is a newer one.
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), "LOG_LEVEL": "ERROR"},
    )
    try:
        told: dict[str, Any] = json.loads(run.stdout)
        failed, looked_at = told["results"]["failed_checks"], told["summary"]["resource_count"]
        broken = told["summary"]["parsing_errors"]
    except (ValueError, KeyError, TypeError):
        raise AuditFailed(f"checkov: {run.stdout[-500:]}{run.stderr[-500:]}") from None
    if broken or not looked_at:
        raise AuditFailed(f"checkov could not read {template}")
    return {
        # AWS::S3::Bucket.ArchiveBucket, without its type, which SAM changes.
        Finding(check["check_id"], check["resource"].rpartition(".")[2], check["check_name"])
        for check in failed
    }


def judged(found: list[Finding]) -> Iterator[str]:
    """What is new among the findings, and what is waived but not found any more."""
    waived = {(rule, resource) for rule, (resources, _) in WAIVED.items() for resource in resources}
    for finding in found:
        if (finding.rule, finding.resource) not in waived:
            yield f"{finding.rule} {finding.resource}: {finding.words}"
    for rule, resource in sorted(waived - {(finding.rule, finding.resource) for finding in found}):
        yield f"{rule} {resource}: waived, but not found any more; take the waiver away"


def look_at_template() -> list[str]:
    """What is wrong with the template and the waivers, a line each. Raises AuditFailed."""
    with tempfile.TemporaryDirectory() as folder:
        as_translated = Path(folder) / "translated.json"
        as_translated.write_text(json.dumps(stack.translated(), default=str))
        return list(judged(sorted(findings(stack.TEMPLATE) | findings(as_translated))))


def look_at_locks() -> list[str]:
    """Known vulnerabilities of what is locked, a line each. Raises AuditFailed where nobody can be asked."""
    locks = [*sorted(ROOT.glob("functions/*/requirements.txt")), ROOT / "tests" / "requirements.txt"]
    locks += sorted(ROOT.glob("local/*.requirements.txt"))
    refusals = []
    for service in SERVICES:
        try:
            return [line for lock in locks for line in vulnerabilities(lock, service)]
        except AuditFailed as refusal:
            refusals.append(str(refusal))
    raise AuditFailed("\n".join(refusals))


def vulnerabilities(lock: Path, service: str) -> Iterator[str]:
    run = subprocess.run(
        [
            *(str(TOOLS / "pip-audit"), "--vulnerability-service", service, "--format", "json"),
            *("--disable-pip", "--no-deps", "--progress-spinner", "off", "--requirement", str(lock)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        dependencies = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise AuditFailed(f"no answer from {service}: {run.stderr.strip().splitlines()[-1:]}") from None
    # A mirror of the registry has packages and no advisories: pip-audit skips what it cannot find there.
    skipped = [dependency["name"] for dependency in dependencies if "skip_reason" in dependency]
    if skipped:
        raise AuditFailed(f"no advisories from {service} on: {', '.join(skipped)}")
    for dependency in dependencies:
        for one in dependency["vulns"]:
            yield f"{lock.relative_to(ROOT)}: {dependency['name']} {dependency['version']} has {one['id']}"


LOOKS = {"template": look_at_template, "locks": look_at_locks}


def main(*parts: str) -> int:
    wrong: list[str] = []
    for part in parts or LOOKS:
        try:
            said = LOOKS[part]()
        except AuditFailed as failure:
            said = [str(failure)]
        print(f"{part}: {len(said) or 'nothing'} to look at")
        wrong += said
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
