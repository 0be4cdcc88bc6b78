"""Real photographs for the tests: the samples of scikit-image."""

from __future__ import annotations

from functools import cache

import pytest
from PIL import Image


@cache
def load_photograph(name: str = "astronaut", edge: int | None = None) -> Image.Image:
    """Return an RGB photograph, not to be changed, with a longer edge of at most `edge`; skip the test without them."""
    data = pytest.importorskip("skimage.data", reason="scikit-image's samples are the pictures")
    picture = Image.fromarray(getattr(data, name)()).convert("RGB")
    if edge:
        picture.thumbnail((edge, edge))
    return picture
