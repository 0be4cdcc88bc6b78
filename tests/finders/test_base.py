from __future__ import annotations

import pytest
from PIL import Image

from indexers.errors import BadSetting, UnknownPlugin
from indexers.finders.base import crop, load_finder, scale_box


def test_a_box_scales_and_stays_inside() -> None:
    assert scale_box((10, 5, 20, 10), (100, 50), (200, 100)) == (20, 10, 40, 20)
    assert scale_box((99, 49, 1, 1), (100, 50), (10, 5)) == (9, 4, 1, 1)
    assert scale_box((0, 0, 100, 50), (100, 50), (1, 1)) == (0, 0, 1, 1)


def test_a_crop_has_at_least_one_pixel() -> None:
    picture = Image.new("RGB", (10, 10))
    assert crop(picture, (2, 3, 0, 4)).size == (1, 4)
    assert crop(picture, None) is picture


def test_finders_are_named_like_other_plug_ins() -> None:
    assert load_finder("tiles:3").name == "tiles:3"
    assert load_finder("tiles:3").kind == "tiles"
    with pytest.raises(UnknownPlugin, match="there is no finder 'faces2'; there are: "):
        load_finder("faces2")
    with pytest.raises(BadSetting, match="no argument"):
        load_finder("subject:large")
