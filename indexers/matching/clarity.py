"""Where a picture is sharp and where it is bright: 64 parts of it in 128 bytes, kept of every picture.

By this the sharpest picture of a stack is found without reading it again, a focus series is told from a burst (other
parts are sharp in each of its pictures), and an exposure bracket is seen to be one (the same parts, brighter or not).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import StoredFileDamaged

GRID = 8
"""Parts in each direction."""
EDGE = 384
"""Pixels of the longer edge at which all pictures are measured, whatever their file has, so that they compare."""
STEP = 1 / 16
"""Octaves in a step of stored sharpness."""
_FLOOR = 0.25  # grey levels: the sharpness of a blank part, stored as 0


class Clarity(NamedTuple):
    """Of each part of a picture, float32 (8, 8): sharpness in octaves above that of a blank part, brightness 0 to 255.

    Sharpness is the mean absolute Laplacian, in grey levels (Pech-Pacheco et al., ICPR 2000, compare such measures).
    """

    sharpness: NDArray[np.float32]
    brightness: NDArray[np.float32]

    @property
    def overall(self) -> float:
        """The sharpness of the quarter of the picture that is sharpest: a blurred ground is no fault of a portrait."""
        return float(np.sort(self.sharpness, axis=None)[-GRID * GRID // 4 :].mean())


def measure_clarity(image: Image.Image) -> Clarity:
    """Measure an upright RGB picture."""
    scale = min(1.0, EDGE / max(image.size))
    size = tuple(max(2 * GRID, round(side * scale)) for side in image.size)
    grey = image.convert("L").resize((size[0], size[1]), Image.Resampling.BOX)
    pixels = np.asarray(grey).astype(np.int16)
    padded = np.pad(pixels, 1, mode="edge")
    sides = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    steps = np.abs(4 * pixels - sides)
    octaves = np.log2(np.maximum(_average_parts(steps), _FLOOR) / _FLOOR)
    return Clarity(octaves.astype(np.float32), _average_parts(pixels))


def pack_clarity(clarity: Clarity) -> bytes:
    """Write a clarity in 128 bytes."""
    sharpness = np.clip(np.rint(clarity.sharpness / STEP), 0, 255).astype(np.uint8)
    brightness = np.clip(np.rint(clarity.brightness), 0, 255).astype(np.uint8)
    return bytes(sharpness.tobytes() + brightness.tobytes())


def unpack_clarity(data: bytes) -> Clarity:
    """Read what `pack_clarity` wrote. Raises StoredFileDamaged for any other bytes."""
    if len(data) != 2 * GRID * GRID:
        raise StoredFileDamaged(f"a stored clarity has {len(data)} bytes; measure the picture again")
    sharpness, brightness = np.frombuffer(data, np.uint8).astype(np.float32).reshape(2, GRID, GRID)
    return Clarity(sharpness * STEP, brightness)


def _average_parts(values: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the mean of each part."""
    rows, columns = (np.linspace(0, side, GRID + 1).astype(int) for side in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows[:-1], axis=0, dtype=np.int32), columns[:-1], axis=1)
    means: NDArray[np.float32] = (sums / np.outer(np.diff(rows), np.diff(columns))).astype(np.float32)
    return means
