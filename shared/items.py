"""Records as DynamoDB's low-level client takes and gives them, with a type written to each value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

Item = dict[str, Any]
"""Attribute names to `{type: value}`."""

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_item(record: Mapping[str, object]) -> Item:
    return {name: _serialize(value) for name, value in record.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `to_item`; numbers are Decimal."""
    return {name: _deserialize(value) for name, value in item.items()}


def found_by(error: ClientError) -> dict[str, Any]:
    """The record that a condition failed on, where the call asked for it; empty where there was none."""
    item: Any = error.response.get("Item", {})
    return from_item(item)
