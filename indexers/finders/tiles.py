"""Tiles: a grid of overlapping squares, for what is small in large pictures, scans and microscopy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL.Image import Image

from indexers.errors import BadSetting
from indexers.finders.base import Finder, FoundPart
from indexers.types import Json

MAX_COUNT = 16
"""The most tiles along the shorter edge."""
MAX_RATIO = 8
"""Of a strip that is longer, tiles lie farther apart."""


class Tiles(Finder):
    """Squares of which `count` fit into the shorter edge, each half over the next."""

    name = kind = "tiles"
    edge = 0

    @classmethod
    def defaults(cls) -> Json:
        """Return the number of tiles along the shorter edge."""
        return {"count": 2}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        count = self.settings["count"]
        if not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
            raise BadSetting(f"tiles is given how many fit into the shorter edge, 1 to {MAX_COUNT}; got {count!r}")

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Return the settings of `tiles:3`, of which three fit into the shorter edge. Raises BadSetting."""
        if not argument.isascii() or not argument.isdigit() or len(argument) > 3:
            raise BadSetting(f"tiles takes a number after a colon, such as tiles:3; got {argument!r}")
        return {"count": int(argument)}

    def find(self, picture: Image) -> Sequence[FoundPart]:
        """Return the tiles, row by row."""
        width, height = picture.size
        edge = max(1, min(width, height) // self.settings["count"])
        limit = 2 * self.settings["count"] * MAX_RATIO
        return [
            FoundPart((x, y, min(edge, width), min(edge, height)))
            for y in _place(height, edge, limit)
            for x in _place(width, edge, limit)
        ]


def _place(length: int, edge: int, limit: int) -> list[int]:
    """Return where tiles begin that cover a length, at most half an edge apart as long as they are not too many."""
    steps = min(-(-2 * (length - edge) // edge) if length > edge else 0, limit)
    return sorted({round(place) for place in np.linspace(0, max(length - edge, 0), steps + 1)})
