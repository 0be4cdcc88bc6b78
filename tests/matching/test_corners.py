"""Corners without OpenCV: where something has a corner, on which level, and in which direction."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from indexers.matching.corners import detect_corners
from indexers.matching.descriptors import FACTOR, LEVELS
from tests.support.photographs import load_photograph


def draw_square() -> Image.Image:
    grey = Image.new("L", (400, 300), 40)
    ImageDraw.Draw(grey).rectangle((150, 100, 249, 199), fill=220)
    return grey


def test_the_corners_of_a_square_are_found_and_point_to_its_middle() -> None:
    x, y, level, direction = detect_corners(draw_square(), 40, 7).T
    places = (x + 0.5 * FACTOR**level) + 1j * (y + 0.5 * FACTOR**level)
    corners = np.array([150 + 100j, 250 + 100j, 150 + 200j, 250 + 200j])
    nearest = np.abs(places[:, None] - corners)
    assert (nearest.min(axis=1) <= 3 * FACTOR**level).all()
    assert set(nearest.argmin(axis=1)) == {0, 1, 2, 3}
    inwards = np.angle(200 + 150j - corners[nearest.argmin(axis=1)])
    assert np.abs(np.exp(1j * direction) - np.exp(1j * inwards)).max() < 0.3


def test_blank_and_narrow_pictures_have_none() -> None:
    assert detect_corners(Image.new("L", (512, 512), 90), 100, 7).shape == (0, 4)
    assert detect_corners(Image.new("L", (512, 20), 90), 100, 7).shape == (0, 4)


def test_no_more_are_returned_than_wanted_and_none_on_finer_levels() -> None:
    grey = load_photograph().convert("L")
    everywhere, coarse = detect_corners(grey, 300, 7), detect_corners(grey, 300, 7, first=4)
    assert 250 < len(everywhere) <= 302
    assert set(everywhere[:, 2]) == set(range(LEVELS))
    assert coarse[:, 2].min() == 4


def test_dark_corners_are_found_as_bright_ones() -> None:
    bright, dark = draw_square(), draw_square().point(lambda value: 255 - value)
    a, b = detect_corners(bright, 40, 7), detect_corners(dark, 40, 7)
    np.testing.assert_allclose(a[:, :3], b[:, :3])
