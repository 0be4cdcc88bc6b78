"""The transform from a picture to a model's input: resized, cropped and normalised just as when it was trained.

One record describes the transforms of open_clip, torchvision and timm alike. It needs none of them, and can be written
to a file. Most models look at a square; what becomes of the rest of a picture is its `fit`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import BadSetting
from indexers.types import Json

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
INTERPOLATIONS = {
    name: Image.Resampling[name.upper()] for name in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
}
FITS = ("crop", "pad", "squash")
"""How a picture of any shape comes into a model's input; see `Transform.change_fit`."""
_MAX_RATIO = 8
"""A picture that is more times longer than wide is not resized as a whole: 1 x 60,000 pixels would become billions."""
CELL = 32
"""Edge in pixels of the part of a picture that convolutional networks of ImageNet shrink to one number."""
MAX_STRETCH = 3
"""The most that one edge of an input in the picture's own proportions is longer than the other."""


@dataclass(frozen=True, slots=True)
class Transform:
    """The steps from an upright RGB picture to the input of a model.

    1. Resize it to `resize` (height, width), by `mode`:
       - "shortest": keep its proportions; both edges become at least that (if `resize` is square, the short edge
         becomes exactly that);
       - "longest": keep its proportions; both edges become at most that;
       - "squash": make it exactly that large.
    2. Take its middle, `crop` (height, width), padded with the colour `fill` where the picture is smaller.
    3. Divide by 255, subtract `mean`, divide by `std`, for red, green and blue.
    """

    resize: tuple[int, int]
    crop: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    mode: Literal["shortest", "longest", "squash"] = "shortest"
    interpolation: str = "bicubic"
    fill: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS or self.mode not in ("shortest", "longest", "squash"):
            raise BadSetting(
                f"a transform with interpolation {self.interpolation!r} and mode {self.mode!r} is not known; "
                f"interpolations: {', '.join(INTERPOLATIONS)}; modes: shortest, longest, squash"
            )
        if min(*self.resize, *self.crop) < 1 or not all(self.std):
            raise BadSetting(f"a transform needs sizes of at least 1 and a std above 0; got {self}")

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return an upright RGB picture resized and cropped, uint8 (height, width, 3)."""
        resample = INTERPOLATIONS[self.interpolation]
        is_strip = max(image.size) > _MAX_RATIO * min(image.size)
        if self.mode == "shortest" and is_strip and self.resize[0] == self.resize[1]:
            return crop_middle(image, self.resize[0], self.crop, resample)
        size = self._compute_size(image)
        resized = image if size == image.size else image.resize(size, resample)
        return self._crop(resized)

    def _compute_size(self, image: Image.Image) -> tuple[int, int]:
        (width, height), (down, across) = image.size, self.resize
        if self.mode == "squash":
            return across, down
        if self.mode == "shortest" and down == across:
            return _scale_size(image.size, down)
        # timm's and open_clip's ResizeKeepRatio
        ratio = (max if self.mode == "longest" else min)(height / down, width / across)
        return max(1, round(width / ratio)), max(1, round(height / ratio))

    def _crop(self, image: Image.Image) -> NDArray[np.uint8]:
        height, width = self.crop
        if width > image.width or height > image.height:
            padded = Image.new("RGB", (max(width, image.width), max(height, image.height)), self.fill)
            padded.paste(image, ((padded.width - image.width) // 2, (padded.height - image.height) // 2))
            image = padded
        left, top = round((image.width - width) / 2.0), round((image.height - height) / 2.0)
        return np.asarray(image.crop((left, top, left + width, top + height)))

    def change_fit(self, fit: str | None) -> Transform:
        """Return the transform to the same input that fits pictures into it by one of FITS; None: as it is.

        - "crop": their middle, as large as the input;
        - "pad": the whole picture, in the middle of an input of the mean colour;
        - "squash": the whole picture, stretched to the shape of the input.

        Raises BadSetting.
        """
        if fit is None or (fit == "crop" and self.mode == "shortest"):
            return self
        check_fit(fit)
        mode: Any = {"crop": "shortest", "pad": "longest", "squash": "squash"}[fit]
        red, green, blue = (round(255 * level) for level in self.mean)
        return replace(self, resize=self.crop, mode=mode, fill=(red, green, blue))

    def normalise(self, batch: Sequence[NDArray[np.uint8]]) -> Floats:
        """Return cropped pictures as the model's input: float32 (n, 3, height, width), C-contiguous."""
        scale = (1 / (255 * np.array(self.std))).astype(np.float32)
        shift = (-np.array(self.mean) / np.array(self.std)).astype(np.float32)
        inputs = np.empty((len(batch), 3, *self.crop), np.float32)
        for row, pixels in zip(inputs, batch, strict=True):
            for channel in range(3):
                np.multiply(pixels[:, :, channel], scale[channel], out=row[channel])
                row[channel] += shift[channel]
        return inputs

    def to_dict(self) -> Json:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Json) -> Transform:
        """Make the transform that `to_dict` described. Raises BadSetting."""
        try:
            fields: Json = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
            return cls(**fields)
        except TypeError as error:
            raise BadSetting(f"{values} describes no transform: {error}") from error


