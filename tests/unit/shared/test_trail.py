"""What is entered in the audit trail, as it lies in its table: nothing lost, nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared import audit
from shared.audit import Entry, Event, MadeLink, Way
from shared.aws_errors import may_pass
from shared.backup import Failure, Reason, State
from shared.store import AlreadyRunning, Superseded, cancelled, failed
from shared.transactions import TRIES
from tests.unit.shared.backups_table import (
    ANN,
    BOB,
    BY_ANN,
    BY_BOB,
    DAY,
    SECOND,
    THROTTLED,
    BackupsTable,
)

# --- what is entered ---


def test_a_request_says_who_asked(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    (entry,) = table.trail_of(account)
    assert entry == Entry(account, table.now, Event.REQUESTED, backup.id, table.now, by=BY_ANN)


def test_a_ready_backup_says_what_was_promised(table: BackupsTable, account: str) -> None:
    backup = table.ready(account)
    entry = table.trail_of(account)[1]
    expires_at = table.now + 14 * DAY
    assert entry == Entry(account, table.now, Event.READY, backup.id, table.now, expires_at=expires_at)


def test_a_failed_backup_says_why(table: BackupsTable, account: str) -> None:
    backup = table.failed(account, Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS"))
    entry = table.trail_of(account)[1]
    reason = Reason.SOURCE_UNAVAILABLE
    assert entry == Entry(account, table.now, Event.FAILED, backup.id, table.now, reason=reason)


def test_a_cancelled_and_a_deleted_backup_say_who_did_it_and_when(table: BackupsTable, account: str) -> None:
    running = table.pending(account)
    table.store.finish(cancelled(running, BOB, table.now + SECOND))
    ready = table.ready(account)
    table.store.delete(ready, by=BOB, now=table.now + 2 * SECOND)
    entries = table.trail_of(account, table.now + DAY)
    ends = [entry for entry in entries if entry.event in (Event.CANCELLED, Event.DELETED)]
    assert [(entry.backup_id, entry.by, entry.at - table.now) for entry in ends] == [
        (running.id, BY_BOB, SECOND),
        (ready.id, BY_BOB, 2 * SECOND),
    ]


@pytest.mark.parametrize("way", Way)
def test_a_link_says_for_whom_until_when_and_by_which_way_but_not_where_to(
    table: BackupsTable, account: str, way: Way
) -> None:
    backup, link = table.ready(account), table.link()
    entry = audit.link_made(backup, link, way, BOB, table.now)
    if way is Way.MAIL:
        assert table.store.claim_mail(account, backup.id, table.now, link=entry)
    else:
        table.trail.append(entry)
    (made,) = [one for one in table.trail_of(account) if one.event is Event.LINK_MADE]
    assert (made.by, made.link) == (BY_BOB, MadeLink(link.id, way, link.ends_at))
    assert "secret" not in json.dumps(table.entries(account))


def test_a_chosen_encoding_says_who_chose_what(table: BackupsTable, account: str) -> None:
    table.store.choose_encoding(account, "utf-16", by=ANN, now=table.now)
    (entry,) = table.trail_of(account)
    assert (entry.event, entry.by, entry.encoding) == (Event.SETTINGS_CHANGED, BY_ANN, "utf-16")
    assert (entry.backup_id, entry.requested_at) == (None, None)


def test_no_entry_holds_an_address_a_place_or_a_language(table: BackupsTable, account: str) -> None:
    backup = table.ready(account)
    table.trail.append(audit.link_made(backup, table.link(), Way.TAB, ANN, table.now))
    table.store.delete(backup, by=BOB, now=table.now)
    text = json.dumps(table.entries(account))
    for secret in (ANN.email, BOB.email, backup.object_key, backup.file_name, backup.account_name):
        assert str(secret) not in text
    assert "language" not in text


# --- nothing lost, nothing twice ---


def a_request(table: BackupsTable, account: str) -> Callable[[], object]:
    backup = table.backup(account)
    return lambda: table.store.claim(backup)


def a_good_end(table: BackupsTable, account: str) -> Callable[[], object]:
    ready = table.ended_well(table.pending(account))
    return lambda: table.store.finish(ready)


def a_bad_end(table: BackupsTable, account: str) -> Callable[[], object]:
    ended = failed(table.pending(account), Failure(Reason.TIMED_OUT), table.now)
    return lambda: table.store.finish(ended, untold=True)


def a_cancellation(table: BackupsTable, account: str) -> Callable[[], object]:
    ended = cancelled(table.pending(account), BOB, table.now)
    return lambda: table.store.finish(ended)


def a_deletion(table: BackupsTable, account: str) -> Callable[[], object]:
    ready = table.ready(account)
    return lambda: table.store.delete(ready, by=BOB, now=table.now)


def a_choice(table: BackupsTable, account: str) -> Callable[[], object]:
    return lambda: table.store.choose_encoding(account, "utf-16", by=ANN, now=table.now)


def a_link(table: BackupsTable, account: str) -> Callable[[], object]:
    entry = audit.link_made(table.ready(account), table.link(), Way.TAB, ANN, table.now)
    return lambda: table.trail.append(entry)


def a_mailed_link(table: BackupsTable, account: str) -> Callable[[], object]:
    backup = table.ready(account)
    entry = audit.link_made(backup, table.link(), Way.MAIL, ANN, table.now)
    return lambda: table.store.claim_mail(account, backup.id, table.now, link=entry)


ENTERED = [
    (a_request, "TransactWriteItems", Event.REQUESTED),
    (a_good_end, "TransactWriteItems", Event.READY),
    (a_bad_end, "TransactWriteItems", Event.FAILED),
    (a_cancellation, "TransactWriteItems", Event.CANCELLED),
    (a_deletion, "TransactWriteItems", Event.DELETED),
    (a_choice, "TransactWriteItems", Event.SETTINGS_CHANGED),
    (a_link, "PutItem", Event.LINK_MADE),
    (a_mailed_link, "TransactWriteItems", Event.LINK_MADE),
]
Make = Callable[[BackupsTable, str], Callable[[], object]]
each_entry = pytest.mark.parametrize(
    ("make", "operation", "event"), ENTERED, ids=[make.__name__ for make, *_ in ENTERED]
)


def everything(table: BackupsTable, account: str) -> tuple[object, object]:
    return table.records(account), table.entries(account)


@each_entry
@pytest.mark.parametrize("fault", ["lost", "cut", "refused"])
def test_what_has_to_be_tried_again_is_entered_once(
    table: BackupsTable, account: str, make: Make, operation: str, event: Event, fault: str
) -> None:
    do = make(table, account)
    table.line.mend()
    if fault == "lost":
        table.line.lose_answer(operation, times=1)
    elif fault == "cut":
        table.line.cut(operation, times=1)
    else:
        table.line.refuse(operation, *THROTTLED, times=1)
    do()
    assert table.line.calls[operation] == 2
    assert table.events_of(account).count(event) == 1


@each_entry
def test_what_is_done_again_is_entered_once(
    table: BackupsTable, account: str, make: Make, operation: str, event: Event
) -> None:
    do = make(table, account)
    do()
    before = everything(table, account)
    do()
    assert everything(table, account) == before
    assert table.events_of(account).count(event) == 1
    assert table.line.calls[operation]


@each_entry
def test_what_cannot_be_entered_is_not_done_and_may_be_tried_again(
    table: BackupsTable, account: str, make: Make, operation: str, event: Event
) -> None:
    do = make(table, account)
    before = everything(table, account)
    table.line.refuse(operation, *THROTTLED)
    with pytest.raises(ClientError) as refused:
        do()
    assert may_pass(refused.value)
    assert everything(table, account) == before
    table.line.mend()
    do()
    assert table.events_of(account).count(event) == 1


def test_who_comes_too_late_enters_nothing(table: BackupsTable, account: str) -> None:
    lost, running = table.failed(account), table.pending(account)
    before = everything(table, account)
    with pytest.raises(AlreadyRunning):
        table.store.claim(table.backup(account))
    for late in (
        lambda: table.store.finish(table.ended_well(lost)),
        lambda: table.store.finish(cancelled(lost, BOB, table.now)),
        lambda: table.store.delete(running, by=BOB, now=table.now),
        lambda: table.store.delete(lost, by=BOB, now=table.now),
    ):
        with pytest.raises(Superseded):
            late()
    assert not table.store.claim_mail(
        account,
        running.id,
        table.now,
        link=audit.link_made(running, table.link(), Way.MAIL, ANN, table.now),
    )
    assert everything(table, account) == before


def test_the_first_of_two_who_cancel_or_delete_stands_in_the_trail(table: BackupsTable, account: str) -> None:
    running = table.pending(account)
    for person in (ANN, BOB):
        table.store.finish(cancelled(running, person, table.now))
    ready = table.ready(account)
    for person in (BOB, ANN):
        table.store.delete(ready, by=person, now=table.now)
    ends = [entry for entry in table.trail_of(account) if entry.event in (Event.CANCELLED, Event.DELETED)]
    assert [entry.by for entry in ends] == [BY_ANN, BY_BOB]


def test_a_claim_that_is_repeated_after_its_backup_was_cancelled_brings_nothing_back(
    table: BackupsTable, account: str
) -> None:
    """As botocore does after a lost answer, where a colleague was quick."""
    backup = table.pending(account)
    table.store.finish(cancelled(backup, BOB, table.now))
    before = everything(table, account)
    table.store.claim(backup)
    assert everything(table, account) == before


def test_an_encoding_is_entered_when_it_changes_and_back(table: BackupsTable, account: str) -> None:
    for encoding in ("utf-16", "utf-16", "big5", "utf-16"):
        table.store.choose_encoding(account, encoding, by=ANN, now=table.now)
    assert sorted(str(entry.encoding) for entry in table.trail_of(account)) == ["big5", "utf-16", "utf-16"]


def conflicts(table: BackupsTable, times: int) -> Callable[[], None]:
    """Have so many transactions cancelled for another one's sake; returns what ends that."""
    left = times

    def conflict(**_: object) -> Any:
        nonlocal left
        if left <= 0:
            return None
        left -= 1
        parsed = {
            "Error": {"Code": "TransactionCanceledException", "Message": "made up"},
            "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }
        return type("Answer", (), {"status_code": 400})(), parsed

    name = "before-call.dynamodb.TransactWriteItems"
    table.dynamodb.meta.events.register_first(name, conflict)
    return lambda: table.dynamodb.meta.events.unregister(name, conflict)


def test_of_two_requests_at_once_the_one_in_conflict_is_told_the_other(
    table: BackupsTable, account: str
) -> None:
    """DynamoDB cancels one of two transactions on one record before it looks at its conditions."""
    winner = table.pending(account)
    end = conflicts(table, TRIES - 1)
    try:
        with pytest.raises(AlreadyRunning) as refused:
            table.store.claim(table.backup(account))
    finally:
        end()
    assert refused.value.running == winner


def test_a_conflict_that_lasts_may_pass(table: BackupsTable, account: str) -> None:
    end = conflicts(table, TRIES)
    try:
        with pytest.raises(ClientError) as refused:
            table.pending(account)
    finally:
        end()
    assert may_pass(refused.value)
    assert everything(table, account) == ({}, [])


# --- expiry: at the promised moment, once, and not where the file went before ---


@pytest.mark.parametrize(("seconds", "told"), [(-1, 0), (0, 1), (1, 1), (10**6, 1)])
def test_a_backup_expires_in_the_trail_at_the_very_moment_at_which_it_does_everywhere(
    table: BackupsTable, account: str, seconds: int, told: int
) -> None:
    backup = table.ready(account)
    assert backup.expires_at is not None
    then = backup.expires_at + seconds * SECOND
    entries = table.trail_of(account, then)
    assert [entry.event for entry in entries] == [Event.REQUESTED, Event.READY] + [Event.EXPIRED] * told
    assert (backup.state_at(then) is State.EXPIRED) == bool(told)
    if told:
        assert entries[-1] == Entry(account, backup.expires_at, Event.EXPIRED, backup.id, table.now)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1, [Event.DELETED]),
        (0, [Event.EXPIRED, Event.DELETED]),
        (1, [Event.EXPIRED, Event.DELETED]),
    ],
)
def test_a_file_that_is_deleted_before_its_time_does_not_expire_as_well(
    table: BackupsTable, account: str, seconds: int, told: list[Event]
) -> None:
    backup = table.ready(account)
    assert backup.expires_at is not None
    table.store.delete(backup, by=BOB, now=backup.expires_at + seconds * SECOND)
    for later in (2 * SECOND, 100 * DAY):
        assert table.events_of(account, backup.expires_at + later)[2:] == told


def test_what_expires_stands_in_its_place_among_what_was_done_since(
    table: BackupsTable, account: str
) -> None:
    first = table.ready(account, days=3)
    second = table.ready(account, days=1)
    table.now += 2 * DAY
    third = table.failed(account)
    table.now += 2 * DAY
    told = [(entry.event, entry.backup_id) for entry in table.trail_of(account)]
    assert told[4:] == [
        (Event.EXPIRED, second.id),
        (Event.REQUESTED, third.id),
        (Event.FAILED, third.id),
        (Event.EXPIRED, first.id),
    ]
