"""What ids look like. Whatever does not look so is refused before any call to AWS is made of it."""

from __future__ import annotations

import re

_ACCOUNT_ID = re.compile(r"[0-9]{1,20}", re.ASCII)
_BACKUP_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)  # https://github.com/ulid/spec


def is_account_id(value: object) -> bool:
    return isinstance(value, str) and _ACCOUNT_ID.fullmatch(value) is not None


def is_backup_id(value: object) -> bool:
    """A ULID in its canonical form: 26 characters of Crockford's Base32, upper case."""
    return isinstance(value, str) and _BACKUP_ID.fullmatch(value) is not None
