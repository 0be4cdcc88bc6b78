"""The features of a picture that are stored so that it can be compared without opening it again: at most 28 KB."""

from __future__ import annotations

import io
import struct
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import BadSetting, MissingPackage, StoredFileDamaged
from indexers.matching.corners import detect_corners
from indexers.matching.descriptors import FACTOR, LEVELS, RADIUS, describe_points, load_opencv

EDGE = 512
"""Pixels of the longer edge of a normalised picture: enlarged or shrunk, so that duplicates of any size are alike."""
THUMBNAIL = 96
"""Pixels of the thumbnail's longer edge."""
DETAIL = 384
"""Pixels of the longer edge of the stored picture, in which strokes of writing can be seen."""
COLOURS = 24
"""Pixels of the longer edge of the stored colours."""
MAX_POINTS = 512
"""The most points that are stored of a picture."""
QUERY_POINTS = 1024
"""The most points of a picture that is looked for and not stored: what it shows may be a small part of it."""
ENGINES = ("auto", "opencv", "numpy")

_OVERSAMPLING = 2.5  # times as many points are detected, of which those are stored that cover the picture best
_CELLS = 8  # in each direction, for that
_THRESHOLD = 7  # grey levels of the corner detector
_FINER = 3  # levels finer than the original, on which something may still be detected
_HEAD = struct.Struct("<4sBIIHBB")
_MAGIC = b"nkfe"
_NO_ROWS = np.empty((0, 4))
_STEPS_PER_PIXEL = 64  # of a stored coordinate
_QUALITIES = (45, 30, 20, 10, 5)  # of the stored picture as a JPEG: the best one that has room
_DETAIL_BYTES = 8192


