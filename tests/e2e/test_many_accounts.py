"""Many accounts at the same moment, by request and by schedule: one backup each, and nothing crossed."""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zipfile import ZipFile

import pytest
import requests

from local import expected, people, seed
from local.aws import Mail
from shared.moments import from_text
from tests.e2e.test_requests import held_back
from tests.e2e.test_schedule import be_due, set_schedule
from tests.e2e.test_sweeper import sweep
from tests.e2e.world import PATIENCE_SECONDS, World, eventually

ACCOUNTS = int(os.environ.get("MANY_ACCOUNTS", "10"))
"""How many accounts ask. MANY_ACCOUNTS=200 is the long mode."""

TIMES = 5
AT_ONCE = 10
"""Each of them is a Lambda of its own, whose cold start takes a second of this machine."""

FEW = {"ExportBackupFunction": 6, "NotifyFunction": 3}
"""How many of them this machine can have at work; hundreds of cold starts at once end in time-outs."""

SECONDS_AN_ACCOUNT = 5
COLD_STARTS_SECONDS = 300


@dataclass(frozen=True)
class Customer:
    """An account that is full of records of its own, and its administrator."""

    account_id: str
    records: list[seed.Record]
    email: str
    token: str


def customer(world: World, number: int) -> Customer:
    account = world.account(seed=number)  # which makes its texts others than its neighbours'
    person = world.person(account.id)
    token = people.sign_in(world.client("cognito-idp"), world.outputs, person)
    return Customer(account.id, world.fill(account), person.email, token)


@contextmanager
def few_at_once(world: World) -> Iterator[None]:
    """Lambda throttles the functions of a workflow beyond FEW: the others wait, and try again."""
    functions = world.client("lambda")
    names = {world.resource(function): count for function, count in FEW.items()}
    for name, count in names.items():
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)
    try:
        yield
    finally:
        for name in names:
            functions.delete_function_concurrency(FunctionName=name)


def asked(world: World, token: str) -> requests.Response:
    """What the API answers to a request, asked again for as long as its throttle says 429."""
    while True:
        answer = world.call("POST", "/backups", token, json={}, timeout=COLD_STARTS_SECONDS)
        if answer.status_code != 429:
            return answer
        time.sleep(2)  # as the template's Retry-After says


def assert_only_its_own(world: World, one: Customer, backup_id: str) -> None:
    """That the account has records, archive and e-mail of this backup alone, with the rows of its own."""
    shown = world.ended(one.token, backup_id)
    assert shown["state"] == "ready", (shown.get("failure"), world.errors_of(backup_id))
    records = {record["sk"]: record for record in world.records_of(one.account_id)}
    assert set(records) == {"SETTINGS", f"BACKUP#{backup_id}"}
    link = world.call("POST", f"/backups/{backup_id}/download-url", one.token).json()["url"]
    with ZipFile(io.BytesIO(requests.get(link, timeout=60).content)) as archive:
        rows = expected.expected(one.records, datetime.fromisoformat(shown["requested_at"]))
        for member, wanted in rows.items():
            assert list(expected.read(archive.read(member))) == wanted, (one.account_id, member)
    # Where a workflow gave it up, the sweeper has it sent after the end.
    errors = world.errors_of(backup_id)
    eventually(lambda: mails_to(world, one), f"the e-mail to come; {errors}", seconds=COLD_STARTS_SECONDS)
    (mail,) = mails_to(world, one)
    assert shown["file"]["name"] in mail.text


def mails_to(world: World, one: Customer) -> list[Mail]:
    return [mail for mail in world.aws.mails() if one.email in mail.to]


@pytest.mark.timeout(COLD_STARTS_SECONDS + 3 * SECONDS_AN_ACCOUNT * ACCOUNTS, func_only=True)
def test_fault_6_every_account_gets_one_backup_and_nothing_of_anothers(world: World) -> None:
    world.rest()  # what other tests began is not to fight for the same two cores
    customers = [customer(world, number) for number in range(ACCOUNTS)]
    asking = [one for one in customers for _ in range(TIMES)]
    with held_back(world), ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda one: asked(world, one.token), asking))
    assert Counter(answer.status_code for answer in answers) == {202: ACCOUNTS, 409: ACCOUNTS * (TIMES - 1)}

    backups: dict[str, str] = {}
    for one, answer in zip(asking, answers, strict=True):
        body = answer.json()
        backup_id = body["id"] if answer.status_code == 202 else body["running"]["id"]
        assert backups.setdefault(one.account_id, backup_id) == backup_id
    assert len(set(backups.values())) == ACCOUNTS
    # Their names are their backups', and a name is given once.
    assert set(backups.values()) <= set(world.executions())
    with few_at_once(world):
        eventually(
            lambda: not set(world.executions("RUNNING")) & set(backups.values()),
            "all workflows to end",
            seconds=PATIENCE_SECONDS + SECONDS_AN_ACCOUNT * ACCOUNTS,
        )
    for one in customers:
        assert_only_its_own(world, one, backups[one.account_id])


@pytest.mark.timeout(COLD_STARTS_SECONDS + 3 * SECONDS_AN_ACCOUNT * ACCOUNTS, func_only=True)
def test_schedules_that_are_due_at_the_same_moment_make_one_backup_each(world: World) -> None:
    world.rest()
    accounts = [world.account(seed=number) for number in range(ACCOUNTS // 2)]
    for account in accounts:
        world.fill(account)
        set_schedule(world, account)
        be_due(world, account)
    began = time.time()
    assert sweep(world) is None

    eventually(
        lambda: all(
            [one["state"] for one in backups_of(world, account)] == ["ready"] for account in accounts
        ),
        "all of them to be ready",
        seconds=PATIENCE_SECONDS + SECONDS_AN_ACCOUNT * ACCOUNTS,
    )
    backups = [backup for account in accounts for backup in backups_of(world, account)]
    assert all(backup["scheduled"] for backup in backups)
    for name in ("requested_at", "finished_at"):
        after = sorted(from_text(backup[name]).timestamp() - began for backup in backups)
        middle = after[len(after) // 2]
        print(f"{name}: {after[0]:.1f}, {middle:.1f}, {after[-1]:.1f} s")  # noqa: T201


def backups_of(world: World, account: seed.Account) -> list[dict[str, Any]]:
    return [record for record in world.records_of(account.id) if "backup_id" in record]
