"""The account's lock, as a step asks for it: whether its backup still is the account's running one."""

from __future__ import annotations

from functions.export_backup.event import Step
from shared.backup import Backup
from shared.store import BackupStore, Superseded


def running(store: BackupStore, step: Step) -> Backup:
    """The step's backup, which holds the lock. Raises Superseded where it does not."""
    backup = store.running(step.account_id)
    if backup is None or backup.id != step.backup_id:
        raise Superseded
    return backup
