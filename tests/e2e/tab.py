"""Accounts in each state that the Backups tab can show, written by the service's own code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Locator, Page, expect
from ulid import ULID

from local import seed
from shared.backup import Backup, Failure, MailState, Person, Reason, State, new_backup
from shared.store import cancelled, failed
from tests.e2e.browser import Window, Windows
from tests.e2e.world import World

BYTES = 142_950  # 139.6 KB
RECORDS = 12_345
BO = Person(sub="bo", name="Bo de Vries", email="bo@example.com", language="en")
KEPT = timedelta(days=14)
LANGUAGES = ("en", "nl", "de", "fr", "es")

Words = Mapping[str, object]


def pending(
    world: World, account: seed.Account, *, name: str = "Anna Jansen", age: timedelta = timedelta()
) -> Backup:
    """A backup that was asked for `age` ago and has no workflow: it stays as it is put."""
    backup = in_hand(account, name=name, age=age)
    world.store().claim(backup)
    return backup


def in_hand(account: seed.Account, *, name: str = "Anna Jansen", age: timedelta = timedelta()) -> Backup:
    """A backup that is written nowhere."""
    at = datetime.now(UTC).replace(microsecond=0) - age
    return new_backup(
        backup_id=str(ULID.from_datetime(at)),
        account_id=account.id,
        account_name=account.name,
        encoding=account.encoding,
        requested_by=Person(sub="s", name=name, email="anna@example.com", language="en"),
        now=at,
    )


def running(
    world: World, account: seed.Account, *, units: int = 1, done: int = 0, records: int = 0
) -> Backup:
    backup = pending(world, account)
    store, now = world.store(), datetime.now(UTC)
    store.begin(account.id, backup.id, units=units, now=now)
    for unit in range(done):
        store.advance(account.id, backup.id, unit=unit, records=0, now=now, done=True)
    if records:
        store.advance(account.id, backup.id, unit=done, records=records, now=now)
    return backup


def ready(
    world: World,
    account: seed.Account,
    *,
    age: timedelta = timedelta(minutes=5),
    mail: MailState = MailState.SENT,
    replaced: int = 0,
    name: str = "Anna Jansen",
) -> Backup:
    """A backup whose file can be fetched, or could be, where `age` is over what it is kept for."""
    return finished(world, in_hand(account, name=name, age=age), mail=mail, replaced=replaced)


def finished(world: World, backup: Backup, *, mail: MailState = MailState.SENT, replaced: int = 0) -> Backup:
    """The backup, claimed and ready, with something in the place of its file."""
    world.store().claim(backup)
    world.client("s3").put_object(Bucket=world.outputs["Bucket"], Key=backup.object_key, Body=b"PK")
    done = dataclasses.replace(
        backup,
        state=State.READY,
        finished_at=backup.requested_at + timedelta(minutes=1),
        expires_at=backup.requested_at + KEPT,
        bytes=BYTES,
        records=RECORDS,
        replaced=replaced,
        mail=mail,
    )
    world.store().finish(done)
    return done


def failed_backup(world: World, account: seed.Account, reason: Reason = Reason.SOURCE_UNAVAILABLE) -> Backup:
    backup = failed(pending(world, account), Failure(reason), datetime.now(UTC))
    world.store().finish(backup)
    return backup


def cancelled_backup(world: World, account: seed.Account) -> Backup:
    backup = cancelled(pending(world, account), BO, datetime.now(UTC))
    world.store().finish(backup)
    return backup


def deleted_backup(world: World, account: seed.Account) -> Backup:
    backup = ready(world, account)
    world.client("s3").delete_object(Bucket=world.outputs["Bucket"], Key=backup.object_key)
    return world.store().delete(backup, by=BO, now=datetime.now(UTC))


# --- what a reader looks for ---


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def card(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title)


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def trail(page: Page) -> Locator:
    """The entries of the audit trail, as far as it is open."""
    return page.get_by_role("list", name="Who did what").get_by_role("listitem")


def sticking_out(page: Page) -> list[str]:
    """What reaches beyond the window's right edge."""
    found: list[str] = page.evaluate(
        """() => {
          const all = (root) => [...root.querySelectorAll("*")]
            .flatMap((node) => [node, ...(node.shadowRoot ? all(node.shadowRoot) : [])]);
          const seen = (node) => getComputedStyle(node).clipPath === "none" && !node.closest(".said, thead");
          return all(document)
            .filter((node) => node.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .filter(seen)
            .map((node) => `${node.tagName} ${node.className} ${node.textContent.trim().slice(0, 40)}`);
        }"""
    )
    return found


def seen(page: Page, text: str) -> None:
    expect(page.get_by_text(text).first).to_be_visible()


def opened(
    world: World, windows: Windows, account: seed.Account, *, expected: Sequence[str] = (), **person: str
) -> Window:
    return windows.signed_in(world.person(account.id, **person), world.page_url, expected=expected)
