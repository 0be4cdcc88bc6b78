from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexers.errors import BadSetting
from indexers.finders.base import load_finder
from indexers.finders.regions import LARGEST, METHODS, MOST, Regions
from indexers.testing import FinderContract


class TestRegions(FinderContract):
    def finder(self) -> Regions:
        return Regions()


@pytest.mark.parametrize("method", METHODS)
def test_a_red_disc_on_grass_is_a_region(method: str) -> None:
    noise = np.random.default_rng(0).integers(-12, 12, (120, 160, 3))
    picture = Image.fromarray((np.array([60, 140, 60]) + noise).astype(np.uint8))
    ImageDraw.Draw(picture).ellipse((40, 30, 89, 79), (220, 40, 40))
    parts = load_finder(f"regions:{method}").find(picture)
    assert 0 < len(parts) <= MOST
    boxes = [part.box for part in parts if part.box]
    assert any(max(abs(a - b) for a, b in zip(box, (40, 30, 50, 50), strict=True)) <= 13 for box in boxes)
    assert all(box[2] * box[3] <= 160 * 120 for box in boxes)


def test_a_flat_picture_has_no_regions() -> None:
    assert Regions().find(Image.new("RGB", (64, 48), "blue")) == []
    assert LARGEST < 1


def test_another_method_is_refused() -> None:
    with pytest.raises(BadSetting, match="felzenszwalb, slic, watershed"):
        load_finder("regions:grabcut")
