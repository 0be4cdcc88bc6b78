"""Bars and points as SVG that stands in a page: no script, no style of its own but the classes of `STYLE`."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import NamedTuple

from retrieval.pages.page import text

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
"""Columns in all, of the names, and of the values beside the bars."""
ROW, BAR = 24, 14
LETTERS = 16
"""Letters of a name that have room."""
HIGH, LEFT, TOP, FOOT = 230, 40, 24, 34
"""Of points: the height, and the room for what stands beside, above and below them."""


class Bar(NamedTuple):
    name: str
    value: float
    shown: str
    first: bool
    """It is the best of all."""


def bars(about: str, some: Sequence[Bar], most: float | None = None) -> str:
    """A bar for each, from 0 on to the right; to the left for values below."""
    low = min(0.0, *(one.value for one in some))
    high = max(most or 0.0, *(one.value for one in some)) or 1.0
    scale = (WIDE - NAMES - VALUES) / (high - low)
    zero = NAMES - low * scale
    drawn = "".join(_bar(one, place, zero, scale) for place, one in enumerate(some))
    tall = ROW * len(some)
    axis = f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{tall}"/>'
    return _svg(about, tall, drawn + axis)


def _bar(one: Bar, place: int, zero: float, scale: float) -> str:
    start, length = min(zero, zero + one.value * scale), abs(one.value) * scale
    middle, first = ROW * (place + 0.5), " first" if one.first else ""
    name = one.name if len(one.name) <= LETTERS else f"{one.name[: LETTERS - 1]}…"
    return (
        f"<g><title>{text(f'{one.name}: {one.shown}')}</title>"
        f'<text class="name{first}" x="{NAMES - 8}" y="{middle + 4.5:.1f}" text-anchor="end">{text(name)}</text>'
        f'<rect class="bar{first}" x="{start:.1f}" y="{middle - BAR / 2:.1f}" width="{max(length, 1):.1f}" '
        f'height="{BAR}" rx="2"/>'
        f'<text class="value{first}" x="{max(zero, start + length) + 6:.1f}" y="{middle + 4.5:.1f}">'
        f"{text(one.shown)}</text></g>"
    )


class Point(NamedTuple):
    name: str
    x: float
    y: float


def points(about: str, some: Sequence[Point], across: str, up: str) -> str:
    """Numbered points, in the order in which they are given; x in powers of ten, y from 0 on."""
    logs = [log10(max(one.x, 1e-3)) for one in some]
    first, last = floor(min(logs)), floor(max(logs)) + 1
    low, high = min(0.0, *(one.y for one in some)), max(one.y for one in some) * 1.1 or 1.0
    wide, tall = (WIDE - LEFT - 16) / (last - first), (HIGH - FOOT - TOP) / (high - low)
    ground = HIGH - FOOT
    ticks = "".join(_tick(LEFT + (power - first) * wide, ground, power) for power in range(first, last + 1))
    levels = "".join(_level(ground - (value - low) * tall, value) for value in (low, (low + high) / 2, high))
    drawn = [(LEFT + (x - first) * wide, ground - (one.y - low) * tall) for x, one in zip(logs, some, strict=True)]
    dots = "".join(_point(x, y, place, some[place - 1].name) for place, (x, y) in enumerate(drawn, 1))
    names = f'<text class="quiet" x="{WIDE - 16}" y="{HIGH - 2}" text-anchor="end">{text(across)}</text>'
    names += f'<text class="quiet" x="0" y="10">{text(up)}</text>'
    return _svg(about, HIGH, f"{ticks}{levels}{names}{dots}")


def _tick(x: float, ground: float, power: int) -> str:
    return (
        f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{ground}"/>'
        f'<text class="quiet" x="{x:.1f}" y="{ground + 15}" text-anchor="middle">{10.0**power:g}</text>'
    )


def _level(y: float, value: float) -> str:
    return (
        f'<line class="axis" x1="{LEFT}" x2="{WIDE - 16}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="quiet" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>'
    )


def _point(x: float, y: float, number: int, name: str) -> str:
    return (
        f'<g><title>{text(name)}</title><circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
        f'<text class="number" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{number}</text></g>'
    )


def _svg(about: str, tall: float, drawn: str) -> str:
    return f'<svg viewBox="0 0 {WIDE} {tall}" role="img" aria-label="{text(about)}">{drawn}</svg>'
