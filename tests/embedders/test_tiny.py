"""The tiny embedder, worked out by hand."""

from __future__ import annotations

import numpy as np
from PIL import Image

from indexers.embedders.base import Embedder
from indexers.embedders.tiny import Tiny
from indexers.testing import EmbedderContract


class TestTiny(EmbedderContract):
    def embedder(self) -> Embedder:
        return Tiny()


def test_a_red_picture_is_red_in_each_quarter() -> None:
    [vector] = Tiny().embed([Image.new("RGB", (31, 17), "red")])
    assert vector.tolist() == [1, 0, 0] * 4 + [1]


def test_quarters_come_row_by_row() -> None:
    picture = Image.new("RGB", (8, 4), "black")
    picture.paste("blue", (4, 0, 8, 2))
    picture.paste("white", (0, 2, 2, 4))  # half of the lower left
    [vector] = Tiny().embed([picture])
    expected = [0, 0, 0, 0, 0, 1, *[128 / 255] * 3, 0, 0, 0, 1]
    np.testing.assert_allclose(vector, expected, atol=1e-6)
