"""The statements that the template gives its roles: which there are, and the stack without some of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import yaml  # type: ignore[import-untyped]

from local.aws import ROOT
from tests.e2e.world import World

Statement = tuple[str, str]
"""The logical id of a role, and a statement's Sid."""


class _Template(yaml.SafeLoader):  # type: ignore[misc]
    """CloudFormation's tags are of no interest here."""


_Template.add_multi_constructor("!", lambda _loader, _tag, node: str(node.value))


def statements() -> set[Statement]:
    """Every statement that the template gives a role."""
    resources = yaml.load((ROOT / "infra/template.yaml").read_text(), _Template)["Resources"]  # noqa: S506
    found: set[Statement] = set()
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            for policy in properties.get("Policies", []):
                found |= {(name, entry["Sid"]) for entry in policy["PolicyDocument"]["Statement"]}
        # One with a condition is not deployed here: tests/unit/infra/test_own_parts.py.
        if resource["Type"] == "AWS::IAM::Policy" and "Condition" not in resource:
            roles = [role.removeprefix("!Ref ") for role in properties["Roles"]]
            found |= {
                (role, entry["Sid"]) for role in roles for entry in properties["PolicyDocument"]["Statement"]
            }
    return found


@contextmanager
def without(world: World, *taken: Statement) -> Iterator[None]:
    """The stack's roles without those statements."""
    iam, before = world.client("iam"), []
    try:
        for role, sid in taken:
            name = world.resource(role)
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                left = [entry for entry in document["Statement"] if entry.get("Sid") != sid]
                if len(left) == len(document["Statement"]):
                    continue
                before.append((name, policy, document))
                iam.delete_role_policy(RoleName=name, PolicyName=policy)
                if left:
                    iam.put_role_policy(
                        RoleName=name,
                        PolicyName=policy,
                        PolicyDocument=json.dumps({**document, "Statement": left}),
                    )
        assert len(before) == len(taken), "each statement is in one policy of its role"
        yield
    finally:
        for name, policy, document in before:
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))


def arn_of(world: World, resource: str) -> str:
    if resource == "*":
        return "*"
    if resource.startswith("BackupWorkflow"):
        machine = world.outputs["StateMachineArn"]
        if resource == "BackupWorkflow":
            return machine
        # An execution of the Map's, which is named after it.
        return machine.replace(":stateMachine:", ":execution:") + "/units:one"
    physical = world.resource(resource)
    if resource.endswith("Function"):
        function = world.client("lambda").get_function_configuration(FunctionName=physical)
        return str(function["FunctionArn"])
    if resource == "FailedInvocations":
        queue = world.client("sqs").get_queue_attributes(QueueUrl=physical, AttributeNames=["QueueArn"])
        return str(queue["Attributes"]["QueueArn"])
    if resource.endswith("Bucket"):
        return f"arn:aws:s3:::{physical}"
    groups = world.client("logs").describe_log_groups(logGroupNamePrefix=physical)["logGroups"]
    return str(groups[0]["arn"])
