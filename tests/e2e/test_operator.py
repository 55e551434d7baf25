"""From a clone to a checked deployment, by the commands of the README and nothing else.

The questions of `sam deploy --guided` are answered as an operator would who takes what is proposed, but for
what has no default. On a local AWS of its own, since it begins with an empty one.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from local import gaps
from local.aws import ROOT, STATE, LocalAws, running
from local.stack import SAM, STACK, default_parameters

README = (ROOT / "README.md").read_text()


class _Template(yaml.SafeLoader):  # type: ignore[misc]
    """CloudFormation's tags are of no interest here."""


_Template.add_multi_constructor("!", lambda _loader, _tag, _node: None)


@pytest.fixture
def empty() -> Iterator[LocalAws]:
    with running(log=STATE / "e2e-operator.log") as aws:
        aws.client("sesv2").create_email_identity(EmailIdentity="backups@example.com")
        yield aws


def command(text: str) -> str:
    """The line of the README's blocks of commands that begins so."""
    (line,) = re.findall(rf"^({re.escape(text)}.*)$", README, re.MULTILINE)
    return str(line)


KEPT = {"tables": 3, "buckets of archives": 1, "user pools": 1, "roles": 1}
"""What docs/operations.md says is kept, and why; the role is API Gateway's for its logs."""


def left_behind(aws: LocalAws) -> dict[str, int]:
    """How many there are of what costs something or may do something."""
    buckets = [bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]]
    roles = [role["RoleName"] for role in aws.client("iam").list_roles()["Roles"]]
    found = {
        "tables": aws.client("dynamodb").list_tables()["TableNames"],
        "buckets of archives": [name for name in buckets if not name.startswith("aws-sam-cli-managed")],
        "user pools": aws.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"],
        "roles": [name for name in roles if name.startswith(STACK)],
        "functions": aws.client("lambda").list_functions()["Functions"],
        "workflows": aws.client("stepfunctions").list_state_machines()["stateMachines"],
        "APIs": aws.client("apigateway").get_rest_apis()["items"],
        "alarms": aws.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": aws.client("cloudwatch").list_dashboards()["DashboardEntries"],
        "rules": aws.client("events").list_rules()["Rules"],
        "queues": aws.client("sqs").list_queues().get("QueueUrls", []),
        "stacks": [
            one
            for one in aws.client("cloudformation").list_stacks()["StackSummaries"]
            if one["StackName"].startswith(STACK) and one["StackStatus"] != "DELETE_COMPLETE"
        ],
    }
    return {kind: len(ones) for kind, ones in found.items() if ones}


def answers() -> list[str]:
    """One line for each question of `sam deploy --guided`, in its order."""
    template: dict[str, Any] = yaml.load((ROOT / "infra/template.yaml").read_text(), _Template)  # noqa: S506
    local = default_parameters()
    given = {"Sender": "backups@example.com", "SalesContact": "sales@example.com"}
    given |= {name: local[name] for name in ("Runtime", "Architecture")}
    return [
        "",  # the stack's name
        "",  # the region
        *(given.get(name, "") for name in template["Parameters"]),
        "n",  # confirm the changes before they are deployed
        "",  # may it make roles: yes
        "",  # disable rollback: no
        "",  # keep the answers: yes
        "",  # in samconfig.toml
        "",  # for the default environment
    ]


@pytest.mark.timeout(400)
def test_two_commands_deploy_it_a_third_checks_it_and_a_fourth_removes_it(
    clone: Path, empty: LocalAws
) -> None:
    environment = empty.environment()
    environment["PATH"] = f"{SAM.parent}:{environment['PATH']}"

    def run(line: str, given: str = "", **more: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=clone,
            env=environment | more,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    deployed = run(command("sam build && sam deploy --guided"), "\n".join(answers()) + "\n")
    assert f"Successfully created/updated stack - {STACK}" in deployed
    # No file was edited by hand; what was answered stands in the one that SAM keeps its answers in.
    assert 'Sender=\\"backups@example.com\\"' in (clone / "samconfig.toml").read_text()

    gaps.close(empty, STACK)
    outputs = empty.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
    (api,) = [one["OutputValue"] for one in outputs if one["OutputKey"] == "ApiUrl"]
    checking = re.search(r"`(make check-deployment STACK=[\w-]+)`", README)
    assert checking
    checked = run(f"{checking[1]} API={empty.api_url(api)}")
    assert checked.rstrip().endswith("The deployment works.")

    # What `sam delete` has CloudFormation do. SAM itself gives up here before that: it wants to delete the
    # nested template's file first, whose local address it does not take for one of S3.
    cloudformation = empty.client("cloudformation")
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    assert left_behind(empty) == KEPT
