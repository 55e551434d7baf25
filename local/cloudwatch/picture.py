"""A dashboard's panels as one SVG, much as CloudWatch lays them out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from local.cloudwatch.dashboard import COLUMNS, Alarms, Curve, Data, Graph, Numbers, Panel, Place, Table

_COLUMN, _ROW, _GAP = 60, 42, 6
_HEAD = 44
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#d13212", "#7f7f7f")
_STATES = {"OK": "#1d8102", "ALARM": "#d13212", "INSUFFICIENT_DATA": "#879596"}
_STEPS = (1, 2, 2.5, 5, 10)
_INK, _GREY = "#16191f", "#545b64"


def draw(title: str, panels: Sequence[Panel], data: Data, period: int) -> str:
    """The picture; each period is as wide as all others."""
    width = COLUMNS * _COLUMN
    height = _HEAD + _ROW * max(panel.place.y + panel.place.height for panel in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{_INK}"><title>{escape(title)}</title>'
        f'<rect width="{width}" height="{height}" fill="#f2f3f3"/>'
        f'<text x="{_GAP + 8}" y="28" font-size="17" font-weight="600">{escape(title)}</text>'
    ]
    for panel in panels:
        left, top, wide, high = _box(panel.place)
        parts.append(f'<g transform="translate({left} {top})">')
        parts.append(f'<rect width="{wide}" height="{high}" rx="3" fill="#fff" stroke="#d5dbdb"/>')
        parts.append(f'<text x="12" y="21" font-size="14" font-weight="600">{escape(panel.title)}</text>')
        match panel:
            case Graph():
                parts += _graph(panel, wide, high, data, period)
            case Numbers():
                parts += _numbers(panel, wide, high)
            case Alarms():
                parts += _alarms(panel, wide)
            case Table():
                parts += _table(panel, wide, high)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(place: Place) -> tuple[int, int, int, int]:
    return (
        place.x * _COLUMN + _GAP // 2,
        _HEAD + place.y * _ROW + _GAP // 2,
        place.width * _COLUMN - _GAP,
        place.height * _ROW - _GAP,
    )


def _graph(graph: Graph, wide: int, high: int, data: Data, period: int) -> list[str]:
    left, right, top, bottom = 46, wide - 46, 34, high - 46
    first = int(data.start) // period * period
    count = max(1, (int(data.end) - first) // period + 1)
    slot = (right - left) / count
    sides = {
        side: _ceiling(graph, [curve for curve in graph.curves if curve.right is side])
        for side in (False, True)
    }
    parts = []
    for step in range(3):
        y = bottom - (bottom - top) * step / 2
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eaeded"/>')
        parts.append(_text(left - 6, y + 4, _short(sides[False] * step / 2), "end", _GREY))
        if any(curve.right for curve in graph.curves):
            parts.append(_text(right + 6, y + 4, _short(sides[True] * step / 2), "start", _GREY))
    for at in (0, count // 2, count - 1):
        moment = time.strftime("%H:%M:%S", time.gmtime(first + at * period))
        parts.append(_text(left + (at + 0.5) * slot, bottom + 16, moment, "middle", _GREY))
    for value, label in graph.lines:
        y = bottom - (bottom - top) * value / sides[False]
        parts.append(
            f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d13212" '
            f'stroke-dasharray="5 4"/>'
        )
        parts.append(_text(right - 4, y - 4, f"{label}: {_short(value)}", "end", "#d13212"))
    under: dict[int, float] = {}
    x = 12.0
    for number, curve in enumerate(graph.curves):
        colour = curve.colour or _COLOURS[number % len(_COLOURS)]
        places = []
        for begin, value in curve.values.items():
            height = (bottom - top) / sides[curve.right]
            across = left + ((begin - first) // period) * slot
            if graph.stacked:
                below = under.get(begin, 0)
                under[begin] = below + value
                parts.append(
                    f'<rect x="{across + 0.5:.1f}" y="{bottom - (below + value) * height:.1f}" '
                    f'width="{max(1.0, slot - 1):.1f}" height="{value * height:.1f}" fill="{colour}"/>'
                )
            else:
                places.append((across + slot / 2, bottom - value * height))
        if places:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>' for x, y in places]
        name = curve.label if curve.values else f"{curve.label} (none)"
        parts.append(f'<rect x="{x:.0f}" y="{high - 20}" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(x + 14, high - 11, name, "start", _INK if curve.values else _GREY))
        x += 30 + 6.1 * len(name)
    return parts


def _ceiling(graph: Graph, curves: Sequence[Curve]) -> float:
    """A round number that nothing of one side is above."""
    tops: dict[int, float] = {}
    for curve in curves:
        for begin, value in curve.values.items():
            tops[begin] = tops.get(begin, 0) + value if graph.stacked else max(tops.get(begin, 0), value)
    lines = [value for value, _ in graph.lines if not any(curve.right for curve in curves)]
    highest = max([*tops.values(), *lines, 1e-9]) if tops or lines else 1.0
    decade = 1.0
    while decade > highest:
        decade /= 10
    while decade * 10 < highest:
        decade *= 10
    return next(decade * step for step in _STEPS if decade * step >= highest)


def _numbers(panel: Numbers, wide: int, high: int) -> list[str]:
    parts = []
    row = (high - 34) / len(panel.values)
    for number, (label, value, colour) in enumerate(panel.values):
        y = 34 + row * (number + 0.65)
        shown, ink = ("–", _GREY) if value is None else (_short(value), colour if colour and value else _INK)
        parts.append(
            f'<text x="{wide - 16}" y="{y:.0f}" text-anchor="end" font-size="24" fill="{ink}">{shown}</text>'
        )
        parts.append(_text(12, y, label, "start", _GREY))
    return parts


def _alarms(panel: Alarms, wide: int) -> list[str]:
    parts = []
    for number, (name, state) in enumerate(panel.states):
        x, y = 12 + (number % 3) * (wide - 20) / 3, 36 + (number // 3) * 38
        parts.append(
            f'<rect x="{x:.0f}" y="{y}" width="{(wide - 20) / 3 - 8:.0f}" height="30" rx="3" '
            f'fill="{_STATES[state]}"/>'
        )
        parts.append(_text(x + 10, y + 19, name, "start", "#fff"))
    return parts


def _table(panel: Table, wide: int, high: int) -> list[str]:
    parts = []
    spread = (0.02, 0.12, 0.24, 0.49, 0.63, 0.8)
    rows = [panel.head, *panel.rows][: (high - 40) // 19 + 1]
    for number, row in enumerate(rows):
        y = 42 + number * 19
        for x, cell in zip(spread, row, strict=True):
            text = cell
            if number and x == spread[0]:
                text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(float(cell)))
            parts.append(_text(wide * x - 8, y, text, "start", _INK if number else _GREY))
    return parts


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{number / (1000 if letter == 'k' else size):.3g}{letter}"
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"
