"""The house rules of the stack, as they hold on what CloudFormation gets."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]

from tests.unit.infra.stack import (
    FUNCTIONS,
    ROOT,
    TEMPLATE,
    functions,
    listed,
    of_type,
    operations,
    statements,
    translated,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# X-Ray and log delivery know no resources.
MAY_NAME_NO_RESOURCE = {"Trace", "DeliverLogs"}
# What S3 has no smaller resource for than the bucket.
BUCKETWIDE = {"s3:ListBucket", "s3:ListBucketMultipartUploads"}


def findings(text: str) -> list[str]:
    config = ManualArgs(regions=["eu-west-1"])
    return [f"{match.rule.id} {match.message}" for match in lint(text, config=config)]


def test_cfn_lint_finds_nothing_in_the_template_as_written() -> None:
    assert findings(TEMPLATE.read_text()) == []


def test_cfn_lint_finds_nothing_in_the_nested_template() -> None:
    """Without its YAML aliases, which `sam build` replaces by what they stand for."""
    assert findings(json.dumps(operations())) == []


def test_cfn_lint_finds_nothing_in_what_sam_makes_of_it() -> None:
    assert findings(json.dumps(translated())) == []


def test_there_is_a_function_for_every_handler_and_no_other() -> None:
    assert sorted(functions()) == sorted(FUNCTIONS)
    handlers = {
        f"functions.{path.parent.name}.{path.stem}.handler"
        for path in (ROOT / "functions").glob("*/*handler.py")
    }
    assert {function["Handler"] for function in functions().values()} == handlers


def test_every_function_has_a_role_of_its_own() -> None:
    roles = [json.dumps(function["Role"]) for function in functions().values()]
    assert len(set(roles)) == len(FUNCTIONS)
    for function in functions().values():
        role, attribute = function["Role"]["Fn::GetAtt"]
        assert attribute == "Arn"
        trust = translated()["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert [statement["Principal"] for statement in trust] == [{"Service": "lambda.amazonaws.com"}]


def test_every_function_writes_to_a_log_group_of_its_own() -> None:
    groups = [function["LoggingConfig"]["LogGroup"]["Ref"] for function in functions().values()]
    assert len(set(groups)) == len(FUNCTIONS)
    for name, function in functions().items():
        (writes,) = [
            statement
            for role, statement in statements()
            if role == function["Role"]["Fn::GetAtt"][0]
            and "logs:PutLogEvents" in listed(statement["Action"])
        ]
        group = function["LoggingConfig"]["LogGroup"]["Ref"]
        assert writes["Resource"] == {"Fn::GetAtt": [group, "Arn"]}, name
        assert function["LoggingConfig"]["LogFormat"] == "JSON"


def test_every_log_group_forgets_after_the_days_that_the_operator_set() -> None:
    groups = of_type(translated(), "AWS::Logs::LogGroup")
    assert len(groups) == len(FUNCTIONS) + 2  # the API's and the workflow's
    for name, group in groups.items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_every_function_the_api_and_the_workflow_are_traced() -> None:
    assert {
        name: function["TracingConfig"]["Mode"] for name, function in functions().items()
    } == dict.fromkeys(FUNCTIONS, "Active")
    (stage,) = of_type(translated(), "AWS::ApiGateway::Stage").values()
    assert stage["Properties"]["TracingEnabled"] is True
    (machine,) = of_type(translated(), "AWS::StepFunctions::StateMachine").values()
    assert machine["Properties"]["TracingConfiguration"] == {"Enabled": True}


def test_who_runs_traced_may_say_so() -> None:
    traced = {function["Role"]["Fn::GetAtt"][0] for function in functions().values()} | {"WorkflowRole"}
    for role in traced:
        assert any(
            "xray:PutTraceSegments" in listed(statement["Action"])
            for name, statement in statements()
            if name == role
        ), role


def test_the_workflow_logs_no_data() -> None:
    (machine,) = of_type(translated(), "AWS::StepFunctions::StateMachine").values()
    assert machine["Properties"]["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["Properties"]["StateMachineType"] == "STANDARD"


def test_no_role_may_do_a_wildcard_of_actions() -> None:
    for role, statement in statements():
        assert "NotAction" not in statement, role
        for action in listed(statement["Action"]):
            assert "*" not in action, (role, action)
            assert re.fullmatch(r"[a-z0-9]+:[A-Z][A-Za-z]+", action), (role, action)


def test_only_actions_that_know_no_resources_are_given_on_all_of_them() -> None:
    for role, statement in statements():
        assert "NotResource" not in statement, role
        if "*" in listed(statement["Resource"]):
            assert statement["Sid"] in MAY_NAME_NO_RESOURCE, (role, statement["Sid"])


def test_every_star_in_the_template_says_why_on_its_line() -> None:
    stars = [line for line in TEMPLATE.read_text().splitlines() if re.search(r'Resource: "\*"', line)]
    assert len(stars) == len(FUNCTIONS) + 2  # traces of each and of the workflow, and the workflow's log
    for line in stars:
        assert re.search(r'"\*"\s+# \S+', line), line


def test_no_role_reaches_the_whole_bucket() -> None:
    for role, statement in statements():
        for action in listed(statement["Action"]):
            if action.startswith("s3:") and action not in BUCKETWIDE:
                for resource in listed(statement["Resource"]):
                    assert re.fullmatch(
                        r"\$\{ArchiveBucket\.Arn\}/(staging|backups)/\*", resource["Fn::Sub"]
                    ), (
                        role,
                        action,
                    )


def test_every_statement_has_a_sid_that_its_role_has_once() -> None:
    counted = Counter((role, statement["Sid"]) for role, statement in statements())
    assert [where for where, count in counted.items() if count > 1] == []
    for _, sid in counted:
        assert re.fullmatch(r"[A-Za-z0-9]+", sid), sid


def test_no_managed_policy_gives_a_function_more() -> None:
    for name, role in of_type(translated(), "AWS::IAM::Role").items():
        if name != "ApiLogWriterRole":
            assert "ManagedPolicyArns" not in role["Properties"], name


def test_links_are_signed_by_a_role_that_may_fetch_archives_and_nothing_else() -> None:
    given = {
        action: statement["Resource"]
        for role, statement in statements()
        if role == "DownloadRole"
        for action in listed(statement["Action"])
    }
    assert given == {
        "s3:GetObject": {"Fn::Sub": "${ArchiveBucket.Arn}/backups/*"},
        "s3:ListBucket": {"Fn::GetAtt": ["ArchiveBucket", "Arn"]},
        "kms:Decrypt": {"Ref": "KmsKeyArn"},  # where there is one: test_own_parts.py
    }
    trust = translated()["Resources"]["DownloadRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    principals = [arn["Fn::GetAtt"][0] for statement in trust for arn in statement["Principal"]["AWS"]]
    assert sorted(principals) == ["NotifyRole", "RequestBackupRole"]
    signers = [role for role, statement in statements() if listed(statement["Action"]) == ["sts:AssumeRole"]]
    assert sorted(signers) == principals[::-1]
