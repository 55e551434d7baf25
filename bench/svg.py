"""Two kinds of pictures, written as SVG by hand: bars of ratios, and lines over logarithmic axes.

Text is dark grey on a light ground of its own, so that they are read on GitHub's dark page too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from html import escape
from itertools import cycle

_OURS = "#0a6e5c"
_OTHERS = ("#b4451f", "#3b5ba5", "#8a6d00", "#7a3e8e", "#555555")
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
    'font-family="system-ui, sans-serif" font-size="13" fill="#222">'
    '<title>{title}</title><rect width="{width}" height="{height}" fill="#fbfbf8"/>'
    '<text x="16" y="26" font-size="16" font-weight="600">{title}</text>'
)

Points = Sequence[tuple[float, float]]


def bars(title: str, values: Mapping[str, float], unit: str, ours: Collection[str]) -> str:
    """One horizontal bar per name, its value written at its end; green is what is ours."""
    width, left, row = 720, 250, 34
    height = 48 + row * len(values) + 10
    scale = (width - left - 90) / max(values.values())
    parts = [_HEAD.format(width=width, height=height, title=escape(title))]
    for number, (name, value) in enumerate(values.items()):
        y = 48 + row * number
        parts.append(f'<text x="{left - 10}" y="{y + 17}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<rect x="{left}" y="{y}" width="{max(1.0, value * scale):.1f}" height="24" '
            f'fill="{_OURS if name in ours else _OTHERS[0]}"/>'
        )
        end = left + value * scale + 8
        parts.append(f'<text x="{end:.1f}" y="{y + 17}">{_figures(value)} {escape(unit)}</text>')
    return "".join(parts) + "</svg>\n"


def lines(title: str, across: str, up: str, series: Mapping[str, Points], ours: str) -> str:
    """One line per name over two logarithmic axes; every value is above zero. Green is ours."""
    width, height, left, top, right, bottom = 720, 420, 80, 48, 190, 60
    points = [point for line in series.values() for point in line]
    x_low, x_high = _decades([x for x, _ in points])
    y_low, y_high = _decades([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (math.log10(x) - x_low) / (x_high - x_low) * (width - left - right),
            height - bottom - (math.log10(y) - y_low) / (y_high - y_low) * (height - top - bottom),
        )

    parts = [_HEAD.format(width=width, height=height, title=escape(title))]
    for decade in range(x_low, x_high + 1):
        x, y = place(10**decade, 10**y_low)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle">{_tick(decade)}</text>')
    for decade in range(y_low, y_high + 1):
        x, y = place(10**x_low, 10**decade)
        parts.append(f'<line x1="{x:.1f}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{_tick(decade)}</text>')
    middle = (left + width - right) / 2
    parts.append(f'<text x="{middle:.0f}" y="{height - 14}" text-anchor="middle">{escape(across)}</text>')
    parts.append(
        f'<text x="18" y="{(top + height - bottom) / 2:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 18 {(top + height - bottom) / 2:.0f})">{escape(up)}</text>'
    )
    others = cycle(_OTHERS)
    for number, (name, line) in enumerate(series.items()):
        colour = _OURS if name == ours else next(others)
        places = [place(x, y) for x, y in sorted(line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        y = top + 12 + 22 * number
        parts.append(f'<rect x="{width - right + 14}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{width - right + 32}" y="{y}">{escape(name)}</text>')
    return "".join(parts) + "</svg>\n"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _figures(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _tick(decade: int) -> str:
    return f"{10**decade:,}".replace(",", "\u202f") if decade >= 0 else f"{10.0**decade:g}"
