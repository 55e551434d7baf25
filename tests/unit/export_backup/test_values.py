"""What a value of DynamoDB's becomes: a cell's text, or the texts of a cell that has several."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.catalogue import Column, Kind, Table
from functions.export_backup.page import page_of_items
from functions.export_backup.values import decimal

ONE_TEXT = Table("T", "t.csv", "t", (Column("x", "x", Kind.TEXT),), key_parts=1)
ONE_LIST = Table("T", "t.csv", "t", (Column("x", "x", Kind.LIST),), key_parts=1)


def cell(table: Table, value: Any) -> Any:
    ((only,),) = page_of_items(table, [{"sk": {"S": "1"}, "x": value}]).columns
    return only


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"S": ""}, ""),
        ({"S": "=1 \r\n😀"}, "=1 \r\n😀"),
        ({"N": "5"}, "5"),
        ({"N": "-0"}, "-0"),
        ({"N": "1E+40"}, "1" + "0" * 40),
        ({"N": "2.1e-05"}, "0.000021"),
        ({"N": "-1.50E1"}, "-15.0"),
        ({"N": "12345678901234567890123456789012345678"}, "12345678901234567890123456789012345678"),
        ({"BOOL": True}, "true"),
        ({"BOOL": False}, "false"),
        ({"NULL": True}, None),
        ({"B": b"\x00\xff"}, '"AP8="'),
        ({"L": [{"S": 'a"'}, {"N": "1E2"}, {"NULL": True}]}, '["a\\"",100,null]'),
        ({"M": {"é": {"M": {"b": {"BOOL": True}}}, "l": {"L": []}}}, '{"é":{"b":true},"l":[]}'),
        ({"SS": ["b", "a"]}, '["a","b"]'),
        ({"NS": ["1.5", "1E3"]}, "[1.5,1000]"),
        ({"BS": [b"\x01"]}, '["AQ=="]'),
    ],
)
def test_a_value_as_text(value: Any, text: str | None) -> None:
    assert cell(ONE_TEXT, value) == text


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ({"SS": ["b", "a"]}, ("a", "b")),
        ({"L": [{"S": "b"}, {"N": "1E2"}, {"BOOL": True}]}, ("b", "100", "true")),
        ({"L": [{"M": {"x": {"S": "y"}}}, {"NULL": True}]}, ('{"x":"y"}', "")),
        ({"NS": ["10", "9", "1E2"]}, ("9", "10", "100")),
        ({"L": []}, ()),
        ({"S": "one"}, ("one",)),
        ({"M": {"x": {"S": "y"}}}, ('{"x":"y"}',)),
        ({"NULL": True}, None),
    ],
)  # fmt: skip
def test_a_list_as_texts(value: Any, texts: tuple[str, ...] | None) -> None:
    assert cell(ONE_LIST, value) == texts


def test_a_missing_attribute_is_none_and_not_empty() -> None:
    for table in (ONE_TEXT, ONE_LIST):
        assert page_of_items(table, [{"sk": {"S": "1"}}]).columns == [[None]]


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(lambda d: abs(d.adjusted()) < 126)
)
def test_a_number_keeps_its_value_and_has_no_exponent(number: Decimal) -> None:
    plain = decimal(str(number))
    assert Decimal(plain) == number
    assert "e" not in plain.lower()
