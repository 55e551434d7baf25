"""The desk where backups are asked for, looked at, fetched and removed. It knows accounts, and no HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from functions.request_backup.body import Wishes
from functions.request_backup.caller import Caller
from functions.request_backup.refusals import (
    BackupRunning,
    FileGone,
    MalformedRequest,
    NotAnAdmin,
    NotReady,
    PlanWithoutBackups,
    Refusal,
    StartRefused,
    UnknownAccount,
    UnknownBackup,
)
from functions.request_backup.removal import MEANT, Removal
from functions.request_backup.workflow import Start, Workflow
from shared import audit
from shared.accounts import AccountSettings
from shared.audit import Entry, Way, is_entry_id
from shared.backup import Backup, Failure, Person, Reason, State, new_backup
from shared.ids import is_backup_id
from shared.link import ArchiveGone, Link, LinkSigner, TooLate
from shared.moments import Clock, to_text
from shared.schedule import Rhythm, Schedule
from shared.store import AlreadyRunning, BackupStore, Superseded, failed
from shared.trail import Trail

LINK_SECONDS = 300
"""A link that someone has just clicked for is used at once."""
HISTORY_PAGE = 20
AUDIT_PAGE = 50
STARTS_WITHIN = timedelta(seconds=30)
"""A backup that is pending for longer was probably never started."""
_EXPIRED = "It was kept until the day that its e-mail named. Request a new backup."


@dataclass(frozen=True)
class Overview:
    """What the tab shows.

    `why_not` is the refusal that a request would meet now, None if it may be made. `may_manage` does not
    change with what is running: whether the caller may request, download, cancel, delete and choose.
    """

    account: AccountSettings
    may_manage: bool
    why_not: Refusal | None
    running: Backup | None
    last_ready: Backup | None
    history: list[Backup]
    next_before: str | None
    schedule: Schedule | None


@dataclass(frozen=True)
class AuditPage:
    """A page of the account's trail, newest first, and the id from which the next one goes on, if any."""

    entries: list[Entry]
    next_before: str | None


