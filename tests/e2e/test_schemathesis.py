"""All that openapi.yaml allows, and much that it does not, asked of the running API.

Schemathesis makes the calls from the description: boundary values and wrong ones for every field, missing
ones, methods that are not there, no token, a wrong token; and chains, in which ids that were answered are
asked for, cancelled and deleted. Every answer must be one that the description promises. With
SCHEMATHESIS_SECONDS it goes on for that long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from functions.request_backup.routes import OPENAPI
from local.aws import ROOT
from tests.e2e.test_requests import held_back
from tests.e2e.world import World

EXAMPLES = 15
"""Calls that are made up for each operation, after those that the description leads to."""

LONG = os.environ.get("SCHEMATHESIS_SECONDS")

SETTINGS = """
base-url = "${API}"
hooks = "tests.e2e.gateway_answers"
continue-on-failure = true
[auth.openapi.idToken]
api_key = "${TOKEN}"
[generation]
max-examples = %d
database = "none"
[dictionaries.files]
values = ["account-backups.js", "page.css", "icon.svg", "words.json"]
[dictionaries.ids]
values = ["%s"]
[parameters]
"path.id" = { dictionary = "ids", probability = 0.3 }
"path.file" = { dictionary = "files", probability = 0.5 }
[phases.coverage]
generate-duplicate-query-parameters = true
[checks.positive_data_acceptance]
# Besides what this check takes for granted: an id may be of a backup whose file was deleted.
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 429, "5xx"]
[checks.unsupported_method]
# API Gateway knows routes only: to a method that is none it answers like to a path that is none.
enabled = false
[checks.use_after_free]
# What is deleted is the file; the backup itself stays in the history, by design.
enabled = false
"""


@pytest.mark.timeout(300 + int(LONG or 0))
def test_whatever_is_asked_the_answer_is_one_that_is_promised(world: World, tmp_path: Path) -> None:
    account = world.account()
    token = world.token(account.id)
    # One with a file, so that there is something to link to and to delete.
    ready = world.ask(token)
    assert world.ended(token, ready)["state"] == "ready"
    settings, report = tmp_path / "schemathesis.toml", tmp_path / "report.json"
    settings.write_text(SETTINGS % (EXAMPLES, ready))
    # Backups that it begins do not get on, so that it meets running ones too, and cancels them.
    with held_back(world):
        run = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "schemathesis.cli",
                    "--config-file",
                    str(settings),
                    "run",
                    str(OPENAPI),
                ),
                *("--no-color", "--report", "json", "--report-json-path", str(report)),
                *(("--max-time", LONG) if LONG else ()),
            ],
            cwd=tmp_path,  # it leaves a folder where it runs
            env=os.environ
            | {"API": world.aws.api_url(world.outputs["ApiUrl"]), "TOKEN": token, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        running = world.call("GET", "/backups", token).json()["running"]
        if running:
            assert world.call("DELETE", f"/backups/{running['id']}", token).status_code == 200
    assert run.returncode == 0, run.stdout + run.stderr
    told: dict[str, Any] = json.loads(report.read_text())
    calls = told["test_cases"]["generated"]
    print(f"Schemathesis: {calls} calls in {told['running_time']:.0f} s")  # noqa: T201
    assert told["complete"]
    assert not told["errors"]
    # Among them: operations of which it has only ever seen 401, 403 or 404.
    assert not [name for name, met in told["warnings"].items() if met]
    assert {phase["status"] for phase in told["phases"].values()} == {"success"}
    assert calls > 200
