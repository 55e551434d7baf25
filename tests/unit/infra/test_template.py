"""The house rules of the stack, as they hold on what CloudFormation gets."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]

from functions.export_backup.limits import Limits
from shared import leases
from tests.unit.infra.stack import (
    ROOT,
    TEMPLATE,
    functions,
    listed,
    of_type,
    operations,
    package_of,
    statements,
    translated,
    workflow,
    written,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FUNCTIONS = ["RequestBackupFunction", "ExportBackupFunction", "NotifyFunction", "SweepBackupsFunction"]
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


# --- what is kept ---


def bucket() -> dict[str, Any]:
    (found,) = of_type(translated(), "AWS::S3::Bucket").values()
    properties: dict[str, Any] = found["Properties"]
    return properties


def test_the_bucket_is_closed_to_the_public_and_encrypted() -> None:
    assert bucket()["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket()["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (encryption,) = bucket()["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    ways = [way["ServerSideEncryptionByDefault"]["SSEAlgorithm"] for way in encryption["Fn::If"][1:]]
    assert ways == ["aws:kms", "AES256"]


def test_staging_goes_after_two_days_archives_after_the_retention_and_open_uploads_after_a_day() -> None:
    rules = bucket()["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    expire = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert expire == {"staging/": 2, "backups/": {"Ref": "RetentionDays"}}
    (abort,) = [rule for rule in rules if "AbortIncompleteMultipartUpload" in rule]
    assert abort["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "Prefix" not in abort


def test_what_units_left_outlives_the_workflow_that_wants_it() -> None:
    """S3 counts from an object's creation to the midnight after the days that the rule says."""
    (days,) = [
        rule["ExpirationInDays"]
        for rule in bucket()["LifecycleConfiguration"]["Rules"]
        if rule.get("Prefix") == "staging/"
    ]
    assert workflow()["TimeoutSeconds"] <= days * 24 * 60 * 60


def test_the_record_promises_as_many_days_as_the_bucket_keeps() -> None:
    variables = functions()["ExportBackupFunction"]["Environment"]["Variables"]
    assert variables["RETENTION_DAYS"] == {"Ref": "RetentionDays"}


