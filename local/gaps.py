"""Where the local AWS falls short of AWS, and what is done about it after a deployment.

Nothing here loosens what a test looks at: a statement that is not in the template is not made up.
"""

from __future__ import annotations

import json
from typing import Any

from local.aws import LocalAws


def widen_ses_statements(aws: LocalAws, stack: str) -> None:
    """Let the stack's roles send e-mail where the template lets them.

    AWS authorizes ses:SendEmail on the sender's identity, and so the template says; this local AWS looks
    for it on `*` (ministack 1.5.33, `_ses_v2_resource_arn`). The statements stay, with the wider resource.
    """
    iam = aws.client("iam")
    resources = aws.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    for resource in resources:
        if resource["ResourceType"] != "AWS::IAM::Role":
            continue
        role = resource["PhysicalResourceId"]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            if _widened(document):
                iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def _widened(document: Any) -> bool:
    sending = [statement for statement in document["Statement"] if statement["Action"] == "ses:SendEmail"]
    for statement in sending:
        statement["Resource"] = "*"
    return bool(sending)
