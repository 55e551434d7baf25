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
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from functions.export_backup.catalogue import DATA_MEMBERS, MANIFEST_MEMBER
from functions.request_backup.refusals import UnknownBackup
from functions.request_backup.workflow import Start
from shared.backup import Backup, MailState, State
from tests.doubles import aws_in_process
from tests.unit.protocol.aws import Aws
from tests.unit.protocol.happenings import Happenings
from tests.unit.protocol.processes import GO
from tests.unit.protocol.service import RECORDS

RUNS = int(os.environ.get("PROTOCOL_RUNS", "0"))
MINUTE = timedelta(minutes=1)

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


class Machine(Happenings):
    @invariant()
    def what_must_hold(self) -> None:
        senders = Counter(
            one.backup_id for one in self.service.living() if one.kind == "mail" and one.at == "SendEmail"
        )
        assert max(senders.values(), default=0) <= 1, "two are about to send one mail"
        if not self.table_changed and not self.bucket_changed:
            return  # an execution begins where the table already says so, and its end brings nothing to life
        assert not self.strange_writes, "a late step wrote into what is not its backup's record"
        pending, ended = self.service.records()
        self._one_is_alive(pending, ended)
        self._ends_stay(ended)
        if self.bucket_changed or ended.keys() != self.before.keys():
            self._what_is_ready_is_whole(ended)
        self._mails_are_told_of(ended)
        self._the_trail_tells_it(pending, ended)
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
            assert pending.id not in self.nowhere, "a deleted record is back"
            assert pending.account_id == self.service.account
        if self.locked is not None and (pending is None or pending.id != self.locked):
            assert self.locked in {*ended, *self.nowhere}, "the lock went, and no end was written"
        alive = {one.name for one in self.flow.running() if one.name not in ended}
        alive |= {pending.id} if pending else set()
        alive -= self.nowhere
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
            published = self.aws.puts[backup.object_key]
            if backup.id not in self.offered:
                self.offered[backup.id] = published
                self._is_whole(backup)
            else:
                assert self.service.archive_of(backup) is not None, "a ready archive went"
            assert published == self.offered[backup.id], "a ready archive was written again"

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

    def _the_trail_tells_it(self, pending: Backup | None, ended: dict[str, Backup]) -> None:
        """All that the records say, each once, and nothing else."""
        what = [(backup_id, "0-requested") for backup_id in {*ended, *self.nowhere}]
        what += [(pending.id, "0-requested")] if pending else []
        for backup in ended.values():
            had_a_file = backup.expires_at is not None
            what.append((backup.id, "1-ready" if had_a_file else f"1-{backup.state.value}"))
            what += [(backup.id, "3-expired")] if had_a_file else []
            if backup.expires_at and backup.deleted_at:
                what.append((backup.id, "4-deleted"))
                what += [(backup.id, "3-expired_withdrawn")] if backup.deleted_at < backup.expires_at else []
        assert self.service.entered() == Counter(what), "the trail tells something else"

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


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_in_process():
        yield Aws()


@pytest.mark.timeout(0 if RUNS else 300)
def test_whatever_happens_in_whatever_order(aws: Aws) -> None:
    bound: Any = type("Bound", (Machine,), {"aws": aws, "seen": Counter()})
    try:
        run_state_machine_as_test(
            bound,
            settings=settings(
                max_examples=RUNS or 15,
                stateful_step_count=50 if RUNS else 40,
                derandomize=not RUNS,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:  # also of a run that an invariant or Ctrl-C has ended
        for what in ("a run", *RARE):
            print(f"{bound.seen[what]:7} {what}")  # noqa: T201
    if RUNS >= 2000:
        assert [what for what in RARE if bound.seen[what] < 100] == []
