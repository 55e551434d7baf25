"""Data points, and how CloudWatch reads them out of log lines in its embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_DIMENSIONS = 30
UNITS = frozenset({"Count", "Seconds", "Bytes"})
"""Those of CloudWatch's that the service uses."""

Series = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions: what CloudWatch takes for one metric, and has paid for."""


@dataclass(frozen=True)
class Point:
    series: Series
    at: float
    """Seconds since the epoch."""
    value: float
    unit: str = "Count"


def series(namespace: str, name: str, dimensions: Mapping[str, str]) -> Series:
    return namespace, name, frozenset(dimensions.items())


def points_in(lines: Iterable[str]) -> list[Point]:
    """The points of those lines that are in the format; a line that is so wrongly is an AssertionError."""
    return [point for line in lines for point in _points_of(line)]


def _points_of(line: str) -> Iterator[Point]:
    try:
        event = json.loads(line)
    except ValueError:
        return
    if not isinstance(event, dict) or "_aws" not in event:
        return
    at = event["_aws"]["Timestamp"]
    assert isinstance(at, int), "milliseconds since the epoch"
    for directive in event["_aws"]["CloudWatchMetrics"]:
        for keys in directive["Dimensions"]:
            assert len(keys) <= MOST_DIMENSIONS
            dimensions = {key: event[key] for key in keys}
            assert all(isinstance(value, str) and value for value in dimensions.values()), line
            for metric in directive["Metrics"]:
                assert metric["Unit"] in UNITS, line
                where = series(directive["Namespace"], metric["Name"], dimensions)
                for value in _numbers(event[metric["Name"]]):
                    yield Point(where, at / 1000, value, metric["Unit"])


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, list) else [value]
    assert values
    assert all(isinstance(number, int | float) and not isinstance(number, bool) for number in values), value
    return values
