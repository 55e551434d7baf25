"""Having a backup closed as ready whose workflow has come to its end without that: by the export function."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.backup import Backup

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# Outcomes of the export function that a later try may mend; whatever holds a dot is Lambda's own.
_PASSING = frozenset({"BucketUnavailable", "RecordsUnavailable"})


class NotClosed(Exception):
    """Nobody knows, or it may go well later. The next sweep tries again."""


class ReadyStep:
    """The workflow's step `ready`, which looks at the archive before it writes; taken out of turn."""

    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def ready(self, backup: Backup, archive: object) -> bool:
        """Close the backup as ready, with what assembling its archive returned. Taking it again is safe.

        False where the step refused for good, since the archive cannot be offered or somebody else has
        ended the backup. Raises NotClosed, and botocore's ClientError and BotoCoreError.
        """
        event = {
            "step": "ready",
            "account_id": backup.account_id,
            "backup_id": backup.id,
            "archive": archive,
        }
        answer = self._client.invoke(FunctionName=self._function_name, Payload=json.dumps(event).encode())
        if "FunctionError" not in answer:
            return True
        error = _error_in(answer["Payload"].read())
        if error in _PASSING or not error.isidentifier():
            raise NotClosed(error)
        return False


def _error_in(payload: bytes) -> str:
    """The exception's class, which is the outcome; empty where Lambda names none."""
    try:
        return str(json.loads(payload)["errorType"])
    except (ValueError, LookupError, TypeError):
        return ""
