"""Looks after backups that nobody else does: those whose start was lost, and those whose workflow died; and
after schedules (scheduled.py).

    lease run out, or the event of an execution's end
      └─ StartExecution, same name and input    a start that never happened happens now
           └─ DescribeExecution
                runs                            left alone for another lease
                ended badly                     failed, and the account free
                ended well                      the step `ready`, which looks at the archive; else failed
                is not there                    just started; or, where the start is refused, failed

A lease that has run out gives the lock to nobody, and age alone ends nothing: only what Step Functions says
does. Every write is conditional on the backup's id, so two sweepers at once, a late event and an event that
comes twice do what one does, and a newer backup is never touched.

DescribeExecution is eventually consistent. That it says "runs" of an execution that has just ended costs
a lease; that it says "ended" of one that runs cannot be, but after a redrive, whose next write is refused.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from functions.request_backup.cleaning import Cleaner
from functions.request_backup.closing import ReadyStep
from functions.request_backup.notices import Notices
from functions.request_backup.scheduled import ScheduledBackups
from functions.request_backup.workflow import EndedBadly, EndedWell, Execution, NeverWas, Start, Workflow
from shared.backup import Backup, Failure, MailState, Reason, State
from shared.logs import shape_of
from shared.moments import Clock
from shared.store import BackupStore, Superseded, failed

OWED_FOR = timedelta(days=1)
"""An e-mail that could not be sent for so long is given up."""

_TOLD = frozenset({State.READY, State.FAILED})  # of the other ends somebody of the account knows
_SETTLED = frozenset({MailState.SENT, MailState.NOT_SENT})


class SweepIncomplete(Exception):
    """Some accounts could not be looked after; the log says which. Lambda and the next sweep try again."""


class WorkflowUnclear(Exception):
    """Step Functions did not say whether there is an execution. Nothing was changed; the next sweep asks."""


class Sweeper:
    def __init__(
        self,
        store: BackupStore,
        workflow: Workflow,
        steps: ReadyStep,
        notices: Notices,
        cleaner: Cleaner,
        schedules: ScheduledBackups,
        clock: Clock,
        logger: Logger,
    ) -> None:
        self._store = store
        self._workflow = workflow
        self._steps = steps
        self._notices = notices
        self._cleaner = cleaner
        self._schedules = schedules
        self._clock = clock
        self._logger = logger

    def sweep(self) -> int:
        """Look at every backup whose lease has run out, every e-mail that is still owed, and what is due.

        Returns how many of them nobody had begun, and are started now. What one account meets stops no other
        one. Raises SweepIncomplete at the end, and botocore's errors where the table does not say which
        there are.
        """
        now = self._clock()
        started = [
            *(self._tried(self._left_alone, account) for account in self._store.accounts_left_alone(now)),
            *(self._tried(self._owed, *backup) for backup in self._store.untold(now)),
            *(self._tried(self._scheduled, account) for account in self._store.schedules_due(now)),
        ]
        broken = started.count(None)
        self._logger.info("swept", looked_at=len(started), broken=broken, started=started.count(True))
        if broken:
            raise SweepIncomplete(f"{broken} of {len(started)}")
        return started.count(True)

    def look(self, account_id: str, backup_id: str) -> None:
        """Look at one backup whose execution is said to have ended, lease or not.

        Mostly the execution has ended it and seen to its e-mail, and there is nothing to do. Raises
        WorkflowUnclear, NotClosed and botocore's errors.
        """
        backup = self._store.find(account_id, backup_id)
        if backup is None:
            return
        if backup.finished_at is None:
            self._mend(backup)
        elif self._is_owed(backup, backup.finished_at):
            self._store.owe_mail(account_id, backup_id, self._clock())
            self._settle(backup)

    def _tried(self, action: Callable[..., bool], *ids: str) -> bool | None:
        """Whether the action has started a backup; None where it failed."""
        try:
            return action(*ids)
        except Exception as error:  # noqa: BLE001 - one account's trouble is not another's
            self._logger.error("account not looked after", account_id=ids[0], error=shape_of(error))
            return None

    def _left_alone(self, account_id: str) -> bool:
        # The index may lag behind: what counts is the record.
        backup = self._store.left_alone(account_id, self._clock())
        if backup is None or self._mend(backup):
            return False
        try:
            self._store.extend(account_id, backup.id, self._clock())
        except Superseded:
            return False  # it has ended since
        return backup.state is State.PENDING

    def _mend(self, backup: Backup) -> bool:
        """Do what the backup's execution calls for; False where it is to be left alone."""
        start = self._workflow.start(backup)
        if start is Start.UNCLEAR:
            raise WorkflowUnclear
        execution: Execution = self._workflow.state(backup)
        match execution:
            case EndedBadly():
                if not execution.by_itself:  # what is noted is of an attempt that was followed by another
                    backup = dataclasses.replace(backup, failure=None)
                self._fail(backup, Reason.TIMED_OUT if execution.timed_out else Reason.INTERNAL)
            case EndedWell():
                self._close(backup, execution.archive)
            case NeverWas() if start is Start.REFUSED:
                self._fail(backup, Reason.START_REFUSED)
            case _:
                return False
        return True

    def _fail(self, backup: Backup, reason: Reason) -> None:
        ended = failed(backup, Failure(reason), self._clock())
        try:
            self._store.finish(ended, untold=True)
        except Superseded:
            return  # somebody was quicker, and ended it otherwise
        self._logger.warning(
            "backup closed as failed", backup_id=backup.id, account_id=backup.account_id, reason=reason.value
        )
        self._settle(ended)

    def _close(self, backup: Backup, archive: object) -> None:
        if self._steps.ready(backup, archive):
            self._logger.warning("backup closed as ready", backup_id=backup.id, account_id=backup.account_id)
            self._store.owe_mail(backup.account_id, backup.id, self._clock())
            self._notices.tell(backup)
            return
        noted = self._store.running(backup.account_id)  # by the step, why; if nobody else has ended it
        if noted is not None and noted.id == backup.id:
            self._fail(noted, Reason.INTERNAL)

    def _owed(self, account_id: str, backup_id: str) -> bool:
        """Ask for the e-mail again until it is settled: the last one asked may have died, and so may we."""
        ended = self._store.find(account_id, backup_id)
        if ended is not None and ended.finished_at is not None:
            if self._is_owed(ended, ended.finished_at):
                self._store.owe_mail(account_id, backup_id, self._clock())
                self._settle(ended)
            else:
                self._store.owe_nothing(account_id, backup_id)
        return False

    def _scheduled(self, account_id: str) -> bool:
        self._schedules.see_to(account_id)
        return False

    def _is_owed(self, ended: Backup, since: datetime) -> bool:
        return ended.state in _TOLD and ended.mail not in _SETTLED and self._clock() - since <= OWED_FOR

    def _settle(self, ended: Backup) -> None:
        self._cleaner.clean(ended)
        self._notices.tell(ended)
