"""Hand-made features of a picture of 128 x 128 pixels, each of the whole or of the cells of a spatial pyramid.

Histograms are given as the square roots of their shares (the Hellinger kernel: Arandjelovic and Zisserman, CVPR 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.errors import MissingPackage

EDGE = 128
GROUND = 4
"""Numbers that `describe_ground` returns."""
LEVELS = 3
"""Of a pyramid, at most."""
_BINS = (8, 3, 3)
_DIRECTIONS = 36
_SCALES, _ORIENTATIONS = 4, 6
_MIN_FREQUENCY, _MAX_FREQUENCY = 0.05, 0.4
"""Centre frequencies of the Gabor filters, in cycles a pixel."""


class Pixels:
    """A prepared picture, uint8 (128, 128, 6): red, green, blue, hue, saturation, value; with its greys and edges."""

    def __init__(self, prepared: NDArray[np.uint8]) -> None:
        self.rgb, self.hsv = prepared[:, :, :3], prepared[:, :, 3:]

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        return np.rint(self.rgb @ [0.299, 0.587, 0.114]).astype(np.uint8)

    @cached_property
    def edges(self) -> NDArray[np.bool_]:
        """Canny's edges (PAMI 1986)."""
        return _import_skimage().canny(self.grey, 1.0)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Feature:
    """How to compute one feature.

    - `look` returns the picture's values, (128, 128) or (128, 128, c);
    - `describe` returns `size` numbers for a square region of them;
    - `coloured` features tell flat pictures of unlike colours apart; the others are the same for all of these (lbp to
      scikit-image's rounding) and mostly 0.
    """

    size: int
    look: Callable[[Pixels], NDArray[Any]]
    describe: Callable[[NDArray[Any]], NDArray[Any]]
    coloured: bool


def count_cells(levels: int) -> int:
    """Return the number of cells in a pyramid of so many levels."""
    return sum(4**level for level in range(levels))


def describe_pyramid(feature: Feature, pixels: Pixels, levels: int = 1) -> NDArray[Any]:
    """Return the feature of the whole picture, of its quarters, of their quarters ..., of unit length or zero.

    The cells are those of Lazebnik et al., CVPR 2006. All have the same weight, so that the finest level counts most.
    With the weights of the paper, which halve by level, P@1 on two labelled sets is the same to .01, and less for hu.
    """
    values = feature.look(pixels)
    return _normalise(np.concatenate([feature.describe(region) for region in _iterate_regions(values, levels)]))


def describe_ground(pixels: Pixels) -> NDArray[Any]:
    """Return the mean red, green and blue from 0 to 1, and a 1; scaled to unit length."""
    return _normalise(np.append(pixels.rgb.mean((0, 1)) / 255, 1.0))


def _iterate_regions(values: NDArray[Any], levels: int) -> Iterator[NDArray[Any]]:
    for level in range(levels):
        edge = len(values) >> level
        for top in range(0, len(values), edge):
            for left in range(0, len(values), edge):
                yield values[top : top + edge, left : left + edge]


def _normalise(block: NDArray[Any]) -> NDArray[Any]:
    length = float(np.linalg.norm(block))
    return block / length if length else block


def _import_skimage() -> Any:
    try:
        from skimage import feature
    except ImportError as error:
        raise MissingPackage(
            f"the embedder 'classic' needs the package {error.name!r}: pip install 'nearkin[classic]'"
        ) from error
    return feature


# ---- looks and descriptions


def _describe_hog(grey: NDArray[np.uint8]) -> NDArray[Any]:
    cell = len(grey) // 4
    return _import_skimage().hog(grey, orientations=9, pixels_per_cell=(cell, cell), cells_per_block=(2, 2))  # type: ignore[no-any-return]


