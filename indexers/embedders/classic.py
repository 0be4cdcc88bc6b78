"""Shape, colour and texture by hand-made features: no weights, no torch, the same vectors on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from indexers.embedders.quick import explain_missing_packages
from indexers.errors import BadSetting
from indexers.types import Json, Vectors

_DEFAULT_FEATURES = {"shape": "hog", "colour": "colour@2", "texture": "lbp@2"}
"""Features that the settings of plain `classic` weigh."""
_SYNONYMS = {"texture": "lbp"}
_GROUND_SHARE = 1e-4
"""Weight of the ground, relative to that of all features."""
_MIN_WEIGHT, _MAX_WEIGHT = 1e-6, 1e6
"""Of weights other than 0: their roots have to survive float32."""


@dataclass(frozen=True, slots=True)
class Block:
    """The numbers of one feature in a vector, and their weight."""

    feature: str
    levels: int
    weight: float

    @property
    def size(self) -> int:
        return FEATURES[self.feature].size * count_cells(self.levels)

    @property
    def label(self) -> str:
        """Feature and levels as a name has them: `hog`, `colour@3`."""
        return self.feature + (f"@{self.levels}" if self.levels > 1 else "")

    def __str__(self) -> str:
        return self.label + (f"*{self.weight!r}".removesuffix(".0") if self.weight != 1 else "")


class Classic(Embedder):
    """Features of a picture squeezed to 128 x 128 pixels, each a block of unit length times the root of its weight.

    So the cosine of two pictures is the weighted mean of the cosines of their blocks.

    `classic` has 734 numbers in three blocks:

    - shape, 324: histograms of oriented gradients;
    - colour, 360: histograms of hue, saturation and value, of the whole picture and of each quarter;
    - texture, 50: local binary patterns, of these five regions.

    The shape of a picture without any edge is zero; the other blocks never are. Settings: `shape`, `colour`, `texture`,
    the weights, at least 0.

    `classic:hog+colour` has the features that its name lists: hog, colour, moments, lbp (or texture), gabor, edges, hu;
    `indexers.embedders.features.FEATURES` describes them. `*2` gives a weight. `@2` and `@3` take the feature from the
    cells of a spatial pyramid, 1 + 4 or 1 + 4 + 16 regions: `classic:hog*2+colour@3+texture*.5`. Setting: `features`,
    the weight of each, 0 or from .000001 to 1,000,000: {"hog": 2, "colour@3": 1, "lbp": .5}. So `classic` is
    `classic:hog+colour@2+lbp@2*.5`.

    In a flat picture hog, gabor, edges and hu are zero, and lbp is the same for all. So if neither colour nor moments
    has a weight, the vector ends in the ground: four faint numbers, a ten-thousandth of the weight, the mean colour and
    a 1. By these, pictures without features are similar to each other, and to hardly any other.
    """

    name = "classic"
    input_size = EDGE
    licence = "none needed: there are no weights"
    extra = "classic"
    _ground_weight = 0.0

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        features = self.settings.pop("features")
        if features is None:
            self._blocks = _make_default_blocks(self.settings)
        elif len(settings) > 1:
            names = ", ".join(_DEFAULT_FEATURES)
            raise BadSetting(f"the embedder 'classic' takes `features` or {names}; got {settings}")
        else:
            self._blocks = _read_features(features)
            self.settings = {"features": {block.label: block.weight for block in self._blocks}}
            self.name = f"classic:{'+'.join(map(str, self._blocks))}"
            self._ground_weight = _weigh_ground(self._blocks)
        self.dimension = sum(block.size for block in self._blocks) + GROUND * bool(self._ground_weight)

    @classmethod
    def defaults(cls) -> Json:
        return {"shape": 1.0, "colour": 1.0, "texture": 0.5, "features": None}

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Read FEATURE, FEATURE@LEVELS, FEATURE*WEIGHT or FEATURE@LEVELS*WEIGHT, joined by +."""
        blocks = [_make_block(*_split_argument(text, argument)) for text in argument.split("+")]
        return {"features": {block.label: block.weight for block in _sort_blocks(blocks)}}

    def missing(self) -> str:
        return explain_missing_packages("skimage", extra=self.extra)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return uint8 (128, 128, 6): red, green, blue, hue, saturation, value."""
        small = image.resize((EDGE, EDGE), Image.Resampling.BILINEAR, reducing_gap=3)
        return np.concatenate([np.asarray(small), np.asarray(small.convert("HSV"))], axis=2)

    def forward(self, batch: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Return the vectors of n prepared pictures, float32 (n, dimension)."""
        vectors = np.empty((len(batch), self.dimension), np.float32)
        for row, prepared in zip(vectors, batch, strict=True):
            self._fill(row, Pixels(prepared))
        return vectors

    def _fill(self, row: Vectors, pixels: Pixels) -> None:
        start = 0
        for block in self._blocks:
            values = describe_pyramid(FEATURES[block.feature], pixels, block.levels)
            row[start : start + block.size] = values * block.weight**0.5
            start += block.size
        if self._ground_weight:
            row[start:] = describe_ground(pixels) * self._ground_weight**0.5


