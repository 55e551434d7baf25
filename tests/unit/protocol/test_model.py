"""Every order of the protocol's steps: ours holds, and each of its neighbours is refuted by a trace.

`pytest -rP tests/unit/protocol/test_model.py` prints the traces.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.unit.protocol.model import Broken, Variant, explore

SMALL: dict[str, Any] = {"sweepers": 1, "workers": 1}
# What two requests can do to each other needs two workers or two sweepers, not both.
BOUNDS: list[dict[str, Any]] = [{"sweepers": 1, "workers": 2}, {"sweepers": 2, "workers": 1}]
if "PROTOCOL_RUNS" in os.environ:  # `make protocol`: some minutes
    BOUNDS.append({"requests": 3, "sweepers": 1, "workers": 1})


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_the_protocol_holds(bounds: dict[str, Any]) -> None:
    found = explore(Variant(**bounds))
    assert isinstance(found, int), str(found)
    print(f"{found} states")  # noqa: T201
    assert found > 50_000, "a model that cannot move proves nothing"


@pytest.mark.parametrize(
    ("wrong", "invariant", "step"),
    [
        # Put and never started: no execution will ever end, so nobody frees the account.
        ({"sweeper": False, "event_rule": False}, "locked for good", "dies before StartExecution"),
        ({"sweeper": False}, "locked for good", "dies before StartExecution"),
        ({"lease_hands_over": True}, "two live backups", "request 1 puts"),
        ({"unclear_start_frees": True}, "two live backups", "request 0 deletes its record"),
        ({"old_is_failed": True}, "two live backups", "too old"),
        ({"unconditional": True}, "an ended backup is back to life", "plan of 0 writes"),
        ({"unconditional": True}, "a terminal state changes", "is cancelled"),
        ({"unconditional": True}, "two live backups", "plan of 0 writes"),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, dict) else None,
)
def test_what_looks_as_good_is_refuted(wrong: dict[str, Any], invariant: str, step: str) -> None:
    found = explore(Variant(**SMALL, **wrong), only=invariant)
    assert isinstance(found, Broken)
    print(found)  # noqa: T201
    assert found.invariant == invariant
    assert any(step in what for what in found.trace), str(found)


@pytest.mark.parametrize("part", ["event_rule"])
def test_the_rule_on_the_end_only_makes_it_sooner(part: str) -> None:
    found = explore(Variant(**SMALL, **{part: False}))
    assert isinstance(found, int), str(found)
