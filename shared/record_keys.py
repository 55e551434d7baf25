"""Where records lie in the backups table; what lies there, `shared.store` says."""

from __future__ import annotations

from shared.items import Item

PENDING = "PENDING"
SETTINGS = "SETTINGS"
PREFERENCES = "PREFERENCES"
SCHEDULE = "SCHEDULE"
HISTORY = "BACKUP#"

_ACCOUNT = "ACCOUNT#"


def account_key(account_id: str) -> str:
    """The partition of the account's records."""
    return _ACCOUNT + account_id


def key(account_id: str, sk: str) -> Item:
    return {"pk": {"S": account_key(account_id)}, "sk": {"S": sk}}


def ended_key(account_id: str, backup_id: str) -> Item:
    return key(account_id, HISTORY + backup_id)


def account_of(item: Item) -> str:
    """The account whose record this is, of a record with its keys."""
    text: str = item["pk"]["S"]
    return text.removeprefix(_ACCOUNT)


def backup_of(item: Item) -> str:
    """The backup whose entry of the history this is, of a record with its keys."""
    text: str = item["sk"]["S"]
    return text.removeprefix(HISTORY)
