"""A backup as plain values and back, its name and place, and the state that users see."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from shared.backup import (
    RECORD_FORMAT,
    Backup,
    Failure,
    MailState,
    Person,
    Reason,
    State,
    UnknownFormat,
    from_record,
    new_backup,
    to_record,
)

NOW = datetime(2011, 5, 5, 9, 30, tzinfo=UTC)
WEIRD = ["../x", "CON", "x\r\nBcc: e@x", "<img onerror>", "{{7*7}}", "\u0000", "\U0001f600", "é" * 300, "a#b"]


def made(**other: Any) -> Backup:
    values: dict[str, Any] = {
        "backup_id": "01JDA8Z4T0ABCDEFGHJKMNPQRS",
        "account_id": "9789",
        "account_name": "Acme",
        "encoding": "utf-8",
        "requested_by": Person("s-1", "Ann", None, "en"),
        "now": NOW,
    }
    return new_backup(**(values | other))


# As a record has them: whole milliseconds.
moments = st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)
texts = st.text() | st.sampled_from(WEIRD)
counts = st.integers(0, 10**15)
backups = st.builds(
    Backup,
    account_id=st.from_regex(r"[0-9]{1,20}", fullmatch=True),
    id=st.just("01JDA8Z4T0ABCDEFGHJKMNPQRS"),
    state=st.sampled_from(State),
    requested_at=moments,
    requested_by=st.builds(
        Person, sub=texts, name=texts, email=st.none() | texts.filter(bool), language=st.just("pt-BR")
    ),
    account_name=texts,
    encoding=texts,
    file_name=texts,
    object_key=texts,
    units=st.none() | counts,
    progress=st.dictionaries(st.integers(0, 99_999), counts, max_size=5),
    units_done=st.frozensets(st.integers(0, 99_999), max_size=5),
    failure=st.none() | st.builds(Failure, st.sampled_from(Reason), st.none() | texts.filter(bool)),
    finished_at=st.none() | moments,
    expires_at=st.none() | moments,
    bytes=st.none() | counts,
    records=st.none() | counts,
    replaced=st.none() | counts,
    mail=st.none() | st.sampled_from(MailState),
    ended_by=st.none() | texts,
    deleted_at=st.none() | moments,
)


@given(backups)
def test_whatever_a_backup_holds_comes_back_from_dynamodb_s_values(backup: Backup) -> None:
    stored = {name: TypeSerializer().serialize(value) for name, value in to_record(backup).items()}
    read = {name: TypeDeserializer().deserialize(value) for name, value in stored.items()}
    assert from_record(read) == backup


@given(backups)
def test_a_record_holds_no_key_that_the_table_needs_for_itself(backup: Backup) -> None:
    assert not {"pk", "sk", "ttl", "lease_until", "mail_claimed_at"} & set(to_record(backup))


def test_a_record_from_before_backups_could_be_cancelled_or_deleted_is_read() -> None:
    record = to_record(made())
    assert not {"ended_by", "deleted_at"} & set(record)
    assert (from_record(record).ended_by, from_record(record).deleted_at) == (None, None)


def test_a_record_of_a_newer_version_is_refused_and_its_values_are_not_told() -> None:
    record = to_record(made()) | {"format": RECORD_FORMAT + 1}
    with pytest.raises(UnknownFormat, match=r"^record format 2$"):
        from_record(record)


def test_a_record_that_is_no_record_is_a_bug_and_not_half_a_backup() -> None:
    for name in ("format", "account_id", "requested_by", "progress", "object_key"):
        record = to_record(made())
        del record[name]
        with pytest.raises(KeyError):
            from_record(record)
    for name, value in [("progress", "x"), ("requested_by", []), ("units_done", [1])]:
        with pytest.raises(TypeError):
            from_record(to_record(made()) | {name: value})


def test_the_file_is_named_by_account_day_and_a_random_number() -> None:
    assert re.fullmatch(r"9789_05_05_2011_[1-9][0-9]{4}\.zip", made().file_name)


def test_the_day_in_the_name_is_the_utc_day() -> None:
    evening = datetime(2011, 5, 5, 23, 59, 59, tzinfo=UTC)
    assert "_05_05_2011_" in made(now=evening).file_name
    assert "_06_05_2011_" in made(now=evening + timedelta(seconds=1)).file_name


def test_the_place_cannot_be_guessed_and_is_never_the_same() -> None:
    keys = {made().object_key for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert re.fullmatch(r"backups/[0-9a-f]{32}/9789_05_05_2011_[0-9]{5}\.zip", key)


def test_nothing_of_the_names_gets_into_file_name_or_key() -> None:
    for name in WEIRD:
        backup = made(account_name=name, requested_by=Person("s", name, name, "en"))
        assert re.fullmatch(r"[0-9_]+\.zip", backup.file_name)
        assert re.fullmatch(r"[0-9a-z/_.]+", backup.object_key)


@pytest.mark.parametrize(("seconds", "state"), [(-1, State.READY), (0, State.EXPIRED), (1, State.EXPIRED)])
def test_a_ready_backup_expires_at_the_promised_second(seconds: int, state: State) -> None:
    ready = dataclasses.replace(made(), state=State.READY, finished_at=NOW, expires_at=NOW)
    assert ready.state_at(NOW + timedelta(seconds=seconds)) is state


@pytest.mark.parametrize("state", sorted(set(State) - {State.READY}))
def test_only_what_was_ready_expires(state: State) -> None:
    backup = dataclasses.replace(made(), state=state, expires_at=NOW)
    assert backup.state_at(NOW + timedelta(days=1)) is state


def test_the_snapshot_is_the_moment_of_the_request() -> None:
    assert made().snapshot_at == NOW


def test_records_done_is_the_final_count_once_there_is_one() -> None:
    backup = dataclasses.replace(made(), progress={0: 5, 1: 7})
    assert backup.records_done == 12
    assert dataclasses.replace(backup, records=13).records_done == 13
    assert dataclasses.replace(backup, records=0).records_done == 0
