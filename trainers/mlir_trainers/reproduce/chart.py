"""Line charts as SVG, side by side: what an alpha sweep looks like."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from mlir_harness.text import plain

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # told apart by the colour-blind
_WIDTH, _HEIGHT = 400, 300  # of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 96, 62, 46  # around its axes
_TICKS = 5


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        title: above it.
        lines: name -> points (x, y), ascending by x; at least one point in all.
        x_label: below it.
    """

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    x_label: str = ""


def svg(title: str, panels: Sequence[Panel]) -> str:
    """An SVG document with the panels in a row; texts are escaped."""
    width = _WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" '
        f'width="{width}" height="{_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{_HEIGHT}" fill="white"/>',
        _text(16, 24, title, size=15, weight="bold"),
    ]
    names = dict.fromkeys(name for panel in panels for name in panel.lines)
    colours = dict(zip(names, _COLOURS * len(names), strict=False))  # the same in every panel
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * _WIDTH} 0)">']
        parts += [*_panel(panel, colours), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, colours: Mapping[str, str]) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    x_range = _range([x for x, _ in points])
    ticks = _ticks([y for _, y in points])
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def across(x: float) -> float:
        return _LEFT + (x - x_range[0]) / (x_range[1] - x_range[0]) * (right - _LEFT)

    def up(y: float) -> float:
        return bottom - (y - ticks[0]) / (ticks[-1] - ticks[0]) * (bottom - _TOP)

    parts = [_text(_LEFT, _TOP - 14, panel.title)]
    for y in ticks:
        parts.append(
            f'<line x1="{_LEFT}" x2="{right}" y1="{up(y):.1f}" y2="{up(y):.1f}" stroke="#ddd"/>'
        )
        parts.append(_text(_LEFT - 6, up(y) + 4, _number(y, ticks[1] - ticks[0]), anchor="end"))
    for x in sorted({x for x, _ in points}):
        parts.append(_text(across(x), bottom + 16, f"{x:g}", anchor="middle"))
    parts.append(_text((_LEFT + right) / 2, bottom + 36, panel.x_label, anchor="middle"))
    ends = _apart([up(line[-1][1]) + 4 for line in panel.lines.values()])
    for (name, line), end in zip(panel.lines.items(), ends, strict=True):
        colour = colours[name]
        placed = [(across(x), up(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(placed[-1][0] + 8, end, name, fill=colour))
    return parts


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    size: int = 12,
    weight: str = "normal",
    fill: str = "#222",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}" fill="{fill}">{escape(plain(words))}</text>'
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers, evenly apart, the first and last of which enclose the values."""
    low, high = _range(values)
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (1, 2, 5, 10) if step * power >= rough) * power
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, last + 1)]


def _number(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{digits}f}"


def _apart(heights: Sequence[float], gap: float = 14) -> list[float]:
    """The heights of labels, moved down where they would overlap."""
    placed = dict.fromkeys(range(len(heights)), 0.0)
    last = -math.inf
    for place in sorted(placed, key=lambda each: heights[each]):
        last = placed[place] = max(heights[place], last + gap)
    return list(placed.values())
