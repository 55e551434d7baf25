"""The template as it was written, and as SAM hands it to CloudFormation; the workflow it deploys."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml  # type: ignore[import-untyped]
from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "infra" / "template.yaml"
OPERATIONS = ROOT / "infra" / "operations.yaml"
WORKFLOW = ROOT / "infra" / "workflow.asl.json"

FUNCTIONS = ["RequestBackupFunction", "ExportBackupFunction", "NotifyFunction", "SweepBackupsFunction"]

Resource = dict[str, Any]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with CloudFormation's short forms, read as its long ones."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


@cache
def written() -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506  a SafeLoader
    return template


@cache
def operations() -> dict[str, Any]:
    """The nested template with the alarms and the dashboard, as it was written."""
    template: dict[str, Any] = yaml.load(OPERATIONS.read_text(), _Loader)  # noqa: S506  a SafeLoader
    return template


def resolved(value: Any, names: Mapping[str, str], conditions: Mapping[str, bool] | None = None) -> Any:
    """The value with its references put in, as CloudFormation does: by the names of what they refer to."""
    match value:
        case {"Ref": "AWS::NoValue"}:
            return None
        case {"Ref": str(name)}:
            return names[name]
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w.:]+)\}", lambda found: names[found[1]], text)
        case {"Fn::If": [condition, then, otherwise]}:
            return resolved(then if (conditions or {})[condition] else otherwise, names, conditions)
        case dict():
            inner = {key: resolved(one, names, conditions) for key, one in value.items()}
            return {key: one for key, one in inner.items() if one is not None}
        case list():
            return [resolved(one, names, conditions) for one in value]
        case _:
            return value


@cache
def translated() -> dict[str, Any]:
    """SAM's translation, offline; the files that `sam package` uploads lie in a made-up bucket."""
    template = copy.deepcopy(written())
    for resource in template["Resources"].values():
        for place in ("CodeUri", "DefinitionUri"):
            if place in resource.get("Properties", {}):
                resource["Properties"][place] = "s3://artifacts/artifact"
        if "TemplateURL" in resource.get("Properties", {}):
            resource["Properties"]["TemplateURL"] = "https://artifacts.s3.amazonaws.com/artifact.template"

    class NoManagedPolicies:
        def load(self) -> dict[str, str]:
            return {}

    with patch.dict(os.environ, AWS_DEFAULT_REGION="eu-west-1"):
        result: dict[str, Any] = transform(template, {}, NoManagedPolicies())
    return result


def of_type(template: dict[str, Any], kind: str) -> dict[str, Resource]:
    return {name: found for name, found in template["Resources"].items() if found["Type"] == kind}


def functions() -> dict[str, Resource]:
    """The properties of each function as it is deployed, by logical name."""
    return {
        name: found["Properties"] for name, found in of_type(translated(), "AWS::Lambda::Function").items()
    }


def package_of(function: Resource) -> str:
    """`functions.notify.handler.handler` is of the package `notify`."""
    name: str = function["Handler"].split(".")[1]
    return name


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every IAM statement that gives a role something, with the role's logical name."""
    resources = translated()["Resources"]
    for name, resource in resources.items():
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resource["Properties"].get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield name, statement
        if resource["Type"] in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            for role in resource["Properties"]["Roles"]:
                for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                    yield role["Ref"], statement


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@cache
def workflow() -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(WORKFLOW.read_text())
    return definition