class Desk:
    def __init__(
        self,
        store: BackupStore,
        trail: Trail,
        workflow: Workflow,
        signer: LinkSigner,
        removal: Removal,
        *,
        clock: Clock,
        make_id: Callable[[], str],
        admin_group: str,
        sales_contact: str,
    ) -> None:
        self._store = store
        self._trail = trail
        self._workflow = workflow
        self._signer = signer
        self._removal = removal
        self._clock = clock
        self._make_id = make_id
        self._admin_group = admin_group
        self._sales_contact = sales_contact

    def request(self, caller: Caller, wishes: Wishes) -> tuple[Backup, Start]:
        """Claim the account's lock, then start the workflow.

        The pending record is written first and is the outbox: where the answer to the start is unclear,
        it stays, and the next request that finds it starts the same execution. Only a definite refusal
        takes it away.

        Raises UnknownAccount, PlanWithoutBackups, NotAnAdmin, BackupRunning, StartRefused.
        """
        account = self._account(caller)
        self._check_may_manage(caller, account)
        backup = new_backup(
            backup_id=self._make_id(),
            account_id=account.account_id,
            account_name=account.name,
            encoding=wishes.encoding or account.encoding,
            requested_by=Person(
                sub=caller.person.sub,
                name=caller.person.name,
                email=caller.person.email,
                language=wishes.language or caller.person.language,
            ),
            now=self._clock(),
        )
        try:
            self._store.claim(backup)
        except AlreadyRunning as already:
            self._start_if_left_behind(already.running)
            raise _running(already.running) from None
        start = self._workflow.start(backup)
        if start is Start.REFUSED:
            self._close_as_refused(backup)
            raise StartRefused("It is closed as failed; your account is free to ask again.", id=backup.id)
        return backup, start

    def overview(self, caller: Caller, *, before: str | None = None) -> Overview:
        """The state of the tab, with the history from before the backup id `before`, newest first."""
        if before is not None and not is_backup_id(before):
            raise MalformedRequest("`before` is the id of a backup.")
        account = self._account(caller)
        may_not = self._why_not_manage(caller, account)
        running = self._store.running(account.account_id)
        # One more than a page, to know whether there is a next one.
        history = self._store.history(account.account_id, limit=HISTORY_PAGE + 1, before=before)
        page = history[:HISTORY_PAGE]
        return Overview(
            account=account,
            may_manage=may_not is None,
            why_not=may_not or (_running(running) if running else None),
            running=running,
            last_ready=self._store.last_ready(account.account_id, self._clock()),
            history=page,
            next_before=page[-1].id if len(history) > HISTORY_PAGE else None,
            schedule=self._store.schedule(account.account_id),
        )

    def show(self, caller: Caller, backup_id: str) -> Backup:
        """One backup of the caller's account. Raises UnknownBackup."""
        if not is_backup_id(backup_id):
            raise UnknownBackup
        account = self._account(caller)
        backup = self._store.find(account.account_id, backup_id)
        if backup is None:
            raise UnknownBackup
        return backup

    def download(self, caller: Caller, backup_id: str) -> tuple[Backup, Link]:
        """A fresh link to a ready backup, which is in the trail before it is handed out.

        Raises NotAnAdmin, UnknownBackup, NotReady, FileGone.
        """
        backup = self.show(caller, backup_id)
        self._check_admin(caller)
        match backup.state_at(self._clock()):
            case State.DELETED:
                raise FileGone("It was deleted by an administrator of your account. Request a new backup.")
            case State.EXPIRED:
                raise FileGone(_EXPIRED)
            case State.READY:
                link = self._signed(backup)
                made = audit.link_made(backup, link, Way.TAB, caller.person, self._clock())
                self._trail.append(made)
                return backup, link
            case state:
                raise NotReady(f"It is {state.value}.", state=state.value)

    def remove(self, caller: Caller, backup_id: str, *, seen: str | None = None) -> Backup:
        """Cancel a backup that is being made, or delete a ready one's file; returns what is left of it.

        `seen` is what the caller takes it for, `running` or `ready`. Raises MalformedRequest, UnknownBackup,
        NotAnAdmin, NotReady, MovedOn.
        """
        if seen is not None and seen not in MEANT:
            raise MalformedRequest(f"`expect` is one of: {', '.join(MEANT)}.")
        backup = self.show(caller, backup_id)
        self._check_admin(caller)
        return self._removal.remove(backup, by=caller.person, seen=seen)

    def choose_encoding(self, caller: Caller, encoding: str) -> None:
        """Set the encoding of the account's next backups, one of ENCODING_NAMES.

        Raises UnknownAccount, PlanWithoutBackups, NotAnAdmin.
        """
        account = self._account(caller)
        self._check_may_manage(caller, account)
        self._store.choose_encoding(account.account_id, encoding, by=caller.person, now=self._clock())

    def schedule(self, caller: Caller) -> Schedule | None:
        """When the account is backed up by itself, if it is. Raises UnknownAccount."""
        return self._store.schedule(self._account(caller).account_id)

    def set_schedule(self, caller: Caller, rhythm: Rhythm) -> Schedule:
        """Have backups made in this rhythm, in the caller's name.

        Raises UnknownAccount, PlanWithoutBackups, NotAnAdmin.
        """
        account = self._account(caller)
        self._check_may_manage(caller, account)
        now = self._clock()
        wanted = Schedule(account.account_id, rhythm, caller.person, rhythm.after(now))
        self._store.set_schedule(wanted, now=now)
        return wanted

    def drop_schedule(self, caller: Caller) -> None:
        """Make no more backups by themselves, on any plan. Raises UnknownAccount, NotAnAdmin."""
        account = self._account(caller)
        self._check_admin(caller)
        self._store.drop_schedule(account.account_id, by=caller.person, now=self._clock())

    def audit(self, caller: Caller, *, before: str | None = None) -> AuditPage:
        """The account's trail, newest first, from before the entry with the id `before`.

        Raises UnknownAccount, NotAnAdmin, MalformedRequest.
        """
        account = self._account(caller)
        self._check_admin(caller)
        if before is not None and not is_entry_id(before):
            raise MalformedRequest("`before` is the id of an entry.")
        # One more than a page, to know whether there is a next one.
        entries = self._trail.page(account.account_id, self._clock(), limit=AUDIT_PAGE + 1, before=before)
        page = entries[:AUDIT_PAGE]
        return AuditPage(page, page[-1].id if len(entries) > AUDIT_PAGE else None)

    def _signed(self, backup: Backup) -> Link:
        try:
            return self._signer.sign(
                backup.object_key,
                backup_id=backup.id,
                seconds=LINK_SECONDS,
                not_after=backup.expires_at or self._clock(),
            )
        except ArchiveGone:
            raise FileGone("Request a new backup.") from None
        except TooLate:
            raise FileGone(_EXPIRED) from None

    def _account(self, caller: Caller) -> AccountSettings:
        account = self._store.settings(caller.account_id)
        if account is None:
            raise UnknownAccount("Backups have not been set up for your account yet.")
        return account

    def _check_may_manage(self, caller: Caller, account: AccountSettings) -> None:
        if not account.has_backups:
            raise PlanWithoutBackups(
                f"Backups are part of the Enterprise and Unlimited plans. Contact {self._sales_contact}.",
                contact=self._sales_contact,
            )
        self._check_admin(caller)

    def _check_admin(self, caller: Caller) -> None:
        if self._admin_group not in caller.groups:
            raise NotAnAdmin("Ask an administrator of your account.")

    def _why_not_manage(self, caller: Caller, account: AccountSettings) -> Refusal | None:
        try:
            self._check_may_manage(caller, account)
        except Refusal as refusal:
            return refusal
        return None

    def _start_if_left_behind(self, running: Backup) -> None:
        """Start again what seems never to have started. Same name, same input: no second execution."""
        if running.state is State.PENDING and self._clock() - running.requested_at > STARTS_WITHIN:
            self._workflow.start(running)

    def _close_as_refused(self, backup: Backup) -> None:
        try:
            self._store.finish(failed(backup, Failure(Reason.START_REFUSED), self._clock()))
        except Superseded:
            return  # somebody else has closed it


def _running(running: Backup) -> BackupRunning:
    since = to_text(running.requested_at)
    begun = "was requested at" if running.state is State.PENDING else "has been running since"
    return BackupRunning(
        f"Backup {running.id} {begun} {since}.", running={"id": running.id, "requested_at": since}
    )
