"""POST /backups/{id}/download: fresh links, for whom and for which backups."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import requests

from shared.link import end_of
from shared.moments import from_text
from tests.unit.request_backup.api_world import NOBODY, ROLE, ApiWorld, claims_of


def test_a_fresh_link_fetches_the_archive_for_five_minutes(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    answer = world.download(account, ready.id)
    assert answer.status == 200
    assert answer.body["file"] == {"name": ready.file_name, "bytes": 142_950}
    assert requests.get(answer.body["url"], timeout=5).content == b"PK"
    assert "X-Amz-Expires=300" in answer.body["url"]
    assert from_text(answer.body["ends_at"]) == end_of(answer.body["url"])
    left = end_of(answer.body["url"]) - world.table.now
    assert timedelta(seconds=299) <= left <= timedelta(seconds=305)


def test_every_asking_makes_another_link_and_changes_nothing(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    before = world.table.records(account)
    urls = {world.download(account, ready.id).body["url"] for _ in range(3)}
    assert len(urls) == 3
    assert world.table.records(account) == before


def test_who_made_a_link_is_logged_and_the_link_is_not(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    url = world.download(account, ready.id).body["url"]
    (line,) = [json.loads(line) for line in world.log.getvalue().splitlines()]
    assert (line["message"], line["backup_id"]) == ("link made", ready.id)
    assert line["user"] == claims_of(account)["sub"]
    assert url not in world.log.getvalue()
    assert ready.object_key not in world.log.getvalue()
    assert ROLE not in world.log.getvalue()


def test_an_older_ready_backup_is_fetched_while_a_newer_one_runs(world: ApiWorld, account: str) -> None:
    old = world.table.ready(account)
    world.put_archive(old.object_key)
    world.table.ready(account)
    world.table.pending(account)
    assert world.download(account, old.id).status == 200


def test_only_admins_get_links(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    path = f"/backups/{ready.id}/download-url"
    answer = world.call("POST", path, claims=claims_of(account, **NOBODY))
    assert (answer.status, answer.problem) == (403, "not-an-admin")
    assert world.calls["AssumeRole"] == 0


def test_a_downgraded_account_can_still_fetch_what_was_made(world: ApiWorld, account: str) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    world.table.set_account(account, plan="Select")
    assert world.download(account, ready.id).status == 200


def test_a_backup_that_is_being_made_has_no_link_yet(world: ApiWorld, account: str) -> None:
    backup = world.table.pending(account)
    for state in ("pending", "running"):
        answer = world.download(account, backup.id)
        assert (answer.status, answer.problem) == (409, "not-ready")
        assert answer.body["state"] == state
        world.store.begin(account, backup.id, units=1, now=world.table.now)
    assert world.calls["AssumeRole"] == 0


def test_a_deleted_backup_is_gone_and_a_cancelled_one_never_has_a_link(world: ApiWorld, account: str) -> None:
    ready, pending = world.table.ready(account), world.table.pending(account)
    for backup in (ready, pending):
        world.remove(account, backup.id)
        world.put_archive(backup.object_key)  # as if something had written it once more
    answer = world.download(account, ready.id)
    assert (answer.status, answer.problem) == (410, "file-gone")
    answer = world.download(account, pending.id)
    assert (answer.status, answer.problem, answer.body["state"]) == (409, "not-ready", "cancelled")
    assert world.calls["AssumeRole"] == 0


def test_a_failed_backup_never_has_a_link(world: ApiWorld, account: str) -> None:
    answer = world.download(account, world.table.failed(account).id)
    assert (answer.status, answer.problem) == (409, "not-ready")
    assert answer.body["state"] == "failed"


def test_an_expired_backup_is_gone_even_while_its_object_is_still_there(
    world: ApiWorld, account: str
) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    world.table.now += timedelta(days=14)
    answer = world.download(account, ready.id)
    assert (answer.status, answer.problem) == (410, "file-gone")
    assert world.calls["AssumeRole"] == 0


def test_a_backup_whose_object_is_gone_is_gone(world: ApiWorld, account: str) -> None:
    answer = world.download(account, world.table.ready(account).id)
    assert (answer.status, answer.problem) == (410, "file-gone")
    assert "url" not in answer.body


@pytest.mark.parametrize(
    ("fault", "status"),
    [((400, "Throttling"), 503), ((500, "InternalFailure"), 503), ((403, "AccessDenied"), 500)],
)
def test_trouble_with_the_download_role_is_no_missing_file(
    world: ApiWorld, account: str, fault: tuple[int, str], status: int
) -> None:
    ready = world.table.ready(account)
    world.put_archive(ready.object_key)
    world.lines["sts"].refuse("AssumeRole", *fault)
    answer = world.download(account, ready.id)
    assert answer.status == status
    assert ("Retry-After" in answer.headers) == (status == 503)
    for text in (answer.text, world.log.getvalue()):
        assert ROLE not in text
        assert "made up" not in text
