"""`make check-deployment`, as an operator runs it, on a stack that is deployed."""

from __future__ import annotations

import subprocess
import sys

from local.aws import ROOT
from local.stack import STACK
from tests.e2e.statements import without
from tests.e2e.world import World


def check(world: World, **more: str) -> subprocess.CompletedProcess[str]:
    api = world.aws.api_url(world.outputs["ApiUrl"])
    return subprocess.run(
        [sys.executable, "-m", "local", "check", STACK, "--api", api],
        cwd=ROOT,
        env=world.aws.environment() | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def users(world: World) -> set[str]:
    pages = world.client("cognito-idp").get_paginator("list_users")
    return {
        user["Username"]
        for page in pages.paginate(UserPoolId=world.outputs["UserPoolId"])
        for user in page["Users"]
    }


def items(world: World, output: str) -> int:
    pages = world.client("dynamodb").get_paginator("scan")
    return sum(page["Count"] for page in pages.paginate(TableName=world.outputs[output]))


def test_a_deployment_that_works_is_said_to_work_and_left_as_it_was(world: World) -> None:
    world.rest()
    before = (
        users(world),
        items(world, "SourceTable"),
        items(world, "BackupsTable"),
        world.objects("backups/"),
    )
    checked = check(world)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.rstrip().endswith("The deployment works.")
    assert "comments.csv" in checked.stdout
    after = users(world), items(world, "SourceTable"), items(world, "BackupsTable"), world.objects("backups/")
    assert after == before
    assert not set(world.executions("RUNNING"))


def test_an_own_account_is_backed_up_as_it_is(world: World) -> None:
    account = world.account()
    world.fill(account)
    checked = check(world, TOKEN=world.token(account.id))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (backup,) = world.call("GET", "/backups", world.token(account.id)).json()["history"]
    assert backup["state"] == "deleted"


def test_what_does_not_work_is_named_and_fails(world: World) -> None:
    with without(world, ("NotifyRole", "SendMail")):
        checked = check(world)
    assert checked.returncode != 0
    assert "SES took no e-mail: see docs/operations.md#ses-refuses-e-mails" in checked.stderr
    assert "Traceback" not in checked.stderr
