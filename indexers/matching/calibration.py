"""From which similarity on two vectors are worth a proof, measured for an embedder on generated copies."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from indexers.arrays import scale_to_unit
from indexers.errors import UsageError
from indexers.types import Vectors

NEAR = {"lite0": 0.8, "classic": 0.68, "tiny": 0.92}
"""What was measured on sample photographs, by embedder."""
USUAL = 0.8
"""Of an embedder that nothing is known of."""
KEPT = 0.98
"""The share of generated copies that have to be nominated by their vectors (hashes nominate some of the others)."""
FEWEST = 20
"""Pictures, at least."""
LOWEST = 0.3
"""Below that everything would be a candidate."""


def edited(image: Image.Image) -> Iterator[Image.Image]:
    """Copies as people make them: recompressed, half the size, cropped by a tenth and by 30 %, mirrored, brighter,
    written on, turned by 10 degrees, framed, grey."""
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
    written = image.copy()
    ImageDraw.Draw(written).rectangle((0, height * 9 // 10, width, height), fill="white")
    yield written
    yield image.rotate(10, Image.Resampling.BICUBIC)
    yield ImageOps.expand(image, max(width, height) // 20 + 1, "white")
    yield ImageOps.grayscale(image).convert("RGB")


def calibrated(pictures: Sequence[Image.Image], embed: Callable[[Sequence[Image.Image]], Vectors]) -> float:
    """The cosine similarity that KEPT of the edited copies of these upright RGB pictures have to their originals, at
    least LOWEST. `embed` gives vectors, float32 (n, d). Raises UsageError for too few pictures."""
    if len(pictures) < FEWEST:
        raise UsageError(f"calibration needs at least {FEWEST} pictures, and got {len(pictures)}")
    found = []
    for picture in pictures:
        rows = scale_to_unit(embed([picture, *edited(picture)]))
        found.append(rows[1:] @ rows[0])
    return round(max(float(np.quantile(np.concatenate(found), 1 - KEPT)), LOWEST), 3)
