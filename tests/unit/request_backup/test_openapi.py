"""The description, the routes, the template and the code's own lists say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator

from functions.request_backup import refusals
from functions.request_backup.desk import AUDIT_PAGE, HISTORY_PAGE
from functions.request_backup.problems import BY_REFUSAL, INTERNAL, NO_SUCH_ROUTE, TYPE_PREFIX, UNAVAILABLE
from shared import audit, ids
from shared.audit import Event, Way
from shared.backup import MailState, Reason, State
from shared.encodings import ENCODING_NAMES
from tests.unit.request_backup.api_world import ApiWorld
from tests.unit.request_backup.contract import SPEC, assert_fits, resolve

TEMPLATE = Path(__file__).parents[3] / "infra" / "template.yaml"
METHODS = {"get", "post", "put", "patch", "delete"}
SCHEMAS = SPEC["components"]["schemas"]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with CloudFormation's tags, which stand for nothing here."""


_Loader.add_multi_constructor("!", lambda *_: None)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    template = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506  # it is a SafeLoader
    found: dict[str, Any] = template["Resources"]
    return found


def described() -> set[tuple[str, str]]:
    return {
        (method.upper(), path) for path, item in SPEC["paths"].items() for method in item if method in METHODS
    }


def test_the_description_is_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(SPEC).iter_errors()) == []


def test_every_route_is_described_and_everything_described_is_a_route(world: ApiWorld) -> None:
    routes = {
        (route.method, re.sub(r"<\w+>", "{}", route.path))
        for route in world.api._static_routes + world.api._dynamic_routes
    }
    assert routes == {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in described()}


def test_api_gateway_hands_over_exactly_what_is_described(resources: dict[str, Any]) -> None:
    events = resources["RequestBackupFunction"]["Properties"]["Events"].values()
    assert {event["Type"] for event in events} == {"Api"}
    routes = {(event["Properties"]["Method"], event["Properties"]["Path"]) for event in events}
    preflights = {("OPTIONS", path) for path, item in SPEC["paths"].items() if "security" not in str(item)}
    assert routes == described() | preflights


def test_only_the_page_and_the_description_are_open_to_everyone(resources: dict[str, Any]) -> None:
    events = resources["RequestBackupFunction"]["Properties"]["Events"].values()
    assert resources["Api"]["Properties"]["Auth"]["DefaultAuthorizer"]
    in_template = {
        event["Properties"]["Path"]
        for event in events
        if "Auth" in event["Properties"] and event["Properties"]["Method"] != "OPTIONS"
    }
    in_description = {
        path
        for path, item in SPEC["paths"].items()
        for method in METHODS & set(item)
        if item[method].get("security") == []
    }
    assert in_template == in_description == {"/", "/page/{file}", "/openapi.yaml"}


def test_the_lists_of_the_description_are_those_of_the_code() -> None:
    properties = SCHEMAS["Backup"]["properties"]
    assert SCHEMAS["Encoding"]["enum"] == list(ENCODING_NAMES)
    assert SCHEMAS["State"]["enum"] == [state.value for state in State]
    assert SCHEMAS["Reason"]["enum"] == [reason.value for reason in Reason]
    assert properties["mail"]["enum"] == [state.value for state in MailState]
    assert SCHEMAS["Overview"]["properties"]["history"]["maxItems"] == HISTORY_PAGE
    assert SCHEMAS["BackupId"]["pattern"] == f"^{ids._BACKUP_ID.pattern}$"
    entry = SCHEMAS["Entry"]["properties"]
    assert entry["event"]["enum"] == [event.value for event in Event]
    assert entry["link"]["properties"]["way"]["enum"] == [way.value for way in Way]
    assert SCHEMAS["Audit"]["properties"]["entries"]["maxItems"] == AUDIT_PAGE
    assert SCHEMAS["EntryId"]["pattern"] == f"^{audit.ENTRY_ID}$"


def test_every_refusal_is_a_problem_of_its_own() -> None:
    assert set(BY_REFUSAL) == set(refusals.Refusal.__subclasses__())
    problems = [*BY_REFUSAL.values(), NO_SUCH_ROUTE, UNAVAILABLE, INTERNAL]
    assert len({problem.slug for problem in problems}) == len(problems)
    assert all(problem.status >= 400 for problem in problems)


def test_every_status_that_is_promised_can_be_and_every_problem_s_is_promised(
    resources: dict[str, Any],
) -> None:
    promised = {
        int(status)
        for item in SPEC["paths"].values()
        for method in METHODS & set(item)
        for status in item[method]["responses"]
    }
    gateway = resources["Api"]["Properties"]["GatewayResponses"].values()
    possible = {200, 202, 304, 308}
    possible |= {problem.status.value for problem in [*BY_REFUSAL.values(), UNAVAILABLE, INTERNAL]}
    assert promised == possible | {one["StatusCode"] for one in gateway if "StatusCode" in one}


def test_what_api_gateway_answers_by_itself_are_problems_too(resources: dict[str, Any]) -> None:
    ours = {problem.slug: problem for problem in [*BY_REFUSAL.values(), NO_SUCH_ROUTE, UNAVAILABLE, INTERNAL]}
    answers = resources["Api"]["Properties"]["GatewayResponses"]
    assert {"UNAUTHORIZED", "THROTTLED", "DEFAULT_4XX", "DEFAULT_5XX"} <= set(answers)
    for answer in answers.values():
        problem = json.loads(answer["ResponseTemplates"]["application/json"])
        headers = answer["ResponseParameters"]["Headers"]
        assert_fits(problem, {"$ref": "#/components/schemas/Problem"})
        assert headers["Content-Type"] == "'application/problem+json'"
        assert headers["Cache-Control"] == "'no-store'"
        assert problem.get("status") == answer.get("StatusCode")
        assert problem["type"] == "about:blank" or problem["type"].startswith(TYPE_PREFIX)
        same = ours.get(problem["type"].removeprefix(TYPE_PREFIX))
        if same and "StatusCode" in answer:
            assert (problem["title"], problem["status"]) == (same.title, same.status)


def test_a_throttled_caller_is_told_how_long_to_wait(resources: dict[str, Any]) -> None:
    headers = resources["Api"]["Properties"]["GatewayResponses"]["THROTTLED"]["ResponseParameters"]["Headers"]
    assert re.fullmatch("'[1-9][0-9]*'", headers["Retry-After"])


def test_every_answer_with_a_wait_is_described_with_one() -> None:
    for item in SPEC["paths"].values():
        for method in METHODS & set(item):
            for status, response in item[method]["responses"].items():
                waits = "Retry-After" in resolve(response).get("headers", {})
                assert waits == (status in {"429", "503"})
