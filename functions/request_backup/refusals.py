"""Why something that was asked for is not done. Each class is one reason; nobody retries, unless it says so.

`detail` is for the caller to read, `members` are for programs. How HTTP says it is in `problems`.
"""

from __future__ import annotations


class Refusal(Exception):
    """The base of the reasons below."""

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(type(self).__name__)
        self.detail = detail
        self.members = members


class Unauthorized(Refusal):
    """The token is valid but none of ours: another client's, or an access token."""


class NoAccount(Refusal):
    """The token names no account."""


class UnknownAccount(Refusal):
    """The account has no SETTINGS record."""


class PlanWithoutBackups(Refusal):
    """The account's plan has no backups."""


class NotAnAdmin(Refusal):
    """The caller is not in the group that may do more than look."""


class BackupRunning(Refusal):
    """The account has a running backup. The caller may ask again when it has ended."""


class UnknownBackup(Refusal):
    """The same words for ids of other accounts, malformed ids and ids that never were."""

    def __init__(self) -> None:
        super().__init__("Your account has no backup with this id.")


class NotReady(Refusal):
    """The backup has no file, not yet or not at all."""


class MovedOn(Refusal):
    """The backup is not any more what the caller saw of it. Whoever looks again may ask again."""


class FileGone(Refusal):
    """The backup's file has been deleted."""


class MalformedRequest(Refusal):
    """The request cannot be read."""


class InvalidRequest(Refusal):
    """Well-formed, but not to be done as it stands; `errors` names each field and what is wrong with it."""


class StartRefused(Refusal):
    """Step Functions will not run the workflow: a fault of the deployment."""
