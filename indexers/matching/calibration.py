"""The similarity from which two vectors are worth a proof, measured for an embedder on generated edits.

An embedder that finds most pictures alike would name most of them: then it has to name fewer, and leaves some edits to
hashes and local features.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from indexers.arrays import scale_to_unit
from indexers.errors import UsageError
from indexers.types import Vectors

THRESHOLDS = {("lite0", 624): 0.65, ("lite0", 1280): 0.7, ("classic", 734): 0.85, ("tiny", 13): 0.92}
"""Thresholds measured on sample photographs, by embedder and dimension."""
DEFAULT_THRESHOLD = 0.8
"""The threshold of every other embedder, until it is calibrated."""
TARGET_RECALL = 0.98
"""The share of edits that vectors have to nominate (hashes nominate some of the rest)."""
MOST_DIFFERENT = 0.02
"""The share of pairs of different pictures that vectors may nominate, if that costs not too many edits."""
LEAST_RECALL = 0.87
"""The share of edits that they have to nominate even so."""
MIN_PICTURES = 20
"""The fewest pictures that a calibration takes."""
ENOUGH_PICTURES = 100
"""Pictures from which on a collection is calibrated by itself: for fewer it takes longer than all that follows."""
MIN_THRESHOLD = 0.3
"""Below this nearly every pair would be a candidate."""


def is_measured(embedder: str | None, dimension: int) -> bool:
    """Return True if the threshold of an embedder comes with it."""
    return ((embedder or "").partition(":")[0], dimension) in THRESHOLDS


def find_threshold(embedder: str | None, dimension: int) -> float:
    """Return the threshold of an embedder, by its name in a collection, until it is calibrated there."""
    return THRESHOLDS.get(((embedder or "").partition(":")[0], dimension), DEFAULT_THRESHOLD)


def make_edits(image: Image.Image) -> Iterator[Image.Image]:
    """Yield edits as people make them: recompressed, half the size, cropped by 10 % and by 30 %, mirrored, brighter,
    with a white bar, rotated by 10 degrees, framed, grey."""
    width, height = image.size
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=30)
    yield Image.open(stream).convert("RGB")
    yield image.resize((max(width // 2, 1), max(height // 2, 1)))
    for share in (0.1, 0.3):
        cut = 1 - (1 - share) ** 0.5  # of each edge, for that share of the area
        yield image.crop((0, 0, max(round(width * (1 - cut)), 1), max(round(height * (1 - cut)), 1)))
    yield ImageOps.mirror(image)
    yield ImageEnhance.Brightness(image).enhance(1.5)
    captioned = image.copy()
    ImageDraw.Draw(captioned).rectangle((0, height * 9 // 10, width, height), fill="white")
    yield captioned
    yield image.rotate(10, Image.Resampling.BICUBIC)
    yield ImageOps.expand(image, max(width, height) // 20 + 1, "white")
    yield ImageOps.grayscale(image).convert("RGB")


def calibrate_threshold(pictures: Sequence[Image.Image], embed: Callable[[Sequence[Image.Image]], Vectors]) -> float:
    """Measure the cosine similarity that TARGET_RECALL of the edits of these pictures have to their originals; or a
    higher one, which more than MOST_DIFFERENT of the pairs of these pictures have, and LEAST_RECALL of the edits.

    `pictures`: upright RGB; `embed` gives vectors, float32 (n, d). The result is at least MIN_THRESHOLD. Raises
    UsageError for too few pictures.
    """
    if len(pictures) < MIN_PICTURES:
        raise UsageError(f"calibration needs at least {MIN_PICTURES} pictures, and got {len(pictures)}")
    originals, edited = [], []
    for picture in pictures:
        rows = scale_to_unit(embed([picture, *make_edits(picture)]))
        originals.append(rows[0])
        edited.append(rows[1:] @ rows[0])
    low, high = np.quantile(np.concatenate(edited), [1 - TARGET_RECALL, 1 - LEAST_RECALL])
    together = np.stack(originals) @ np.stack(originals).T
    different = np.quantile(together[np.triu_indices(len(together), 1)], 1 - MOST_DIFFERENT)
    return round(max(float(np.clip(different, low, high)), MIN_THRESHOLD), 3)