class Features(NamedTuple):
    """One picture, ready to be compared.

    `points` float32 (n, 2): x and y in continuous pixels of the normalised picture (0 is its edge, 0.5 the middle of
    the first pixel), best ones first; `descriptors` uint8 (n, 32), 256 bits each; `width`, `height`: of the original
    picture; `detail`: the grey picture as a JPEG, longer edge 384 pixels; `thumbnail` uint8 (h, w): the same with a
    longer edge of 96 pixels; `colours` uint8 (h', w', 2), Cb and Cr, longer edge 24 pixels, 128 being grey.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    width: int
    height: int
    detail: bytes
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


def extract_features(image: Image.Image, engine: str = "auto", limit: int = MAX_POINTS) -> Features:
    """Compute the points, at most `limit`, descriptors, thumbnail and colours of an upright RGB picture. Deterministic.

    `engine`: what detects the points. "opencv" takes milliseconds, "numpy" ten times as long; "auto" is OpenCV where it
    is installed. Both engines' points are described alike, so that features of one can be compared with those of the
    other, though those of one engine match best. Raises BadSetting for an unknown engine, MissingPackage for one that
    is not installed.
    """
    grey = normalise(image.convert("L"))
    keypoints = find_keypoints(grey, engine, (int(limit * _OVERSAMPLING), limit), max(image.size))
    descriptors = describe_points(grey, keypoints.points, keypoints.levels, keypoints.angles)
    points = np.rint(keypoints.points * _STEPS_PER_PIXEL).astype(np.float32) / np.float32(_STEPS_PER_PIXEL)
    detail = encode_detail(grey.resize(fit_size(*image.size, DETAIL), Image.Resampling.BOX))
    thumbnail = _shrink_detail(detail, *image.size)
    return Features(points, descriptors, *image.size, detail, thumbnail, _shrink_colours(image))


def encode_detail(grey: Image.Image) -> bytes:
    """Return a grey picture as a JPEG of at most 8 KB, or of the lowest quality."""
    data = b""
    for quality in _QUALITIES:
        stream = io.BytesIO()
        grey.save(stream, "JPEG", quality=quality, optimize=True)
        data = stream.getvalue()
        if len(data) <= _DETAIL_BYTES:
            break
    return data


def decode_detail(features: Features) -> NDArray[np.uint8]:
    """Return the grey picture of `features.detail`, uint8 (h, w)."""
    return np.asarray(_open_detail(features.detail, features.width, features.height))


def _open_detail(data: bytes, width: int, height: int) -> Image.Image:
    """Decode a JPEG. Raises ValueError if it is damaged or of another size: a few bytes may decode to gigabytes."""
    try:
        image = Image.open(io.BytesIO(data), formats=["JPEG"])
        if image.mode != "L" or image.size != fit_size(width, height, DETAIL):
            raise ValueError(f"their picture has the mode {image.mode} and {image.size} pixels")
        image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"their picture can't be decoded: {error}") from error
    return image


def _shrink_detail(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    image = _open_detail(data, width, height)
    return np.asarray(image.resize(fit_size(width, height, THUMBNAIL), Image.Resampling.BOX))


def normalise(image: Image.Image) -> Image.Image:
    """Enlarge or shrink a picture so that its longer edge has EDGE pixels."""
    return image.resize(fit_size(*image.size, EDGE), Image.Resampling.BICUBIC, reducing_gap=3)


def pick_engine(engine: str) -> str:
    """Return the name of the engine that "auto" or a name stands for. Raises BadSetting, MissingPackage."""
    if engine not in ENGINES:
        raise BadSetting(f"there is no engine {engine!r} for features; there are: {', '.join(ENGINES)}")
    is_installed = find_spec("cv2") is not None
    if engine == "opencv" and not is_installed:
        raise MissingPackage("the engine 'opencv' needs OpenCV: pip install 'nearkin[duplicates]'")
    return "opencv" if is_installed and engine == "auto" else engine.replace("auto", "numpy")


def fit_size(width: int, height: int, edge: int) -> tuple[int, int]:
    """Scale a size so that its longer side is `edge` and both are at least 1."""
    scale = edge / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


# ---- to bytes and back


def pack_features(features: Features) -> bytes:
    """Write features compactly: 36 bytes a point, and the pixels compressed; at most about 28 KB."""
    rows, columns, _ = features.colours.shape
    head = _HEAD.pack(_MAGIC, 2, features.width, features.height, len(features.points), columns, rows)
    points = np.rint(features.points * _STEPS_PER_PIXEL).astype("<u2").tobytes()
    return head + points + features.descriptors.tobytes() + features.colours.tobytes() + features.detail


def unpack_features(data: bytes) -> Features:
    """Read what `pack_features` wrote. Raises StoredFileDamaged for any other bytes."""
    try:
        magic, version, width, height, count, columns, rows = _HEAD.unpack_from(data)
        if magic != _MAGIC or version != 2:
            raise ValueError(f"they begin with {data[:5]!r}")
        start, steps = _HEAD.size, np.float32(_STEPS_PER_PIXEL)
        points = np.frombuffer(data, "<u2", 2 * count, start).reshape(-1, 2).astype(np.float32) / steps
        descriptors = np.frombuffer(data, np.uint8, 32 * count, start + 4 * count).reshape(-1, 32)
        colours = np.frombuffer(data, np.uint8, 2 * rows * columns, start + 36 * count).reshape(rows, columns, 2)
        detail = data[start + 36 * count + 2 * rows * columns :]
        thumbnail = _shrink_detail(detail, width, height)
    except (ValueError, struct.error) as error:
        raise StoredFileDamaged(
            f"stored features of {len(data)} bytes can't be read: {error}; compute them again from the picture"
        ) from error
    return Features(points, descriptors, width, height, detail, thumbnail, colours)


# ---- detecting points


class Keypoints(NamedTuple):
    """Points, best first: places float32 (n, 2), levels of the pyramid int64 (n,), angles in radians float32 (n,)."""

    points: NDArray[np.float32]
    levels: NDArray[np.int64]
    angles: NDArray[np.float32]


def find_keypoints(grey: Image.Image, engine: str, counts: tuple[int, int], edge: int) -> Keypoints:
    """Detect points in a normalised grey picture, and keep those that cover it best.

    `counts`: how many to detect at most, and how many of them to keep. `edge`: pixels of the original's longer edge.
    Raises BadSetting, MissingPackage.
    """
    has_room = min(grey.size) > 2 * RADIUS + 2
    if pick_engine(engine) == "opencv":
        detected = _detect_with_opencv(np.asarray(grey), counts[0]) if has_room else _make_keypoints(_NO_ROWS)
    else:
        first = max(0, int(np.log(max(1.0, EDGE / edge)) / np.log(FACTOR)) - _FINER)
        detected = _make_keypoints(detect_corners(grey, counts[0], _THRESHOLD, min(first, LEVELS - _FINER)))
    return _spread_over_picture(detected, grey.size, counts[1])


def _make_keypoints(rows: NDArray[np.float64]) -> Keypoints:
    """Convert rows of x, y, level and direction, float64 (n, 4); x and y are those of a pixel's first corner there."""
    middles = rows[:, :2] + 0.5 * FACTOR ** rows[:, 2:3]
    return Keypoints(middles.astype(np.float32), rows[:, 2].astype(np.int64), rows[:, 3].astype(np.float32))


def _detect_with_opencv(grey: NDArray[np.uint8], count: int) -> Keypoints:
    detector = load_opencv().ORB_create(
        count, scaleFactor=FACTOR, nlevels=LEVELS, edgeThreshold=RADIUS + 1, fastThreshold=_THRESHOLD
    )
    keypoints = sorted(detector.detect(grey, None), key=lambda keypoint: -keypoint.response)
    rows = [(*keypoint.pt, keypoint.octave, np.radians(keypoint.angle)) for keypoint in keypoints]
    return _make_keypoints(np.array(rows, np.float64).reshape(-1, 4))


def _spread_over_picture(keypoints: Keypoints, size: tuple[int, int], limit: int) -> Keypoints:
    """Keep `limit` points: the best of each cell of the picture in turns, so that all of it is covered."""
    columns, rows = (
        np.minimum(keypoints.points[:, axis] * _CELLS / size[axis], _CELLS - 1).astype(np.int64) for axis in (0, 1)
    )
    cells = rows * _CELLS + columns
    order = np.argsort(cells, kind="stable")
    ranks = np.empty(len(cells), np.int64)
    counts = np.bincount(cells, minlength=_CELLS * _CELLS)
    ranks[order] = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.argsort(ranks, kind="stable")[:limit]
    return Keypoints(keypoints.points[kept], keypoints.levels[kept], keypoints.angles[kept])


def _shrink_colours(image: Image.Image) -> NDArray[np.uint8]:
    small = image.resize(fit_size(*image.size, COLOURS), Image.Resampling.BOX, reducing_gap=2)
    return np.asarray(small.convert("YCbCr"))[:, :, 1:]
