"""DynamoDB's values as text, exact: `{"N": "1E+2"}` is `100`."""

import base64
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from functions.export_backup.catalogue import Cell, Column, Kind

Value = Mapping[str, Any]
"""A value as DynamoDB's low-level API gives it: `{"S": "text"}`."""

_WITH_EXPONENT = re.compile(r"[+-]?[0-9]*\.?[0-9]+[eE][+-]?[0-9]{1,3}")


def decimal(number: str) -> str:
    """A number in plain decimal digits, exact: `1E+40` has 41 of them, `2.1e-05` is `0.000021`."""
    return f"{Decimal(number):f}" if _WITH_EXPONENT.fullmatch(number) else number


def text(value: Value | None) -> str | None:
    """A value as text, exact: None where it is missing or NULL, compact JSON where it is no scalar."""
    if value is None:
        return None
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return str(content)
        case "N":
            return decimal(content)
        case "BOOL":
            return "true" if content else "false"
        case "NULL":
            return None
        case _:
            return _json(value)


def cell(column: Column, value: Value | None) -> Cell:
    """What a column holds of a value."""
    return _texts(value) if column.kind is Kind.LIST else text(value)


def _texts(value: Value | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "SS":
            return tuple(sorted(content))  # a set has no order; two exports should be equal
        case "NS":
            return tuple(decimal(number) for number in sorted(content, key=Decimal))
        case "L":
            return tuple(text(element) or "" for element in content)
        case _:
            return (text(value) or "",)


def _json(value: Value) -> str:
    """Compact JSON without DynamoDB's type tags; numbers keep all their digits, binary is base64."""
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return decimal(content)
        case "BOOL":
            return "true" if content else "false"
        case "NULL":
            return "null"
        case "B":
            # botocore hands bytes over, the wire their base64.
            return json.dumps(
                content if isinstance(content, str) else base64.b64encode(content).decode("ascii")
            )
        case "L":
            return f"[{','.join(map(_json, content))}]"
        case "M":
            fields = [f"{_json({'S': name})}:{_json(field)}" for name, field in content.items()]
            return f"{{{','.join(fields)}}}"
        case "SS" | "NS" | "BS":
            return f"[{','.join(_json({kind[0]: element}) for element in sorted(content))}]"
        case _:
            return json.dumps(content, ensure_ascii=False, default=str)
