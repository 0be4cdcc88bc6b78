"""Charts of bars and of points, as SVG inside a page: without scripts, and styled by the classes of `STYLE` alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import NamedTuple

from retrieval.pages.page import escape

STYLE = """
:root { --bar: #b9c3cf; --best: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --bar: #4a525c; --best: #8ec2ff; } }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .quiet { fill: var(--quiet); font-size: 12px; } svg .first { font-weight: 600; }
svg .bar { fill: var(--bar); } svg .first.bar, svg .point { fill: var(--best); }
svg .point { stroke: var(--card); stroke-width: 2; }
svg .axis { stroke: var(--line); stroke-width: 1; }
svg .number { fill: var(--card); font-size: 11px; font-weight: 600; }
"""
WIDE, NAMES, VALUES = 380, 140, 62
"""The width of a chart, of the names on the left, and of the values next to the bars."""
ROW, BAR = 24, 14
"""The height of a row of bars, and of a bar."""
LETTERS = 16
"""The most letters of a name that fit."""
HIGH, LEFT, TOP, FOOT = 230, 40, 24, 34
"""The height of a chart of points, and the margins around its points."""


class Bar(NamedTuple):
    """One bar of a chart."""

    name: str
    value: float
    label: str
    """The value as text."""
    is_best: bool


def draw_bars(description: str, bars: Sequence[Bar], limit: float | None = None) -> str:
    """Return a chart with one bar per row, from 0 to the right; values below 0 go to the left.

    `limit`: the largest possible value; the scale ends there, or at the largest value if that is larger.
    """
    low = min(0.0, *(bar.value for bar in bars))
    high = max(limit or 0.0, *(bar.value for bar in bars)) or 1.0
    scale = (WIDE - NAMES - VALUES) / (high - low)
    zero = NAMES - low * scale
    rows = "".join(_draw_bar(bar, row, zero, scale) for row, bar in enumerate(bars))
    height = ROW * len(bars)
    axis = f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{height}"/>'
    return _wrap_svg(description, height, rows + axis)


def _draw_bar(bar: Bar, row: int, zero: float, scale: float) -> str:
    start, length = min(zero, zero + bar.value * scale), abs(bar.value) * scale
    middle, best = ROW * (row + 0.5), " first" if bar.is_best else ""
    name = bar.name if len(bar.name) <= LETTERS else f"{bar.name[: LETTERS - 1]}…"
    return (
        f"<g><title>{escape(f'{bar.name}: {bar.label}')}</title>"
        f'<text class="name{best}" x="{NAMES - 8}" y="{middle + 4.5:.1f}" text-anchor="end">{escape(name)}</text>'
        f'<rect class="bar{best}" x="{start:.1f}" y="{middle - BAR / 2:.1f}" width="{max(length, 1):.1f}" '
        f'height="{BAR}" rx="2"/>'
        f'<text class="value{best}" x="{max(zero, start + length) + 6:.1f}" y="{middle + 4.5:.1f}">'
        f"{escape(bar.label)}</text></g>"
    )


class Point(NamedTuple):
    """One point of a chart."""

    name: str
    x: float
    y: float


def draw_points(description: str, points: Sequence[Point], x_title: str, y_title: str) -> str:
    """Return a chart of points, numbered in their order; x is logarithmic (base 10), y starts at 0 or below."""
    logs = [log10(max(point.x, 1e-3)) for point in points]
    first, last = floor(min(logs)), floor(max(logs)) + 1
    low, high = min(0.0, *(point.y for point in points)), max(point.y for point in points) * 1.1 or 1.0
    x_scale, y_scale = (WIDE - LEFT - 16) / (last - first), (HIGH - FOOT - TOP) / (high - low)
    ground = HIGH - FOOT
    ticks = "".join(_draw_tick(LEFT + (power - first) * x_scale, ground, power) for power in range(first, last + 1))
    lines = "".join(_draw_level(ground - (value - low) * y_scale, value) for value in (low, (low + high) / 2, high))
    dots = "".join(
        _draw_point(LEFT + (log - first) * x_scale, ground - (point.y - low) * y_scale, number, point.name)
        for number, (log, point) in enumerate(zip(logs, points, strict=True), 1)
    )
    titles = f'<text class="quiet" x="{WIDE - 16}" y="{HIGH - 2}" text-anchor="end">{escape(x_title)}</text>'
    titles += f'<text class="quiet" x="0" y="10">{escape(y_title)}</text>'
    return _wrap_svg(description, HIGH, f"{ticks}{lines}{titles}{dots}")


def _draw_tick(x: float, ground: float, power: int) -> str:
    return (
        f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{ground}"/>'
        f'<text class="quiet" x="{x:.1f}" y="{ground + 15}" text-anchor="middle">{10.0**power:g}</text>'
    )


def _draw_level(y: float, value: float) -> str:
    return (
        f'<line class="axis" x1="{LEFT}" x2="{WIDE - 16}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="quiet" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>'
    )


def _draw_point(x: float, y: float, number: int, name: str) -> str:
    return (
        f'<g><title>{escape(name)}</title><circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
        f'<text class="number" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{number}</text></g>'
    )


def _wrap_svg(description: str, height: float, elements: str) -> str:
    return f'<svg viewBox="0 0 {WIDE} {height}" role="img" aria-label="{escape(description)}">{elements}</svg>'
