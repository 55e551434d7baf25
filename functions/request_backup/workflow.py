"""Starting and stopping a backup's workflow, and asking how it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class NeverWas:
    """There is no execution, or none that Step Functions shows yet."""


@dataclass(frozen=True)
class Running:
    """The execution is at work, or waits for a retry."""


@dataclass(frozen=True)
class EndedWell:
    archive: object
    """What assembling the archive returned, as the workflow's next step would have been given it."""


@dataclass(frozen=True)
class EndedBadly:
    timed_out: bool
    by_itself: bool
    """It came to the workflow's own end: what a step has noted is why. Else AWS or an operator ended it."""


Execution = NeverWas | Running | EndedWell | EndedBadly


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
            self._client.stop_execution(executionArn=self._execution_arn(backup))
        except self._client.exceptions.ExecutionDoesNotExist:
            return
        except self._client.exceptions.ValidationException:
            return  # the local AWS's word for an execution that has ended

    def state(self, backup: Backup) -> Execution:
        """How the backup's execution is. Raises botocore's ClientError and BotoCoreError.

        Step Functions may tell of a moment ago: of one that has just been started that it is not there, of
        one that has just ended that it runs. Never of one that runs that it has ended, except where a
        redrive has brought it back; that one runs up against the fence, as an overtaken one does.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
        """
        try:
            found = self._client.describe_execution(executionArn=self._execution_arn(backup))
        except self._client.exceptions.ExecutionDoesNotExist:
            return NeverWas()
        match found["status"]:
            case "SUCCEEDED":
                return EndedWell(_archive_in(found.get("output", "")))
            case "FAILED":
                # "BackupFailed" is the workflow's own end, "States.Runtime" is not.
                return EndedBadly(timed_out=False, by_itself="." not in found.get("error", ""))
            case "TIMED_OUT" | "ABORTED" as status:
                return EndedBadly(timed_out=status == "TIMED_OUT", by_itself=False)
            case _:
                return Running()

    def _execution_arn(self, backup: Backup) -> str:
        return f"{self._arn.replace(':stateMachine:', ':execution:')}:{backup.id}"


def _archive_in(output: str) -> object:
    try:
        state = json.loads(output)
    except ValueError:
        return None
    return state.get("archive") if isinstance(state, Mapping) else None
