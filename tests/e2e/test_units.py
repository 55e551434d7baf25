"""Accounts of several units through the real workflow: cut, exported side by side, going on, failing, and
in the end one archive with every record once.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import requests

from functions.export_backup.limits import INLINE_UNITS
from local import expected, seed
from tests.e2e.page_server import Answer, Call, in_front_of
from tests.e2e.test_faults_export import Deaths
from tests.e2e.world import World
from tests.reading import xml_root
from tests.unzippers import UNZIPPERS

PROOFS, COMMENTS = 90, 2_500
"""Comments of more than a megabyte, so that the plan does not take the account for a small one."""
SEVERAL = {"UNIT_BYTES": "250000"}
MANY = {"UNIT_BYTES": "28000"}
AT_ONCE = 6


@dataclass
class BigAccount:
    account: seed.Account
    records: list[seed.Record]
    token: str


@pytest.fixture(scope="module")
def big(world: World) -> BigAccount:
    account = world.account(proofs=PROOFS, comments=COMMENTS)
    return BigAccount(account, world.fill(account), world.token(account.id))


@pytest.fixture(scope="module", autouse=True)
def few_at_once(world: World) -> Iterator[None]:
    """The local AWS keeps to a concurrency only where the definition itself says the number, and would start
    a function for each of many units at once (test_emulators.py)."""
    with world.workflow_with('"MaxConcurrencyPath": "$.plan.concurrency"', f'"MaxConcurrency": {AT_ONCE}'):
        yield


class LastWords:
    """What units' attempts say at their end; of every so manieth unit the first is answered as DynamoDB does
    when two writes meet, which botocore does not repeat: so all that the attempt did was in vain."""

    def __init__(self, *, every: int) -> None:
        self.heard: Counter[int] = Counter()
        self._every = every
        self._lock = threading.Lock()

    def answer(self, operation: str, call: Call) -> Answer | None:
        if operation != "UpdateItem" or "units_done" not in call["UpdateExpression"]:
            return None
        unit = int(call["ExpressionAttributeValues"][":unit"]["NS"][0])
        with self._lock:
            self.heard[unit] += 1
            if unit % self._every == 0 and self.heard[unit] == 1:
                return 400, json.dumps({"__type": "TransactionConflictException"}).encode()
        return None


def archive_of(world: World, big: BigAccount, shown: dict[str, Any], folder: Path) -> Path:
    link = world.call("POST", f"/backups/{shown['id']}/download-url", big.token).json()["url"]
    path = folder / "archive.zip"
    path.write_bytes(requests.get(link, timeout=60).content)
    assert path.stat().st_size == shown["file"]["bytes"]
    return path


def assert_whole(path: Path, big: BigAccount, shown: dict[str, Any]) -> None:
    """That each record is in the archive once, in its place, in CSV and XML."""
    rows = expected.expected(big.records, datetime.fromisoformat(shown["requested_at"]))
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        for member in rows:
            assert list(expected.read(archive.read(member))) == rows[member], member
        root = xml_root(archive.read("backup.xml"))
        manifest = json.loads(archive.read("manifest.json"))
    for member, element in (("comments.csv", "comment"), ("comment_responses.csv", "response")):
        ids = [one.findtext("id") for one in root.iter(element) if len(one)]
        assert ids == [row["id"] for row in rows[member]]
    assert len(root.findall("proofs/*/version")) == len(rows["files.csv"])
    assert {file["name"]: file["rows"] for file in manifest["files"] if file["name"] in rows} == {
        member: len(found) for member, found in rows.items()
    }
    assert shown["progress"]["records"] == sum(map(len, rows.values()))


def left_over(world: World, backup_id: str) -> list[str]:
    return [key for key in world.objects() if backup_id in key]


def map_runs(world: World, backup_id: str) -> list[dict[str, Any]]:
    machines = world.client("stepfunctions")
    listed = machines.list_map_runs(executionArn=world.execution(backup_id)["executionArn"])["mapRuns"]
    return [machines.describe_map_run(mapRunArn=run["mapRunArn"]) for run in listed]


def history_of(world: World, backup_id: str) -> str:
    events = world.client("stepfunctions").get_execution_history(
        executionArn=world.execution(backup_id)["executionArn"], maxResults=1000
    )["events"]
    return json.dumps(events, default=str)


def test_several_units_make_one_archive_with_every_record_once(
    world: World, big: BigAccount, tmp_path: Path
) -> None:
    with world.exporting_with(SEVERAL):
        shown = world.ended(big.token, world.ask(big.token))
    assert shown["state"] == "ready", shown
    assert 4 <= shown["progress"]["units"] <= 10
    assert shown["progress"]["units_done"] == shown["progress"]["units"]
    assert map_runs(world, shown["id"]) == []
    path = archive_of(world, big, shown, tmp_path)
    assert_whole(path, big, shown)
    assert left_over(world, shown["id"]) == []
    for name, unzip in UNZIPPERS.items():
        folder = tmp_path / name
        folder.mkdir()
        unzip(path, folder)
        assert len(list(folder.iterdir())) == 9, name


@pytest.mark.usefixtures("deaths_are_named")
def test_units_of_which_each_fails_once_make_the_same_archive(
    world: World, big: BigAccount, tmp_path: Path
) -> None:
    words = LastWords(every=1)
    with (
        in_front_of(world.aws.endpoint, words.answer) as dynamodb,
        world.exporting_with(SEVERAL | {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb}),
    ):
        shown = world.ended(big.token, world.ask(big.token))
    assert shown["state"] == "ready", shown
    assert min(words.heard.values()) == 2
    assert len(words.heard) == shown["progress"]["units"] == shown["progress"]["units_done"]
    assert_whole(archive_of(world, big, shown, tmp_path), big, shown)
    assert left_over(world, shown["id"]) == []


@pytest.mark.usefixtures("deaths_are_named")
def test_more_units_than_run_inline_are_executions_of_their_own_and_may_fail_once(
    world: World, big: BigAccount, tmp_path: Path
) -> None:
    words = LastWords(every=10)  # each failure costs the local AWS a new process
    with (
        in_front_of(world.aws.endpoint, words.answer) as dynamodb,
        world.exporting_with(MANY | {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb}),
    ):
        shown = world.ended(big.token, world.ask(big.token))
    assert shown["state"] == "ready", shown
    units = shown["progress"]["units"]
    assert units > INLINE_UNITS
    assert min(times for unit, times in words.heard.items() if unit % 10 == 0) == 2
    assert len(words.heard) == shown["progress"]["units_done"] == units
    (run,) = map_runs(world, shown["id"])
    assert (run["status"], run["itemCounts"]["succeeded"]) == ("SUCCEEDED", units)
    assert_whole(archive_of(world, big, shown, tmp_path), big, shown)
    assert left_over(world, shown["id"]) == []
    assert json.loads(world.execution(shown["id"])["output"])["archive"]["records"] > 0


def test_units_that_have_hardly_any_time_go_on_from_proof_to_proof(world: World, tmp_path: Path) -> None:
    account = world.account(proofs=12, comments=60)
    small = BigAccount(account, world.fill(account), world.token(account.id))
    with world.exporting_with({"RESERVE_SECONDS": "900"}):  # as much as Lambda gives
        shown = world.ended(small.token, world.ask(small.token))
    assert shown["state"] == "ready", shown
    assert shown["progress"]["units"] == shown["progress"]["units_done"] == 1
    proofs = {item["sk"].partition("#")[0] for table, item in small.records if table == "FILES"}
    assert history_of(world, shown["id"]).count('"TaskSucceeded"') >= len(proofs)
    assert_whole(archive_of(world, small, shown, tmp_path), small, shown)
    assert left_over(world, shown["id"]) == []


def test_of_many_units_one_that_fails_fails_the_backup_which_says_why(world: World, big: BigAccount) -> None:
    """Of the execution that failed Step Functions says no more than that one did."""

    def answer(operation: str, call: Call) -> Answer | None:
        if operation == "UpdateItem" and call.get("ExpressionAttributeNames", {}).get("#unit") == "7":
            return 400, json.dumps({"__type": "AccessDeniedException"}).encode()
        return None

    with (
        in_front_of(world.aws.endpoint, answer) as dynamodb,
        world.exporting_with(MANY | {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb}),
    ):
        shown = world.ended(big.token, world.ask(big.token))
    assert shown["state"] == "failed"
    assert shown["failure"] == {"reason": "internal", "detail": "ClientError"}
    (run,) = map_runs(world, shown["id"])
    assert (run["status"], run["itemCounts"]["failed"]) == ("FAILED", 1)
    assert world.store().running(big.account.id) is None
    assert left_over(world, shown["id"]) == []


@pytest.mark.usefixtures("deaths_are_named")
def test_units_whose_functions_are_killed_in_the_middle_are_taken_again(
    world: World, big: BigAccount, tmp_path: Path
) -> None:
    deaths = Deaths(world)
    deaths.due_after(random.Random().randint(20, 50), 0)  # noqa: S311 - plan and units make sixty at least

    def answer(_operation: str, call: Call) -> None:
        deaths.before(call)

    with (
        in_front_of(world.aws.endpoint, answer) as dynamodb,
        world.exporting_with(SEVERAL | {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb}),
    ):
        shown = world.ended(big.token, world.ask(big.token))
    assert deaths.happened()
    assert shown["state"] == "ready", world.errors_of(shown["id"])
    assert_whole(archive_of(world, big, shown, tmp_path), big, shown)
    assert left_over(world, shown["id"]) == []
