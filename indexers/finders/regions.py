"""Regions: segments of like colours, merged step by step, of which the most distinct remain.

The merging follows Uijlings, van de Sande, Gevers and Smeulders, Selective Search for Object Recognition (IJCV 104,
2013): always the two neighbours that are most alike in colours, smallest together and best fitting into each other. A
region is the more distinct, the less it is like what it is merged with in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import BadSetting, MissingPackage
from indexers.finders.base import Finder, FoundPart, scale_box
from indexers.types import Json

METHODS = "felzenszwalb", "slic", "watershed"
EDGE = 256
"""The longer edge in pixels of what is segmented."""
SEGMENTS = 120
"""About as many segments are merged."""
SMALLEST, LARGEST = 0.01, 0.6
"""The share of the picture that a region takes."""
MOST = 12
"""Regions of a picture."""
SAME = 0.7
"""Boxes of which more than this share is common are of one region."""
BINS = 12
"""Of the histogram of each channel."""


class Region(NamedTuple):
    """Segments that were merged. histogram: float64 (3 BINS,), sums to 1. box: left, top, right, bottom."""

    segments: frozenset[int]
    area: int
    histogram: NDArray[np.float64]
    box: tuple[int, int, int, int]
    born: float
    """How alike the two were of which it was made; 1 for a segment."""


class Regions(Finder):
    """Finds regions by one of METHODS."""

    name = kind = "regions"

    @classmethod
    def defaults(cls) -> Json:
        """Return the method by which a picture falls into segments."""
        return {"method": METHODS[0]}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.settings["method"] not in METHODS:
            names = ", ".join(METHODS)
            raise BadSetting(f"regions are found by one of {names}; got {self.settings['method']!r}")

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Return the settings of `regions:slic`."""
        return {"method": argument}

    def missing(self) -> str:
        """Return the command that brings scikit-image, if it is not here."""
        try:
            import skimage  # noqa: F401
        except ImportError:
            return "finding regions needs the package 'scikit-image': pip install 'nearkin[regions]'"
        return ""

    def find(self, picture: Image.Image) -> Sequence[FoundPart]:
        """Return the most distinct regions first. Raises MissingPackage."""
        if missing := self.missing():
            raise MissingPackage(missing)
        small = picture.copy()
        small.thumbnail((EDGE, EDGE), Image.Resampling.BILINEAR)
        pixels = np.asarray(small)
        labels = segment(pixels, self.settings["method"])
        regions = choose_distinct(merge_segments(pixels, labels), labels.size)
        parts = []
        for region, distinctness in regions:
            left, top, right, bottom = region.box
            box = scale_box((left, top, right - left, bottom - top), small.size, picture.size)
            mask = np.isin(labels[top:bottom, left:right], list(region.segments))
            parts.append(FoundPart(box, mask, score=distinctness))
        return parts


