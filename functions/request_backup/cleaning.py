"""Having an ended backup's leftovers cleaned up: by the export function, which knows where they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.backup import Backup

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class Cleaner:
    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def clean(self, backup: Backup) -> None:
        """Ask for the cleaning, without waiting for it: Lambda queues it and tries it three times.

        Asking again does no harm. Raises botocore's ClientError and BotoCoreError.
        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
        """
        event = {"step": "clean", "account_id": backup.account_id, "backup_id": backup.id}
        self._client.invoke(
            FunctionName=self._function_name, InvocationType="Event", Payload=json.dumps(event).encode()
        )
