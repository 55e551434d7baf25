"""Many accounts that ask at the same moment, each several times: one backup each, and nothing crossed.

MANY_ACCOUNTS=200 is the long mode; the suite takes 24.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from zipfile import ZipFile

import requests

from local import expected
from tests.e2e.test_requests import held_back
from tests.e2e.world import World

ACCOUNTS = int(os.environ.get("MANY_ACCOUNTS", "24"))
TIMES = 5
AT_ONCE = 24


@contextmanager
def unthrottled(world: World) -> Iterator[None]:
    """A higher ApiRate for the time of the block: who is refused, the lock refuses."""
    gateway, api = world.client("apigateway"), world.resource("Api")
    settings = gateway.get_stage(restApiId=api, stageName="v1")["methodSettings"]["*/*"]

    def throttle(rate: float, burst: int) -> None:
        patches = [
            {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": str(rate)},
            {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": str(burst)},
        ]
        gateway.update_stage(restApiId=api, stageName="v1", patchOperations=patches)

    throttle(100_000, 100_000)
    try:
        yield
    finally:
        throttle(settings["throttlingRateLimit"], settings["throttlingBurstLimit"])


def test_every_account_gets_one_backup_and_its_own(world: World) -> None:
    accounts = [world.account(seed=number) for number in range(ACCOUNTS)]
    records = {account.id: world.fill(account) for account in accounts}
    tokens = {account.id: world.token(account.id) for account in accounts}
    asked = [account.id for _ in range(TIMES) for account in accounts]
    before = set(world.executions())
    with unthrottled(world), held_back(world), ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(
            pool.map(lambda account: world.call("POST", "/backups", tokens[account], json={}), asked)
        )
    assert Counter(answer.status_code for answer in answers) == {202: ACCOUNTS, 409: ACCOUNTS * (TIMES - 1)}
    backups: dict[str, str] = {}
    for account, answer in zip(asked, answers, strict=True):
        body = answer.json()
        told = body["id"] if answer.status_code == 202 else body["running"]["id"]
        assert backups.setdefault(account, told) == told
    assert set(world.executions()) - before == set(backups.values())
    for account, backup_id in backups.items():
        shown = world.ended(tokens[account], backup_id)
        assert shown["state"] == "ready", shown
        link = world.call("POST", f"/backups/{backup_id}/download-url", tokens[account]).json()["url"]
        archive = ZipFile(io.BytesIO(requests.get(link, timeout=60).content))
        rows = expected.expected(records[account], datetime.fromisoformat(shown["requested_at"]))
        for member, wanted in rows.items():
            assert list(expected.read(archive.read(member))) == list(wanted), (account, member)
