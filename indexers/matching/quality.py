"""How good a picture is, in four numbers from 0 to 1, which filters compare with.

They are measured at the size at which all pictures are measured (`clarity.EDGE`), so that they compare: noise of single
pixels of a large photograph, which nobody sees at that size, does not count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from indexers.matching.clarity import EDGE, measure_clarity

BLURRED, SHARPEST = 2.2, 7.0
"""Octaves of sharpness that count as 0 and as 1. Eight photographs have 6.4 to 8.1, blurred by 1.5 pixels of 384 3.3 to
4.6, by 2.5 2.6 to 3.5, by 8 2.1 to 2.4."""
NOISIEST = 32.0
"""The standard deviation of noise, in grey levels, that counts as 1."""
TAILS = 2, 98
"""Percent of the pixels that are darker than what counts as dark, and as bright."""


class Quality(NamedTuple):
    """- sharpness: that of the quarter that is sharpest; below .2 a photograph is blurred;
    - noise: its standard deviation; above .2 everybody sees it;
    - exposure: the mean brightness, 0 for black;
    - contrast: from the dark to the bright parts, 1 from black to white.
    """

    sharpness: float
    noise: float
    exposure: float
    contrast: float


def measure_quality(image: Image.Image) -> Quality:
    """Measure an upright RGB picture.

    Noise is estimated by what the two diagonals of each four pixels differ by, of which edges and slopes have little
    (Donoho's median, 1994, over the finest Haar wavelets).
    """
    scale = min(1.0, EDGE / max(image.size))
    size = max(2, round(image.width * scale)), max(2, round(image.height * scale))
    grey = np.asarray(image.convert("L").resize(size, Image.Resampling.BOX)).astype(np.float32)
    even = grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2]
    diagonals = (even[::2, ::2] - even[::2, 1::2] - even[1::2, ::2] + even[1::2, 1::2]) / 2
    noise = float(np.median(np.abs(diagonals))) / 0.6745
    dark, bright = np.percentile(grey, TAILS)
    sharpness = (measure_clarity(image).overall - BLURRED) / (SHARPEST - BLURRED)
    values = sharpness, noise / NOISIEST, float(grey.mean()) / 255, float(bright - dark) / 255
    return Quality(*(round(min(max(value, 0.0), 1.0), 4) for value in values))