@pytest.mark.parametrize(
    ("sid", "condition"),
    [
        (
            "OnlyTls",
            {"Bool": {"aws:SecureTransport": "false"}, "NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
        ),
        ("NoSigV2", {"StringEquals": {"s3:signatureversion": "AWS"}}),
    ],
)
def test_the_bucket_denies_everyone_plain_http_and_the_old_signature(
    sid: str, condition: dict[str, Any]
) -> None:
    (policy,) = of_type(translated(), "AWS::S3::BucketPolicy").values()
    assert policy["Properties"]["Bucket"] == {"Ref": "ArchiveBucket"}
    (statement,) = [one for one in policy["Properties"]["PolicyDocument"]["Statement"] if one["Sid"] == sid]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == condition
    assert statement["Resource"] == [
        {"Fn::GetAtt": ["ArchiveBucket", "Arn"]},
        {"Fn::Sub": "${ArchiveBucket.Arn}/*"},
    ]


def test_tables_can_be_restored_to_any_moment_and_are_encrypted() -> None:
    tables = of_type(translated(), "AWS::DynamoDB::Table")
    assert sorted(tables) == ["AuditTable", "BackupsTable", "SourceTable"]
    for name, table in tables.items():
        properties = table["Properties"]
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert properties["SSESpecification"] == {"SSEEnabled": True}, name
        assert {key["KeyType"]: key["AttributeName"] for key in properties["KeySchema"]} == {
            "HASH": "pk",
            "RANGE": "sk",
        }


@pytest.mark.parametrize(("table", "module"), [("BackupsTable", "store"), ("AuditTable", "trail")])
def test_what_is_old_is_collected_by_the_attribute_that_the_code_writes(table: str, module: str) -> None:
    ttl = translated()["Resources"][table]["Properties"]["TimeToLiveSpecification"]
    assert ttl == {"AttributeName": "ttl", "Enabled": True}
    assert '"ttl"' in (ROOT / "shared" / f"{module}.py").read_text()


def test_entries_of_the_trail_are_put_and_read_and_nobody_may_change_or_delete_one() -> None:
    trail = {"Fn::GetAtt": ["AuditTable", "Arn"]}
    allowed = {
        (role, action)
        for role, statement in statements()
        for action in listed(statement["Action"])
        if trail in listed(statement["Resource"])
    }
    writers = {function["Role"]["Fn::GetAtt"][0] for function in functions().values()}
    assert allowed == {(role, "dynamodb:PutItem") for role in writers} | {
        ("RequestBackupRole", "dynamodb:Query")
    }


def test_downloads_are_logged_where_the_operator_names_a_bucket_for_it_and_only_there() -> None:
    _, without, logged = bucket()["LoggingConfiguration"]["Fn::If"]
    assert bucket()["LoggingConfiguration"]["Fn::If"][0] == "NoDownloadLog"
    assert without == {"Ref": "AWS::NoValue"}
    assert logged["DestinationBucketName"] == {"Ref": "DownloadLogBucket"}
    assert translated()["Conditions"]["NoDownloadLog"] == {"Fn::Equals": [{"Ref": "DownloadLogBucket"}, ""]}


def test_the_sweeper_finds_by_the_index_that_the_store_writes_and_the_unit_tests_have() -> None:
    (index,) = translated()["Resources"]["BackupsTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["IndexName"] == leases.INDEX
    assert {key["KeyType"]: key["AttributeName"] for key in index["KeySchema"]} == {
        "HASH": "leased",
        "RANGE": "lease_until",
    }
    assert set(leases.lease(leases.RUNNING, datetime.now(UTC))) == {"leased", "lease_until"}
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    (find,) = [one for _, one in statements() if one["Sid"] == "FindSilentBackups"]
    assert find["Resource"] == {"Fn::Sub": "${BackupsTable.Arn}/index/" + leases.INDEX}


def test_the_operators_data_is_never_collected() -> None:
    assert "TimeToLiveSpecification" not in translated()["Resources"]["SourceTable"]["Properties"]


@pytest.mark.parametrize("name", ["BackupsTable", "AuditTable", "SourceTable", "ArchiveBucket", "UserPool"])
def test_what_holds_data_outlives_the_stack(name: str) -> None:
    resource = translated()["Resources"][name]
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


# --- users ---


def test_whose_data_a_user_sees_is_set_once_and_no_client_writes_it() -> None:
    schema = translated()["Resources"]["UserPool"]["Properties"]["Schema"]
    (account,) = [attribute for attribute in schema if attribute["Name"] == "account_id"]
    assert account["Mutable"] is False
    client = translated()["Resources"]["AppClient"]["Properties"]
    # Where no list is given, a client may write every attribute.
    assert client["WriteAttributes"]
    assert not [name for name in client["WriteAttributes"] if name.startswith("custom:")]
    assert "custom:account_id" in client["ReadAttributes"]


def test_nobody_signs_up_without_being_asked() -> None:
    pool = translated()["Resources"]["UserPool"]["Properties"]
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True


# --- the API ---


def api_body() -> dict[str, Any]:
    (api,) = of_type(translated(), "AWS::ApiGateway::RestApi").values()
    body: dict[str, Any] = api["Properties"]["Body"]
    return body


def test_only_what_holds_nothing_of_an_account_is_open_to_anyone() -> None:
    open_routes = {
        (path, method)
        for path, methods in api_body()["paths"].items()
        for method, route in methods.items()
        if route.get("security") != [{"Users": []}]
    }
    preflights = {
        (path, "options")
        for path in (
            "/backups",
            "/backups/{id}",
            "/backups/{id}/download-url",
            "/settings",
            "/schedule",
            "/audit",
        )
    }
    assert open_routes == {("/", "get"), ("/page/{file}", "get"), ("/openapi.yaml", "get")} | preflights


def test_routes_that_hold_data_want_a_signed_in_user() -> None:
    users = api_body()["securityDefinitions"]["Users"]
    assert users["x-amazon-apigateway-authtype"] == "cognito_user_pools"
    assert len(users["x-amazon-apigateway-authorizer"]["providerARNs"]) == 1


def test_the_template_has_the_routes_that_the_function_knows() -> None:
    source = (ROOT / "functions" / "request_backup" / "routes.py").read_text()
    known = {
        (method, re.sub(r"<\w+>", "{}", path))
        for method, path in re.findall(r'@api\.(\w+)\("([^"]+)"\)', source)
    }
    deployed = {
        (method, re.sub(r"{\w+}", "{}", path))
        for path, methods in api_body()["paths"].items()
        for method in methods
        if method != "options"
    }
    assert known == deployed


def test_every_route_is_throttled_as_the_operator_says() -> None:
    (stage,) = of_type(translated(), "AWS::ApiGateway::Stage").values()
    (every,) = stage["Properties"]["MethodSettings"]
    assert (every["ResourcePath"], every["HttpMethod"]) == ("/*", "*")
    assert every["ThrottlingRateLimit"] == {"Ref": "ApiRate"}
    assert every["ThrottlingBurstLimit"] == {"Ref": "ApiBurst"}
    assert "DataTraceEnabled" not in every  # it logs bodies and headers


def test_the_access_log_is_json_and_tells_no_address_no_link_and_no_token() -> None:
    (stage,) = of_type(translated(), "AWS::ApiGateway::Stage").values()
    setting = stage["Properties"]["AccessLogSetting"]
    assert setting["DestinationArn"] == {"Fn::GetAtt": ["ApiLogs", "Arn"]}
    fields = json.loads(setting["Format"])
    assert set(fields.values()) == {
        "$context.requestId",
        "$context.requestTime",
        "$context.httpMethod",
        "$context.resourcePath",  # "/backups/{id}", not what stood in its place
        "$context.status",
        "$context.authorizer.claims.sub",
        "$context.responseLatency",
        "$context.responseLength",
    }


def test_what_api_gateway_answers_by_itself_is_a_problem_too() -> None:
    responses = api_body()["x-amazon-apigateway-gateway-responses"]
    assert {"UNAUTHORIZED", "ACCESS_DENIED", "THROTTLED", "DEFAULT_4XX", "DEFAULT_5XX"} <= set(responses)
    for name, response in responses.items():
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'", name
        assert headers["gatewayresponse.header.Cache-Control"] == "'no-store'", name
        problem = json.loads(response["responseTemplates"]["application/json"])
        assert {"type", "title"} <= set(problem) <= {"type", "title", "status", "detail"}, name
        assert str(problem.get("status", "")) == response.get("statusCode", ""), name
        assert "$context" not in json.dumps(problem), name  # it would have to be escaped by hand


def test_who_is_throttled_is_told_when_to_come_back() -> None:
    throttled = api_body()["x-amazon-apigateway-gateway-responses"]["THROTTLED"]
    assert throttled["statusCode"] == "429"
    assert re.fullmatch(r"'\d+'", throttled["responseParameters"]["gatewayresponse.header.Retry-After"])


# --- parameters and what the code reads ---


def test_every_parameter_says_what_it_is_and_stands_in_a_group() -> None:
    parameters = written()["Parameters"]
    for name, parameter in parameters.items():
        assert len(parameter.get("Description", "")) > 20, name
    groups = written()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)


def test_every_output_says_what_it_is() -> None:
    assert all(output["Description"] for output in written()["Outputs"].values())


def settings_of(function: dict[str, Any]) -> str:
    """The module beside the handler's: `sweep_handler` has `sweep_settings`."""
    module: str = function["Handler"].removesuffix(".handler")
    return module.removesuffix("handler") + "settings"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_given_what_its_settings_want_and_nothing_else(name: str) -> None:
    function = functions()[name]
    settings = importlib.import_module(settings_of(function)).Settings
    fields = {field.name.upper(): field for field in dataclasses.fields(settings)}
    given = set(function["Environment"]["Variables"]) - {"MALLOC_ARENA_MAX"}  # glibc reads that one
    required = {variable for variable, field in fields.items() if field.default is dataclasses.MISSING}
    assert required <= given <= set(fields)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_number_among_the_settings_is_a_number_among_the_parameters(name: str) -> None:
    function = functions()[name]
    module = ast.parse(Path(ROOT, *settings_of(function).split(".")).with_suffix(".py").read_text())
    numbers = {
        node.target.id.upper()
        for node in ast.walk(module)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and ast.unparse(node.annotation) == "int"
    }
    for variable in numbers & set(function["Environment"]["Variables"]):
        parameter = function["Environment"]["Variables"][variable]["Ref"]
        assert written()["Parameters"][parameter]["Type"] == "Number", variable


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_handler_is_there(name: str) -> None:
    *module, attribute = functions()[name]["Handler"].split(".")
    source = Path(ROOT, *module).with_suffix(".py")
    defined = [node.name for node in ast.parse(source.read_text()).body if isinstance(node, ast.FunctionDef)]
    assert attribute in defined


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_built_by_the_makefile_from_its_own_folder(name: str) -> None:
    function = written()["Resources"][name]
    assert function["Metadata"] == {"BuildMethod": "makefile", "ContextPath": ".", "WorkingDirectory": ".."}
    assert function["Properties"]["CodeUri"] == f"../functions/{package_of(function['Properties'])}"


def test_the_workflow_is_given_exactly_what_it_leaves_open() -> None:
    wanted = set(re.findall(r"\$\{(\w+)\}", json.dumps(workflow())))
    machine = written()["Resources"]["BackupWorkflow"]["Properties"]
    assert wanted == set(machine["DefinitionSubstitutions"])
    assert machine["DefinitionUri"] == "workflow.asl.json"


def test_api_and_sweeper_start_the_machine_that_the_stack_makes() -> None:
    name = written()["Resources"]["BackupWorkflow"]["Properties"]["Name"]["Fn::Sub"]
    api = functions()["RequestBackupFunction"]["Environment"]["Variables"]["STATE_MACHINE_ARN"]
    sweeper = functions()["SweepBackupsFunction"]["Environment"]["Variables"]["STATE_MACHINE_ARN"]
    assert api["Fn::Sub"].endswith(f":stateMachine:{name}")
    assert sweeper == {"Ref": "BackupWorkflow"}
    starts = {
        role: one["Resource"]
        for role, one in statements()
        if "states:StartExecution" in listed(one["Action"])
    }
    assert starts == {"RequestBackupRole": api, "SweepBackupsRole": sweeper, "WorkflowRole": api}
    followed = {
        role: [arn["Fn::Sub"] for arn in listed(one["Resource"])]
        for role, one in statements()
        if {"states:StopExecution", "states:DescribeExecution"} & set(listed(one["Action"]))
    }
    own = api["Fn::Sub"].replace(":stateMachine:", ":execution:")
    label = workflow()["States"]["Export many units"]["Label"]
    assert followed == {
        "RequestBackupRole": [f"{own}:*"],
        "SweepBackupsRole": [f"{own}:*"],
        "WorkflowRole": [f"{own}:*", f"{own}/{label}:*"],
    }


def test_the_end_of_a_units_own_execution_wakes_nobody() -> None:
    """Its machine is `<machine>/units`, and a pattern without a wildcard is the whole value.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-examine-map-run.html
    """
    events = written()["Resources"]["SweepBackupsFunction"]["Properties"]["Events"]
    pattern = events["WorkflowEnded"]["Properties"]["Pattern"]
    assert pattern["detail"]["stateMachineArn"] == [{"Ref": "BackupWorkflow"}]


def test_as_many_units_at_once_may_be_wanted_as_a_plan_has() -> None:
    assert written()["Parameters"]["ExportConcurrency"]["MaxValue"] == Limits.most_units


def test_the_machine_may_run_the_functions_that_it_runs() -> None:
    (run,) = [one for role, one in statements() if role == "WorkflowRole" and one["Sid"] == "RunSteps"]
    substitutions = written()["Resources"]["BackupWorkflow"]["Properties"]["DefinitionSubstitutions"]
    functions_run = [arn for name, arn in substitutions.items() if name != "LambdaInvoke"]
    assert sorted(map(json.dumps, run["Resource"])) == sorted(map(json.dumps, functions_run))
