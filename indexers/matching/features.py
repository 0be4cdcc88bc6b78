"""The features of a picture that are stored so that it can be compared without opening it again: at most 40 KB."""

from __future__ import annotations

import struct
import zlib
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import BadSetting, MissingPackage, StoredFileDamaged
from indexers.matching.descriptors import FACTOR, LEVELS, RADIUS, describe_points, load_opencv

EDGE = 512
"""Pixels of the longer edge of a normalised picture: enlarged or shrunk, so that duplicates of any size are alike."""
THUMBNAIL = 96
"""Pixels of the thumbnail's longer edge."""
COLOURS = 24
"""Pixels of the longer edge of the stored colours."""
MAX_POINTS = 512
"""The most points that are stored of a picture."""
ENGINES = ("auto", "opencv", "scikit-image")

_OVERSAMPLING = 2.5  # times as many points are detected, of which those are stored that cover the picture best
_CELLS = 8  # in each direction, for that
_THRESHOLD = 7  # grey levels of the corner detector
_HEAD = struct.Struct("<4sBIIHBBBB")
_MAGIC = b"nkfe"
_NO_ROWS = np.empty((0, 4))
_STEPS_PER_PIXEL = 64  # of a stored coordinate


class Features(NamedTuple):
    """One picture, ready to be compared.

    `points` float32 (n, 2): x and y in continuous pixels of the normalised picture (0 is its edge, 0.5 the middle of
    the first pixel), best ones first; `descriptors` uint8 (n, 32), 256 bits each; `width`, `height`: of the original
    picture; `thumbnail` uint8 (h, w), grey, longer edge 96 pixels; `colours` uint8 (h', w', 2), Cb and Cr, longer
    edge 24 pixels, 128 being grey.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    width: int
    height: int
    thumbnail: NDArray[np.uint8]
    colours: NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """The width and height of the normalised picture."""
        return fit_size(self.width, self.height, EDGE)

    @property
    def chroma(self) -> float:
        """The colourfulness: mean distance from grey, 0 to 128."""
        return float(np.abs(self.colours.astype(np.float32) - 128).mean())


def extract_features(image: Image.Image, engine: str = "auto") -> Features:
    """Compute the points, descriptors, thumbnail and colours of an upright RGB picture. Deterministic.

    `engine`: what detects the points. "opencv" takes milliseconds; "scikit-image" half a second; "auto" is the quickest
    that is installed. Both engines' points are described alike, so that features of one can be compared with those of
    the other, though those of one engine match best. Raises BadSetting for an unknown engine, MissingPackage for one
    that is not installed.
    """
    detect = {"opencv": _detect_with_opencv, "scikit-image": _detect_with_scikit_image}[pick_engine(engine)]
    normal = image.resize(fit_size(*image.size, EDGE), Image.Resampling.BICUBIC, reducing_gap=3)
    grey = normal.convert("L")
    has_room = min(grey.size) > 2 * RADIUS + 2
    detected = detect(np.asarray(grey), int(MAX_POINTS * _OVERSAMPLING)) if has_room else _make_keypoints(_NO_ROWS)
    keypoints = _spread_over_picture(detected, grey.size)
    descriptors = describe_points(grey, keypoints.points, keypoints.levels, keypoints.angles)
    points = np.rint(keypoints.points * _STEPS_PER_PIXEL).astype(np.float32) / np.float32(_STEPS_PER_PIXEL)
    thumbnail = grey.resize(fit_size(*image.size, THUMBNAIL), Image.Resampling.BOX)
    return Features(points, descriptors, *image.size, np.asarray(thumbnail), _shrink_colours(normal, image.size))


def pick_engine(engine: str) -> str:
    """Return the name of the engine that "auto" or a name stands for. Raises BadSetting, MissingPackage."""
    if engine not in ENGINES:
        raise BadSetting(f"there is no engine {engine!r} for features; there are: {', '.join(ENGINES)}")
    packages = {"opencv": "cv2", "scikit-image": "skimage"}
    for candidate in packages if engine == "auto" else (engine,):
        if find_spec(packages[candidate]) is not None:
            return candidate
    raise MissingPackage(
        f"comparing pictures (engine {engine!r}) needs OpenCV or scikit-image: pip install 'nearkin[duplicates]'"
    )


def fit_size(width: int, height: int, edge: int) -> tuple[int, int]:
    """Scale a size so that its longer side is `edge` and both are at least 1."""
    scale = edge / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


# ---- to bytes and back


def pack_features(features: Features) -> bytes:
    """Write features compactly: 36 bytes a point, and the pixels compressed; at most about 29 KB."""
    height, width = features.thumbnail.shape
    sizes = (width, height, features.colours.shape[1], features.colours.shape[0])
    head = _HEAD.pack(_MAGIC, 1, features.width, features.height, len(features.points), *sizes)
    points = np.rint(features.points * _STEPS_PER_PIXEL).astype("<u2").tobytes()
    pixels = features.thumbnail.tobytes() + features.colours.tobytes()
    return head + points + features.descriptors.tobytes() + zlib.compress(pixels, 6)


def unpack_features(data: bytes) -> Features:
    """Read what `pack_features` wrote. Raises StoredFileDamaged for any other bytes."""
    try:
        magic, version, width, height, count, across, down, columns, rows = _HEAD.unpack_from(data)
        if magic != _MAGIC or version != 1:
            raise ValueError(f"they begin with {data[:5]!r}")
        start, steps = _HEAD.size, np.float32(_STEPS_PER_PIXEL)
        points = np.frombuffer(data, "<u2", 2 * count, start).reshape(-1, 2).astype(np.float32) / steps
        descriptors = np.frombuffer(data, np.uint8, 32 * count, start + 4 * count).reshape(-1, 32)
        inflating, size = zlib.decompressobj(), down * across + 2 * rows * columns
        pixels = np.frombuffer(inflating.decompress(data[start + 36 * count :], size + 1), np.uint8)
        if len(pixels) != size or not inflating.eof:  # no more is read: a few bytes may unpack to gigabytes
            raise ValueError(f"they hold {len(pixels)} pixels or more, not {size}")
        grey, colours = pixels[: down * across].reshape(down, across), pixels[down * across :].reshape(rows, columns, 2)
    except (ValueError, struct.error, zlib.error) as error:
        raise StoredFileDamaged(
            f"stored features of {len(data)} bytes can't be read: {error}; compute them again from the picture"
        ) from error
    return Features(points, descriptors, width, height, grey, colours)


# ---- detecting points


class _Keypoints(NamedTuple):
    """Points, best first: places float32 (n, 2), levels of the pyramid int64 (n,), angles in radians float32 (n,)."""

    points: NDArray[np.float32]
    levels: NDArray[np.int64]
    angles: NDArray[np.float32]


def _make_keypoints(rows: NDArray[np.float64]) -> _Keypoints:
    """Convert rows of x, y, level and direction, float64 (n, 4); x and y are those of a pixel's first corner there."""
    middles = rows[:, :2] + 0.5 * FACTOR ** rows[:, 2:3]
    return _Keypoints(middles.astype(np.float32), rows[:, 2].astype(np.int64), rows[:, 3].astype(np.float32))


