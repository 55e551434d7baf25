"""Having the person who asked told how their backup ended: by notify, which writes one e-mail per outcome."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.backup import Backup

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class Notices:
    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def tell(self, backup: Backup) -> None:
        """Ask for the e-mail, without waiting for it: Lambda queues it and tries it three times.

        Asking again makes no second e-mail. Raises botocore's ClientError and BotoCoreError.
        """
        event = {"account_id": backup.account_id, "backup_id": backup.id}
        self._client.invoke(
            FunctionName=self._function_name, InvocationType="Event", Payload=json.dumps(event).encode()
        )
