"""What garbage a new Lambda collects, seen in processes that import a handler and nothing before it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HANDLERS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("functions/*/*handler.py")
)
CODE = """
import gc, importlib, json, sys
passes = []
gc.callbacks.append(lambda phase, info: passes.append("boto3" in sys.modules))
handler = importlib.import_module(sys.argv[1])
while_importing = sum(passes)

class Node:
    gone = False
    def __del__(self):
        Node.gone = True

node = Node()
node.itself = node
del node
for _ in range(100_000):
    ring = []
    ring.append(ring)
json.dump([while_importing, gc.get_freeze_count(), len(gc.get_objects()), Node.gone], sys.stdout)
"""


def environment_of(handler: str) -> dict[str, str]:
    settings = import_module(handler.replace("handler", "settings")).Settings
    values = {
        field.name.upper(): "1" if field.type in {int, "int"} else f"https://{field.name}.example"
        for field in dataclasses.fields(settings)
    }
    return values | {"AWS_DEFAULT_REGION": "eu-west-1"}


def test_there_are_handlers_to_look_at() -> None:
    assert len(HANDLERS) == 4


@pytest.mark.parametrize("handler", HANDLERS)
def test_nothing_is_collected_before_a_handler_is_there_and_then_only_what_came_later(handler: str) -> None:
    command = [sys.executable, "-c", CODE, handler]
    run = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment_of(handler)
    )
    while_importing, frozen, looked_at, later_is_collected = json.loads(run.stdout)
    assert while_importing == 0
    assert frozen > 50_000
    assert looked_at < frozen / 10
    assert later_is_collected
