"""Backups that nobody asks for at the moment: they are due by the account's schedule.

    the schedule's lease runs out
      ├─ a backup is due ── the lock is free ── one transaction: the pending record, and the schedule moves on
      │                  └─ it is not, or the plan has no backups any more: the history says so, and an e-mail
      └─ more files of scheduled backups than are to be kept: the oldest are deleted

Whoever comes second, or died in between and comes again, finds the schedule moved on and does nothing. A
sweep that comes hours late makes one backup, whatever number was due.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from functions.request_backup.cleaning import Cleaner
from functions.request_backup.notices import Notices
from functions.request_backup.workflow import Workflow
from shared import leases
from shared.accounts import AccountSettings
from shared.backup import Backup, Failure, Reason, State, new_backup
from shared.encodings import DEFAULT_ENCODING
from shared.history import LOOKED_THROUGH
from shared.moments import Clock
from shared.schedule import Schedule
from shared.store import AlreadyRunning, BackupStore, Superseded, failed

KEEPING_AN_EYE = timedelta(hours=6)
"""So long after a scheduled backup its end is looked for, and what it makes too many is deleted."""


class ScheduledBackups:
    def __init__(
        self,
        store: BackupStore,
        workflow: Workflow,
        notices: Notices,
        cleaner: Cleaner,
        clock: Clock,
        make_id: Callable[[], str],
        logger: Logger,
    ) -> None:
        self._store = store
        self._workflow = workflow
        self._notices = notices
        self._cleaner = cleaner
        self._clock = clock
        self._make_id = make_id
        self._logger = logger

    def see_to(self, account_id: str) -> None:
        """Do what the account's schedule calls for now.

        Raises botocore's errors, and UnknownFormat: the next sweep tries again.
        """
        now = self._clock()
        schedule = self._store.schedule(account_id)  # the index may lag behind: what counts is the record
        if schedule is None:
            return
        if schedule.next_at > now:
            self._look_after_files(schedule, now)
            return
        with suppress(Superseded):  # another sweep was quicker, or somebody has just changed the schedule
            self._due(schedule, now)

    def _due(self, schedule: Schedule, now: datetime) -> None:
        account = self._store.settings(schedule.account_id)
        if account is None or not account.has_backups:
            self._miss(schedule, account, Reason.PLAN_CHANGED, now)
            self._store.drop_schedule(schedule.account_id, by=None, now=now)
            return
        backup = self._backup(schedule, account, now)
        try:
            self._store.claim(backup, due=schedule)
        except AlreadyRunning:
            self._miss(schedule, account, Reason.OTHER_RUNNING, now)
            return
        # The record is the outbox: what this does not start, the sweeper does.
        start = self._workflow.start(backup)
        self._logger.info(
            "scheduled backup requested",
            backup_id=backup.id,
            account_id=backup.account_id,
            start=start.value,
        )

    def _backup(self, schedule: Schedule, account: AccountSettings | None, now: datetime) -> Backup:
        return new_backup(
            backup_id=self._make_id(),
            account_id=schedule.account_id,
            account_name=account.name if account else "",
            encoding=account.encoding if account else DEFAULT_ENCODING,
            requested_by=schedule.by,
            now=now,
            scheduled=True,
        )

    def _miss(
        self, schedule: Schedule, account: AccountSettings | None, reason: Reason, now: datetime
    ) -> None:
        missed = failed(self._backup(schedule, account, now), Failure(reason), now)
        self._store.miss(missed, due=schedule)
        self._logger.warning(
            "scheduled backup missed", backup_id=missed.id, account_id=missed.account_id, reason=reason.value
        )
        self._notices.tell(missed)

    def _look_after_files(self, schedule: Schedule, now: datetime) -> None:
        """Delete what is not to be kept, and leave the schedule alone until there may be more."""
        next_look = schedule.next_at
        if schedule.rhythm.keep is not None:
            # The running one first: one that gets ready in between is then waited for once more.
            running = self._store.running(schedule.account_id)
            if running is not None and running.scheduled and now - running.requested_at < KEEPING_AN_EYE:
                next_look = min(now + leases.LEASE, next_look)
            history = self._store.history(schedule.account_id, limit=LOOKED_THROUGH)
            ready = [one for one in history if one.scheduled and one.state_at(now) is State.READY]
            for backup in ready[schedule.rhythm.keep :]:
                self._delete(backup, now)
        self._store.look_again(schedule, next_look)

    def _delete(self, backup: Backup, now: datetime) -> None:
        # The record first: from then on no link is made. Then the file, by the function that may delete it.
        try:
            deleted = self._store.delete(backup, by=None, now=now)
        except Superseded:
            return
        self._logger.info("backup not kept", backup_id=backup.id, account_id=backup.account_id)
        self._cleaner.clean(deleted)
