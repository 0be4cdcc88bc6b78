from __future__ import annotations

import pytest
from PIL import Image

from indexers.errors import BadSetting
from indexers.finders.base import load_finder
from indexers.finders.tiles import MAX_COUNT, MAX_RATIO, Tiles
from indexers.testing import FinderContract


class TestTiles(FinderContract):
    def finder(self) -> Tiles:
        return Tiles()


def test_every_pixel_lies_in_a_tile_and_neighbours_overlap_by_half() -> None:
    boxes = [part.box for part in load_finder("tiles:2").find(Image.new("RGB", (40, 30)))]
    assert {box[2:] for box in boxes if box} == {(15, 15)}
    assert sorted({box[0] for box in boxes if box}) == [0, 6, 12, 19, 25]
    assert sorted({box[1] for box in boxes if box}) == [0, 8, 15]


def test_a_long_strip_has_no_end_of_tiles() -> None:
    assert len(Tiles().find(Image.new("RGB", (30_000, 3)))) <= (4 * MAX_RATIO + 1) * 5


@pytest.mark.parametrize("argument", ["0", "x", "-1", "1.5", str(MAX_COUNT + 1), "9" * 5000])
def test_what_is_no_count_is_refused(argument: str) -> None:
    with pytest.raises(BadSetting, match="tiles"):
        load_finder(f"tiles:{argument}")
