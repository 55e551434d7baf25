"""A dashboard as CloudWatch shows it: what each widget has to draw, out of points, alarms and log lines.

Of the dashboard's language this knows what ours uses, and refuses the rest.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.cloudwatch.points import Point, Series, series
from local.cloudwatch.statistics import by_period, value_of

COLUMNS = 24
_SEARCH = re.compile(
    r"SEARCH\('\{(?P<namespace>[\w/]+),(?P<keys>[\w,]+)\} MetricName=\"(?P<name>\w+)\" "
    r"(?P<key>\w+)=\"(?P<value>[^\"]+)\"', '(?P<statistic>\w+)', (?P<period>\d+)\)"
)
_LABEL = re.compile(r"\$\{PROP\('Dim\.(\w+)'\)\}")
_QUERY = re.compile(
    r"(?P<sources>(?:SOURCE '[^']+' \| )+)fields (?P<fields>[@\w, ]+) "
    r"\| filter level in \[(?P<levels>[^\]]+)\] \| sort @timestamp desc \| limit (?P<limit>\d+)"
)


class NotUnderstood(Exception):
    """The dashboard says something that CloudWatch may know and this does not. Nobody retries."""


@dataclass(frozen=True)
class LogLine:
    group: str
    at: float
    fields: Mapping[str, object]


@dataclass(frozen=True)
class Data:
    """What there is to show, from `start` to `end` in seconds since the epoch."""

    start: float
    end: float
    points: Sequence[Point]
    alarms: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Name and state of each alarm by its ARN."""
    logs: Sequence[LogLine] = ()


@dataclass(frozen=True)
class Place:
    """In columns, of which there are 24, and rows."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Curve:
    label: str
    values: Mapping[int, float]
    """By the second in which the period begins."""
    colour: str | None = None
    right: bool = False


@dataclass(frozen=True)
class Graph:
    title: str
    place: Place
    curves: Sequence[Curve]
    stacked: bool
    lines: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Numbers:
    title: str
    place: Place
    values: Sequence[tuple[str, float | None, str | None]]
    """Label, value and colour."""


@dataclass(frozen=True)
class Alarms:
    title: str
    place: Place
    states: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    title: str
    place: Place
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


Panel = Graph | Numbers | Alarms | Table


@dataclass(frozen=True)
class Asked:
    """One metric of a widget: which, and how it is to be shown."""

    series: Series
    statistic: str
    label: str
    options: Mapping[str, Any]


def panels(board: Mapping[str, Any], data: Data, period: int | None = None) -> Iterator[Panel]:
    """What each widget shows. `period` goes before the widgets' own. Raises NotUnderstood."""
    for widget in board["widgets"]:
        properties = widget["properties"]
        place = Place(widget["x"], widget["y"], widget["width"], widget["height"])
        match widget["type"], properties.get("view"):
            case "metric", "timeSeries":
                yield _graph(properties, place, data, period or int(properties["period"]))
            case "metric", "singleValue" if properties["setPeriodToTimeRange"]:
                yield _numbers(properties, place, data)
            case "alarm", None:
                yield Alarms(properties["title"], place, [data.alarms[arn] for arn in properties["alarms"]])
            case "log", "table":
                yield _table(properties, place, data)
            case other:
                raise NotUnderstood(str(other))


def asked(properties: Mapping[str, Any], points: Sequence[Point]) -> Iterator[Asked]:
    """The metrics of a widget; those that a search finds, by name."""
    for entry in properties["metrics"]:
        match entry:
            case [str(namespace), str(name), *dimensions, dict(options)] if len(dimensions) % 2 == 0:
                keys = dict(zip(dimensions[::2], dimensions[1::2], strict=True))
                label = options.get("label") or f"{name} {options['stat']}".removesuffix(" Sum")
                yield Asked(series(namespace, name, keys), options["stat"], label, options)
            case {"expression": str(expression), "label": str(label), "id": str()}:
                yield from _found(expression, label, points)
            case _:
                raise NotUnderstood(str(entry))


def searched(expression: str) -> Mapping[str, str]:
    """The parts of a search. Raises NotUnderstood."""
    search = _SEARCH.fullmatch(expression)
    if search is None:
        raise NotUnderstood(expression)
    return search.groupdict()


def _found(expression: str, label: str, points: Sequence[Point]) -> Iterator[Asked]:
    search, named = searched(expression), _LABEL.fullmatch(label)
    if named is None:
        raise NotUnderstood(label)
    found = set()
    for point in points:
        namespace, name, dimensions = point.series
        keys = dict(dimensions)
        if (namespace, name, set(keys)) == (
            search["namespace"],
            search["name"],
            set(search["keys"].split(",")),
        ) and keys[search["key"]] == search["value"]:
            found.add((keys[named[1]], point.series))
    for text, one in sorted(found, key=lambda pair: pair[0]):
        yield Asked(one, search["statistic"], text, {})


def _graph(properties: Mapping[str, Any], place: Place, data: Data, period: int) -> Graph:
    curves = [
        Curve(
            one.label,
            by_period(data.points, one.series, one.statistic, period),
            one.options.get("color"),
            one.options.get("yAxis") == "right",
        )
        for one in asked(properties, data.points)
    ]
    lines = [
        (line["value"], line["label"]) for line in properties.get("annotations", {}).get("horizontal", [])
    ]
    return Graph(properties["title"], place, curves, properties.get("stacked", False), lines)


def _numbers(properties: Mapping[str, Any], place: Place, data: Data) -> Numbers:
    values: list[tuple[str, float | None, str | None]] = []
    for one in asked(properties, data.points):
        found = [point.value for point in data.points if point.series == one.series]
        values.append(
            (one.label, value_of(one.statistic, found) if found else None, one.options.get("color"))
        )
    return Numbers(properties["title"], place, values)


def _table(properties: Mapping[str, Any], place: Place, data: Data) -> Table:
    query = _QUERY.fullmatch(properties["query"])
    if query is None:
        raise NotUnderstood(properties["query"])
    groups = set(re.findall(r"'([^']+)'", query["sources"]))
    levels = set(re.findall(r"'(\w+)'", query["levels"]))
    head = [name.strip() for name in query["fields"].split(",")]
    lines = [line for line in data.logs if line.group in groups and line.fields.get("level") in levels]
    newest = sorted(lines, key=lambda line: line.at, reverse=True)[: int(query["limit"])]
    rows = [
        [str(({"@timestamp": line.at} | dict(line.fields)).get(name, "")) for name in head] for line in newest
    ]
    return Table(properties["title"], place, head, rows)
