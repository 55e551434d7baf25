"""The files of words: found by a reader's tag, and each with all that English has."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any

import pytest
from babel import Locale

from shared.backup import Reason
from shared.languages import DEFAULT, Languages

LANGUAGES = Languages()
ENGLISH = LANGUAGES.best(DEFAULT)
OTHERS = [code for code in LANGUAGES.codes if code != DEFAULT]


def sentences(words: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key and sentence, one by one; the items of a list are numbered."""
    for key, value in words.items():
        if isinstance(value, Mapping):
            yield from sentences(value, f"{path}{key}.")
        elif isinstance(value, list):
            yield from ((f"{path}{key}.{number}", item) for number, item in enumerate(value))
        else:
            yield path + key, value


def fields_of(sentence: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(sentence) if field is not None}


def differences(words: Mapping[str, Any], english: Mapping[str, Any]) -> list[str]:
    """What a translator has to put right, key by key."""
    ours, theirs = dict(sentences(words)), dict(sentences(english))
    lacking = [f"{key} is lacking" for key in theirs if key not in ours]
    too_much = [f"{key} is too much" for key in ours if key not in theirs]
    empty = [f"{key} is empty" for key, sentence in ours.items() if not sentence.strip()]
    fields = [
        f"{key} has {sorted(fields_of(ours[key]))}, in English {sorted(fields_of(theirs[key]))}"
        for key in theirs
        if key in ours and fields_of(ours[key]) != fields_of(theirs[key])
    ]
    return [*lacking, *too_much, *empty, *fields]


def test_there_are_the_languages_that_we_promise() -> None:
    assert LANGUAGES.codes == ["de", "en", "es", "fr", "nl"]
    assert {LANGUAGES.best(code).words["name"] for code in LANGUAGES.codes} == {
        "Deutsch",
        "English",
        "Español",
        "Français",
        "Nederlands",
    }


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_says_all_that_english_says_with_the_same_fields_and_no_more(code: str) -> None:
    assert differences(LANGUAGES.best(code).words, ENGLISH.words) == []


def test_a_translator_is_told_what_to_put_right() -> None:
    english = {"a": {"b": "of {x}", "c": "C", "d": "D"}, "sizes": ["1", "2"]}
    other = {"a": {"b": "von {y}", "d": " ", "e": "E"}, "sizes": ["1"]}
    assert differences(other, english) == [
        "a.c is lacking",
        "sizes.1 is lacking",
        "a.e is too much",
        "a.d is empty",
        "a.b has ['y'], in English ['x']",
    ]


@pytest.mark.parametrize("code", OTHERS)
def test_no_sentence_was_left_in_english(code: str) -> None:
    theirs = dict(sentences(ENGLISH.words))
    same = [
        key
        for key, sentence in sentences(LANGUAGES.best(code).words)
        if sentence == theirs.get(key) and len(re.findall(r"[A-Za-z]{2,}", sentence)) > 3
    ]
    assert same == []


@pytest.mark.parametrize("code", LANGUAGES.codes)
def test_every_reason_has_a_sentence_and_nothing_else_has(code: str) -> None:
    reasons = LANGUAGES.best(code).table("reasons")
    assert set(reasons) == set(Reason)
    assert len(set(reasons.values())) == len(Reason)
    # Whole sentences: the page shows them alone.
    assert all(re.fullmatch(r"[^\s{}].*\.", sentence) for sentence in reasons.values())


@pytest.mark.parametrize("code", LANGUAGES.codes)
def test_the_dates_and_numbers_of_a_language_are_known(code: str) -> None:
    assert Locale.parse(LANGUAGES.best(code).forms_for(), sep="-").language == code


def test_french_keeps_its_marks_on_the_line_of_the_word_before() -> None:
    broken = {
        key: sentence
        for key, sentence in sentences(LANGUAGES.best("fr").words)
        if re.search(r"(?<![\u00a0\u202f])[:;!?»]|«(?![\u00a0\u202f])|'", sentence)
    }
    assert broken == {}
    assert LANGUAGES.best("fr").says("mail.facts.size") == "Taille\u00a0: {value}"


def test_quotes_and_dashes_are_those_of_the_language() -> None:
    german = " ".join(sentence for _, sentence in sentences(LANGUAGES.best("de").words))
    assert german.count("„") == german.count("“") > 0
    for code in LANGUAGES.codes:
        assert not [s for _, s in sentences(LANGUAGES.best(code).words) if '"' in s or "..." in s], code


@pytest.fixture
def three(tmp_path: Path) -> Languages:
    for code, locale in (("en", "en-GB"), ("nl", "nl"), ("tlh", "tlh")):
        (tmp_path / f"{code}.toml").write_text(f'locale = "{locale}"\nlong = """\none\n  two\u00a0three"""')
    (tmp_path / "notes.txt").write_text("not a language")
    return Languages(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("en", "en"),
        ("tlh", "tlh"),
        ("TLH", "tlh"),
        ("tlh-Piqd", "tlh"),
        ("tlh_KX", "tlh"),
        ("tlhx", "en"),
        ("t", "en"),
        ("", "en"),
        ("../tlh", "en"),
        ("tlh/../../etc", "tlh"),
        ("x" * 10_000, "en"),
    ],
)
def test_a_language_is_added_by_one_file_and_found_by_its_tag(
    three: Languages, wanted: str, code: str
) -> None:
    assert three.codes == ["en", "nl", "tlh"]
    assert three.best(wanted).code == code


@pytest.mark.parametrize(
    ("wanted", "code", "tag"),
    [
        (["ja", "nl-BE", "tlh"], "nl", "nl-BE"),
        (["*", "tlh"], "tlh", "tlh"),
        (["ja", "zh-Hant-TW"], "en", "en"),
        ([], "en", "en"),
    ],
)
def test_the_first_tag_that_there_is_a_file_for_counts(
    three: Languages, wanted: list[str], code: str, tag: str
) -> None:
    language, chosen = three.chosen(wanted)
    assert (language.code, chosen) == (code, tag)


@pytest.mark.parametrize(
    ("tag", "forms"),
    [
        ("en", "en-GB"),
        ("en-US", "en-US"),
        ("EN_us", "en-US"),
        ("en-Latn-IN", "en-Latn-IN"),
        ("en-latn-in", "en-Latn-IN"),
        ("en-150", "en-150"),
        ("en-US-u-ca-buddhist", "en-US"),
        ("en-USA", "en-GB"),
        ("en-../US", "en-GB"),
        ("en-U", "en-GB"),
        ("ja-JP", "en-GB"),
        ("", "en-GB"),
    ],
)
def test_a_region_brings_its_forms(three: Languages, tag: str, forms: str) -> None:
    assert three.best("en").forms_for(tag) == forms


def test_line_breaks_of_the_file_do_not_count_and_no_break_spaces_do(three: Languages) -> None:
    assert three.best("tlh").says("long") == "one two\u00a0three"
    with pytest.raises(KeyError):
        three.best("tlh").says("short")


def test_a_file_is_read_when_its_language_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text('locale = "en-GB"')
    (tmp_path / "nl.toml").write_text("no TOML")
    languages = Languages(tmp_path)
    assert languages.codes == ["en", "nl"]
    assert languages.best("fr").says("locale") == "en-GB"
    with pytest.raises(TOMLDecodeError):
        languages.best("nl")
