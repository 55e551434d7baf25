"""An entry of the trail, its record and its id."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import audit
from shared.audit import Actor, Entry, Event, MadeLink, Way, is_entry_id
from shared.backup import Backup, Reason
from tests.unit.shared.backups_table import (
    BackupsTable,
    next_backup_id,
)

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
