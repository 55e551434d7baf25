"""An alarm's state, as CloudWatch evaluates it: statistic, period, threshold, M out of N, missing data.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from local.cloudwatch.points import Point, Series, series
from local.cloudwatch.statistics import by_period

_BREACHES = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
Alarm = Mapping[str, Any]
"""An alarm's properties, as the template names them, with every reference resolved."""


def watched(alarm: Alarm) -> Series:
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    return series(alarm["Namespace"], alarm["MetricName"], dimensions)


def state_of(alarm: Alarm, points: Iterable[Point], now: float, before: str = "INSUFFICIENT_DATA") -> str:
    """The alarm's state at `now`, from the periods that are over; `before` is the state that it was in."""
    period, evaluated = int(alarm["Period"]), int(alarm["EvaluationPeriods"])
    # AWS/DynamoDB has rules of its own for missing data, and AWS/EC2 too: no alarm may be on those.
    assert not alarm["Namespace"].startswith(("AWS/DynamoDB", "AWS/EC2"))
    values = by_period(points, watched(alarm), alarm["Statistic"], period)
    end = int(now) // period * period
    recent = [values.get(end - period * back) for back in range(1, evaluated + 1)]
    breaches = _BREACHES[alarm["ComparisonOperator"]]
    threshold, needed = float(alarm["Threshold"]), int(alarm.get("DatapointsToAlarm", evaluated))
    missing = recent.count(None)
    breaching = sum(value is not None and breaches(value, threshold) for value in recent)
    treatment = alarm.get("TreatMissingData", "missing")
    # With these two CloudWatch also looks at what came before, which is not told here.
    assert evaluated == 1 or treatment not in {"missing", "ignore"}
    if missing == evaluated and treatment in {"missing", "ignore"}:
        return "INSUFFICIENT_DATA" if treatment == "missing" else before
    if treatment == "breaching":
        breaching += missing
    return "ALARM" if breaching >= needed else "OK"
