"""The audit trail of a scripted life of five backups, by the real code, compared entry by entry.

Once undisturbed, and then with every write that enters something in the trail meeting a fault at its first
try: its answer lost, itself lost, refused, or its process killed just before or after it. Whoever was
interrupted does what they would: botocore and people try again, and so do Step Functions and the sweeper.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from functions.request_backup.body import Wishes
from functions.request_backup.caller import Caller
from functions.request_backup.refusals import BackupRunning
from shared.audit import Actor, Entry, Event, Way
from shared.backup import Person, Reason
from tests.doubles import aws_in_process
from tests.unit.protocol.aws import Aws
from tests.unit.protocol.processes import CUT, DIES_AFTER, DIES_BEFORE, GO, LOST, REFUSED, Process
from tests.unit.protocol.service import ADMINS, RETENTION, Service

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ENTERING = ("TransactWriteItems", "PutItem")
"""What writes into the trail, and nothing else does."""
UNDISTURBED = "undisturbed"
ANN, BOB = (Person(f"sub-of-{name}", name, f"{name.lower()}@example.com", "en") for name in ("Ann", "Bob"))


class AwsWithTokens(Aws):
    """A transaction that was carried out is answered alike when it is repeated, which moto does not do.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        super().__init__()

    def _send(self, event_name: str, request: Any, **more: Any) -> Any:
        if not event_name.endswith(".TransactWriteItems"):
            return super()._send(event_name, request, **more)
        token, told = json.loads(request.body)["ClientRequestToken"], self.carried_out

        def carried_out(operation: str) -> None:
            self._tokens.add(token)
            told(operation)

        if token in self._tokens:
            answer = SimpleNamespace(stream=lambda *_, **__: iter([b"{}"]))
            return AWSResponse(request.url, 200, HTTPHeaders(), answer)
        self.carried_out = carried_out
        try:
            return super()._send(event_name, request, **more)
        finally:
            self.carried_out = told


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_in_process():
        yield AwsWithTokens()


class Life:
    """An account, what its people do, one thing an hour, and what becomes of its backups."""

    def __init__(self, aws: Aws, fault: str) -> None:
        aws.begin_anew()
        self.aws = aws
        self.begun = aws.now
        self.service = Service(aws)
        self.fault = fault
        self.faults_met = 0
        self.handed_out: set[str] = set()
        self._killed: set[str] = set()

    def request(self, person: Person) -> str:
        def ask() -> str:
            try:
                return self.service.desk.request(self._caller(person), Wishes())[0].id
            except BackupRunning as refusal:
                running: Any = refusal.members["running"]
                return str(running["id"])

        backup_id: str = self._does(ask)
        flow = self.service.step_functions
        for _ in range(10):  # one whose request died in between is started by the sweeper
            if backup_id not in flow.executions:
                self.service.pass_time(MINUTE)
                self.service.sweeper.sweep()
        return backup_id

    def link(self, person: Person, backup_id: str) -> None:
        _, link = self._does(lambda: self.service.desk.download(self._caller(person), backup_id))
        self.handed_out.add(link.id)

    def remove(self, person: Person, backup_id: str) -> None:
        self._does(lambda: self.service.desk.remove(self._caller(person), backup_id))

    def choose(self, person: Person, encoding: str) -> None:
        self._does(lambda: self.service.desk.choose_encoding(self._caller(person), encoding))

    def runs(self, backup_id: str) -> None:
        """The backup's workflow up to its end, e-mail included."""
        execution = self.service.step_functions.executions[backup_id]
        while execution.status == "RUNNING":
            if self.service.step_functions.is_waiting(execution):
                self.service.pass_time(MINUTE)
            task = self.service.task(execution)
            if task is not None:
                self._drive(task, f"{execution.at} of {backup_id}")
                self.service.hear()

    def trail(self) -> list[Entry]:
        """Oldest first."""
        return self.service.trail.page(self.service.account, self.aws.now, limit=1000)[::-1]

    def _caller(self, person: Person) -> Caller:
        return Caller(self.service.account, person, frozenset({ADMINS}))

    def _does(self, action: Callable[[], Any]) -> Any:
        """An hour later somebody does this; and again, where there is no answer."""
        self.service.pass_time(HOUR)
        for _ in range(2):
            process = Process("request", action, backup_id="", deadline=self.aws.now + MINUTE)
            self._drive(process, f"at {self.aws.now}")
            if process.error is None:
                return process.result
            assert process.died(), process.error
        raise AssertionError("in vain")

    def _drive(self, process: Process, what: str) -> None:
        tried = False
        process.resume(GO, 0)
        while not process.over:
            meets_fault = process.at in ENTERING and not tried and self.fault != UNDISTURBED
            tried = meets_fault
            if meets_fault and self.fault in (DIES_BEFORE, DIES_AFTER):
                meets_fault = what not in self._killed
                self._killed.add(what)
            self.faults_met += meets_fault
            process.resume(self.fault if meets_fault else GO, 0)