def segment(pixels: NDArray[np.uint8], method: str) -> NDArray[np.int64]:
    """Return the segment of each pixel, from 0 on without gaps: int64 (rows, columns)."""
    from skimage import color, filters, segmentation

    area = pixels.shape[0] * pixels.shape[1]
    if min(pixels.shape[:2]) < 3 or (pixels == pixels[0, 0]).all():
        labels = np.zeros(pixels.shape[:2], np.int64)
    elif method == "slic":
        labels = segmentation.slic(pixels, SEGMENTS, compactness=10, start_label=0)
    elif method == "watershed":
        slope = filters.sobel(filters.gaussian(color.rgb2gray(pixels), 1.0))
        labels = segmentation.watershed(slope, markers=SEGMENTS, compactness=0.001)
    else:
        labels = segmentation.felzenszwalb(pixels, scale=60, sigma=0.8, min_size=max(4, area // (3 * SEGMENTS)))
    numbers = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return np.asarray(numbers, np.int64)


def merge_segments(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> list[tuple[Region, float]]:
    """Return all regions that come up as neighbours are merged until one is left, each with how alike it and what it is
    merged with are, 0 to 1; 0 for the last."""
    regions = dict(enumerate(_describe_segments(pixels, labels)))
    neighbours = _find_neighbours(labels, len(regions))
    area = labels.size
    likeness = {
        (a, b): _compare(regions[a], regions[b], area) for a, others in neighbours.items() for b in others if a < b
    }
    merged: list[tuple[Region, float]] = []
    while likeness:
        pair = max(likeness, key=lambda key: (likeness[key], key))
        a, b = pair
        alike = likeness[pair]
        merged += [(regions[a], alike), (regions[b], alike)]
        new = len(merged) // 2 + labels.max() + 1
        regions[new] = _join(regions[a], regions[b], alike)
        beside = (neighbours.pop(a) | neighbours.pop(b)) - {a, b}
        for number in pair:
            del regions[number]
        likeness = {key: value for key, value in likeness.items() if a not in key and b not in key}
        for other in beside:
            neighbours[other] = (neighbours[other] - {a, b}) | {new}
            likeness[other, new] = _compare(regions[other], regions[new], area)
        neighbours[new] = beside
    return [*merged, *((region, 0.0) for region in regions.values())]


def choose_distinct(merged: Sequence[tuple[Region, float]], area: int) -> list[tuple[Region, float]]:
    """Return the most distinct regions that are neither small nor large nor nearly the same, each with its distinctness
    from 0 to 1, most first."""
    fitting = [
        (region, min(max(region.born - alike, 0.0), 1.0))
        for region, alike in merged
        if SMALLEST * area <= region.area <= LARGEST * area
    ]
    fitting.sort(key=lambda pair: (-pair[1], -pair[0].area, pair[0].box))
    chosen: list[tuple[Region, float]] = []
    for region, distinctness in fitting:
        if len(chosen) == MOST:
            break
        if all(_measure_overlap(region.box, other.box) <= SAME for other, _ in chosen):
            chosen.append((region, distinctness))
    return chosen


def _describe_segments(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> list[Region]:
    from skimage.color import rgb2lab

    lab = rgb2lab(pixels)
    scaled = np.stack([lab[..., 0] / 100, (lab[..., 1] + 90) / 180, (lab[..., 2] + 90) / 180], axis=-1)
    bins = np.clip((scaled * BINS).astype(np.int64), 0, BINS - 1)
    count, flat = int(labels.max()) + 1, labels.ravel()
    areas = np.bincount(flat, minlength=count)
    histograms = np.concatenate(
        [
            np.bincount(flat * BINS + bins[..., channel].ravel(), minlength=count * BINS).reshape(count, BINS)
            for channel in range(3)
        ],
        axis=1,
    ) / (3 * np.maximum(areas, 1)[:, None])
    rows, columns = np.indices(labels.shape)
    boxes = np.empty((count, 4), np.int64)
    for place, values, extreme in ((0, columns, np.minimum), (1, rows, np.minimum)):
        boxes[:, place] = max(labels.shape)
        extreme.at(boxes[:, place], flat, values.ravel())
    for place, values in ((2, columns), (3, rows)):
        boxes[:, place] = 0
        np.maximum.at(boxes[:, place], flat, values.ravel() + 1)
    return [
        Region(frozenset([number]), int(areas[number]), histograms[number], tuple(boxes[number].tolist()), 1.0)
        for number in range(count)
    ]


def _find_neighbours(labels: NDArray[np.int64], count: int) -> dict[int, set[int]]:
    neighbours: dict[int, set[int]] = {number: set() for number in range(count)}
    for first, second in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        differs = first != second
        pairs = np.unique(np.stack([first[differs], second[differs]], axis=1), axis=0)
        for a, b in pairs.tolist():
            neighbours[a].add(b)
            neighbours[b].add(a)
    return neighbours


def _compare(a: Region, b: Region, area: int) -> float:
    """Return how alike two regions are, 0 to 1: in colours, small together, and filling the box around both."""
    left, top = min(a.box[0], b.box[0]), min(a.box[1], b.box[1])
    right, bottom = max(a.box[2], b.box[2]), max(a.box[3], b.box[3])
    size = (a.area + b.area) / area
    fill = ((right - left) * (bottom - top) - a.area - b.area) / area
    colour = float(np.minimum(a.histogram, b.histogram).sum())
    return (2 * colour + (1 - size) + (1 - fill)) / 4


def _join(a: Region, b: Region, alike: float) -> Region:
    area = a.area + b.area
    histogram = (a.area * a.histogram + b.area * b.histogram) / area
    box = min(a.box[0], b.box[0]), min(a.box[1], b.box[1]), max(a.box[2], b.box[2]), max(a.box[3], b.box[3])
    return Region(a.segments | b.segments, area, histogram, box, alike)


def _measure_overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Return the share of two boxes together that is common to them."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return common / (both - common)
