"""Download links: they work until the moment they name, for exactly one file, read-only."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.e2e.world import World, eventually


@pytest.fixture(scope="module")
def ready(world: World) -> tuple[str, dict[str, Any]]:
    """A token, and a ready backup of its account."""
    account = world.account()
    world.fill(account)
    token = world.token(account.id)
    return token, world.ended(token, world.ask(token))


def link_to(world: World, ready: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    token, backup = ready
    answer = world.call("POST", f"/backups/{backup['id']}/download-url", token)
    assert answer.status_code == 200, answer.text
    link: dict[str, Any] = answer.json()
    return link


@contextmanager
def email_links_of(world: World, seconds: int) -> Iterator[None]:
    """Have notify make links of so many seconds, as the parameter EmailLinkSeconds would."""
    functions, name = world.client("lambda"), world.resource("NotifyFunction")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    try:
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": before | {"EMAIL_LINK_SECONDS": str(seconds)}}
        )
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def test_the_mailed_link_works_until_the_moment_in_the_mail_and_is_refused_a_second_later(
    world: World,
) -> None:
    account = world.account()
    token = world.token(account.id)
    with email_links_of(world, 8):
        shown = world.ended(token, world.ask(token))
    (mail,) = world.mails_about(shown["file"]["name"])
    link = next(line.strip() for line in mail.text.splitlines() if "X-Amz-Signature" in line)
    assert "X-Amz-Expires=8" in link
    signed_at = datetime.strptime(link.partition("X-Amz-Date=")[2][:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ends_at = signed_at.timestamp() + 8
    named = datetime.fromtimestamp(ends_at, UTC).strftime("%H:%M:%S")
    assert named in mail.text
    time.sleep(max(0.0, ends_at - 1.5 - time.time()))
    assert requests.get(link, timeout=10).status_code == 200
    assert time.time() < ends_at, "this machine was too slow to try the link in its last second"
    time.sleep(max(0.0, ends_at + 1 - time.time()))
    assert requests.get(link, timeout=10).status_code == 403


def test_a_fresh_link_lives_five_minutes(world: World, ready: tuple[str, dict[str, Any]]) -> None:
    link = link_to(world, ready)
    left = datetime.fromisoformat(link["ends_at"]) - datetime.now(UTC)
    assert 290 < left.total_seconds() <= 300
    assert requests.get(link["url"], timeout=10).headers["Content-Type"] == "application/zip"


def test_an_altered_link_is_refused(world: World, ready: tuple[str, dict[str, Any]]) -> None:
    url = link_to(world, ready)["url"]
    for altered in (
        url.replace("X-Amz-Expires=300", "X-Amz-Expires=3000"),
        url.replace("backups/", "staging/"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.partition("?")[0],
    ):
        assert requests.get(altered, timeout=10).status_code == 403


def test_a_link_cannot_write_or_delete(world: World, ready: tuple[str, dict[str, Any]]) -> None:
    url = link_to(world, ready)["url"]
    assert requests.put(url, data=b"x", timeout=10).status_code == 403
    assert requests.delete(url, timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 200


def test_a_link_scanner_that_fetches_every_link_changes_nothing(
    world: World, ready: tuple[str, dict[str, Any]]
) -> None:
    token, backup = ready
    url = link_to(world, ready)["url"]
    first = requests.get(url, timeout=10).content
    assert all(requests.get(url, timeout=10).content == first for _ in range(20))
    assert world.call("GET", f"/backups/{backup['id']}", token).json() == backup


def unseen(world: World) -> tuple[str, str, str]:
    """Of an account that nobody has looked at since its backup is ready: its id, a token, the backup's id."""
    account = world.account()
    token = world.token(account.id)
    backup_id = world.ask(token)
    assert world.outcome_of(backup_id) == "SUCCEEDED"
    return account.id, token, backup_id


def kept_of(world: World, account_id: str) -> tuple[object, ...]:
    """The account's records, its trail, and the keys of its archives."""
    trail = world.trail().page(account_id, datetime.now(UTC), limit=100)
    archives = [key for key in world.objects("backups/") if f"/{account_id}_" in key]
    assert archives
    return world.records_of(account_id), trail, archives


def test_a_scanner_that_fetches_every_link_of_the_mail_twenty_times_leaves_all_as_it_was(
    world: World,
) -> None:
    account_id, _, backup_id = unseen(world)
    before = kept_of(world, account_id)
    (mail,) = [mail for mail in world.aws.mails() if backup_id in mail.text]
    links = re.findall(r"^https?://\S+$", mail.text, re.MULTILINE)
    assert len(links) == 2  # to the archive, and to the tab
    for link in links:
        answers = [requests.get(link, timeout=10) for _ in range(20)]
        assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert kept_of(world, account_id) == before


def test_who_looks_twenty_times_leaves_all_as_it_was(world: World) -> None:
    account_id, token, backup_id = unseen(world)
    before = kept_of(world, account_id)
    for path in ("/backups", f"/backups/{backup_id}", "/schedule", "/audit"):
        answers = [world.call("GET", path, token) for _ in range(20)]
        assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert kept_of(world, account_id) == before


def test_only_administrators_get_links(world: World, ready: tuple[str, dict[str, Any]]) -> None:
    _, backup = ready
    account_id = backup["file"]["name"].partition("_")[0]
    colleague = world.token(account_id, group=None)
    assert world.call("GET", f"/backups/{backup['id']}", colleague).status_code == 200
    assert world.call("POST", f"/backups/{backup['id']}/download-url", colleague).status_code == 403


def test_a_file_that_is_gone_is_said_to_be_gone(world: World) -> None:
    token = world.token(world.account().id)
    shown = world.ended(token, world.ask(token))
    (key,) = [key for key in world.objects("backups/") if key.endswith(shown["file"]["name"])]
    world.client("s3").delete_object(Bucket=world.outputs["Bucket"], Key=key)
    answer = world.call("POST", f"/backups/{shown['id']}/download-url", token)
    assert answer.status_code == 410
    assert answer.json()["type"].endswith(":file-gone")


@pytest.mark.usefixtures("ready")
def test_without_a_link_nobody_gets_in(world: World) -> None:
    assert eventually(lambda: world.objects("backups/"), "an archive")
    bucket = f"{world.aws.endpoint}/{world.outputs['Bucket']}"
    for key in world.objects():
        assert requests.get(f"{bucket}/{key}", timeout=10).status_code == 403
    assert requests.get(bucket, timeout=10).status_code == 403
