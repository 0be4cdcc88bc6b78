"""The promises of every finder, as a test class: inherit it, and each is tried on your member."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexers.errors import BadSetting
from indexers.finders.base import Finder, FoundPart
from indexers.finders.masks import decode_mask, encode_mask


class FinderContract:
    """The promises of every Finder. Override `finder` to return yours with its default settings."""

    def finder(self) -> Finder:
        """Return a new finder with its default settings."""
        raise NotImplementedError("return a new finder with its default settings")

    def pictures(self) -> list[Image.Image]:
        """Return RGB pictures of many shapes, down to one pixel: a disc before smooth noise, and flat colours."""
        random = np.random.default_rng(3)
        pictures = []
        for width, height in ((160, 120), (61, 200)):
            noise = Image.fromarray(random.integers(90, 160, (6, 8, 3), dtype=np.uint8))
            picture = noise.resize((width, height), Image.Resampling.BICUBIC)
            ImageDraw.Draw(picture).ellipse((width // 4, height // 4, width // 2, height // 2), (220, 30, 30))
            pictures.append(picture)
        return [*pictures, Image.new("RGB", (40, 30), "white"), Image.new("RGB", (1, 1)), Image.new("RGB", (300, 3))]

    def test_parts_lie_in_the_picture(self) -> None:
        finder = self.finder()
        for picture in self.pictures():
            for part in finder.find(picture):
                assert part.box is not None
                x, y, width, height = part.box
                assert min(x, y) >= 0
                assert min(width, height) >= 1
                assert x + width <= picture.width
                assert y + height <= picture.height
                assert all(isinstance(number, int) for number in part.box)
                assert part.score is None or 0 <= part.score <= 1

    def test_what_is_cut_is_a_picture(self) -> None:
        finder, picture = self.finder(), self.pictures()[0]
        for part in finder.find(picture):
            cut = finder.cut(picture, part)
            assert cut.mode == "RGB"
            assert part.box is not None
            assert cut.size == part.box[2:]

    def test_masks_come_back_from_their_text(self) -> None:
        finder, picture = self.finder(), self.pictures()[0]
        for part in finder.find(picture):
            if part.mask is not None:
                assert part.mask.dtype == bool
                assert part.mask.any()
                np.testing.assert_array_equal(decode_mask(encode_mask(part.mask)), part.mask)

    def test_is_deterministic_across_instances_and_threads(self) -> None:
        pictures = self.pictures()
        expected = [_list_facts(self.finder().find(picture)) for picture in pictures]
        finder = self.finder()
        with ThreadPoolExecutor(3) as pool:
            assert [_list_facts(parts) for parts in pool.map(finder.find, pictures)] == expected

    def test_leaves_the_picture_as_it_was(self) -> None:
        picture = self.pictures()[0]
        before = picture.tobytes(), picture.size
        self.finder().find(picture)
        assert (picture.tobytes(), picture.size) == before

    def test_settings_are_json_and_unknown_ones_are_refused(self) -> None:
        finder = self.finder()
        assert json.loads(json.dumps(finder.settings)) == finder.settings
        assert type(finder)(**finder.settings).settings == finder.settings
        with pytest.raises(BadSetting, match="no_such_setting"):
            type(finder)(no_such_setting=1)

    def test_states_its_facts(self) -> None:
        finder = self.finder()
        assert finder.name.partition(":")[0].isidentifier()
        assert finder.kind.isidentifier()
        assert finder.version
        assert finder.edge >= 0
        assert finder.missing() == ""


def _list_facts(parts: object) -> list[tuple[object, ...]]:
    facts: list[tuple[object, ...]] = []
    for part in parts:  # type: ignore[attr-defined]
        assert isinstance(part, FoundPart)
        facts.append((*part[:1], None if part.mask is None else part.mask.tobytes(), *part[2:]))
    return facts