def _make_default_blocks(weights: Json) -> list[Block]:
    blocks = [
        Block(*_parse_feature(_DEFAULT_FEATURES[name]), _check_weight(name, weight)) for name, weight in weights.items()
    ]
    if not weights["colour"] + weights["texture"]:
        raise BadSetting(
            "the embedder 'classic' needs a weight above 0 for colour or texture: flat pictures have no shape"
        )
    return blocks


def _weigh_ground(blocks: list[Block]) -> float:
    """Return the weight of the ground; 0 if another block has the colour."""
    if any(block.weight and FEATURES[block.feature].coloured for block in blocks):
        return 0.0
    return _GROUND_SHARE * sum(block.weight for block in blocks)


def _read_features(features: Any) -> list[Block]:
    if not isinstance(features, dict):
        raise BadSetting(f"the setting `features` of 'classic' is {features!r}; give weights by name, as {{'hog': 1}}")
    return _sort_blocks([_make_block(label, weight) for label, weight in features.items()])


def _split_argument(text: str, argument: str) -> tuple[str, Any]:
    """Return the label and the weight in one part of the argument."""
    label, times, weight = text.partition("*")
    if not label:
        raise BadSetting(f"the name 'classic:{argument}' has an empty part; join features by one +, as in 'hog+colour'")
    try:
        return label, float(weight) if times else 1.0
    except ValueError:
        return label, weight


def _make_block(label: Any, weight: Any) -> Block:
    number = _check_weight(label, weight)
    if number and not _MIN_WEIGHT <= number <= _MAX_WEIGHT:
        raise BadSetting(f"the weight {label!r} of the embedder 'classic' is {number!r}; give 0 or 1e-6 to 1e6")
    return Block(*_parse_feature(str(label)), number)


def _parse_feature(label: str) -> tuple[str, int]:
    """Return the feature and its levels."""
    name, at, levels = label.partition("@")
    name = _SYNONYMS.get(name, name)
    if name not in FEATURES:
        known = ", ".join([*FEATURES, *_SYNONYMS])
        raise BadSetting(f"the embedder 'classic' has no feature {name!r}; it has: {known}")
    if at and levels not in map(str, range(1, LEVELS + 1)):
        raise BadSetting(f"the pyramid of {label!r} has {levels!r} levels; give a whole number from 1 to {LEVELS}")
    return name, int(levels or 1)


def _check_weight(name: Any, weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= float_info.max:
        raise BadSetting(f"the weight {name!r} of the embedder 'classic' is {weight!r}; give a number, at least 0")
    return float(weight)


def _sort_blocks(blocks: list[Block]) -> list[Block]:
    """Return the blocks in the order of FEATURES. Raises BadSetting for a repeated feature, or without any weight."""
    names = [block.feature for block in blocks]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        raise BadSetting(f"the feature {repeated!r} of the embedder 'classic' is given more than once; give one weight")
    if not any(block.weight for block in blocks):
        raise BadSetting(f"no feature of the embedder 'classic' has a weight above 0; got {', '.join(names) or 'none'}")
    return sorted(blocks, key=lambda block: list(FEATURES).index(block.feature))
