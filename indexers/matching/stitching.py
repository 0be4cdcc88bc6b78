"""Overlapping pictures as one: a chain of pairs that are proved to overlap, and the canvas that all lie on.

Where similarity transforms place all pictures (scans, crops, a camera that was moved along), they are laid side by
side; otherwise OpenCV's stitcher makes the panorama of a camera that was turned (Brown and Lowe, IJCV 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import UsageError
from indexers.matching.registration import (
    Matrix,
    Registration,
    apply_matrix,
    detect_points,
    list_corners,
    load_cv,
    register_points,
)

FLAT, TURNED = "flat", "panorama"
MAX_RESIDUAL = 1.5
"""Pixels by which points may be off for pictures to be laid flat."""
SLACK = 0.2
"""Pixels beyond a whole one that need no further row or column."""
MAX_PIXELS = 200_000_000
"""The most pixels of what is made."""


class Mosaic(NamedTuple):
    """Pictures put together.

    - image: RGB;
    - placed: the places of the pictures in it; matrices: float64 (3, 3), of each, from its pixels to those of the image
      (empty for a panorama);
    - apart: those that overlap none of these;
    - kind: flat or panorama.
    """

    image: Image.Image
    placed: list[int]
    matrices: list[Matrix]
    apart: list[int]
    kind: str


def stitch_pictures(images: Sequence[Image.Image]) -> Mosaic:
    """Put the most pictures together that a chain of overlaps joins. Raises UsageError, MissingPackage."""
    points = [detect_points(image) for image in images]
    pairs: dict[tuple[int, int], Registration] = {}
    for a in range(len(images)):
        for b in range(a + 1, len(images)):
            found = register_points(points[a], points[b])
            if found is not None:
                pairs[a, b] = found
    group = _find_largest_group(len(images), list(pairs))
    apart = [place for place in range(len(images)) if place not in group]
    if len(group) < 2:
        raise UsageError("none of these pictures overlap, as far as their points show; choose some that show one scene")
    flat: dict[tuple[int, int], Registration] = {}
    for a, b in pairs:
        if a in group and b in group:
            found = register_points(points[a], points[b], "similarity")
            if found is not None and found.residual <= MAX_RESIDUAL * max(1.0, max(images[b].size) / 1600):
                flat[a, b] = found
    if len(_find_largest_group(len(images), list(flat))) == len(group):
        matrices = place_chain(group, flat)
        image, placed = lay_flat([images[place] for place in group], matrices)
        return Mosaic(image, group, placed, apart, FLAT)
    return Mosaic(_stitch_panorama([images[place] for place in group]), group, [], apart, TURNED)


def _find_largest_group(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the largest set of places that pairs join, sorted."""
    group = list(range(count))
    for a, b in pairs:
        first, second = group[a], group[b]
        group = [first if number == second else number for number in group]
    largest = max(group, key=lambda number: (group.count(number), -number))
    return [place for place, number in enumerate(group) if number == largest]


def place_chain(group: Sequence[int], pairs: dict[tuple[int, int], Registration]) -> list[Matrix]:
    """Return for each picture of a group the matrix to pixels of its first, by the pairs with most points."""
    matrices: dict[int, Matrix] = {group[0]: np.eye(3)}
    while len(matrices) < len(group):
        joining = [pair for pair in pairs if (pair[0] in matrices) != (pair[1] in matrices)]
        a, b = max(joining, key=lambda pair: pairs[pair].inliers)
        matrix = pairs[a, b].matrix
        if b in matrices:
            matrices[a] = matrices[b] @ matrix
        else:
            matrices[b] = matrices[a] @ np.linalg.inv(matrix)
    return [matrices[place] / matrices[place][2, 2] for place in group]


def lay_flat(images: Sequence[Image.Image], matrices: Sequence[Matrix]) -> tuple[Image.Image, list[Matrix]]:
    """Return the pictures on one canvas, each the weaker the nearer to its edge, and the matrices to its pixels.

    Raises UsageError for too many pixels.
    """
    cv2 = load_cv()
    corners = np.concatenate(
        [apply_matrix(matrix, list_corners(image.size)) for image, matrix in zip(images, matrices, strict=True)]
    )
    low, high = np.floor(corners.min(0) + SLACK), np.ceil(corners.max(0) - SLACK)
    width, height = (int(edge) for edge in high - low)
    if width * height > MAX_PIXELS:
        raise UsageError(f"the picture would have {width} x {height} pixels; at most {MAX_PIXELS:,} are made")
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])
    placed = [shift @ matrix for matrix in matrices]
    total, weights = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    for image, matrix in zip(images, placed, strict=True):
        warped, inside = warp_picture(np.asarray(image.convert("RGB")), matrix, (width, height))
        near = cv2.distanceTransform((inside > 0).astype(np.uint8), cv2.DIST_L2, 3) + inside * 1e-3
        total += warped * near[..., None]
        weights += near
    is_blank = weights == 0
    total /= np.maximum(weights, 1e-9)[..., None]
    total[is_blank] = 255
    return Image.fromarray(np.clip(np.rint(total), 0, 255).astype(np.uint8)), placed


def warp_picture(
    pixels: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a picture as the matrix lays it on a canvas of that width and height, and how much of each pixel it
    covers: float32 (h, w, 3) and (h, w)."""
    cv2 = load_cv()
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])  # OpenCV's pixels have their middles at whole numbers
    moved = np.linalg.inv(half) @ matrix @ half
    source = np.asarray(pixels, np.float32)
    warped = cv2.warpPerspective(source, moved, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(np.ones(source.shape[:2], np.float32), moved, size, flags=cv2.INTER_LINEAR)
    return warped, (cover > 0.5).astype(np.float32)


def _stitch_panorama(images: Sequence[Image.Image]) -> Image.Image:
    cv2: Any = load_cv()
    stitcher = cv2.Stitcher_create(cv2.Stitcher_PANORAMA)
    status, panorama = stitcher.stitch([np.ascontiguousarray(np.asarray(image)[..., ::-1]) for image in images])
    if status != cv2.Stitcher_OK:
        raise UsageError(
            f"these {len(images)} pictures overlap, but no camera that only turns could have taken them (OpenCV's "
            f"stitcher ended with {status}); leave some out"
        )
    return Image.fromarray(np.ascontiguousarray(panorama[..., ::-1]))


def draw_difference(a: Image.Image, b: Image.Image, matrix: Matrix) -> Image.Image:
    """Return what `a`, as the matrix lays it on `b`, differs by from it: grey where alike, of the size of `b`."""
    below = np.asarray(b.convert("RGB"), np.float32)
    warped, cover = warp_picture(np.asarray(a.convert("RGB")), matrix, b.size)
    difference = 128 + (warped - below) / 2 * cover[..., None]
    return Image.fromarray(np.clip(np.rint(difference), 0, 255).astype(np.uint8))
