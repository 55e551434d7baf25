"""Step Functions, as far as the protocol meets it: executions by name, on their way through our workflow."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.unit.protocol.processes import Process, call, current

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:backup"
Data = dict[str, Any]


class ExecutionAlreadyExists(ClientError):
    pass


class ExecutionDoesNotExist(ClientError):
    pass


class ExecutionLimitExceeded(ClientError):
    pass


class ValidationException(ClientError):
    pass


def error(kind: type[ClientError], code: str, status: int = 400) -> ClientError:
    return kind({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "made up")  # type: ignore[typeddict-item]


@dataclass
class Execution:
    name: str
    input: str
    at: str
    data: Data
    status: str = "RUNNING"
    said_before: str | None = None
    """The status before this one, which DescribeExecution may still tell."""
    error: str = ""
    last_task: str = ""
    not_before: datetime | None = None
    task: Process | None = None
    tries: Counter[str] = field(default_factory=Counter)
    redriven: bool = False

    def end(self, status: str, error: str = "") -> None:
        self.said_before, self.status, self.error, self.task = self.status, status, error, None


class StepFunctions:
    """A client of the service and the service. `ended` is called with each execution that ends."""

    exceptions = SimpleNamespace(
        ExecutionAlreadyExists=ExecutionAlreadyExists,
        ExecutionDoesNotExist=ExecutionDoesNotExist,
        ExecutionLimitExceeded=ExecutionLimitExceeded,
        ValidationException=ValidationException,
    )

    def __init__(
        self,
        workflow: Data,
        clock: Callable[[], datetime],
        invoke: Callable[[str, Data], Data],
        ended: Callable[[Execution], None],
    ) -> None:
        self._states: Data = workflow["States"]
        self._first: str = workflow["StartAt"]
        self._clock = clock
        self._invoke = invoke
        self._ended = ended
        self.executions: dict[str, Execution] = {}
        self.says_no = False
        """StartExecution is refused for good: no right to it, or no such machine."""
        self.refused: set[Process | None] = set()
        """Who was told so."""
        self.is_behind = False
        """DescribeExecution tells of a moment ago."""
        self.seen: Counter[str] = Counter()

    # --- the client ---

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> Data:  # noqa: A002, N803
        assert stateMachineArn == MACHINE
        return call("StartExecution", lambda: self._start(name, input), _busy)

    def describe_execution(self, *, executionArn: str) -> Data:  # noqa: N803
        return call("DescribeExecution", lambda: self._describe(_name(executionArn)), _busy)

    def stop_execution(self, *, executionArn: str) -> Data:  # noqa: N803
        return call("StopExecution", lambda: self._stop(_name(executionArn)), _busy)

    def _start(self, name: str, given: str) -> Data:
        if self.says_no:
            self.seen["StartExecution refused for good"] += 1
            self.refused.add(current())
            raise error(ClientError, "AccessDeniedException")
        found = self.executions.get(name)
        if found is None:
            self.executions[name] = Execution(name, given, self._first, json.loads(given))
        elif found.status != "RUNNING" or found.input != given:
            raise error(ExecutionAlreadyExists, "ExecutionAlreadyExists")
        return {}

    def _describe(self, name: str) -> Data:
        found = self.executions.get(name)
        self.seen["DescribeExecution behind"] += self.is_behind and found is not None
        if found is None or (self.is_behind and found.said_before is None):
            raise error(ExecutionDoesNotExist, "ExecutionDoesNotExist")
        if self.is_behind and found.said_before == "RUNNING":
            return {"status": "RUNNING"}
        return {"status": found.status, "output": json.dumps(found.data), "error": found.error}

    def _stop(self, name: str) -> Data:
        if name not in self.executions:
            raise error(ExecutionDoesNotExist, "ExecutionDoesNotExist")
        self.end(self.executions[name], "ABORTED")
        return {}

    # --- the service ---

    def running(self) -> list[Execution]:
        return [one for one in self.executions.values() if one.status == "RUNNING"]

    def end(self, execution: Execution, status: str, error: str = "") -> None:
        if execution.status == "RUNNING":
            execution.end(status, error)
            self._ended(execution)

    def redrive(self, execution: Execution) -> None:
        """Resume at the step that failed; at the last that did something, where that only said so."""
        if self._states[execution.at]["Type"] == "Fail":
            execution.at = execution.last_task
        execution.said_before, execution.status = execution.status, "RUNNING"
        execution.redriven, execution.not_before = True, None
        execution.tries.clear()

    def is_waiting(self, execution: Execution) -> bool:
        return execution.not_before is not None and self._clock() < execution.not_before

    def next_task(self, execution: Execution) -> Callable[[], Any] | None:
        """What the execution's function is to be called with; None where it has come to its end."""
        state = self._states[execution.at]
        match state["Type"]:
            case "Succeed":
                self.end(execution, "SUCCEEDED")
                return None
            case "Fail":
                self.end(execution, "FAILED", state["Error"])
                return None
            case "Choice":
                execution.at = _chosen(state, execution.data)
                return self.next_task(execution)
            case "Map":
                units = _at(execution.data, state["ItemsPath"])
                items = [_filled(state["ItemSelector"], execution.data, unit) for unit in units]
                return lambda: [self._iteration(state["ItemProcessor"], item) for item in items]
            case "Task":
                execution.last_task = execution.at
                return self._call(state, dict(execution.data))
        raise AssertionError(state)

    def _iteration(self, machine: Data, data: Data) -> Any:
        """One unit: its goes, in one process; what its last state hands on."""
        at = machine["StartAt"]
        while (state := machine["States"][at])["Type"] != "Succeed":
            if state["Type"] == "Choice":
                at = _chosen(state, data)
                continue
            result = {"Payload": self._call(state, data)()}
            data[state["ResultPath"].removeprefix("$.")] = _filled(state["ResultSelector"], result)
            at = state["Next"]
        return _at(data, state["OutputPath"])

    def _call(self, state: Data, data: Data) -> Callable[[], Any]:
        function = state["Parameters"]["FunctionName"]
        payload = _filled(state["Parameters"]["Payload"], data)
        return lambda: self._invoke(function, json.loads(json.dumps(payload)))

    def took(self, execution: Execution, result: Any) -> None:
        """The task has answered."""
        state = self._states[execution.at]
        if "ResultSelector" in state:
            result = _filled(state["ResultSelector"], {"Payload": result})
        if state.get("ResultPath"):
            execution.data[state["ResultPath"].removeprefix("$.")] = result
        self._go_on(execution, state["Next"])

    def failed(self, execution: Execution, name: str) -> None:
        """The task has failed: again later, or on to where such failures go."""
        state = self._states[execution.at]
        inner = state.get("ItemProcessor")
        task = inner["States"][inner["StartAt"]] if inner else state
        for number, rule in enumerate(task.get("Retry", [])):
            if name in rule["ErrorEquals"]:
                tried = execution.tries[f"{execution.at} {number}"]
                if tried < rule["MaxAttempts"]:
                    execution.tries[f"{execution.at} {number}"] += 1
                    wait = rule["IntervalSeconds"] * rule.get("BackoffRate", 2) ** tried
                    wait = min(wait, rule.get("MaxDelaySeconds", wait))
                    execution.not_before, execution.task = self._clock() + timedelta(seconds=wait), None
                    return
                break
        for rule in state.get("Catch", []):
            if name in rule["ErrorEquals"] or "States.ALL" in rule["ErrorEquals"]:
                if rule.get("ResultPath", "$"):
                    execution.data[rule.get("ResultPath", "$.caught").removeprefix("$.")] = {"Error": name}
                self._go_on(execution, rule["Next"])
                return
        self.end(execution, "FAILED", name)

    def _go_on(self, execution: Execution, state: str) -> None:
        execution.at, execution.task, execution.not_before = state, None, None


def _busy() -> Data:
    raise error(ClientError, "ThrottlingException")


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


def _at(data: Any, path: str) -> Any:
    for key in path.removeprefix("$").split("."):
        data = data[key] if key else data
    return data


def _filled(template: Data, data: Data, item: Any = None) -> Data:
    """The template with what its paths lead to; `$$` is the Map's item."""
    filled: Data = {}
    for key, value in template.items():
        if isinstance(value, dict):
            filled[key] = _filled(value, data, item)
        elif key.endswith(".$"):
            filled[key.removesuffix(".$")] = item if value.startswith("$$") else _at(data, value)
        else:
            filled[key] = value
    return filled


def _chosen(state: Data, data: Data) -> str:
    """Where a Choice leads to."""
    for rule in state["Choices"]:
        found = _at(data, rule["Variable"])
        if (found is None) == rule["IsNull"] if "IsNull" in rule else found is rule["BooleanEquals"]:
            return str(rule["Next"])
    return str(state["Default"])
