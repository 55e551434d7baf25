"""Starting and stopping a backup's workflow."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.aws_errors import may_pass
from shared.backup import Backup

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class Start(Enum):
    STARTED = "started"
    UNCLEAR = "unclear"
    """The answer was lost, or Step Functions is busy: the execution may run, or be started later."""
    REFUSED = "refused"
    """Step Functions said no, and there is no execution."""


class Workflow:
    """The state machine; one execution per backup, named by the backup's id."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    def start(self, backup: Backup) -> Start:
        """Start the backup's execution. Doing it again starts no second one.

        Same name, same input: Step Functions answers with the running execution, or, once it has ended
        (and on some emulators before), with ExecutionAlreadyExists; either way there is exactly one.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
        """
        try:
            self._client.start_execution(
                stateMachineArn=self._arn,
                name=backup.id,
                input=json.dumps({"account_id": backup.account_id, "backup_id": backup.id}),
            )
        except self._client.exceptions.ExecutionAlreadyExists:
            return Start.STARTED
        except self._client.exceptions.ExecutionLimitExceeded:
            return Start.UNCLEAR
        except ClientError as error:
            return Start.UNCLEAR if may_pass(error) else Start.REFUSED
        except BotoCoreError:
            return Start.UNCLEAR
        return Start.STARTED

    def stop(self, backup: Backup) -> None:
        """Stop the backup's execution; one that has ended or never was is as good as stopped.

        A function that is at work in it is not interrupted: it runs up against the fence at its next write.
        Raises botocore's ClientError and BotoCoreError.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
        """
        try:
            self._client.stop_execution(
                executionArn=f"{self._arn.replace(':stateMachine:', ':execution:')}:{backup.id}"
            )
        except self._client.exceptions.ExecutionDoesNotExist:
            return
        except self._client.exceptions.ValidationException:
            return  # the local AWS's word for an execution that has ended
