"""Settings, moments, ids, what of an error may pass, and what the log says of it."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from hypothesis import example, given
from hypothesis import strategies as st
from ulid import ULID

from shared.aws_errors import may_pass
from shared.environment import SettingMalformed, SettingMissing, read_settings
from shared.ids import is_account_id, is_backup_id
from shared.logs import get_logger, shape_of
from shared.moments import from_text, to_text, utc_now

# --- settings ---


@dataclass(frozen=True)
class Some:
    table_name: str
    history_days: int
    tab_url: str = "https://default"
    link_seconds: int = 60


def test_settings_are_the_variables_named_like_the_fields() -> None:
    environ = {"TABLE_NAME": "t", "HISTORY_DAYS": "30", "LINK_SECONDS": "5", "OTHER": "x"}
    assert read_settings(Some, environ) == Some("t", 30, "https://default", 5)


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(SettingMissing, match=r"^TABLE_NAME, HISTORY_DAYS$"):
        read_settings(Some, {"TAB_URL": "x"})


def test_a_setting_that_is_no_number_is_named_without_its_value() -> None:
    with pytest.raises(SettingMalformed) as malformed:
        read_settings(Some, {"TABLE_NAME": "t", "HISTORY_DAYS": "s3cret"})
    assert str(malformed.value) == "HISTORY_DAYS"
    assert malformed.value.__suppress_context__


def test_a_setting_of_a_lower_case_name_is_none() -> None:
    with pytest.raises(SettingMissing, match=r"^TABLE_NAME$"):
        read_settings(Some, {"table_name": "t", "HISTORY_DAYS": "1"})


# --- moments ---


def test_the_clock_says_where_it_is() -> None:
    assert utc_now().tzinfo is UTC
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [
        (0, "2026-11-22T10:11:12Z"),
        (123_000, "2026-11-22T10:11:12.123Z"),
        (999_999, "2026-11-22T10:11:12.999Z"),
    ],
)
def test_a_moment_is_written_to_the_second_or_the_millisecond(microsecond: int, text: str) -> None:
    assert to_text(datetime(2026, 11, 22, 10, 11, 12, microsecond, tzinfo=UTC)) == text


def test_moments_of_other_zones_are_written_in_utc() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    assert to_text(datetime(2026, 1, 1, 0, 0, tzinfo=there)) == "2025-12-31T18:30:00Z"
    assert from_text("2026-01-01T00:00:00+05:30") == datetime(2025, 12, 31, 18, 30, tzinfo=UTC)


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_come_back_to_the_millisecond(moment: datetime) -> None:
    assert from_text(to_text(moment)) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(st.text(max_size=40))
@example("")
@example("2026-11-22T10:11:12")
@example("2026-11-22")
@example("2026-13-01T00:00:00Z")
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59-14:00")
def test_text_that_is_no_moment_is_a_value_error(text: str) -> None:
    try:
        moment = from_text(text)
    except ValueError:
        return
    assert moment.tzinfo is UTC


# --- ids ---


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1)))  # noqa: DTZ001
def test_every_ulid_is_a_backup_id(moment: datetime) -> None:
    assert is_backup_id(str(ULID.from_datetime(moment.replace(tzinfo=UTC))))


ID = "01JDA8Z4T0ABCDEFGHJKMNPQRS"


@pytest.mark.parametrize(
    "text",
    ["", ID.lower(), ID[:-1], ID + "0", f"{ID}\n", f" {ID}", "8" + ID[1:], "I" + ID[1:], ID[:-1] + "U",
     ID[:-1] + "\u0665", ID[:-1] + "\uff11", "../" + ID, ID + "\0", "0" * 10_000],
)  # fmt: skip
def test_what_only_looks_like_a_backup_id_is_none(text: str) -> None:
    assert not is_backup_id(text)


@pytest.mark.parametrize("text", ["0", "9789", "1" * 20])
def test_account_ids_are_up_to_20_digits(text: str) -> None:
    assert is_account_id(text)


@pytest.mark.parametrize(
    "value",
    ["", "-1", "1" * 21, "9789\n", "9789#", "\u0669\u0667", "\uff19", "9 7", "1e3", 9789, None, b"9789"],
)
def test_what_only_looks_like_an_account_id_is_none(value: object) -> None:
    assert not is_account_id(value)
    assert not is_backup_id(value)


# --- errors ---


def client_error(status: int, code: str, reasons: list[str] | None = None) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "about ann@example.com"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        "CancellationReasons": [{"Code": reason} for reason in reasons or []],
    }
    return ClientError(response, "PutItem")


@pytest.mark.parametrize(
    "error",
    [
        client_error(400, "ProvisionedThroughputExceededException"),
        client_error(400, "ThrottlingException"),
        client_error(400, "RequestLimitExceeded"),
        client_error(500, "InternalServerError"),
        client_error(503, "SlowDown"),
        client_error(429, "Whatever"),
        client_error(400, "TransactionCanceledException", ["None", "TransactionConflict"]),
        client_error(400, "TransactionCanceledException", ["ThrottlingError", "None"]),
        client_error(400, "TransactionInProgressException"),
        ReadTimeoutError(endpoint_url="https://x"),
        ConnectTimeoutError(endpoint_url="https://x"),
        EndpointConnectionError(endpoint_url="https://x"),
    ],
    ids=str,
)
def test_throttling_faults_of_aws_and_lost_connections_may_pass(error: ClientError | BotoCoreError) -> None:
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        client_error(400, "AccessDeniedException"),
        client_error(403, "AccessDenied"),
        client_error(400, "ResourceNotFoundException"),
        client_error(400, "ValidationException"),
        client_error(400, "TransactionCanceledException", ["None", "ConditionalCheckFailed"]),
        ClientError({}, "PutItem"),
        NoCredentialsError(),
        ParamValidationError(report="x"),
    ],
    ids=str,
)
def test_what_is_wrong_stays_wrong(error: ClientError | BotoCoreError) -> None:
    assert not may_pass(error)


# --- logs ---

SECRET = "ann@example.com"


def test_the_shape_of_an_error_has_class_place_and_cause_and_never_its_text() -> None:
    def fail() -> None:
        try:
            int(SECRET)
        except ValueError as error:
            raise KeyError(SECRET) from error

    with pytest.raises(KeyError) as caught:
        fail()
    shape = shape_of(caught.value)
    assert [line.partition(" ")[0] for line in shape] == ["KeyError", "ValueError"]
    assert "test_shared_values.py:" in shape[0]
    assert "in fail" in shape[0]
    assert SECRET not in json.dumps(shape)


def test_the_shape_names_aws_s_code_and_operation() -> None:
    (shape,) = shape_of(client_error(400, "AccessDeniedException"))
    assert shape == "ClientError (PutItem: AccessDeniedException)"


def test_the_shape_leaves_out_what_was_hidden_and_ends_even_in_a_circle() -> None:
    hidden = ValueError(SECRET)
    outer = RuntimeError(SECRET)
    outer.__context__, outer.__suppress_context__ = hidden, True
    assert shape_of(outer) == ["RuntimeError"]
    one, other = RuntimeError(SECRET), RuntimeError(SECRET)
    one.__cause__, other.__cause__ = other, one
    assert len(shape_of(one)) == 10


def test_the_log_is_a_json_object_a_line_with_the_moment_in_utc() -> None:
    logger = get_logger("shared_values")
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    logger.info("backup requested", backup_id=ID)
    line = json.loads(lines.getvalue())
    assert line["message"] == "backup requested"
    assert line["backup_id"] == ID
    assert line["service"] == "shared_values"
    assert from_text(line["timestamp"]).utcoffset() == timedelta(0)
