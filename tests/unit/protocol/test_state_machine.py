"""The real code under everything at once: users, crashes at every call, lost answers, late ones, sweepers.

Hypothesis chooses what happens next; what must hold is looked at after each step, and at the end, left to
itself, the service frees the account within ten minutes. `make protocol` does it at length and prints how
often it came to what is rare.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from functions.export_backup.catalogue import DATA_MEMBERS, MANIFEST_MEMBER
from functions.request_backup.refusals import MovedOn, UnknownBackup
from functions.request_backup.workflow import Start
from shared.backup import Backup, MailState, State
from shared.store import Superseded
from tests.doubles import aws_in_process
from tests.unit.protocol.processes import DIES_AFTER, DIES_BEFORE, ENDS, GO, LOST, Process, current
from tests.unit.protocol.service import RECORDS, RETENTION, Aws, Service
from tests.unit.protocol.step_functions import Execution

RUNS = int(os.environ.get("PROTOCOL_RUNS", "0"))
MAILS = ("Tell that it is ready", "Tell that it failed")
MINUTE = timedelta(minutes=1)
SPANS = [
    timedelta(seconds=3),
    timedelta(seconds=12),
    timedelta(seconds=31),  # a request is dead, and the next one starts what it left behind
    timedelta(minutes=5),  # a lease has run out
    timedelta(minutes=16),  # everything is dead that was alive
    timedelta(days=15),  # what was ready has expired
]

RARE = [
    "a request died between put and start",
    "StartExecution's answer lost",
    "StartExecution refused for good",
    "a request met a running backup",
    "a sweeper started what was left behind",
    "a sweeper let a running backup be",
    "a sweeper closed a dead run",
    "two sweepers at once",
    "an end told after a newer backup began",
    "an end told twice",
    "DescribeExecution behind",
    "a late step was refused",
    "an execution aborted or timed out",
    "a redrive while a newer backup runs",
    "a redrive of a backup that is not closed",
    "the transaction's answer lost",
    "a step died in the middle",
    "an upload's answer lost",
    "a mail's answer lost",
    "a mail's sender died",
    "a cancel lost against the end",
    "a backup was cancelled",
    "a backup was deleted",
    "a backup was ready while another ran",
    "a backup expired",
]

STOPS: dict[str, list[int | str | None]] = {
    "request": [None, "StartExecution", "StartExecution", "PutItem", "TransactWriteItems"],
    "remove": [None, "TransactWriteItems", "TransactWriteItems", "UpdateItem", "StopExecution", "Invoke"],
    "sweep": [None, "StartExecution", "DescribeExecution", "TransactWriteItems", "UpdateItem", 0, 1],
    "step": ["TransactWriteItems", "TransactWriteItems", None, "PutObject", "PutObject", "UpdateItem", 0],
    "mail": [None, "SendEmail", "SendEmail", "SendEmail", "UpdateItem"],
}
STOPS["look"] = STOPS["sweep"]
"""How far a process goes on: to its end, up to the next call of that name, or for so many calls."""


class Machine(RuleBasedStateMachine):
    aws: Aws
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.aws.begin_anew()
        self.service = Service(self.aws)
        self.flow = self.service.step_functions
        self.flow.seen = self.seen
        self.before: dict[str, Backup] = {}
        self.locked: str | None = None
        self.offered: dict[str, datetime | None] = {}
        self.table_changed = self.bucket_changed = True
        self.no_mail_due: set[str] = set()
        """Those that nobody may have told of: a fault met the mail's own function, or the run was ended."""
        self.done: set[Process] = set()
        self.told: Counter[str] = Counter()
        self.closed_from_outside: list[str] = []
        self.strange_writes = False
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
            "cancel_at_the_last_moment": 3 * bool(self.nearly_ready()),
            "give_up": 3 * bool(self.at_work()),
            "sweep": 2,
            "ask": 1 if self.locked else 4,
            "tell": bool(self.service.events),
            "deliver": 2 * bool(self.service.queue),
            "time_passes": 2,
            "remove": bool(self.known()) + 2 * bool(self.at_work()),
            "end": bool(self.flow.running()),
            "redrive": 2 * bool(self.may_be_redriven()),
            "weather": 1,
        }
        return [what for what, weight in may.items() for _ in range(weight)]

    # --- people ---

    def ask(self, _pick: int, ending: str, stop: int) -> None:
        self.begin(self.service.ask(), ending, stop)

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
        self.no_mail_due.add(execution.name)
        self.flow.end(execution, ("ABORTED", "TIMED_OUT")[pick % 2])
        self.seen["an execution aborted or timed out"] += 1

    def redrive(self, pick: int, _ending: str, _stop: int) -> None:
        execution = _newest(self.may_be_redriven(), pick)
        if self.locked is not None:
            newer = self.locked != execution.name
            self.seen["a redrive while a newer backup runs"] += newer
            self.seen["a redrive of a backup that is not closed"] += not newer
        self.no_mail_due.add(execution.name)
        self.flow.redrive(execution)

    # --- the service ---

    def work(self, pick: int, ending: str, stop: int) -> None:
        task = self.service.task(_newest(self.flow.running(), pick))
        if task is not None:
            self.begin(task, ending, stop)

    def work_well(self, _pick: int, _ending: str, _stop: int) -> None:
        """Everything up to where it matters most: the end, and the mail."""
        for execution in self.flow.running():
            while execution.at not in ("Ready", "Failed", *MAILS) and execution.status == "RUNNING":
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

    def come_late(self, pick: int, ending: str, _stop: int) -> None:
        """A step of a backup that has ended since makes its next call."""
        self.resume(_choose(self.late(), pick), ending)

    def sweep(self, _pick: int, ending: str, stop: int) -> None:
        self.begin(self.service.sweep(), ending, stop)

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
        if process is None or process.kind not in ("sweep", "look"):
            return
        if operation == "TransactWriteItems":
            self.seen["a sweeper closed a dead run"] += 1
            for execution in self.flow.running():
                if execution.name == self.locked and not execution.redriven and not self.flow.says_no:
                    self.closed_from_outside.append(execution.name)
        self.seen["a sweeper let a running backup be"] += operation == "UpdateItem" and bool(
            [one for one in self.flow.running() if one.name == self.locked]
        )

    # --- what must hold ---

    @invariant()
    def what_must_hold(self) -> None:
        if not self.table_changed and not self.bucket_changed:
            return  # an execution begins where the table already says so, and its end brings nothing to life
        assert not self.strange_writes, "a late step wrote into what is not its backup's record"
        pending, ended = self.service.records()
        self._one_is_alive(pending, ended)
        self._ends_stay(ended)
        if self.bucket_changed or ended.keys() != self.before.keys():
            self._what_is_ready_is_whole(ended)
        self._mails_are_told_of(ended)
        ready = [one for one in ended.values() if one.state is State.READY]
        self.seen["a backup was ready while another ran"] += pending is not None and bool(ready)
        for backup_id, backup in ended.items():
            was = self.before.get(backup_id)
            self.seen["a backup was cancelled"] += was is None and backup.state is State.CANCELLED
            deleted = backup.state is State.DELETED
            self.seen["a backup was deleted"] += deleted and was is not None and was.state is State.READY
        self.before, self.locked = ended, pending.id if pending else None
        self.table_changed = self.bucket_changed = False

    def _one_is_alive(self, pending: Backup | None, ended: dict[str, Backup]) -> None:
        assert not self.closed_from_outside, "a sweeper ended a backup whose execution runs"
        if pending is not None:
            assert pending.id not in ended, "an ended backup is back to life"
            assert pending.account_id == self.service.account
        if self.locked is not None and (pending is None or pending.id != self.locked):
            assert self.locked in ended, "the lock went, and no end was written"
        alive = {one.name for one in self.flow.running() if one.name not in ended}
        alive |= {pending.id} if pending else set()
        assert len(alive) <= 1, "two live backups"

    def _ends_stay(self, ended: dict[str, Backup]) -> None:
        for backup_id, was in self.before.items():
            now = ended[backup_id]
            if was.state is State.READY and now.state is State.DELETED:
                continue
            assert now.state is was.state, "a terminal state changed"
            assert (now.finished_at, now.failure, now.bytes) == (was.finished_at, was.failure, was.bytes)

    def _what_is_ready_is_whole(self, ended: dict[str, Backup]) -> None:
        for backup in ended.values():
            if backup.state is not State.READY or self._is_being_deleted(backup):
                continue
            if backup.id not in self.offered:
                self.offered[backup.id] = self.service.published_at(backup)
                self._is_whole(backup)
            else:
                assert self.service.archive_of(backup) is not None, "a ready archive went"
            assert self.service.published_at(backup) == self.offered[backup.id], "it was written again"

    def _is_whole(self, backup: Backup) -> None:
        content = self.service.archive_of(backup)
        assert content is not None, "ready without its archive"
        assert len(content) == backup.bytes
        assert backup.records == RECORDS
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            assert {*archive.namelist()} == {*DATA_MEMBERS, MANIFEST_MEMBER}

    def _is_being_deleted(self, backup: Backup) -> bool:
        """Its file goes first, then its record says so."""
        return any(one.kind == "remove" and one.backup_id == backup.id for one in self.service.processes)

    def _mails_are_told_of(self, ended: dict[str, Backup]) -> None:
        for backup in ended.values():
            sent = self.service.mails[str(backup.requested_by.email)]
            assert sent <= 2, "more than two mails"
            assert sent or backup.mail is not MailState.SENT, "a mail is said to be sent that was not"
            assert not (sent and backup.state is State.CANCELLED)

    # --- left to itself ---

    def teardown(self) -> None:
        try:
            for process in self.service.living():
                process.kill()
            self.service.hear()
            self.look_around()
            self.what_must_hold()
            self.weather(0, GO, 0)
            self._minutes(10)
            assert self.locked is None, "locked"
            again = self.service.ask()
            again.resume()
            assert again.result is not None, again.error
            assert again.result[1] is Start.STARTED
            self._minutes(45)
            self._everybody_was_told()
            self._nobody_else_learns_of_it()
        finally:
            for process in self.service.living():
                process.kill()

    def _minutes(self, minutes: int) -> None:
        """The service by itself: its workflow, Lambda's queue, the schedule. No event is told."""
        for minute in range(1, minutes + 1):
            self.service.pass_time(MINUTE)
            if not minute % 5:
                self.resume(self.service.sweep())
            for _ in range(12):
                tasks = [task for one in self.flow.running() if (task := self.service.task(one))]
                for task in tasks:
                    self.resume(task)
                if not tasks:
                    break
            for _ in range(len(self.service.queue)):
                self.resume(self.service.deliver(0))
            self.what_must_hold()

    def _everybody_was_told(self) -> None:
        for backup in self.before.values():
            execution = self.flow.executions.get(backup.id)
            if execution is None or backup.id in self.no_mail_due:
                continue
            if backup.state in (State.READY, State.FAILED):
                how = f"{backup.state}, {backup.failure}, {backup.mail}, {execution.status} at {execution.at}"
                assert backup.mail is MailState.SENT, f"nobody was told: {how}"

    def _nobody_else_learns_of_it(self) -> None:
        stranger = self.service.caller(self.service.stranger)
        for backup_id in (*self.known(), "01JDA8Z4T0" + "0" * 16):
            with pytest.raises(UnknownBackup) as refusal:
                self.service.desk.remove(stranger, backup_id)
            assert str(refusal.value) == str(UnknownBackup())
        overview = self.service.desk.overview(stranger)
        assert (overview.running, overview.last_ready, overview.history) == (None, None, [])

    # --- what there is ---

    def known(self) -> list[str]:
        return [*self.before, *([self.locked] if self.locked else [])]

    def at_work(self) -> list[Execution]:
        return [one for one in self.flow.running() if one.task]

    def late(self) -> list[Process]:
        return [
            one for one in self.service.living() if one.kind == "step" and one.backup_id in self.before
        ]

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


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_in_process():
        yield Aws()


@pytest.mark.timeout(0 if RUNS else 300)
def test_whatever_happens_in_whatever_order(aws: Aws) -> None:
    bound: Any = type("Bound", (Machine,), {"aws": aws, "seen": Counter()})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=RUNS or 15,
            stateful_step_count=50 if RUNS else 40,
            derandomize=not RUNS,
            suppress_health_check=list(HealthCheck),
        ),
    )
    for what in RARE:
        print(f"{bound.seen[what]:7} {what}")  # noqa: T201
    if RUNS >= 2000:
        assert [what for what in RARE if bound.seen[what] < 100] == []
