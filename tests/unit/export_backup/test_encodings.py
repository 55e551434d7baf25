"""The closed list of encodings: what each holds, and that what it holds comes back."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.encodings import encoding
from shared.encodings import DEFAULT_ENCODING, ENCODING_NAMES

NAMES = pytest.mark.parametrize("name", ENCODING_NAMES)


@NAMES
def test_every_character_that_an_encoding_holds_comes_back(name: str) -> None:
    its = encoding(name)
    held = [character for character in map(chr, range(0x110000)) if _encodes(name, character)]
    text = "".join(held)  # side by side, so that no two of them are read as a third
    assert its.encode(text).decode(its.codec) == text
    assert len(held) >= 250


def _encodes(name: str, character: str) -> bool:
    try:
        encoding(name).encode(character)
    except UnicodeEncodeError:
        return False
    return True


@NAMES
@given(text=st.text(st.characters(), max_size=8))
def test_a_text_is_taken_whole_or_refused(name: str, text: str) -> None:
    its = encoding(name)
    held = all(its.holds(character) for character in text)
    if held:
        assert its.encode(text).decode(its.codec) == text
    else:
        with pytest.raises(UnicodeEncodeError):
            its.encode(text)


@NAMES
def test_ascii_is_held_by_all_so_that_escapes_commas_and_quotes_can_be_written(name: str) -> None:
    assert all(encoding(name).holds(chr(code)) for code in range(128))


@NAMES
def test_a_lone_surrogate_is_held_by_none(name: str) -> None:
    assert not encoding(name).holds("\ud83d")
    assert not encoding(name).holds("\udc80")


@pytest.mark.parametrize(
    ("name", "character"),
    [
        ("shift_jis", "¥"),  # comes back as a backslash
        ("shift_jis", "‾"),  # comes back as a tilde
        ("euc-kr", "\u3164"),  # begins a composed syllable
        ("euc-kr", "똠"),  # composed of eight bytes: four characters to everyone but Python
        ("windows-1252", "😀"),
        ("iso-8859-1", "€"),
    ],
)
def test_what_would_come_back_as_something_else_is_not_held(name: str, character: str) -> None:
    assert not encoding(name).holds(character)


def test_only_two_encodings_begin_with_a_mark() -> None:
    marks = {name: encoding(name).bom for name in ENCODING_NAMES if encoding(name).bom}
    assert marks == {"utf-8-sig": codecs.BOM_UTF8, "utf-16": codecs.BOM_UTF16_LE}


@pytest.mark.parametrize("name", ["rot13", "idna", "cp037", "utf-8\0", "UTF-8", "utf8", "", "x" * 1_000_000])
def test_a_name_that_is_not_on_the_list_is_no_encoding(name: str) -> None:
    with pytest.raises(KeyError):
        encoding(name)


def test_the_default_is_utf_8() -> None:
    assert DEFAULT_ENCODING == "utf-8"
