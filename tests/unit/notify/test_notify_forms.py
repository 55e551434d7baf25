"""Moments, sizes and counts as readers of one place write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from functions.notify.forms import Forms
from shared.languages import Languages

MORNING = datetime(2026, 11, 22, 9, 1, 2, 999_999, tzinfo=UTC)
LANGUAGES = Languages()
NO_BREAK = "\u00a0"


def forms(tag: str) -> Forms:
    return Forms(LANGUAGES.best(tag), tag)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KB"),
        (142_950, "139.6 KB"),
        (1024**2 - 1, "1.0 MB"),
        (1024**2 - 52, "1023.9 KB"),
        (1024**2, "1.0 MB"),
        (1024**3 - 1, "1.0 GB"),
        (5 * 1024**3 // 2, "2.5 GB"),
        (1024**4, "1.0 TB"),
        (5000 * 1024**4, "5000.0 TB"),
    ],
)
def test_sizes_are_counted_in_1024s_with_one_decimal(count: int, shown: str) -> None:
    assert forms("en").size(count) == shown.replace(" ", NO_BREAK)


@pytest.mark.parametrize(
    ("tag", "moment", "size", "count"),
    [
        ("en", "22 Nov 2026, 09:01:02 UTC", "139.6 KB", "12,345"),
        ("en-GB", "22 Nov 2026, 09:01:02 UTC", "139.6 KB", "12,345"),
        ("en-US", "Nov 22, 2026, 09:01:02 UTC", "139.6 KB", "12,345"),
        ("nl", "22 nov 2026, 09:01:02 UTC", "139,6 KB", "12.345"),
        ("nl-BE", "22 nov 2026, 09:01:02 UTC", "139,6 KB", "12.345"),
        ("de", "22.11.2026, 09:01:02 UTC", "139,6 KB", "12.345"),
        ("de-AT", "22.11.2026, 09:01:02 UTC", "139,6 KB", "12.345"),
        ("de-CH", "22.11.2026, 09:01:02 UTC", "139.6 KB", "12’345"),
        ("fr", "22 nov. 2026, 09:01:02 UTC", "139,6 Ko", "12\u202f345"),
        ("es", "22 nov 2026, 09:01:02 UTC", "139,6 KB", "12.345"),
        ("es_MX", "22 nov 2026, 09:01:02 UTC", "139.6 KB", "12,345"),
    ],
)
def test_each_reader_meets_dates_and_numbers_as_they_are_written_at_home(
    tag: str, moment: str, size: str, count: str
) -> None:
    there = forms(tag)
    assert there.moment(MORNING) == moment
    assert there.size(142_950) == size.replace(" ", NO_BREAK)
    assert there.count(12_345) == count


@pytest.mark.parametrize(
    "tag", ["nl-XX", "nl-999", "nl-Qaaa-NL", "nl-../BE", "nl-\x00BE", "nl_BE_" + "x" * 10_000, "nl"]
)
def test_a_place_that_nobody_knows_leaves_the_languages_own_forms(tag: str) -> None:
    assert forms(tag).moment(MORNING) == "22 nov 2026, 09:01:02 UTC"


def test_readers_of_english_whose_own_language_has_no_file_meet_the_forms_of_english() -> None:
    assert forms("ja-JP").moment(MORNING) == "22 Nov 2026, 09:01:02 UTC"


def test_moments_are_told_in_utc_from_midnight_to_midnight() -> None:
    at = datetime(2026, 11, 22, 1, 2, 3, 999_999, tzinfo=timezone(timedelta(hours=5)))
    assert forms("en").moment(at) == "21 Nov 2026, 20:02:03 UTC"
    assert forms("en-US").moment(datetime(2026, 1, 2, tzinfo=UTC)) == "Jan 2, 2026, 00:00:00 UTC"


@pytest.mark.parametrize("code", LANGUAGES.codes)
def test_a_single_byte_is_one(code: str) -> None:
    one, more = (forms(code).size(count).split(NO_BREAK)[1] for count in (1, 2))
    assert more == one + "s"