def lived(aws: Aws, fault: str) -> tuple[Life, dict[str, str]]:
    """Five backups: one that expires, one failed, one cancelled, one deleted, one ready."""
    life = Life(aws, fault)
    of: dict[str, str] = {}
    of["expired"] = life.request(ANN)
    life.runs(of["expired"])
    life.link(BOB, of["expired"])
    life.service.pass_time(RETENTION)
    life.service.source.refuses = True
    of["failed"] = life.request(BOB)
    life.runs(of["failed"])
    life.service.source.refuses = False
    of["cancelled"] = life.request(ANN)
    life.remove(BOB, of["cancelled"])
    life.choose(ANN, "utf-16")
    of["deleted"] = life.request(ANN)
    life.runs(of["deleted"])
    life.remove(BOB, of["deleted"])
    of["ready"] = life.request(BOB)
    life.runs(of["ready"])
    life.link(ANN, of["ready"])
    life.service.pass_time(HOUR)
    return life, of


def expected(of: dict[str, str]) -> list[tuple[object, ...]]:
    """Hours since the beginning, event, backup, who, and what else."""
    days = RETENTION / HOUR
    ann, bob = (Actor(person.sub, person.name) for person in (ANN, BOB))
    return [
        (1, Event.REQUESTED, of["expired"], ann),
        (1, Event.READY, of["expired"], None, 1 + days),
        (1, Event.LINK_MADE, of["expired"], ann, Way.MAIL, 2),
        (2, Event.LINK_MADE, of["expired"], bob, Way.TAB, 2 + 1 / 12),
        (1 + days, Event.EXPIRED, of["expired"], None),
        (3 + days, Event.REQUESTED, of["failed"], bob),
        (3 + days, Event.FAILED, of["failed"], None, Reason.SOURCE_REFUSED),
        (4 + days, Event.REQUESTED, of["cancelled"], ann),
        (5 + days, Event.CANCELLED, of["cancelled"], bob),
        (6 + days, Event.SETTINGS_CHANGED, None, ann, "utf-16"),
        (7 + days, Event.REQUESTED, of["deleted"], ann),
        (7 + days, Event.READY, of["deleted"], None, 7 + 2 * days),
        (7 + days, Event.LINK_MADE, of["deleted"], ann, Way.MAIL, 8 + days),
        (8 + days, Event.DELETED, of["deleted"], bob),
        (9 + days, Event.REQUESTED, of["ready"], bob),
        (9 + days, Event.READY, of["ready"], None, 9 + 2 * days),
        (9 + days, Event.LINK_MADE, of["ready"], bob, Way.MAIL, 10 + days),
        (10 + days, Event.LINK_MADE, of["ready"], ann, Way.TAB, 10 + days + 1 / 12),
    ]


def told(entry: Entry, begun: Any) -> tuple[object, ...]:
    def hours(moment: Any) -> float:
        return float((moment - begun) / HOUR)

    more: list[object] = []
    if entry.expires_at:
        more = [hours(entry.expires_at)]
    if entry.link:
        more = [entry.link.way, hours(entry.link.ends_at)]
    more += [detail for detail in (entry.reason, entry.encoding) if detail]
    return (hours(entry.at), entry.event, entry.backup_id, entry.by, *more)


@pytest.mark.parametrize("fault", [UNDISTURBED, LOST, CUT, REFUSED])
def test_the_trail_tells_a_life_of_five_backups_entry_by_entry_whatever_gets_lost(
    aws: Aws, fault: str
) -> None:
    life, of = lived(aws, fault)
    assert [told(entry, life.begun) for entry in life.trail()] == expected(of)
    made = {entry.link.id for entry in life.trail() if entry.link and entry.link.way is Way.TAB}
    assert made == life.handed_out
    assert life.faults_met == (0 if fault == UNDISTURBED else 18)
    # What was not deleted expires in time, and nothing else comes.
    life.service.pass_time(RETENTION)
    assert [entry.event for entry in life.trail()[len(expected(of)) :]] == [Event.EXPIRED]


@pytest.mark.parametrize("fault", [DIES_BEFORE, DIES_AFTER])
def test_nothing_is_lost_or_doubled_where_every_writer_of_the_trail_is_killed_once(
    aws: Aws, fault: str
) -> None:
    """But links: one whose maker died after it was entered was perhaps handed out, and stays in the trail."""
    life, of = lived(aws, fault)
    assert life.faults_met == 18
    trail = [(entry.event, entry.backup_id, entry.by) for entry in life.trail()]
    twice = [what for what, same in groupby(trail) if len(list(same)) > 1]
    assert {event for event, *_ in twice} <= {Event.LINK_MADE}
    assert [what for what, _ in groupby(trail)] == [what[1:4] for what in expected(of)]
    assert life.handed_out <= {entry.link.id for entry in life.trail() if entry.link}
    assert len(twice) == (5 if fault == DIES_AFTER else 0)
