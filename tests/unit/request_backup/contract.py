"""openapi.yaml as a judge: every answer that a test gets must be one that it promises."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from functions.request_backup.routes import OPENAPI

SPEC: dict[str, Any] = yaml.safe_load(OPENAPI.read_text())
_URI = "urn:openapi"
_REGISTRY: Any = Registry().with_resource(_URI, DRAFT202012.create_resource(SPEC))


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """The object itself, where `node` is a reference to one."""
    while "$ref" in node:
        found: Any = SPEC
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/")]
        node = found
    return node


def assert_fits(value: object, schema: dict[str, Any]) -> None:
    absolute = json.loads(json.dumps(schema).replace('"#/', f'"{_URI}#/'))
    checker = FormatChecker(["date-time"])
    Draft202012Validator(absolute, registry=_REGISTRY, format_checker=checker).validate(value)


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """What openapi.yaml says of this method and path; None where it knows no such path."""
    for template, item in SPEC["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path, re.DOTALL):
            found: dict[str, Any] | None = item.get(method.lower())
            return found
    return None


def assert_promised(method: str, path: str, status: int, headers: dict[str, str], body: str) -> None:
    """The status is listed, the headers that it requires are there, and the body fits its schema."""
    operation = operation_of(method, path)
    if operation is None:
        assert status == 404
        assert_fits(json.loads(body), {"$ref": "#/components/schemas/Problem"})
        return
    if status == 404 and json.loads(body)["type"].endswith(":no-such-route"):
        return  # a path that fits the template's form but not the resolver's
    promised = resolve(operation["responses"][str(status)])
    for name, header in promised.get("headers", {}).items():
        header = resolve(header)
        assert name in headers or not header.get("required")
        if name in headers:
            assert_fits(headers[name], header["schema"])
    if "content" not in promised:
        assert not body
        return
    media_type = headers["Content-Type"].partition(";")[0]
    content = promised["content"][media_type]
    read = json.loads if "json" in media_type else yaml.safe_load if "yaml" in media_type else str
    assert_fits(read(body), content["schema"])
