"""A metric's statistic, period by period: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from local.cloudwatch.points import Point, Series


def by_period(points: Iterable[Point], wanted: Series, statistic: str, period: int) -> dict[int, float]:
    """The statistic of each period that has a point, by the second in which the period begins."""
    values: dict[int, list[float]] = {}
    for point in points:
        if point.series == wanted:
            values.setdefault(int(point.at) // period * period, []).append(point.value)
    return {begin: value_of(statistic, found) for begin, found in sorted(values.items())}


def value_of(statistic: str, values: Sequence[float]) -> float:
    match statistic:
        case "Sum":
            return math.fsum(values)
        case "Maximum":
            return max(values)
        case "Minimum":
            return min(values)
    percent = re.fullmatch(r"p(\d+(?:\.\d+)?)", statistic)
    assert percent, statistic
    ordered = sorted(values)
    rank = float(percent[1]) / 100 * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)
