"""Charts: what is drawn is as long, and lies where, its value says."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from retrieval.pages.charts import BAR, NAMES, VALUES, WIDE, Bar, Point, draw_bars, draw_points

ROOM = WIDE - NAMES - VALUES


def measure_bars(svg: str) -> list[float]:
    return [float(element.get("width", 0)) for element in ElementTree.fromstring(svg).iter("rect")]


def test_bars_are_as_long_as_their_values() -> None:
    bars = [Bar("a", 0.5, "0.500", False), Bar("b", 1.0, "1.000", True), Bar("c", 0.0, "0.000", False)]
    assert measure_bars(draw_bars("ami", bars)) == [ROOM / 2, ROOM, 1]
    assert measure_bars(draw_bars("time", [Bar("a", 2, "2 s", False)], 8)) == [ROOM / 4]
    assert draw_bars("ami", bars).count("first") == 3
    assert f'height="{BAR}"' in draw_bars("ami", bars)


def test_values_below_zero_go_to_the_left() -> None:
    svg = ElementTree.fromstring(draw_bars("s", [Bar("a", -0.1, "-0.100", False), Bar("b", 0.3, "0.300", True)]))
    [left, right] = [(float(element.get("x", 0)), float(element.get("width", 0))) for element in svg.iter("rect")]
    assert left == (NAMES, pytest.approx(ROOM / 4))
    assert right[0] == pytest.approx(NAMES + ROOM / 4)
    assert measure_bars(draw_bars("s", [Bar("a", 0.0, "0", False)] * 2)) == [1, 1]


def test_names_are_text_and_cut() -> None:
    svg = draw_bars("ami", [Bar("<b>&" + "x" * 40, 1, "1", False)])
    assert "<b>" not in svg
    assert "&lt;b&gt;&amp;xxxxxxxxxxx…</text>" in svg
    assert "x" * 40 in svg  # in its title


def test_points_lie_in_powers_of_ten() -> None:
    svg = draw_points("ami and time", [Point("a", 1, 0.5), Point("b", 10, 1.0), Point("c", 100, 0.0)], "seconds", "AMI")
    circles = [
        (float(element.get("cx", 0)), float(element.get("cy", 0)))
        for element in ElementTree.fromstring(svg).iter("circle")
    ]
    (x1, y1), (x2, y2), (x3, y3) = circles
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y3 > y1 > y2
    assert y3 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert re.findall(r'class="number"[^>]*>(\d)<', svg) == ["1", "2", "3"]
    assert draw_points("none", [Point("a", 0, 0)] * 2, "seconds", "AMI").count("<circle") == 2
