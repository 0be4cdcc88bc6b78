"""Shape, colour and texture by hand-made features: no weights, no torch, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from sys import float_info
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.embedders.base import Embedder
from indexers.embedders.features import (
    EDGE,
    FEATURES,
    GROUND,
    LEVELS,
    Pixels,
    count_cells,
    describe_ground,
    describe_pyramid,
)
from indexers.errors import BadSetting
from indexers.types import Json, Vectors

_PLAIN = {"shape": "hog", "colour": "colour@2", "texture": "lbp@2"}
"""What the settings of `classic` without features weigh."""
_ALSO = {"texture": "lbp"}
_FAINT = 1e-4
"""Weight of the ground beside that of all features."""
_LEAST, _MOST = 1e-6, 1e6
"""Weights other than 0: their roots have to survive float32."""


@dataclass(frozen=True, slots=True)
class Block:
    """One feature in a vector, and its weight."""

    feature: str
    levels: int
    weight: float

    @property
    def size(self) -> int:
        return FEATURES[self.feature].size * count_cells(self.levels)

    @property
    def label(self) -> str:
        """`hog`, `colour@3`."""
        return self.feature + (f"@{self.levels}" if self.levels > 1 else "")

    def __str__(self) -> str:
        return self.label + (f"*{self.weight!r}".removesuffix(".0") if self.weight != 1 else "")


class Classic(Embedder):
    """Features of a picture squeezed to 128 x 128 pixels, each a block of unit length times the root of its weight. The
    cosine of two pictures is so the weighted mean of the cosines of their blocks.

    `classic` has 734 numbers in three blocks:

    - shape, 324: histograms of oriented gradients;
    - colour, 360: histograms of hue, saturation and value, of the whole picture and of each quarter;
    - texture, 50: local binary patterns, of these five regions.

    A picture without any edge has no shape; its other blocks are never zero. Settings: `shape`, `colour`, `texture`,
    the weights, at least 0.

    `classic:hog+colour` has the features of one's choice: hog, colour, moments, lbp (or texture), gabor, edges, hu
    (`indexers.embedders.features.FEATURES` says what they are). `*2` weighs one; `@2` and `@3` take it from the cells
    of a spatial pyramid as well, 1 + 4 or 1 + 4 + 16 regions: `classic:hog*2+colour@3+texture*.5`. Setting:
    `features`, the weight of each, 0 or from .000001 to 1,000,000: {"hog": 2, "colour@3": 1, "lbp": .5}. So `classic`
    is `classic:hog+colour@2+lbp@2*.5`.

    Of a flat picture there is nothing in hog, gabor, edges and hu, and lbp is the same for all. So where neither colour
    nor moments weighs in, four faint numbers end the vector, a ten-thousandth of the weight: the mean colour and a 1.
    Pictures in which nothing is seen are similar by that, and to hardly any other.
    """

    name = "classic"
    input_size = EDGE
    licence = "none needed: there are no weights"
    extra = "models"
    _ground = 0.0

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        features = self.settings.pop("features")
        if features is None:
            self._parts = _make_default_blocks(self.settings)
        elif len(settings) > 1:
            raise BadSetting(f"the embedder 'classic' takes `features` or {', '.join(_PLAIN)}; got {settings}")
        else:
            self._parts = _read_features(features)
            self.settings = {"features": {part.label: part.weight for part in self._parts}}
            self.name = f"classic:{'+'.join(map(str, self._parts))}"
            self._ground = _weigh_ground(self._parts)
        self.dimension = sum(part.size for part in self._parts) + GROUND * bool(self._ground)

    @classmethod
    def defaults(cls) -> Json:
        return {"shape": 1.0, "colour": 1.0, "texture": 0.5, "features": None}

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """FEATURE, FEATURE@LEVELS, FEATURE*WEIGHT or FEATURE@LEVELS*WEIGHT, joined by +."""
        parts = [_make_block(*_split_argument(text, argument)) for text in argument.split("+")]
        return {"features": {part.label: part.weight for part in _sort_blocks(parts)}}

    def missing(self) -> str:
        return "" if find_spec("skimage") else "pip install 'nearkin[models]'"

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """uint8 (128, 128, 6): red, green, blue, hue, saturation, value."""
        small = image.resize((EDGE, EDGE), Image.Resampling.BILINEAR, reducing_gap=3)
        return np.concatenate([np.asarray(small), np.asarray(small.convert("HSV"))], axis=2)

    def forward(self, batch: Sequence[NDArray[np.uint8]]) -> Vectors:
        """float32 (n, dimension) of n prepared pictures."""
        vectors = np.empty((len(batch), self.dimension), np.float32)
        for row, prepared in zip(vectors, batch, strict=True):
            self._fill(row, Pixels(prepared))
        return vectors

    def _fill(self, row: Vectors, pixels: Pixels) -> None:
        start = 0
        for part in self._parts:
            block = describe_pyramid(FEATURES[part.feature], pixels, part.levels) * part.weight**0.5
            row[start : start + part.size] = block
            start += part.size
        if self._ground:
            row[start:] = describe_ground(pixels) * self._ground**0.5


def _make_default_blocks(weights: Json) -> list[Block]:
    parts = [Block(*_parse_feature(_PLAIN[name]), _check_weight(name, weight)) for name, weight in weights.items()]
    if not weights["colour"] + weights["texture"]:
        raise BadSetting(
            "the embedder 'classic' needs a weight above 0 for colour or texture: flat pictures have no shape"
        )
    return parts


def _weigh_ground(parts: list[Block]) -> float:
    """The weight of the mean colour, for vectors that would have no colour."""
    if any(part.weight and FEATURES[part.feature].coloured for part in parts):
        return 0.0
    return _FAINT * sum(part.weight for part in parts)


def _read_features(features: Any) -> list[Block]:
    if not isinstance(features, dict):
        raise BadSetting(f"the setting `features` of 'classic' is {features!r}; give weights by name, as {{'hog': 1}}")
    return _sort_blocks([_make_block(term, weight) for term, weight in features.items()])


def _split_argument(text: str, argument: str) -> tuple[str, Any]:
    """Feature and weight of a part of the name."""
    term, times, weight = text.partition("*")
    if not term:
        raise BadSetting(f"the name 'classic:{argument}' has an empty part; join features by one +, as in 'hog+colour'")
    try:
        return term, float(weight) if times else 1.0
    except ValueError:
        return term, weight


def _make_block(term: Any, weight: Any) -> Block:
    found = _check_weight(term, weight)
    if found and not _LEAST <= found <= _MOST:
        raise BadSetting(f"the weight {term!r} of the embedder 'classic' is {found!r}; give 0 or 1e-6 to 1e6")
    return Block(*_parse_feature(str(term)), found)


def _parse_feature(term: str) -> tuple[str, int]:
    """The feature and its levels."""
    name, at, levels = term.partition("@")
    name = _ALSO.get(name, name)
    if name not in FEATURES:
        raise BadSetting(f"the embedder 'classic' has no feature {name!r}; it has: {', '.join([*FEATURES, *_ALSO])}")
    if at and levels not in map(str, range(1, LEVELS + 1)):
        raise BadSetting(f"the pyramid of {term!r} has {levels!r} levels; give a whole number from 1 to {LEVELS}")
    return name, int(levels or 1)


def _check_weight(name: Any, weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= float_info.max:
        raise BadSetting(f"the weight {name!r} of the embedder 'classic' is {weight!r}; give a number, at least 0")
    return float(weight)


def _sort_blocks(parts: list[Block]) -> list[Block]:
    """In the order of FEATURES."""
    names = [part.feature for part in parts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise BadSetting(f"the feature {twice!r} of the embedder 'classic' is there more than once; give one weight")
    if not any(part.weight for part in parts):
        raise BadSetting(f"no feature of the embedder 'classic' has a weight above 0; got {', '.join(names) or 'none'}")
    return sorted(parts, key=lambda part: list(FEATURES).index(part.feature))
