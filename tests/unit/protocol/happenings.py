"""What may happen to the service, and counted: how often it came to what is rare."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
)

from functions.request_backup.refusals import MovedOn
from shared.backup import Backup, State
from shared.store import Superseded
from tests.unit.protocol.aws import Aws
from tests.unit.protocol.processes import DIES_AFTER, DIES_BEFORE, ENDS, GO, LOST, Process, current
from tests.unit.protocol.service import RETENTION, Service
from tests.unit.protocol.step_functions import Execution
from tests.unit.shared.backups_table import TABLE

MAILS = ("Tell that it is ready", "Tell that it failed")
SPANS = [
    timedelta(seconds=3),
    timedelta(seconds=12),
    timedelta(seconds=31),  # a request is dead, and the next one starts what it left behind
    timedelta(minutes=5),  # a lease has run out
    timedelta(minutes=16),  # everything is dead that was alive
    timedelta(days=15),  # what was ready has expired
]

STOPS: dict[str, list[int | str | None]] = {
    "request": [None, "StartExecution", "StartExecution", "TransactWriteItems", 1],
    "remove": [None, "TransactWriteItems", "TransactWriteItems", "StopExecution", "Invoke"],
    "sweep": [None, "StartExecution", "DescribeExecution", "TransactWriteItems", "UpdateItem", 0, 1],
    "step": ["TransactWriteItems", "TransactWriteItems", None, "PutObject", "PutObject", "UpdateItem", 0],
    "mail": [None, "SendEmail", "SendEmail", "TransactWriteItems", "UpdateItem"],
}
STOPS["look"] = STOPS["sweep"]
"""How far a process goes on: to its end, up to the next call of that name, or for so many calls."""


class Happenings(RuleBasedStateMachine):
    aws: Aws
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.aws.begin_anew()
        self.service = Service(self.aws)
        self.flow = self.service.step_functions
        self.flow.seen = self.seen
        self.seen["a run"] += 1
        self.before: dict[str, Backup] = {}
        self.locked: str | None = None
        self.offered: dict[str, int] = {}
        """How often the archive of a ready backup was written before it was ready."""
        self.table_changed = self.bucket_changed = True
        self.no_mail_due: set[str] = set()
        """Those that nobody may have told of: a fault met the mail's own function, or the run was ended."""
        self.done: set[Process] = set()
        self.told: Counter[str] = Counter()
        self.closed_from_outside: list[str] = []
        self.strange_writes = False
        self.nowhere: set[str] = set()
        """Backups whose record somebody has deleted by hand."""
        self.aws.carried_out = self._carried_out

    # One rule, so that Hypothesis leaves none out of a run: without people or time nothing rare comes about.
    @rule(
        what=st.runner().flatmap(lambda self: st.sampled_from(self.possible())),
        pick=st.integers(0, 5),
        ending=st.sampled_from([GO, GO, GO, LOST, *ENDS]),
        stop=st.integers(0, 6),
    )
    def something_happens(self, what: str, pick: int, ending: str, stop: int) -> None:
        getattr(self, what)(pick, ending, stop)

    def possible(self) -> list[str]:
        """What can happen now, by name, the more often the likelier."""
        may = {
            "go_on": 6 * bool(self.service.living()),
            "work": 8 * bool(self.flow.running()),
            "work_well": 2 * bool(self.flow.running()),
            "come_late": 6 * bool(self.late()),
            "cancel_at_the_last_moment": 7 * bool(self.nearly_ready()),
            "try_again": 4 * bool(self.at_work()),
            "give_up": 3 * bool(self.at_work()),
            "sweep": 3 + 4 * any(one.kind == "sweep" for one in self.service.living()),
            "sweep_a_lapsed_lease": 2 * bool(self.locked),
            "leave_behind": 2 * (not self.locked),
            "lose_an_upload": 2 * bool(self.uploading()),
            "lose_a_mail": 4 * bool(self.about_to_mail()),
            "ask": 1 if self.locked else 4,
            "tell": bool(self.service.events),
            "deliver": 2 * bool(self.service.queue),
            "time_passes": 2 + 2 * any(one.state is State.READY for one in self.before.values()),
            "remove": bool(self.known()) and 1 + 2 * bool(self.at_work()),
            "end": bool(self.flow.running()),
            "free_by_hand": bool(self.locked and self.at_work()) + 2 * bool(self.about_to_end()),
            "redrive": 3 * bool(self.may_be_redriven()),
            "weather": 1,
        }
        return [what for what, weight in may.items() for _ in range(weight)]

    # --- people ---

    def ask(self, _pick: int, ending: str, stop: int) -> None:
        self.begin(self.service.ask(), ending, stop)

    def leave_behind(self, _pick: int, ending: str, stop: int) -> None:
        """A request dies between its record and its execution, and a sweeper finds what it left."""
        process = self.service.ask()
        self.resume(process, GO, "StartExecution")
        self.resume(process, DIES_BEFORE)
        self.service.pass_time(timedelta(minutes=5))
        self.sweep(0, ending, stop)

    def remove(self, pick: int, ending: str, stop: int) -> None:
        """Cancel, or delete."""
        ids = self.known()
        self.begin(self.service.remove(_newest(ids, pick)), ending, stop)

    def cancel_at_the_last_moment(self, pick: int, ending: str, stop: int) -> None:
        execution = _choose(self.nearly_ready(), pick)
        cancelling = self.service.remove(execution.name)
        self.resume(cancelling, GO, "TransactWriteItems")
        task = self.service.task(execution)
        if task is not None:
            self.begin(task, ending, stop)
        self.resume(cancelling)

    def end(self, pick: int, _ending: str, _stop: int) -> None:
        execution = _newest(self.flow.running(), pick)
        self._given_up(execution)
        if execution.name in self.before:  # it stands in the table how it ended, and now nobody tells
            self.no_mail_due.add(execution.name)
        self.flow.end(execution, ("ABORTED", "TIMED_OUT")[pick % 2])
        self.seen["an execution aborted or timed out"] += 1

    def free_by_hand(self, _pick: int, _ending: str, _stop: int) -> None:
        """An operator who knows no better deletes the pending record."""
        key = {"pk": {"S": f"ACCOUNT#{self.service.account}"}, "sk": {"S": "PENDING"}}
        self.aws.dynamodb.delete_item(TableName=TABLE, Key=key)
        if self.locked:
            self.nowhere.add(self.locked)

    def redrive(self, pick: int, _ending: str, _stop: int) -> None:
        execution = _newest(self.may_be_redriven(), pick)
        if self.locked is not None:
            newer = self.locked != execution.name
            self.seen["a redrive while a newer backup runs"] += newer
            self.seen["a redrive of a backup that is not closed"] += not newer
        self.flow.redrive(execution)

    # --- the service ---

    def work(self, pick: int, ending: str, stop: int) -> None:
        task = self.service.task(_newest(self.flow.running(), pick))
        if task is not None:
            self.begin(task, ending, stop)

    def work_well(self, pick: int, _ending: str, _stop: int) -> None:
        """Everything up to where it matters most: the end, and the mail."""
        for execution in self.flow.running():
            until = {"Ready", "Failed", *MAILS} | ({"Assemble"} if pick % 2 else set())
            while execution.at not in until and execution.status == "RUNNING":
                task = self.service.task(execution)
                if task is None:
                    break
                self.resume(task)

    def give_up(self, pick: int, _ending: str, _stop: int) -> None:
        """Step Functions hears no more of a task, which lives on."""
        execution = _newest(self.at_work(), pick)
        self._given_up(execution)
        self.flow.failed(execution, ("States.Timeout", "Lambda.SdkClientException")[pick % 2])

    def go_on(self, pick: int, ending: str, stop: int) -> None:
        living = self.service.living()
        process = _choose(living, pick)  # the oldest are the most interesting
        self.resume(process, ending, _choose(STOPS[process.kind], stop))

    def try_again(self, pick: int, ending: str, _stop: int) -> None:
        """Step Functions gives a task up, and soon two attempts at it stand before the same call."""
        execution = _newest(self.at_work(), pick)
        first = execution.task
        self._given_up(execution)
        self.flow.failed(execution, "Lambda.SdkClientException")
        for _ in range(4):
            if self.flow.is_waiting(execution):
                self.service.pass_time(timedelta(seconds=5))
        second = self.service.task(execution)
        if first is not None and second is not None:
            self.resume(second, GO, first.at)
            if ending != GO:
                self.resume(first, ending)

    def come_late(self, pick: int, ending: str, _stop: int) -> None:
        """A step of a backup that has ended since makes its next call."""
        self.resume(_choose(self.late(), pick), ending)

    def sweep(self, _pick: int, ending: str, stop: int) -> None:
        self.begin(self.service.sweep(), ending, stop)

    def sweep_a_lapsed_lease(self, pick: int, ending: str, stop: int) -> None:
        """The work has been silent for long; what Step Functions says of it may be old."""
        self.flow.is_behind = pick % 2 == 0
        self.service.pass_time(timedelta(minutes=5))
        self.sweep(pick, ending, stop)

    def lose_an_upload(self, pick: int, _ending: str, _stop: int) -> None:
        self.resume(_choose(self.uploading(), pick), LOST)

    def lose_a_mail(self, pick: int, _ending: str, _stop: int) -> None:
        """Its answer, or its sender."""
        process = self.service.task(_choose(self.about_to_mail(), pick))
        if process is not None:
            self.resume(process, GO, "SendEmail")
            self.resume(process, (LOST, DIES_BEFORE, DIES_AFTER)[pick % 3])

    def tell(self, pick: int, ending: str, stop: int) -> None:
        """EventBridge tells of an execution's end: now, late, or again. What it forgets is never told."""
        backup_id = _newest(self.service.events, pick)
        self.told[backup_id] += 1
        self.seen["an end told twice"] += self.told[backup_id] > 1
        self.seen["an end told after a newer backup began"] += self.locked not in (None, backup_id)
        self.begin(self.service.look(backup_id), ending, stop)

    def deliver(self, pick: int, ending: str, stop: int) -> None:
        number = pick % len(self.service.queue)
        if pick == 3:  # Lambda's queue delivers at least once
            self.service.queue.append(self.service.queue[number])
        self.begin(self.service.deliver(number), ending, stop)

    def time_passes(self, pick: int, _ending: str, _stop: int) -> None:
        span = _choose(SPANS, pick)
        ready = [one for one in self.before.values() if one.state_at(self.aws.now) is State.READY]
        self.service.pass_time(span)
        expired = [one for one in ready if one.state_at(self.aws.now) is State.EXPIRED]
        self.seen["a backup expired"] += len(expired)
        if span > RETENTION:  # nobody is told of what has expired before its mail was written
            self.no_mail_due |= {*self.known(), *self.flow.executions}
        self.look_around()

    def weather(self, pick: int, _ending: str, _stop: int) -> None:
        self.flow.says_no = pick == 3
        self.flow.is_behind = pick in (1, 4)
        self.service.source.refuses = pick == 5

    # --- how it goes on ---

    def begin(self, process: Process, ending: str, stop: int) -> None:
        """Up to where it shall stop; and where something shall go wrong there, on to its end."""
        self.resume(process, GO, _choose(STOPS[process.kind], stop))
        if ending != GO:
            self.resume(process, ending)

    def resume(self, process: Process, ending: str = GO, stop: int | str | None = None) -> None:
        note(f"{process.kind} {process.backup_id}: {process.at} {ending}; up to {stop or 'its end'}")
        asked, made = process.at, set(self.flow.executions)
        if process.begun:
            self._count(process, asked, ending)
        late = process.kind == "step" and all(one.task is not process for one in self.flow.running())
        process.resume(ending, stop)
        self.seen["a late step was refused"] += late and isinstance(process.error, Superseded)
        if process.kind in ("sweep", "look") and set(self.flow.executions) - made:
            self.seen["a sweeper started what was left behind"] += 1
        self.service.hear()
        self.look_around()

    def look_around(self) -> None:
        """Count what has come about."""
        living = self.service.living()
        sweepers = [process for process in living if process.kind in ("sweep", "look") and process.begun]
        self.seen["two sweepers at once"] += len(sweepers) > 1
        for process in self.service.processes:
            if process.over and process not in self.done:
                self.done.add(process)
                self._count_end(process)

    def _count(self, process: Process, at: str, ending: str) -> None:
        if process.kind == "mail" and ending != GO:
            self.no_mail_due.add(process.backup_id)
        if ending == LOST:
            self.seen["StartExecution's answer lost"] += at == "StartExecution"
            self.seen["the transaction's answer lost"] += at == "TransactWriteItems"
            self.seen["a mail's answer lost"] += at == "SendEmail"
            self.seen["an upload's answer lost"] += at == "PutObject" and process.kind == "step"
        self.seen["a mail's sender died"] += at == "SendEmail" and ending in (DIES_BEFORE, DIES_AFTER)

    def _count_end(self, process: Process) -> None:
        self.seen["a step died in the middle"] += process.kind == "step" and process.died()
        died_there = process.kind == "request" and process.died() and process.at == "StartExecution"
        self.seen["a request died between put and start"] += died_there
        self.seen["a request met a running backup"] += "BackupRunning" in type(process.error).__name__
        self.seen["a cancel lost against the end"] += isinstance(process.error, MovedOn)
        if process.kind == "mail" and process.died():
            self.no_mail_due.add(process.backup_id)
        # A bug, of the service's or of the test's.
        assert not isinstance(process.error, AssertionError | TypeError | LookupError | AttributeError)

    def _given_up(self, execution: Execution) -> None:
        if execution.task is not None and execution.task.kind == "mail":
            self.no_mail_due.add(execution.name)

    def _carried_out(self, operation: str) -> None:
        self.bucket_changed |= operation in ("PutObject", "DeleteObject", "DeleteObjects")
        self.table_changed |= operation in ("PutItem", "UpdateItem", "TransactWriteItems", "DeleteItem")
        process = current()
        if process is not None and process.kind == "step" and operation == "UpdateItem":
            self.strange_writes |= process.backup_id != self.service.locked_by()
        if process is not None and process.kind == "remove" and operation == "DeleteObject":
            self.no_mail_due.add(process.backup_id)  # its file is gone, even if the record never says so
        if process is None or process.kind not in ("sweep", "look"):
            return
        if operation == "TransactWriteItems":
            self.seen["a sweeper closed a dead run"] += 1
            if process not in self.flow.refused:  # else: what started since stops at its first write
                running = [one.name for one in self.flow.running() if not one.redriven]
                self.closed_from_outside += [name for name in running if name == self.locked]
        self.seen["a sweeper let a running backup be"] += operation == "UpdateItem" and bool(
            [one for one in self.flow.running() if one.name == self.locked]
        )

    # --- what there is ---

    def known(self) -> list[str]:
        return [*self.before, *([self.locked] if self.locked else [])]

    def at_work(self) -> list[Execution]:
        return [one for one in self.flow.running() if one.task]

    def late(self) -> list[Process]:
        return [
            one
            for one in self.service.living()
            if one.kind == "step" and one.backup_id in {*self.before, *self.nowhere}
        ]

    def about_to_end(self) -> list[Process]:
        return [one for one in self.service.living() if one.kind == "step" and one.at == "TransactWriteItems"]

    def uploading(self) -> list[Process]:
        return [one for one in self.service.living() if one.kind == "step" and one.at == "PutObject"]

    def about_to_mail(self) -> list[Execution]:
        return [one for one in self.flow.running() if one.at in MAILS]

    def nearly_ready(self) -> list[Execution]:
        return [one for one in self.flow.running() if one.at == "Ready" and one.name == self.locked]

    def may_be_redriven(self) -> list[Execution]:
        return [
            one for one in self.flow.executions.values() if one.status in ("FAILED", "ABORTED", "TIMED_OUT")
        ]


def _choose(choices: list[Any], pick: int) -> Any:
    return choices[pick % len(choices)]


def _newest(choices: list[Any], pick: int) -> Any:
    return choices[-1 - pick % len(choices)]
