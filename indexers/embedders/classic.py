"""Shape, colour and texture by hand-made features: no weights, no torch, the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.embedders.base import Embedder
from indexers.errors import BadSetting, MissingPackage
from indexers.types import Json, Vectors

_EDGE = 128
_SHAPE = 3 * 3 * 2 * 2 * 9
_BINS = (8, 3, 3)
_COLOUR = 5 * 8 * 3 * 3
_TEXTURE = 5 * 10


class Classic(Embedder):
    """734 numbers of a picture squeezed to 128 x 128 pixels, in three blocks of unit length times the root of a weight:

    - shape, 324: histograms of oriented gradients (Dalal and Triggs, CVPR 2005), 9 directions in cells of 32 x 32
      pixels, in overlapping blocks of 2 x 2 cells;
    - colour, 360: histograms of 8 hues x 3 saturations x 3 values, of the whole picture and of each quarter;
    - texture, 50: uniform local binary patterns (Ojala et al., PAMI 2002; 8 points, radius 1), of these five regions.

    Histograms enter by their square roots (the Hellinger kernel). The cosine of two pictures is so the weighted mean of
    the cosines of their blocks. A picture without any edge has no shape; its other blocks are never zero.

    Settings: `shape`, `colour`, `texture`, the weights, at least 0.
    """

    name = "classic"
    dimension = _SHAPE + _COLOUR + _TEXTURE
    input_size = _EDGE
    licence = "none needed: there are no weights"
    extra = "models"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, weight in self.settings.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:
                raise BadSetting(
                    f"the weight {name!r} of the embedder 'classic' is {weight!r}; give a number, at least 0"
                )
        if not self.settings["colour"] + self.settings["texture"]:
            raise BadSetting(
                "the embedder 'classic' needs a weight above 0 for colour or texture: flat pictures have no shape"
            )

    @classmethod
    def defaults(cls) -> Json:
        return {"shape": 1.0, "colour": 1.0, "texture": 0.5}

    def missing(self) -> str:
        return "" if find_spec("skimage") else "pip install 'nearkin[models]'"

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """uint8 (128, 128, 6): red, green, blue, hue, saturation, value."""
        small = image.resize((_EDGE, _EDGE), Image.Resampling.BILINEAR, reducing_gap=3)
        return np.concatenate([np.asarray(small), np.asarray(small.convert("HSV"))], axis=2)

    def forward(self, batch: Sequence[NDArray[np.uint8]]) -> Vectors:
        """float32 (n, 734) of n prepared pictures."""
        vectors = np.empty((len(batch), self.dimension), np.float32)
        for row, pixels in zip(vectors, batch, strict=True):
            grey = np.rint(pixels[:, :, :3] @ [0.299, 0.587, 0.114]).astype(np.uint8)
            blocks = {"shape": _shape(grey), "colour": _colour(pixels[:, :, 3:]), "texture": _texture(grey)}
            row[:] = np.concatenate([_unit(block) * self.settings[name] ** 0.5 for name, block in blocks.items()])
        return vectors


def _shape(grey: NDArray[np.uint8]) -> NDArray[Any]:
    hog = _features().hog
    return hog(grey, orientations=9, pixels_per_cell=(32, 32), cells_per_block=(2, 2))  # type: ignore[no-any-return]


def _colour(hsv: NDArray[np.uint8]) -> NDArray[Any]:
    hue, saturation, value = (hsv[:, :, i].astype(np.intp) * bins // 256 for i, bins in enumerate(_BINS))
    return _histograms((hue * 3 + saturation) * 3 + value, 72)


def _texture(grey: NDArray[np.uint8]) -> NDArray[Any]:
    return _histograms(_features().local_binary_pattern(grey, 8, 1, "uniform").astype(np.intp), 10)


def _histograms(codes: NDArray[np.intp], count: int) -> NDArray[Any]:
    """Square roots of the shares of each code, of the five regions after each other."""
    return np.concatenate([np.sqrt(np.bincount(part.ravel(), minlength=count) / part.size) for part in _regions(codes)])


def _regions(codes: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    half = _EDGE // 2
    yield codes
    for top in (0, half):
        for left in (0, half):
            yield codes[top : top + half, left : left + half]


def _unit(block: NDArray[Any]) -> NDArray[Any]:
    length = float(np.linalg.norm(block))
    return block / length if length else block


def _features() -> Any:
    try:
        from skimage import feature
    except ImportError as error:
        raise MissingPackage(
            f"the embedder 'classic' needs the package {error.name!r}: pip install 'nearkin[models]'"
        ) from error
    return feature
