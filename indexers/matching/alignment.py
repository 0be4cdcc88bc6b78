"""Alignment by pixels, for pictures without points: smooth ones, drawings of a few lines, blank pages.

First all shifts of a small version, for a few scales and rotations, by the correlation of what overlaps (Padfield,
Masked object registration in the Fourier domain, 2012); then steps of least squares on the thumbnails (Lucas and
Kanade, 1981).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.matching.comparing import laid_over
from indexers.matching.features import Features
from indexers.matching.geometry import Similarity

SCALES = (0.7, 0.78, 0.86, 0.93, 1.0, 1.08, 1.16, 1.28, 1.43)
TURNS = (-10, -5, 0, 5, 10)
_EDGE = 32  # of the small versions
_CANVAS = 80
_LEAST = 0.4  # of the smaller picture has to overlap
_STEPS = 8

Pixels = NDArray[np.float32]


def search(a: Features, b: Features) -> Similarity | None:
    """The similarity from normalised `a` to `b` under which their pixels are most alike; None where nothing is."""
    best = max(_tried(a, b), key=lambda one: one[0], default=(0.0, None))[1]
    return None if best is None else refined(a, b, best)


def refined(a: Features, b: Features, similarity: Similarity) -> Similarity:
    """A few steps of least squares further."""
    one = a.thumbnail.astype(np.float32)
    step = np.array(b.size) / b.thumbnail.shape[1::-1]
    slopes = np.gradient(b.thumbnail.astype(np.float32)) if min(b.thumbnail.shape) > 1 else None
    for _ in range(_STEPS if slopes else 0):
        found = _step(a, b, similarity, one, (slopes[1] / step[0], slopes[0] / step[1]))  # type: ignore[index]
        if found is None or not 0.5 < abs(found.turn / similarity.turn) < 2:
            break
        similarity = found
    return similarity


def _step(
    a: Features, b: Features, similarity: Similarity, one: Pixels, slopes: tuple[Pixels, Pixels]
) -> Similarity | None:
    other, inside = laid_over(a, b, b.thumbnail.astype(np.float32), one.shape, similarity)
    if inside.sum() < 64:
        return None
    right, down = (laid_over(a, b, slope, one.shape, similarity)[0][inside] for slope in slopes)
    size = np.array(a.size) / one.shape[1::-1]
    y, x = (np.argwhere(inside) + 0.5).T * size[::-1, None]
    y = -y if similarity.mirrored else y
    columns = [right * x + down * y, down * x - right * y, right, down, one[inside], np.ones(len(x))]
    design = np.stack(columns).astype(np.float64)
    residual = other[inside] @ design.T
    square = design @ design.T
    scale = np.sqrt(np.maximum(np.diag(square), 1e-9))
    solved, *_ = np.linalg.lstsq(square / scale / scale[:, None] + 1e-6 * np.eye(6), residual / scale, rcond=None)
    real, imag, across, along = -(solved / scale)[:4]
    return Similarity(
        similarity.turn + complex(real, imag), similarity.shift + complex(across, along), similarity.mirrored
    )


def _tried(a: Features, b: Features) -> Iterator[tuple[float, Similarity]]:
    target = _spectra(*_small(b, Similarity(1, 0)))
    for mirror in (False, True):
        for turn in TURNS:
            for scale in SCALES:
                similarity = _about(a, scale * np.exp(1j * np.radians(turn)), mirror)
                pixels, mask = _small(a, similarity)
                value, shift = _best_shift(_spectra(pixels, mask), target, float(mask.sum()))
                yield value, Similarity(similarity.turn, similarity.shift + shift * _pixel(b), mirror)


def _pixel(picture: Features) -> float:
    """Pixels of the normalised picture to one of the small versions."""
    return max(picture.size) / _EDGE


def _about(a: Features, turn: complex, mirror: bool) -> Similarity:
    """Turned and mirrored in a way that all of it stays where it is not negative."""
    width, height = a.size
    corners = Similarity(turn, 0, mirror)(np.array([0, width, 1j * height, width + 1j * height]))
    return Similarity(turn, -complex(corners.real.min(), corners.imag.min()), mirror)


def _small(picture: Features, similarity: Similarity) -> tuple[Pixels, Pixels]:
    """The picture under the similarity, at _EDGE pixels to its normalised edge, on the canvas; and where it is."""
    step, back = _pixel(picture), similarity.inverse().matrix()
    thumbnail = Image.fromarray(picture.thumbnail)
    small = thumbnail.resize([max(1, round(edge / 3)) for edge in thumbnail.size], Image.Resampling.BOX)
    back[:, :2] *= step
    back *= (np.array(small.size) / picture.size)[:, None]
    size, how, data = (_CANVAS, _CANVAS), Image.Transform.AFFINE, tuple(back.ravel().tolist())
    solid = Image.new("L", small.size, 255)
    pixels, mask = (
        np.asarray(one.transform(size, how, data, Image.Resampling.BILINEAR), np.float32) for one in (small, solid)
    )
    inside = (mask > 250).astype(np.float32)
    return (pixels - 128) * inside, inside


Spectra = tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.complex128]]


def _spectra(pixels: Pixels, mask: Pixels) -> Spectra:
    one, two, three = np.fft.rfft2(np.stack([mask, pixels, pixels * pixels]), (2 * _CANVAS,) * 2)
    return one, two, three


def _best_shift(a: Spectra, b: Spectra, area: float) -> tuple[float, complex]:
    """The best correlation over all shifts of a, and that shift, in small pixels."""
    (mask, first, squared), (other_mask, second, squared_too) = (
        np.conj(np.array(one)) if k == 0 else one for k, one in enumerate((a, b))
    )
    stack = [
        mask * other_mask,
        first * other_mask,
        mask * second,
        first * second,
        squared * other_mask,
        mask * squared_too,
    ]
    count, one, two, both, ones, twos = np.fft.irfft2(np.stack(stack), (2 * _CANVAS,) * 2)
    least = _LEAST * min(area, float(other_mask[0, 0].real))
    fine = count >= max(least, 16)
    count = np.maximum(count, 1)
    below = np.sqrt(np.maximum(ones - one * one / count, 0) * np.maximum(twos - two * two / count, 0))
    value = np.where(fine & (below > count), (both - one * two / count) / np.maximum(below, 1), -1)
    place = int(value.argmax())
    y, x = divmod(place, 2 * _CANVAS)
    return float(value.ravel()[place]), complex(x - 2 * _CANVAS * (x >= _CANVAS), y - 2 * _CANVAS * (y >= _CANVAS))
