"""The states of the workflow, with those inside its maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.unit.infra.stack import workflow

EXPORT_STEPS = ["Plan", "Export", "Export in a child", "Assemble", "Verify", "Ready"]
MAPS = ["Export units", "Export many units"]
MAILS = ["Tell that it is ready", "Tell that it failed"]

State = dict[str, Any]


def machines(machine: State) -> Iterator[State]:
    """The machine, and those inside its Map states."""
    yield machine
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            yield from machines(state["ItemProcessor"])


def states() -> dict[str, State]:
    found: dict[str, State] = {}
    for machine in machines(workflow()):
        assert not found.keys() & machine["States"].keys(), "names are unique in a whole machine"
        found |= machine["States"]
    return found


def tasks() -> dict[str, State]:
    return {name: state for name, state in states().items() if state["Type"] == "Task"}


def nexts(state: State) -> list[str]:
    branches = [*state.get("Choices", []), *state.get("Catch", [])]
    return [state[key] for key in ("Next", "Default") if key in state] + [one["Next"] for one in branches]


def errors(state: State) -> Iterator[str]:
    for rule in state.get("Retry", []) + state.get("Catch", []):
        yield from rule["ErrorEquals"]
