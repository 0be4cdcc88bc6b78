"""Alignment by pixels, for pictures without points: smooth ones, drawings of a few lines, blank pages.

First all shifts of a small version are tried, for a few scales and rotations, by the correlation of what overlaps
(Padfield, Masked object registration in the Fourier domain, 2012); then follow steps of least squares on the thumbnails
(Lucas and Kanade, 1981).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.matching.comparing import warp_into_frame
from indexers.matching.features import Features
from indexers.matching.geometry import SimilarityTransform

SCALES = (0.7, 0.78, 0.86, 0.93, 1.0, 1.08, 1.16, 1.28, 1.43)
TURNS = (-10, -5, 0, 5, 10)  # degrees
_EDGE = 32  # pixels of the small versions' longer edge
_CANVAS = 80  # pixels of the edge of the square that small versions are laid on
_MIN_OVERLAP = 0.4  # share of the smaller picture
_STEPS = 8

Pixels = NDArray[np.float32]


def search_alignment(a: Features, b: Features) -> SimilarityTransform | None:
    """Return the transform from normalised `a` to `b` under which their pixels are most alike; None where none is."""
    best = max(_try_transforms(a, b), key=lambda trial: trial[0], default=(0.0, None))[1]
    return None if best is None else refine_alignment(a, b, best)


def refine_alignment(
    a: Features, b: Features, transform: SimilarityTransform, steps: int = _STEPS
) -> SimilarityTransform:
    """Improve a transform by a few steps of least squares."""
    target = a.thumbnail.astype(np.float32)
    pixel = np.array(b.size) / b.thumbnail.shape[1::-1]
    gradients = np.gradient(b.thumbnail.astype(np.float32)) if min(b.thumbnail.shape) > 1 else None
    for _ in range(steps if gradients else 0):
        slopes = gradients[1] / pixel[0], gradients[0] / pixel[1]  # type: ignore[index]
        step = _take_step(a, b, transform, target, slopes)
        if step is None or not 0.5 < abs(step.turn / transform.turn) < 2:
            break
        transform = step
    return transform


def _take_step(
    a: Features, b: Features, transform: SimilarityTransform, target: Pixels, slopes: tuple[Pixels, Pixels]
) -> SimilarityTransform | None:
    warped, inside = warp_into_frame(a, b, b.thumbnail.astype(np.float32), target.shape, transform)
    if inside.sum() < 64:
        return None
    right, down = (warp_into_frame(a, b, slope, target.shape, transform)[0][inside] for slope in slopes)
    pixel = np.array(a.size) / target.shape[1::-1]
    y, x = (np.argwhere(inside) + 0.5).T * pixel[::-1, None]
    y = -y if transform.mirrored else y
    columns = [right * x + down * y, down * x - right * y, right, down, target[inside], np.ones(len(x))]
    design = np.stack(columns).astype(np.float64)
    residual = warped[inside] @ design.T
    square = design @ design.T
    scale = np.sqrt(np.maximum(np.diag(square), 1e-9))
    solution, *_ = np.linalg.lstsq(square / scale / scale[:, None] + 1e-6 * np.eye(6), residual / scale, rcond=None)
    real, imag, across, along = -(solution / scale)[:4]
    turn, shift = transform.turn + complex(real, imag), transform.shift + complex(across, along)
    return SimilarityTransform(turn, shift, transform.mirrored)


def _try_transforms(a: Features, b: Features) -> Iterator[tuple[float, SimilarityTransform]]:
    """Yield, for every scale, rotation and mirroring, the best shift's correlation and transform."""
    target = _compute_spectra(*_render_small(b, SimilarityTransform(1, 0)))
    for mirror in (False, True):
        for turn in TURNS:
            for scale in SCALES:
                transform = fit_into_frame(a, scale * np.exp(1j * np.radians(turn)), mirror)
                pixels, mask = _render_small(a, transform)
                correlation, shift = _find_best_shift(_compute_spectra(pixels, mask), target, float(mask.sum()))
                moved = transform.shift + shift * _measure_small_pixel(b)
                yield correlation, SimilarityTransform(transform.turn, moved, mirror)


def _measure_small_pixel(picture: Features) -> float:
    """Return how many pixels of the normalised picture make one of the small version."""
    return max(picture.size) / _EDGE


def fit_into_frame(a: Features, turn: complex, mirror: bool) -> SimilarityTransform:
    """Make a transform that leaves no coordinate of `a` negative."""
    width, height = a.size
    corners = SimilarityTransform(turn, 0, mirror)(np.array([0, width, 1j * height, width + 1j * height]))
    return SimilarityTransform(turn, -complex(corners.real.min(), corners.imag.min()), mirror)


def _render_small(picture: Features, transform: SimilarityTransform) -> tuple[Pixels, Pixels]:
    """Render a transformed picture on the canvas, its normalised longer edge as _EDGE pixels; and where it is."""
    inverse = transform.invert().to_matrix()
    thumbnail = Image.fromarray(picture.thumbnail)
    small = thumbnail.resize([max(1, round(edge / 3)) for edge in thumbnail.size], Image.Resampling.BOX)
    inverse[:, :2] *= _measure_small_pixel(picture)
    inverse *= (np.array(small.size) / picture.size)[:, None]
    size, method, coefficients = (_CANVAS, _CANVAS), Image.Transform.AFFINE, tuple(inverse.ravel().tolist())
    images = small, Image.new("L", small.size, 255)
    pixels, mask = (
        np.asarray(image.transform(size, method, coefficients, Image.Resampling.BILINEAR), np.float32)
        for image in images
    )
    inside = (mask > 250).astype(np.float32)
    return (pixels - 128) * inside, inside


Spectra = NDArray[np.complex128]
"""Fourier transforms of a mask, of the pixels in it and of their squares, complex128 (3, ...)."""


def _compute_spectra(pixels: Pixels, mask: Pixels) -> Spectra:
    return np.fft.rfft2(np.stack([mask, pixels, pixels * pixels]), (2 * _CANVAS,) * 2)


def _find_best_shift(a: Spectra, b: Spectra, area: float) -> tuple[float, complex]:
    """Return the best correlation over all shifts of `a`, and that shift in small pixels. `area`: pixels of `a`."""
    (mask_a, pixels_a, squares_a), (mask_b, pixels_b, squares_b) = np.conj(a), b
    products = [
        mask_a * mask_b,
        pixels_a * mask_b,
        mask_a * pixels_b,
        pixels_a * pixels_b,
        squares_a * mask_b,
        mask_a * squares_b,
    ]
    count, sum_a, sum_b, product, square_a, square_b = np.fft.irfft2(np.stack(products), (2 * _CANVAS,) * 2)
    overlaps = count >= max(_MIN_OVERLAP * min(area, float(mask_b[0, 0].real)), 16)
    count = np.maximum(count, 1)
    variance_a, variance_b = square_a - sum_a * sum_a / count, square_b - sum_b * sum_b / count
    norm = np.sqrt(np.maximum(variance_a, 0) * np.maximum(variance_b, 0))
    value = np.where(overlaps & (norm > count), (product - sum_a * sum_b / count) / np.maximum(norm, 1), -1)
    place = int(value.argmax())
    y, x = divmod(place, 2 * _CANVAS)
    return float(value.ravel()[place]), complex(x - 2 * _CANVAS * (x >= _CANVAS), y - 2 * _CANVAS * (y >= _CANVAS))
