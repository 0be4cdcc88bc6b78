"""Several pictures of one scene as one: the median of what they show, or of each part the sharpest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import UsageError
from indexers.matching.registration import detect_points, load_cv, register_points
from indexers.matching.stitching import warp_picture

Way = Literal["median", "sharpest"]
WAYS: tuple[Way, ...] = get_args(Way)
BLUR = 9
"""Pixels over which sharpness is compared."""


def fuse_pictures(images: Sequence[Image.Image], way: Way = "median") -> Image.Image:
    """Return pictures of one scene, all laid on the first, as one picture of its size.

    The median leaves out what only one of three or more shows: a mark, noise, somebody who walks by. "sharpest" takes
    each part from the picture that shows it most sharply, as of a focus series.

    Raises UsageError for a picture that does not show what the first does, MissingPackage.
    """
    layers = [np.asarray(images[0].convert("RGB"), np.float32)]
    covers = [np.ones(layers[0].shape[:2], np.float32)]
    first = detect_points(images[0])
    for place, image in enumerate(images[1:], 2):
        found = register_points(detect_points(image), first)
        if found is None:
            raise UsageError(f"picture {place} does not show what the first one does; leave it out")
        layer, cover = warp_picture(np.asarray(image.convert("RGB")), found.matrix, images[0].size)
        layers.append(layer)
        covers.append(cover)
    stack, cover = np.stack(layers), np.stack(covers)
    fused = _take_median(stack, cover) if way == "median" else _take_sharpest(stack, cover)
    return Image.fromarray(np.clip(np.rint(fused), 0, 255).astype(np.uint8))


def _take_median(stack: NDArray[np.float32], cover: NDArray[np.float32]) -> NDArray[np.float32]:
    hidden = np.where(cover[..., None] > 0, stack, np.nan)
    median: NDArray[np.float32] = np.nanmedian(hidden, axis=0)
    return median


def _take_sharpest(stack: NDArray[np.float32], cover: NDArray[np.float32]) -> NDArray[np.float32]:
    cv2 = load_cv()
    grey = stack.mean(-1)
    sharpness = np.stack([cv2.GaussianBlur(np.abs(cv2.Laplacian(layer, cv2.CV_32F)), (0, 0), BLUR) for layer in grey])
    sharpness = np.where(cover > 0, sharpness, -1)
    weights = (sharpness >= sharpness.max(0)).astype(np.float32)
    weights = np.stack([cv2.GaussianBlur(weight, (0, 0), BLUR / 3) for weight in weights]) * (cover > 0)
    fused: NDArray[np.float32] = (stack * weights[..., None]).sum(0) / np.maximum(weights.sum(0), 1e-6)[..., None]
    return fused