def _detect_with_opencv(grey: NDArray[np.uint8], count: int) -> _Keypoints:
    detector = load_opencv().ORB_create(
        count, scaleFactor=FACTOR, nlevels=LEVELS, edgeThreshold=RADIUS + 1, fastThreshold=_THRESHOLD
    )
    keypoints = sorted(detector.detect(grey, None), key=lambda keypoint: -keypoint.response)
    rows = [(*keypoint.pt, keypoint.octave, np.radians(keypoint.angle)) for keypoint in keypoints]
    return _make_keypoints(np.array(rows, np.float64).reshape(-1, 4))


def _detect_with_scikit_image(grey: NDArray[np.uint8], count: int) -> _Keypoints:
    from skimage.feature import ORB

    detector = ORB(n_keypoints=count, downscale=FACTOR, n_scales=LEVELS, fast_threshold=_THRESHOLD / 255)
    try:
        detector.detect(grey)
    except (RuntimeError, ValueError, IndexError):  # scikit-image raises one of these where there is no corner
        return _make_keypoints(_NO_ROWS)
    levels = np.rint(np.log(detector.scales) / np.log(FACTOR))
    rows = np.column_stack([detector.keypoints[:, ::-1], levels, detector.orientations])
    return _make_keypoints(rows[np.argsort(-detector.responses, kind="stable")])


def _spread_over_picture(keypoints: _Keypoints, size: tuple[int, int]) -> _Keypoints:
    """Keep MAX_POINTS: the best of each cell of the picture in turns, so that all of it is covered."""
    columns, rows = (
        np.minimum(keypoints.points[:, axis] * _CELLS / size[axis], _CELLS - 1).astype(np.int64) for axis in (0, 1)
    )
    cells = rows * _CELLS + columns
    order = np.argsort(cells, kind="stable")
    ranks = np.empty(len(cells), np.int64)
    counts = np.bincount(cells, minlength=_CELLS * _CELLS)
    ranks[order] = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.argsort(ranks, kind="stable")[:MAX_POINTS]
    return _Keypoints(keypoints.points[kept], keypoints.levels[kept], keypoints.angles[kept])


def _shrink_colours(normal: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(normal.resize(fit_size(*size, COLOURS), Image.Resampling.BOX).convert("YCbCr"))[:, :, 1:]
