"""Reading the backups of an account: the running one, and those that have ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from shared.backup import Backup, State, from_record
from shared.items import from_item
from shared.queries import newest_first
from shared.record_keys import HISTORY, PENDING, account_key
from shared.records import Records

LOOKED_THROUGH = 250
"""Entries of the history that are read for the last ready one, ten pages: nobody waits for more."""


class History(Records):
    def running(self, account_id: str) -> Backup | None:
        """The account's running backup, if there is one."""
        record = self._get(account_id, PENDING)
        return from_record(record) if record else None

    def find(self, account_id: str, backup_id: str) -> Backup | None:
        """A backup of this account, running or finished."""
        # The history first: a backup moves from pending to the history in one transaction, so looking
        # there last could miss it in both places.
        record = self._get(account_id, HISTORY + backup_id)
        if record is None:
            running = self.running(account_id)
            if running is not None and running.id == backup_id:
                return running
            record = self._get(account_id, HISTORY + backup_id)
        return from_record(record) if record else None

    def history(self, account_id: str, *, limit: int, before: str | None = None) -> list[Backup]:
        """Finished backups, newest first, from the one before the backup id `before`."""
        return [from_record(record) for record in self._newest_first(account_id, limit=limit, before=before)]

    def last_ready(self, account_id: str, now: datetime) -> Backup | None:
        """The newest backup whose file can be fetched, of the newest LOOKED_THROUGH."""
        for record in islice(self._newest_first(account_id, limit=None, before=None), LOOKED_THROUGH):
            backup = from_record(record)
            if backup.state_at(now) is State.READY:
                return backup
        return None

    def _newest_first(
        self, account_id: str, *, limit: int | None, before: str | None
    ) -> Iterator[dict[str, Any]]:
        entries = newest_first(
            self._client,
            self._table,
            pk=account_key(account_id),
            oldest=HISTORY,
            newest=HISTORY + (before or "~"),  # '~' sorts after every ULID
            page_size=25 if limit is None else limit + 1,
        )
        older = (from_item(item) for item in entries if item["sk"]["S"] != f"{HISTORY}{before}")
        return islice(older, limit)
