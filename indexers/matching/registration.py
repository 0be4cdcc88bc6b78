"""How one picture lies on another, to a fraction of a pixel: for stitching and fusing, from the full pictures.

Points and descriptors are SIFT's (Lowe, IJCV 2004), and the transform is found by MAGSAC++ (Barath et al., CVPR 2020):
both are OpenCV's.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import MissingPackage
from indexers.matching.descriptors import load_opencv

Model = Literal["similarity", "affine", "homography"]
MODELS: tuple[Model, ...] = get_args(Model)
EDGE = 1600
"""Pixels of the longer edge at which points are looked for, at most."""
POINTS = 4000
CONTRAST = 0.01
"""Of a point, a quarter of what is usual: the moon and a retina have few that are stronger."""
RATIO = 0.75
TOLERANCE = 2.0
"""Pixels by which an inlier may be off its place."""
MIN_INLIERS, INLIER_SHARE = 8, 0.3
"""So many points, and so many more of the matches, agree on a transform only where pictures overlap (Brown and Lowe,
IJCV 2007)."""
Matrix = NDArray[np.float64]


class Points(NamedTuple):
    """Points float32 (n, 2) in pixels of a picture, descriptors float32 (n, 128), and the width and height."""

    places: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    size: tuple[int, int]


class Registration(NamedTuple):
    """How `a` lies on `b`.

    - matrix: float64 (3, 3), takes pixels of `a` to those of `b`;
    - matches, inliers: points that look alike, and those of them that agree on it;
    - residual: by how many pixels of `b` these are off, root mean square;
    - overlap: the share of the smaller picture that both show.
    """

    matrix: Matrix
    matches: int
    inliers: int
    residual: float
    overlap: float


def load_cv() -> Any:
    """Return the module cv2. Raises MissingPackage."""
    cv2 = load_opencv()
    if cv2 is None:
        raise MissingPackage("putting pictures together needs OpenCV: pip install 'nearkin[duplicates]'")
    return cv2


def detect_points(image: Image.Image) -> Points:
    """Return the points of a picture. Raises MissingPackage."""
    scale = min(1.0, EDGE / max(image.size))
    grey = image.convert("L")
    if scale < 1:
        grey = grey.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    keypoints, descriptors = (
        load_cv().SIFT_create(POINTS, contrastThreshold=CONTRAST).detectAndCompute(np.asarray(grey), None)
    )
    if descriptors is None:
        return Points(np.empty((0, 2), np.float32), np.empty((0, 128), np.float32), image.size)
    # OpenCV counts from the middle of the first pixel; a pixel's middle lies at .5 here, whatever the scale
    places = np.array([point.pt for point in keypoints]) + 0.5
    places *= np.array(image.size) / grey.size
    return Points(places.astype(np.float32), descriptors, image.size)


def register_points(a: Points, b: Points, model: Model = "homography") -> Registration | None:
    """Return how `a` lies on `b`; None if nothing shows that they overlap."""
    cv2 = load_cv()
    if min(len(a.places), len(b.places)) < 2:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(a.descriptors, b.descriptors, k=2)
    near = [first for first, second in pairs if first.distance < RATIO * second.distance]
    best: dict[int, Any] = {}
    for match in near:  # each point of b once
        if match.trainIdx not in best or match.distance < best[match.trainIdx].distance:
            best[match.trainIdx] = match
    source = a.places[[match.queryIdx for match in best.values()]]
    target = b.places[[match.trainIdx for match in best.values()]]
    if len(source) <= MIN_INLIERS:
        return None
    tolerance = TOLERANCE * max(1.0, max(b.size) / EDGE)
    matrix, is_inlier = _find_matrix(cv2, source, target, model, tolerance)
    if matrix is None or is_inlier.sum() <= MIN_INLIERS + INLIER_SHARE * len(source):
        return None
    off = apply_matrix(matrix, source[is_inlier]) - target[is_inlier]
    residual = float(np.sqrt((off**2).sum(1).mean()))
    overlap = measure_overlap(matrix, a.size, b.size)
    return Registration(matrix, len(source), int(is_inlier.sum()), residual, overlap) if overlap else None


def _find_matrix(
    cv2: Any, source: NDArray[np.float32], target: NDArray[np.float32], model: Model, tolerance: float
) -> tuple[Matrix | None, NDArray[np.bool_]]:
    cv2.setRNGSeed(0)
    if model == "homography":
        matrix, mask = cv2.findHomography(source, target, cv2.USAC_MAGSAC, tolerance, maxIters=5000, confidence=0.9999)
    else:
        fit = cv2.estimateAffinePartial2D if model == "similarity" else cv2.estimateAffine2D
        matrix, mask = fit(source, target, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=5000)
        matrix = None if matrix is None else np.vstack([matrix, [0, 0, 1]])
    if matrix is None or mask is None or abs(np.linalg.det(matrix[:2, :2])) < 1e-4:
        return None, np.zeros(len(source), bool)
    return matrix, mask.ravel().astype(bool)


def apply_matrix(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return points (n, 2) as the matrix takes them."""
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def list_corners(size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the corners of a picture of that size, in turn."""
    width, height = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)


def measure_overlap(matrix: Matrix, a: tuple[int, int], b: tuple[int, int]) -> float:
    """Return the share of the smaller picture that both show; 0 where the transform turns a picture inside out."""
    cv2 = load_cv()
    depth = np.column_stack([list_corners(a), np.ones(4)]) @ matrix[2]
    if depth.min() <= 1e-6:
        return 0.0
    moved, frame = apply_matrix(matrix, list_corners(a)).astype(np.float32), list_corners(b).astype(np.float32)
    area, _ = cv2.intersectConvexConvex(moved, frame)
    smaller = min(float(cv2.contourArea(moved)), float(b[0] * b[1]))
    return float(min(area / smaller, 1.0)) if smaller > 0 else 0.0
