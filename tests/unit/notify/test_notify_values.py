"""Addresses, names and events, one value at a time."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.notify.address import plain_address
from functions.notify.event import ForeignEvent, ended_backup
from functions.notify.names import LONGEST_NAME, name_of

BACKUP = "01JDA8Z4T0ABCDEFGHJKMNPQRS"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.O'Neil+b_1@Mail.example.co.uk", "Ann.O'Neil+b_1@Mail.example.co.uk"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@例え.jp", "ann@xn--r8jz45g.jp"),
    ],
)
def test_a_plain_address_is_taken_with_its_domain_in_ascii(text: str, address: str) -> None:
    assert plain_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "ann",
        "@",
        "ann@",
        "@example.com",
        "ann@localhost",
        "ann@example.com,bob@example.com",
        "ann@example.com;bob@example.com",
        "ann@example.com bob@example.com",
        "Ann <ann@example.com>",
        "<ann@example.com>",
        "ann@example.com\r\nBcc: eve@example.com",
        "ann\r\n@example.com",
        "ann@example.com\n",
        " ann@example.com",
        "ann@example.com ",
        "ann@example.com\x00",
        "ann@@example.com",
        "ann@bob@example.com",
        '"ann b"@example.com',
        "ann(comment)@example.com",
        "ann..b@example.com",
        ".ann@example.com",
        "änn@example.com",
        "ann@[127.0.0.1]",
        "ann@127.0.0.1",
        "ann@-example.com",
        "ann@example..com",
        "ann@example.com.",
        "ann@exa_mple.com",
        "ann@faß.example",  # IDNA 2003 makes it fass.example, somebody else's
        "ann@ｅxample.com",
        "ann@example。com",
        "ann@exa\u200dmple.com",
        "ann@exa\u202emple.com",
        "ann@\ud800.example",
        f"{'a' * 65}@example.com",
        f"ann@{'a' * 64}.com",
        f"ann@{'a.' * 130}com",
        "a" * 10_000 + "@example.com",
    ],
)
def test_anything_but_one_plain_address_is_none(text: str | None) -> None:
    assert plain_address(text) is None


@given(
    st.text()
    | st.from_regex(r"[a-z]{1,3}[,;<> \r\n\"@.]{0,3}[a-zß。]{0,3}@[a-zé,;<>\s]{1,4}\.[a-z,;<>\s]{2,3}")
)
def test_what_comes_out_is_one_bare_ascii_address(text: str) -> None:
    address = plain_address(text)
    if address is not None:
        assert address.isascii()
        assert address.count("@") == 1
        assert not set(address) & set(',;:<>()[]\\" \t\r\n\0')
        assert plain_address(address) == address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ann Example", "Ann Example"),
        ("  Ann \t\r\n Example ", "Ann Example"),
        ("x\r\nBcc: e@x.example", "x Bcc: e@x.example"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("\u2067Ann\u2069\ufeff", "Ann"),
        ("a\u2028b\u2029c\x85d\x00e", "a b c d e"),
        ("\ud800", "\ufffd"),
        ("\uffff", "\ufffd"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("{{7*7}}<b>", "{{7*7}}<b>"),
        ("a" * 60, "a" * 60),
        ("a" * 61, "a" * 59 + "…"),
        ("a" * 58 + " b c", "a" * 58 + "…"),
        ("", ""),
    ],
)
def test_names_are_one_harmless_line(text: str, shown: str) -> None:
    assert name_of(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_no_name_holds_what_moves_or_breaks_lines(text: str) -> None:
    shown = name_of(text)
    assert len(shown) <= LONGEST_NAME
    assert not {unicodedata.category(c) for c in shown if c not in "\u200c\u200d"} & {
        "Cc",
        "Cf",
        "Cs",
        "Zl",
        "Zp",
    }
    assert shown == shown.strip()
    shown.encode("utf-8")


def test_the_workflows_event_names_an_ended_backup() -> None:
    assert ended_backup({"account_id": "9789", "backup_id": BACKUP}) == ("9789", BACKUP)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "x",
        {},
        {"account_id": "9789"},
        {"backup_id": BACKUP},
        {"account_id": 9789, "backup_id": BACKUP},
        {"account_id": "9789", "backup_id": None},
        {"account_id": "9789", "backup_id": BACKUP, "email": "e@x.example"},
        {"account_id": "", "backup_id": BACKUP},
        {"account_id": "97#89", "backup_id": BACKUP},
        {"account_id": "٩٧", "backup_id": BACKUP},
        {"account_id": "9" * 21, "backup_id": BACKUP},
        {"account_id": "9789\n", "backup_id": BACKUP},
        {"account_id": "9789", "backup_id": BACKUP + "\n"},
        {"account_id": "9789", "backup_id": BACKUP.lower()},
        {"account_id": "9789", "backup_id": "../" + BACKUP[3:]},
        {"account_id": "9789", "backup_id": "8" + BACKUP[1:]},
        {"Records": [{"body": "{}"}]},
    ],
)
def test_any_other_event_is_foreign(event: Any) -> None:
    with pytest.raises(ForeignEvent):
        ended_backup(event)