def _bin_colours(pixels: Pixels) -> NDArray[np.intp]:
    hue, saturation, value = (pixels.hsv[:, :, i].astype(np.intp) * bins // 256 for i, bins in enumerate(_BINS))
    return (hue * 3 + saturation) * 3 + value


def _find_patterns(pixels: Pixels) -> NDArray[np.intp]:
    return _import_skimage().local_binary_pattern(pixels.grey, 8, 1, "uniform").astype(np.intp)  # type: ignore[no-any-return]


def _make_histogram(count: int) -> Callable[[NDArray[np.intp]], NDArray[Any]]:
    return lambda codes: np.sqrt(np.bincount(codes.ravel(), minlength=count) / codes.size)


def _map_to_cone(pixels: Pixels) -> NDArray[np.float32]:
    """Return points of the HSV cone: hue is a direction, so that red has no seam, and grey and black have no hue."""
    hue, saturation, value = np.moveaxis(pixels.hsv.astype(np.float32) / 255, 2, 0)
    angle, chroma = 2 * np.pi * hue, saturation * value
    return np.stack([chroma * np.cos(angle), chroma * np.sin(angle), value], axis=2)


def _describe_moments(points: NDArray[np.float32]) -> NDArray[Any]:
    mean = points.mean((0, 1), dtype=np.float64)
    deviation = points - mean
    square = deviation * deviation
    third = (square * deviation).mean((0, 1))
    return np.concatenate([mean, np.sqrt(square.mean((0, 1))), np.cbrt(third), [1.0]])


def _filter_gabor(pixels: Pixels) -> NDArray[Any]:
    """Return the magnitudes of the filters' responses, as if the picture repeated itself beyond its border."""
    from scipy import fft

    signal = (pixels.grey - pixels.grey.mean()).astype(np.float32)
    responses: NDArray[Any] = np.abs(fft.ifft2(fft.fft2(signal) * _make_gabor_filters()))
    return responses.transpose(1, 2, 0)


@cache
def _make_gabor_filters() -> NDArray[np.float32]:
    """Return (24, 128, 128) over frequencies: Gaussians that touch at half their height, at log-spaced centres."""
    ratio = (_MAX_FREQUENCY / _MIN_FREQUENCY) ** (1 / (_SCALES - 1))
    across, down = np.meshgrid(np.fft.fftfreq(EDGE), np.fft.fftfreq(EDGE))
    filters = []
    for centre in _MIN_FREQUENCY * ratio ** np.arange(_SCALES):
        radial = (ratio - 1) / (ratio + 1) * centre / np.sqrt(2 * np.log(2))
        angular = np.tan(np.pi / (2 * _ORIENTATIONS)) * np.sqrt(centre**2 / (2 * np.log(2)) - radial**2)
        for angle in np.pi * np.arange(_ORIENTATIONS) / _ORIENTATIONS:
            x, y = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
            filters.append(np.exp(-0.5 * (((x - centre) / radial) ** 2 + (y / angular) ** 2)))
    return np.array(filters, np.float32)


def _describe_energies(responses: NDArray[np.float32]) -> NDArray[Any]:
    return np.concatenate([responses.mean((0, 1)), responses.std((0, 1))]) ** 0.5


def _bin_directions(pixels: Pixels) -> NDArray[np.intp]:
    """Return 0 where there is no edge, else 1 + the direction in which the edge gets lighter, in 36 bins."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(pixels.grey.astype(np.float32), 1.0)
    angle = np.arctan2(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1)) / (2 * np.pi)
    return np.where(pixels.edges, np.rint(angle * _DIRECTIONS).astype(np.intp) % _DIRECTIONS + 1, 0)


def _count_directions(codes: NDArray[np.intp]) -> NDArray[Any]:
    return _make_histogram(_DIRECTIONS + 1)(codes)[1:]


def _describe_hu(edges: NDArray[np.bool_]) -> NDArray[Any]:
    """Return each invariant by the root of its degree, which makes them comparable, and a 1."""
    down, across = np.nonzero(edges)
    if not len(down):
        return np.zeros(8)
    x, y = across - across.mean(), down - down.mean()
    powers = ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
    invariants = _compute_invariants(*((x**p * y**q).sum() / len(x) ** (1 + (p + q) / 2) for p, q in powers))
    roots = np.abs(invariants) ** (1 / np.array([2, 4, 6, 6, 12, 8, 12]))
    return np.append(np.sign(invariants) * roots, 1.0)


def _compute_invariants(
    n20: float, n11: float, n02: float, n30: float, n21: float, n12: float, n03: float
) -> NDArray[np.float64]:
    a, b, c, d = n30 + n12, n21 + n03, n30 - 3 * n12, 3 * n21 - n03
    odd, even = a * (a * a - 3 * b * b), b * (3 * a * a - b * b)
    skew = (n20 - n02) * (a * a - b * b) + 4 * n11 * a * b
    first = [n20 + n02, (n20 - n02) ** 2 + 4 * n11**2, c * c + d * d, a * a + b * b]
    return np.array([*first, c * odd + d * even, skew, d * odd - c * even])


FEATURES = {
    "hog": Feature(324, lambda pixels: pixels.grey, _describe_hog, coloured=False),
    "colour": Feature(72, _bin_colours, _make_histogram(72), coloured=True),
    "moments": Feature(10, _map_to_cone, _describe_moments, coloured=True),
    "lbp": Feature(10, _find_patterns, _make_histogram(10), coloured=False),
    "gabor": Feature(2 * _SCALES * _ORIENTATIONS, _filter_gabor, _describe_energies, coloured=False),
    "edges": Feature(_DIRECTIONS, _bin_directions, _count_directions, coloured=False),
    "hu": Feature(8, lambda pixels: pixels.edges, _describe_hu, coloured=False),
}
"""The features, in the order in which a vector has them.

- hog: histograms of oriented gradients (Dalal and Triggs, CVPR 2005): 9 directions in 4 x 4 cells, in overlapping
  blocks of 2 x 2 cells;
- colour: the histogram of 8 hues x 3 saturations x 3 values (Swain and Ballard, IJCV 1991);
- moments: mean, standard deviation and cube root of the third moment (Stricker and Orengo, SPIE 1995) of the
  coordinates in the HSV cone, and a 1;
- lbp: uniform local binary patterns (Ojala et al., PAMI 2002), 8 points, radius 1;
- gabor: square roots of mean and standard deviation of the magnitudes of Gabor filters (Manjunath and Ma, PAMI 1996), 4
  scales x 6 orientations;
- edges: the histogram of 36 directions of Canny's edges (Jain and Vailaya, Pattern Recognition 1996);
- hu: the seven invariants of Hu (IRE Transactions on Information Theory 1962) of Canny's edges: the same for a shape
  that is moved, turned or (but for the grid of pixels) scaled.
"""
