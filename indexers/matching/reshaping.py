"""Features of a picture as they would be if it were stretched, inverted, cropped or seen straight from the front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from indexers.matching.features import (
    COLOURS,
    DETAIL,
    THUMBNAIL,
    Features,
    decode_detail,
    encode_detail,
    fit_size,
)

Matrix = NDArray[np.float64]


def stretch_points(features: Features, ratio: float) -> Features:
    """Return the features with their points where they are in the picture made `ratio` times as wide for its height.

    The smaller edge grows; the pixels stay those of the picture as it is.
    """
    width, height = features.width * max(1.0, ratio), features.height * max(1.0, 1 / ratio)
    stretched = features._replace(width=max(1, round(width)), height=max(1, round(height)))
    scale = np.array(stretched.size, np.float32) / np.array(features.size, np.float32)
    return stretched._replace(points=(features.points * scale).astype(np.float32))


def stretch_features(features: Features, ratio: float) -> Features:
    """Return the features of the picture made `ratio` times as wide for its height; the descriptors stay."""
    stretched = stretch_points(features, ratio)
    size = stretched.width, stretched.height
    detail = Image.fromarray(decode_detail(features)).resize(fit_size(*size, DETAIL), Image.Resampling.BICUBIC)
    channels = [
        Image.fromarray(np.ascontiguousarray(channel)).resize(fit_size(*size, COLOURS), Image.Resampling.BILINEAR)
        for channel in np.moveaxis(features.colours, 2, 0)
    ]
    return _replace_pixels(stretched, detail, channels)


def invert_features(features: Features) -> Features:
    """Return the features of the negative, which has no points: its descriptors can't be told from those stored."""
    detail = ImageOps.invert(Image.fromarray(decode_detail(features)))
    channels = [Image.fromarray(255 - np.ascontiguousarray(channel)) for channel in np.moveaxis(features.colours, 2, 0)]
    inverted = _replace_pixels(features, detail, channels)
    return inverted._replace(points=features.points[:0], descriptors=features.descriptors[:0])


def project_features(features: Features, shape: Features, matrix: Matrix) -> Features:
    """Return the features of what a picture shows in the frame of another one, whose size they get; without points.

    `matrix` float64 (3, 3): the homography from pixels of normalised `shape` to those of normalised `features`.
    """
    projected = features._replace(width=shape.width, height=shape.height)
    projected = projected._replace(points=features.points[:0], descriptors=features.descriptors[:0])
    detail = _project(Image.fromarray(decode_detail(features)), features, shape, matrix, DETAIL)
    channels = [
        _project(Image.fromarray(np.ascontiguousarray(channel)), features, shape, matrix, COLOURS)
        for channel in np.moveaxis(features.colours, 2, 0)
    ]
    return _replace_pixels(projected, detail, channels)


def crop_features(features: Features, box: tuple[float, float, float, float]) -> Features:
    """Return the features of a part of the picture, without points. `box`: in pixels of the normalised picture."""
    left, top, right, bottom = box
    scale = features.width / features.size[0]
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    cropped = features._replace(width=size[0], height=size[1])
    cropped = cropped._replace(points=features.points[:0], descriptors=features.descriptors[:0])
    images = [Image.fromarray(decode_detail(features))]
    images += [Image.fromarray(np.ascontiguousarray(channel)) for channel in np.moveaxis(features.colours, 2, 0)]
    parts = []
    for image, edge in zip(images, (DETAIL, COLOURS, COLOURS), strict=True):
        across, down = image.width / features.size[0], image.height / features.size[1]
        cut = (left * across, top * down, right * across, bottom * down)
        parts.append(image.resize(fit_size(*size, edge), Image.Resampling.BILINEAR, box=cut))
    return _replace_pixels(cropped, parts[0], parts[1:])


def _project(image: Image.Image, source: Features, shape: Features, matrix: Matrix, edge: int) -> Image.Image:
    size = fit_size(shape.width, shape.height, edge)
    to_normal = np.diag([*(np.array(shape.size) / size), 1.0])
    from_normal = np.diag([*(np.array(image.size) / source.size), 1.0])
    whole = from_normal @ matrix @ to_normal
    coefficients = tuple((whole / whole[2, 2]).ravel()[:8].tolist())
    return image.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR)


def _replace_pixels(features: Features, detail: Image.Image, channels: list[Image.Image]) -> Features:
    thumbnail = detail.resize(fit_size(features.width, features.height, THUMBNAIL), Image.Resampling.BOX)
    colours = np.stack([np.asarray(channel) for channel in channels], axis=2)
    return features._replace(detail=encode_detail(detail), thumbnail=np.asarray(thumbnail), colours=colours)
