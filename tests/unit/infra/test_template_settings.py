"""What the operator sets, and what of it each function reads."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from functions.export_backup.limits import Limits
from tests.unit.infra.stack import (
    FUNCTIONS,
    ROOT,
    functions,
    listed,
    package_of,
    statements,
    workflow,
    written,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


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
