"""At which resolution two pictures can be compared, of which one has few pixels, as a thumbnail has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.matching.features import DETAIL, Features, decode_detail
from indexers.matching.geometry import SimilarityTransform

_FINER = 2.0  # pixels of the compared pictures for one of the coarser original
_BLOCK = 16  # pixels
LEGIBLE, WRITTEN = 22.0, 36.0
"""Grey levels, standard deviation in a block, of what may be lost, and of what writing on paper loses at least."""
_LOST_BLOCKS = 3  # blocks that lose more


def find_resolution(a: Features, b: Features, transform: SimilarityTransform) -> float:
    """Return the share of the stored pictures' edges at which neither is compared much finer than it is, 1 at most.

    `transform`: from normalised `a` to `b`.
    """
    edges = max(a.width, a.height), max(b.width, b.height) * abs(transform.turn)
    return min(1.0, _FINER * min(edges) / DETAIL)


def shrink(pixels: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Shrink a grey picture, uint8 (h, w), to that share of its edges."""
    if share == 1:
        return pixels
    height, width = (max(1, round(edge * share)) for edge in pixels.shape)
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def is_legible(picture: Features, share: float, limit: float = LEGIBLE) -> bool:
    """Return True if what a picture shows is seen at a share of its edges, too: writing and fine lines are not.

    `limit`: grey levels that blocks may lose.
    """
    full = decode_detail(picture)
    size = full.shape[1], full.shape[0]
    again = Image.fromarray(shrink(full, share)).resize(size, Image.Resampling.BILINEAR)
    lost = full.astype(np.float32) - np.asarray(again, np.float32)
    height, width = (edge - edge % _BLOCK for edge in lost.shape)
    if not height or not width:
        return False
    blocks = lost[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    return int((blocks.std(axis=(1, 3)) > limit).sum()) < _LOST_BLOCKS