def crop_middle(
    image: Image.Image, short_edge: int, edges: tuple[int, int], resample: Image.Resampling = Image.Resampling.BICUBIC
) -> NDArray[np.uint8]:
    """Return the middle of the picture after its short edge was made `short_edge`, uint8 (height, width, 3).

    The pixels are those of torchvision's Resize and CenterCrop, but what is cropped is not resized first: a panorama
    costs no more than a square. Pillow rounds rows differently when it resizes from a box that cuts them, so only tall
    strips are cut.
    """
    (width, height), (edge_down, edge_across) = image.size, edges
    across, down = _scale_size(image.size, short_edge)
    left, top = round((across - edge_across) / 2.0), round((down - edge_down) / 2.0)
    columns = left * width / across, (left + edge_across) * width / across
    if down > 4 * edge_down:
        rows = top * height / down, (top + edge_down) * height / down
        down, top = edge_down, 0
    else:
        rows = 0.0, float(height)
    box = (columns[0], rows[0], columns[1], rows[1])
    resized = image.resize((edge_across, down), resample, box=box)
    return np.asarray(resized)[top : top + edge_down]


def check_fit(fit: Any, fits: Sequence[str | None] = FITS) -> None:
    """Raise BadSetting unless this is one of the fits."""
    if fit not in fits:
        raise BadSetting(f"the fit {fit!r} is not known; give one of: {', '.join(filter(None, fits))}")


def name_fit(fingerprint: str, fit: str | None) -> str:
    """Return the fingerprint of weights that see pictures by a fit; None: by that which they were trained with."""
    return f"{fingerprint}-{fit}" if fit else fingerprint


def resize_whole(image: Image.Image, edge: int, resample: Image.Resampling = Image.Resampling.BICUBIC) -> Pixels:
    """Return the whole picture with about as many pixels as a square of that edge, uint8 (height, width, 3).

    It gets one of a few shapes, so that a network meets no others, and one near its own: one edge changes by a sixth at
    most, compared with the other, unless it is more than MAX_STRETCH times as long.
    """
    ratio = min(max(image.width / image.height, 1 / MAX_STRETCH), MAX_STRETCH)
    shapes = _list_shapes(edge)
    # a stretch by a quarter weighs as much as the loss of half of the pixels
    width, height, _, _ = min(shapes, key=lambda shape: abs(shape[2] - math.log(ratio)) - 0.35 * shape[3])
    return np.asarray(image.resize((width, height), resample))


@cache
def _list_shapes(edge: int) -> tuple[tuple[int, int, float, float], ...]:
    """Return the width and height of shapes, and the logarithms of their ratio and their product.

    They are multiples of CELL, and have at most a fiftieth more pixels than the square, and at least .7 of that.
    """
    most = edge * edge * 1.02
    edges = range(CELL, math.ceil(MAX_STRETCH * edge) + 1, CELL)
    return tuple(
        (width, height, math.log(width / height), math.log(width * height))
        for width in edges
        for height in edges
        if 0.7 * most <= width * height <= most and max(width, height) <= MAX_STRETCH * min(width, height)
    )


def _scale_size(size: tuple[int, int], short_edge: int) -> tuple[int, int]:
    """Return the size that torchvision gives a picture whose short edge becomes `short_edge`."""
    shorter = min(size)
    width, height = (short_edge if side == shorter else int(short_edge * side / shorter) for side in size)
    return width, height


def make_open_clip_transform(config: Json) -> Transform:
    """Make the transform of open_clip's preprocessing configuration (`model.visual.preprocess_cfg`)."""
    size = _as_pair(config["size"])
    is_free = size[0] == size[1] or config.get("resize_mode") != "shortest"
    return Transform(
        size,
        size,
        _as_triple(config["mean"]),
        _as_triple(config["std"]),
        config.get("resize_mode") or "shortest",
        (config.get("interpolation") or "bicubic") if is_free else "bicubic",  # their ResizeKeepRatio has no other
        (int(config.get("fill_color") or 0),) * 3,
    )


def make_torchvision_transform(preset: Any) -> Transform:
    """Make the transform of torchvision's ImageClassification preset (`weights.transforms()`)."""
    return Transform(
        _as_pair(preset.resize_size),
        _as_pair(preset.crop_size),
        _as_triple(preset.mean),
        _as_triple(preset.std),
        interpolation=preset.interpolation.value,
    )


def make_timm_transform(config: Json) -> Transform:
    """Make the transform of timm's data configuration (`timm.data.resolve_model_data_config(model)`)."""
    size = _as_pair(config["input_size"][-2:])
    scaled = tuple(math.floor(edge / (config["crop_pct"] or 0.875)) for edge in size)
    mode: Any = {"squash": "squash", "border": "longest"}.get(config.get("crop_mode") or "center", "shortest")
    mean = _as_triple(config["mean"])
    fill = _as_triple([round(255 * value) for value in mean]) if mode == "longest" else (0, 0, 0)
    return Transform((scaled[0], scaled[1]), size, mean, _as_triple(config["std"]), mode, config["interpolation"], fill)


def _as_pair(size: Any) -> tuple[int, int]:
    values = [size] if isinstance(size, int) else list(size)
    return int(values[0]), int(values[-1])


def _as_triple(values: Any) -> tuple[Any, Any, Any]:
    numbers = [values] * 3 if isinstance(values, (int, float)) else list(values)
    return numbers[0], numbers[1], numbers[2]
