"""What wakes the sweeper: EventBridge's schedule, and its word of an execution's end."""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.ids import is_account_id, is_backup_id

_SCHEDULERS = ("aws.events", "aws.scheduler")  # a rule with a schedule, and EventBridge Scheduler
_ENDS = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


class ForeignEvent(Exception):
    """The event is none of those. Nothing was read or written, and a retry changes nothing."""


@dataclass(frozen=True)
class TimeToSweep:
    pass


@dataclass(frozen=True)
class ExecutionEnded:
    account_id: str
    backup_id: str


def woken_by(event: object, state_machine_arn: str) -> TimeToSweep | ExecutionEnded:
    """Raises ForeignEvent.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    match event:
        case {"detail-type": "Scheduled Event", "source": source} if source in _SCHEDULERS:
            return TimeToSweep()
        case {
            "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states",
            "detail": {"stateMachineArn": arn, "name": name, "status": status, "input": str(text)},
        } if arn == state_machine_arn and status in _ENDS:
            return _ended(name, text)
        case _:
            raise ForeignEvent("neither a schedule nor an end of the workflow")


def _ended(name: object, text: str) -> ExecutionEnded:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise ForeignEvent("the execution's input is no JSON") from None
    match given:
        case {"account_id": str(account_id), "backup_id": str(backup_id)} if (
            backup_id == name and is_account_id(account_id) and is_backup_id(backup_id)
        ):
            return ExecutionEnded(account_id, backup_id)
        case _:
            raise ForeignEvent("an execution that this service did not start")
