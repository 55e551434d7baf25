"""Where the local AWS falls short of AWS, and what is done about it after a deployment.

Nothing here loosens what a test looks at: a statement or an address that is not in the template is not
made up.
"""

from __future__ import annotations

import json
import re
from typing import Any

from local.aws import LocalAws

_API = re.compile(r"https://[^./]+\.execute-api\.[^/]+/.*")
_SIGN_IN = re.compile(r"https://[^./]+\.auth\.[^./]+\.amazoncognito\.com(?P<path>/.*)?")

_DEATHS = ("RuntimeError", "BrokenPipeError", "FileNotFoundError")


def close(aws: LocalAws, stack: str) -> None:
    """All of it, for a stack that was just deployed."""
    resources = aws.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    _widen_ses_statements(aws, resources)
    _correct_app_clients(aws, resources)
    _correct_functions(aws, resources)
    _correct_stages(aws, resources)
    _name_deaths(aws, resources)


def _widen_ses_statements(aws: LocalAws, resources: list[dict[str, Any]]) -> None:
    """Let the stack's roles send e-mail where the template lets them.

    AWS authorizes ses:SendEmail on the sender's identity, and so the template says; this local AWS looks
    for it on `*` (ministack 1.5.33, `_ses_v2_resource_arn`). The statements stay, with the wider resource.
    """
    iam = aws.client("iam")
    for role in _ids(resources, "AWS::IAM::Role"):
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            if _widened(document):
                iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def _widened(document: Any) -> bool:
    sending = [statement for statement in document["Statement"] if statement["Action"] == "ses:SendEmail"]
    for statement in sending:
        statement["Resource"] = "*"
    return bool(sending)


def _name_deaths(aws: LocalAws, resources: list[dict[str, Any]]) -> None:
    """Let the workflow know a function whose process has died by the names that it has here.

    AWS calls it Runtime.ExitError. This local AWS ends all of a function's processes when one of them ends or
    when its configuration changes, and calls what their callers see by the Python error that it met itself
    (ministack 1.5.33, `_execute_function_warm`). A throttled one has no name in its answer, and a workflow
    hears Lambda.Unknown (`_call_lambda`).
    """
    machines = aws.client("stepfunctions")
    for arn in _ids(resources, "AWS::StepFunctions::StateMachine"):
        definition = machines.describe_state_machine(stateMachineArn=arn)["definition"]
        names = ", ".join(f'"{name}"' for name in ("Runtime.ExitError", *_DEATHS))
        throttled = '"Lambda.TooManyRequestsException"'
        definition = definition.replace('"Runtime.ExitError"', names)
        definition = definition.replace(throttled, f'{throttled}, "Lambda.Unknown"')
        machines.update_state_machine(stateMachineArn=arn, definition=definition)


# --- addresses: https://….amazonaws.com leads nowhere here, so what was told one is told the local one ---


def local_address(aws: LocalAws, address: str) -> str:
    """Where this address of an API or of a hosted sign-in answers here; any other stays what it is.

    The sign-in answers at every name of this machine. It gets another one than the API, so that the two are
    different origins as they are on AWS, and a page's policy and cross-origin rules matter here too.
    """
    if _API.fullmatch(address):
        return aws.api_url(address)
    if match := _SIGN_IN.fullmatch(address):
        return f"http://localhost:{aws.port}{match['path'] or ''}"
    return address


def _correct_app_clients(aws: LocalAws, resources: list[dict[str, Any]]) -> None:
    """The addresses that the hosted sign-in sends people back to."""
    cognito = aws.client("cognito-idp")
    # AWS resets what an update does not name, so it names all that the client had.
    settable = cognito.meta.service_model.operation_model("UpdateUserPoolClient").input_shape.members
    for pool in _ids(resources, "AWS::Cognito::UserPool"):
        for client_id in _ids(resources, "AWS::Cognito::UserPoolClient"):
            client = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client_id)["UserPoolClient"]
            # Unset texts are described as empty ones (AWS leaves them out), and may not be sent back.
            kept = {name: value for name, value in client.items() if name in settable and value != ""}
            for name in ("CallbackURLs", "LogoutURLs"):
                kept[name] = [local_address(aws, address) for address in client.get(name, [])]
            cognito.update_user_pool_client(**kept)


def _correct_functions(aws: LocalAws, resources: list[dict[str, Any]]) -> None:
    """The page that e-mails link to."""
    functions = aws.client("lambda")
    for name in _ids(resources, "AWS::Lambda::Function"):
        configuration = functions.get_function_configuration(FunctionName=name)
        before = configuration.get("Environment", {}).get("Variables", {})
        after = {key: local_address(aws, value) for key, value in before.items()}
        if after != before:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": after})


def _correct_stages(aws: LocalAws, resources: list[dict[str, Any]]) -> None:
    """The sign-in that the page leads to."""
    gateway = aws.client("apigateway")
    for api in _ids(resources, "AWS::ApiGateway::RestApi"):
        for stage in gateway.get_stages(restApiId=api)["item"]:
            patches = [
                {"op": "replace", "path": f"/variables/{name}", "value": local}
                for name, address in stage.get("variables", {}).items()
                if (local := local_address(aws, address)) != address
            ]
            if patches:
                gateway.update_stage(restApiId=api, stageName=stage["stageName"], patchOperations=patches)


def _ids(resources: list[dict[str, Any]], kind: str) -> list[str]:
    return [resource["PhysicalResourceId"] for resource in resources if resource["ResourceType"] == kind]
