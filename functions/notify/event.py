"""What the workflow hands to notify: which backup of which account has ended."""

from __future__ import annotations

from shared.ids import is_account_id, is_backup_id


class ForeignEvent(Exception):
    """The event is not one of the workflow's. Nobody retries; nothing was read or written."""


def ended_backup(event: object) -> tuple[str, str]:
    """The ids of the account and the backup. Raises ForeignEvent for anything but exactly those two."""
    match event:
        case {"account_id": str(account_id), "backup_id": str(backup_id), **others} if (
            not others and is_account_id(account_id) and is_backup_id(backup_id)
        ):
            return account_id, backup_id
        case _:
            raise ForeignEvent("neither more nor less than account_id and backup_id is expected")
