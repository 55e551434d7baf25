"""Taking a backup away: one that is being made is cancelled, of one that is ready the file is deleted."""

from __future__ import annotations

from typing import Final

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from functions.request_backup.archives import Archives
from functions.request_backup.cleaning import Cleaner
from functions.request_backup.refusals import MovedOn, NotReady, Refusal, UnknownBackup
from functions.request_backup.workflow import Workflow
from shared.backup import Backup, Person, State
from shared.logs import shape_of
from shared.moments import Clock
from shared.store import BackupStore, Superseded, cancelled

MEANT: Final = {
    "running": frozenset({State.PENDING, State.RUNNING, State.CANCELLED}),
    "ready": frozenset({State.READY, State.DELETED}),
}
"""What a caller may say to have seen, and the states that fit: those to be ended, and the end of those."""


class Removal:
    def __init__(
        self,
        store: BackupStore,
        workflow: Workflow,
        cleaner: Cleaner,
        archives: Archives,
        *,
        clock: Clock,
        logger: Logger,
    ) -> None:
        self._store = store
        self._workflow = workflow
        self._cleaner = cleaner
        self._archives = archives
        self._clock = clock
        self._logger = logger

    def remove(self, backup: Backup, *, by: Person, seen: str | None) -> Backup:
        """The backup as it stands afterwards. One that is cancelled or deleted already stays as it is.

        `seen` is a key of MEANT, or None for whatever it is. Raises MovedOn where it has not that state
        any more, NotReady for a failed one, UnknownBackup where its record went in the meantime, and
        botocore's errors: the same call may then be made again.
        """
        if seen is not None and backup.state not in MEANT[seen]:
            raise self._moved_on(backup)
        match backup.state:
            case State.PENDING | State.RUNNING:
                return self._cancel(backup, by)
            case State.CANCELLED:
                self._stop_and_clean(backup)  # the first try may have died before it came to this
            case State.READY:
                return self._delete(backup, by)
            case State.FAILED:
                raise NotReady("It has failed and left no file.", state=State.FAILED.value)
        return backup

    def _cancel(self, backup: Backup, by: Person) -> Backup:
        # First of all: it frees the account, and it is the fence at which every step of the run stops.
        try:
            self._store.finish(cancelled(backup, by, self._clock()))
        except Superseded:
            raise self._overtaken(backup) from None
        self._logger.info("backup cancelled", backup_id=backup.id, account_id=backup.account_id, user=by.sub)
        self._stop_and_clean(backup)
        # Of two who cancel at once, both are told the one who was first.
        return self._look_again(backup)

    def _stop_and_clean(self, backup: Backup) -> None:
        # What fails here costs time and space for a while, and makes the answer no less true: the run stops
        # at its next write, and the bucket's lifecycle rules collect what is left.
        try:
            self._workflow.stop(backup)
        except (ClientError, BotoCoreError) as error:
            self._logger.warning("workflow not stopped", backup_id=backup.id, error=shape_of(error))
        self._clean(backup)

    def _clean(self, backup: Backup) -> None:
        try:
            self._cleaner.clean(backup)
        except (ClientError, BotoCoreError) as error:
            self._logger.warning("cleaning not asked for", backup_id=backup.id, error=shape_of(error))

    def _delete(self, backup: Backup, by: Person) -> Backup:
        # The file first: where this answers, it is gone, and where it dies in between, doing it again mends.
        self._archives.delete(backup.object_key)
        try:
            deleted = self._store.delete(backup, by=by, now=self._clock())
        except Superseded:
            raise self._overtaken(backup) from None
        self._logger.info("backup deleted", backup_id=backup.id, account_id=backup.account_id, user=by.sub)
        self._clean(deleted)  # of a late run that found the place empty and wrote the archive again
        return deleted

    def _look_again(self, backup: Backup) -> Backup:
        found = self._store.find(backup.account_id, backup.id)
        if found is None:
            raise UnknownBackup
        return found

    def _overtaken(self, backup: Backup) -> Refusal:
        return self._moved_on(self._look_again(backup))

    def _moved_on(self, backup: Backup) -> Refusal:
        state = backup.state_at(self._clock()).value
        return MovedOn(f"It is {state} by now. Look at it again.", state=state)
