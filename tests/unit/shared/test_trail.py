"""The audit trail as its readers see it and as it lies in its table: nothing lost, doubled or changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from shared import audit
from shared.audit import Actor, Entry, Event, MadeLink, Way, is_entry_id
from shared.aws_errors import may_pass
from shared.backup import Backup, Failure, Reason, State, UnknownFormat
from shared.link import Link
from shared.store import AlreadyRunning, Superseded, cancelled, failed
from shared.trail import Trail
from shared.transactions import TRIES
from tests.unit.shared.backups_table import (
    ANN,
    AUDIT_TABLE,
    BOB,
    TABLE,
    BackupsTable,
    next_account_id,
    next_backup_id,
)

THROTTLED = (400, "ProvisionedThroughputExceededException")
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
BY_ANN, BY_BOB = Actor("sub-of-ann", "Ann"), Actor("sub-of-bob", "Bob")


def trail_of(table: BackupsTable, account: str, at: datetime | None = None) -> list[Entry]:
    """All of it, oldest first."""
    return table.trail.page(account, at or table.now, limit=10_000)[::-1]


def events_of(table: BackupsTable, account: str, at: datetime | None = None) -> list[Event]:
    return [entry.event for entry in trail_of(table, account, at)]


def items_of(table: BackupsTable, account: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.dynamodb.query(
        TableName=AUDIT_TABLE,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"ACCOUNT#{account}"}},
    )["Items"]
    return found


def link_of(table: BackupsTable) -> Link:
    return Link("0123456789abcdef", "https://archives/secret?X-Amz-Signature=secret", table.now + 60 * SECOND)


# --- what is entered ---


def test_a_request_says_who_asked(table: BackupsTable, account: str) -> None:
    backup = table.pending(account)
    (entry,) = trail_of(table, account)
    assert entry == Entry(account, table.now, Event.REQUESTED, backup.id, table.now, by=BY_ANN)


def test_a_ready_backup_says_what_was_promised(table: BackupsTable, account: str) -> None:
    backup = table.ready(account)
    entry = trail_of(table, account)[1]
    expires_at = table.now + 14 * DAY
    assert entry == Entry(account, table.now, Event.READY, backup.id, table.now, expires_at=expires_at)


def test_a_failed_backup_says_why(table: BackupsTable, account: str) -> None:
    backup = table.failed(account, Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS"))
    entry = trail_of(table, account)[1]
    reason = Reason.SOURCE_UNAVAILABLE
    assert entry == Entry(account, table.now, Event.FAILED, backup.id, table.now, reason=reason)


def test_a_cancelled_and_a_deleted_backup_say_who_did_it_and_when(table: BackupsTable, account: str) -> None:
    running = table.pending(account)
    table.store.finish(cancelled(running, BOB, table.now + SECOND))
    ready = table.ready(account)
    table.store.delete(ready, by=BOB, now=table.now + 2 * SECOND)
    entries = trail_of(table, account, table.now + DAY)
    ends = [entry for entry in entries if entry.event in (Event.CANCELLED, Event.DELETED)]
    assert [(entry.backup_id, entry.by, entry.at - table.now) for entry in ends] == [
        (running.id, BY_BOB, SECOND),
        (ready.id, BY_BOB, 2 * SECOND),
    ]


@pytest.mark.parametrize("way", Way)
def test_a_link_says_for_whom_until_when_and_by_which_way_but_not_where_to(
    table: BackupsTable, account: str, way: Way
) -> None:
    backup, link = table.ready(account), link_of(table)
    entry = audit.link_made(backup, link, way, BOB, table.now)
    if way is Way.MAIL:
        assert table.store.claim_mail(account, backup.id, table.now, link=entry)
    else:
        table.trail.append(entry)
    (made,) = [one for one in trail_of(table, account) if one.event is Event.LINK_MADE]
    assert (made.by, made.link) == (BY_BOB, MadeLink(link.id, way, link.ends_at))
    assert "secret" not in json.dumps(items_of(table, account))


def test_a_chosen_encoding_says_who_chose_what(table: BackupsTable, account: str) -> None:
    table.store.choose_encoding(account, "utf-16", by=ANN, now=table.now)
    (entry,) = trail_of(table, account)
    assert (entry.event, entry.by, entry.encoding) == (Event.SETTINGS_CHANGED, BY_ANN, "utf-16")
    assert (entry.backup_id, entry.requested_at) == (None, None)


def test_no_entry_holds_an_address_a_place_or_a_language(table: BackupsTable, account: str) -> None:
    backup = table.ready(account)
    table.trail.append(audit.link_made(backup, link_of(table), Way.TAB, ANN, table.now))
    table.store.delete(backup, by=BOB, now=table.now)
    text = json.dumps(items_of(table, account))
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
    entry = audit.link_made(table.ready(account), link_of(table), Way.TAB, ANN, table.now)
    return lambda: table.trail.append(entry)


def a_mailed_link(table: BackupsTable, account: str) -> Callable[[], object]:
    backup = table.ready(account)
    entry = audit.link_made(backup, link_of(table), Way.MAIL, ANN, table.now)
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
    return table.records(account), items_of(table, account)


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
    assert events_of(table, account).count(event) == 1


@each_entry
def test_what_is_done_again_is_entered_once(
    table: BackupsTable, account: str, make: Make, operation: str, event: Event
) -> None:
    do = make(table, account)
    do()
    before = everything(table, account)
    do()
    assert everything(table, account) == before
    assert events_of(table, account).count(event) == 1
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
    assert events_of(table, account).count(event) == 1


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
        link=audit.link_made(running, link_of(table), Way.MAIL, ANN, table.now),
    )
    assert everything(table, account) == before


def test_the_first_of_two_who_cancel_or_delete_stands_in_the_trail(table: BackupsTable, account: str) -> None:
    running = table.pending(account)
    for person in (ANN, BOB):
        table.store.finish(cancelled(running, person, table.now))
    ready = table.ready(account)
    for person in (BOB, ANN):
        table.store.delete(ready, by=person, now=table.now)
    ends = [entry for entry in trail_of(table, account) if entry.event in (Event.CANCELLED, Event.DELETED)]
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
    assert sorted(str(entry.encoding) for entry in trail_of(table, account)) == ["big5", "utf-16", "utf-16"]


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
    entries = trail_of(table, account, then)
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
        assert events_of(table, account, backup.expires_at + later)[2:] == told


def test_what_expires_stands_in_its_place_among_what_was_done_since(
    table: BackupsTable, account: str
) -> None:
    first = table.ready(account, days=3)
    second = table.ready(account, days=1)
    table.now += 2 * DAY
    third = table.failed(account)
    table.now += 2 * DAY
    told = [(entry.event, entry.backup_id) for entry in trail_of(table, account)]
    assert told[4:] == [
        (Event.EXPIRED, second.id),
        (Event.REQUESTED, third.id),
        (Event.FAILED, third.id),
        (Event.EXPIRED, first.id),
    ]


# --- reading ---


def test_pages_meet_without_gap_or_overlap_also_where_something_is_withdrawn(
    table: BackupsTable, account: str
) -> None:
    made = [table.ready(account, days=days) for days in (5, 5, 6, 5, 7)]
    for backup in (made[1], made[3]):
        table.store.delete(backup, by=BOB, now=table.now)
    table.now += 30 * DAY
    newest_first = table.trail.page(account, table.now, limit=1000)
    assert [entry.event for entry in newest_first].count(Event.EXPIRED) == 3
    assert len(newest_first) == 5 + 5 + 2 + 3
    for size in (1, 2, 3, 7, 15, 16):
        pages: list[Entry] = []
        before = None
        while page := table.trail.page(account, table.now, limit=size, before=before):
            assert len(page) <= size
            pages += page
            before = page[-1].id
        assert pages == newest_first


def test_a_trail_longer_than_dynamodb_s_page_is_read_to_its_end(table: BackupsTable, account: str) -> None:
    for number in range(60):
        entry = audit.encoding_chosen(account, "utf-16", ANN, table.now + number * SECOND)
        table.trail.append(entry)
    table.now += DAY
    assert len(trail_of(table, account)) == 60


def test_another_account_s_trail_is_not_read_nor_reached_by_its_cursors(
    table: BackupsTable, account: str
) -> None:
    other = next_account_id()
    table.ready(account)
    mine = table.ready(other)
    cursor = trail_of(table, account)[-1].id
    for before in (None, cursor):
        page = table.trail.page(other, table.now, limit=100, before=before)
        assert {entry.backup_id for entry in page} <= {mine.id}
        assert {entry.account_id for entry in page} <= {other}
    assert table.trail.page(account[:-1], table.now, limit=100) == []


def test_entries_at_one_moment_stand_in_the_order_in_which_they_must_have_come(
    table: BackupsTable, account: str
) -> None:
    backup = table.ready(account)
    table.trail.append(audit.link_made(backup, link_of(table), Way.TAB, ANN, table.now))
    table.store.delete(backup, by=ANN, now=table.now)
    table.store.finish(cancelled(table.pending(account), ANN, table.now))
    assert events_of(table, account) == [
        Event.REQUESTED,
        Event.READY,
        Event.LINK_MADE,
        Event.DELETED,
        Event.REQUESTED,
        Event.CANCELLED,
    ]


# --- kept for as long as the operator says ---


@pytest.mark.parametrize(("seconds", "shown"), [(-1, 1), (0, 0), (1, 0)])
def test_an_entry_is_shown_until_its_last_day_is_over_whatever_ttl_does(
    table: BackupsTable, account: str, seconds: int, shown: int
) -> None:
    trail = Trail(table.dynamodb, AUDIT_TABLE, days=30)
    trail.append(audit.encoding_chosen(account, "utf-16", ANN, table.now))
    assert len(trail.page(account, table.now + 30 * DAY + seconds * SECOND, limit=5)) == shown
    (item,) = items_of(table, account)
    assert item["ttl"] == {"N": str(int((table.now + 30 * DAY).timestamp()))}


def test_a_shorter_time_counts_at_once_and_a_longer_one_for_what_is_entered_since(
    table: BackupsTable, account: str
) -> None:
    month, year = (Trail(table.dynamodb, AUDIT_TABLE, days=days) for days in (30, 365))
    month.append(audit.encoding_chosen(account, "utf-16", ANN, table.now))
    year.append(audit.encoding_chosen(account, "big5", ANN, table.now + SECOND))
    later = table.now + 31 * DAY
    assert [entry.encoding for entry in year.page(account, later, limit=5)] == ["big5"]
    assert month.page(account, later, limit=5) == []


def test_the_expiry_of_a_file_is_kept_from_its_own_moment_on(table: BackupsTable, account: str) -> None:
    table.ready(account, days=14)
    assert events_of(table, account, table.now + 1096 * DAY) == [Event.EXPIRED]


# --- nothing is changed ---


def test_an_entry_is_never_overwritten(table: BackupsTable, account: str) -> None:
    entry = audit.encoding_chosen(account, "utf-16", ANN, table.now)
    table.trail.append(entry)
    table.trail.append(dataclasses.replace(entry, by=BY_BOB, encoding="big5"))
    assert trail_of(table, account) == [entry]


def test_an_entry_of_a_newer_version_is_refused(table: BackupsTable, account: str) -> None:
    table.pending(account)
    (item,) = items_of(table, account)
    table.dynamodb.put_item(TableName=AUDIT_TABLE, Item=item | {"format": {"N": "2"}})
    with pytest.raises(UnknownFormat):
        trail_of(table, account)


def test_the_trail_goes_on_where_the_history_has_forgotten(table: BackupsTable, account: str) -> None:
    backup = table.ready(account)
    key = {"pk": {"S": f"ACCOUNT#{account}"}, "sk": {"S": f"BACKUP#{backup.id}"}}
    table.dynamodb.delete_item(TableName=TABLE, Key=key)
    assert events_of(table, account, table.now + 15 * DAY) == [Event.REQUESTED, Event.READY, Event.EXPIRED]


# --- ids ---

moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
texts = st.text(max_size=30)
OF_NO_BACKUP = (Event.SETTINGS_CHANGED, Event.SCHEDULE_CHANGED)
entries = (
    st.builds(
        Entry,
        st.just("9789"),
        moments,
        st.sampled_from([event for event in Event if event not in (Event.LINK_MADE, *OF_NO_BACKUP)]),
        st.builds(next_backup_id),
        moments,
        by=st.none() | st.builds(Actor, texts, texts),
        reason=st.none() | st.sampled_from(Reason),
        expires_at=st.none() | moments,
    )
    | st.builds(
        Entry,
        st.just("9789"),
        moments,
        st.just(Event.LINK_MADE),
        st.builds(next_backup_id),
        moments,
        by=st.builds(Actor, texts, texts),
        link=st.builds(MadeLink, st.just("0123456789abcdef"), st.sampled_from(Way), moments),
    )
    | st.builds(
        Entry,
        st.just("9789"),
        moments,
        st.sampled_from(OF_NO_BACKUP),
        by=st.none() | st.builds(Actor, texts, texts),
        mark=st.just("0123456789abcdef"),
    )
)


def to_the_millisecond(entry: Entry) -> Entry:
    def cut(moment: datetime | None) -> datetime | None:
        return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    link = entry.link and dataclasses.replace(entry.link, ends_at=cut(entry.link.ends_at))  # type: ignore[arg-type]
    return dataclasses.replace(
        entry,
        at=cut(entry.at),  # type: ignore[arg-type]
        requested_at=cut(entry.requested_at),
        expires_at=cut(entry.expires_at),
        link=link,
    )


@given(entries)
def test_what_is_written_is_what_is_read(entry: Entry) -> None:
    assert audit.from_record(audit.to_record(entry)) == to_the_millisecond(entry)
    assert is_entry_id(entry.id)


@given(entries, entries)
def test_ids_sort_by_time(one: Entry, other: Entry) -> None:
    moments_of = (to_the_millisecond(one).at, to_the_millisecond(other).at)
    if moments_of[0] < moments_of[1]:
        assert one.id < other.id


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "2026-11-22T10:11:12Z_01JDA8Z4T0ABCDEFGHJKMNPQRS_1-ready",
        "2026-11-22T10:11:12.000Z_01JDA8Z4T0ABCDEFGHJKMNPQRS_1-ready\n",
        "2026-11-22T10:11:12.000Z_01JDA8Z4T0ABCDEFGHJKMNPQRS_3-expired_withdrawn",
        "2026-11-22T10:11:12.000Z_01JDA8Z4T0ABCDEFGHJKMNPQRS_3-expired_0123456789abcdef",
        "2026-11-22T10:11:12.000Z_9789_1-ready",
        "\u0662026-11-22T10:11:12.000Z_01JDA8Z4T0ABCDEFGHJKMNPQRS_1-ready",
        "~",
    ],
)
def test_what_is_no_entry_s_id_is_none(text: object) -> None:
    assert not is_entry_id(text)


def test_a_backup_that_has_not_ended_has_no_end_to_enter(table: BackupsTable, account: str) -> None:
    running: Backup = table.backup(account)
    with pytest.raises(ValueError, match="when"):
        audit.ended(running)
    with pytest.raises(ValueError, match="no end"):
        audit.ended(dataclasses.replace(running, finished_at=table.now))


def test_before_the_oldest_entry_there_is_nothing_and_dynamodb_is_not_asked(
    table: BackupsTable, account: str
) -> None:
    """It refuses a range whose end is before its beginning, which nobody's request may be answered with."""
    table.pending(account)
    asked = table.line.calls["Query"]
    ancient = "0000-00-00T00:00:00.000Z_settings_0-settings_changed_0000000000000000"
    assert table.trail.page(account, table.now, limit=5, before=ancient) == []
    assert table.line.calls["Query"] == asked
