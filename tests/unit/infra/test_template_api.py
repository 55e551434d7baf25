"""Users and API of the stack, as they hold on what CloudFormation gets."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.unit.infra.stack import (
    ROOT,
    of_type,
    translated,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


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
