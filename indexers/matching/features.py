"""What is kept of a picture so that it can be compared without opening it again: at most 40 KB."""

from __future__ import annotations

import struct
import zlib
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import BadSetting, MissingPackage, StoredFileDamaged
from indexers.matching.descriptors import FACTOR, LEVELS, RADIUS, describe, opencv

EDGE = 512
"""Pixels of the longer edge after normalising: enlarged or shrunk, so that copies of any size are alike."""
THUMBNAIL = 96
"""Pixels of the thumbnail's longer edge."""
COLOURS = 24
"""Pixels of the longer edge of the picture's colours."""
POINTS = 512
"""At most so many points are kept."""
ENGINES = ("auto", "opencv", "scikit-image")

_SPARE = 2.5  # times as many points are found, of which those are kept that cover the picture best
_CELLS = 8  # by as many cells, each way
_THRESHOLD = 7  # of the corner detector, in grey levels
_HEAD = struct.Struct("<4sBIIHBBBB")
_MAGIC = b"nkfe"
_NONE = np.empty((0, 4))
_FIXED = 64  # steps of a stored coordinate to a pixel


class Features(NamedTuple):
    """One picture, ready to be compared.

    `points` float32 (n, 2): x and y in continuous pixels of the normalised picture (0 is its edge, 0.5 the middle of
    the first pixel), best ones first; `descriptors` uint8 (n, 32), 256 bits each; `width`, `height`: of the picture as
    it was given; `thumbnail` uint8 (h, w), grey, longer edge 96 pixels; `colours` uint8 (h', w', 2), Cb and Cr, longer
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
        """Width and height of the normalised picture."""
        return fitted(self.width, self.height, EDGE)

    @property
    def chroma(self) -> float:
        """How colourful it is: mean distance from grey, 0 to 128."""
        return float(np.abs(self.colours.astype(np.float32) - 128).mean())


def features(image: Image.Image, engine: str = "auto") -> Features:
    """Points, descriptors and thumbnail of an upright RGB picture.

    `engine`: who finds the points. "opencv" takes milliseconds; "scikit-image" half a second; "auto": the quickest that
    is installed. Both describe points alike, so that features of one can be compared with those of the other, though
    those of the same engine match best. Deterministic. Raises BadSetting for another engine, MissingPackage.
    """
    finder = {"opencv": _opencv, "scikit-image": _scikit_image}[pick(engine)]
    normal = image.resize(fitted(*image.size, EDGE), Image.Resampling.BICUBIC, reducing_gap=3)
    grey = normal.convert("L")
    large = min(grey.size) > 2 * RADIUS + 2
    found = _spread(finder(np.asarray(grey), int(POINTS * _SPARE)) if large else _found(_NONE), grey.size)
    described = describe(grey, found.points, found.levels, found.angles)
    points = np.rint(found.points * _FIXED).astype(np.float32) / np.float32(_FIXED)
    small = grey.resize(fitted(*image.size, THUMBNAIL), Image.Resampling.BOX)
    return Features(points, described, *image.size, np.asarray(small), _colours(normal, image.size))


def pick(engine: str) -> str:
    """The engine that is meant. Raises BadSetting, MissingPackage."""
    if engine not in ENGINES:
        raise BadSetting(f"there is no engine {engine!r} for features; there are: {', '.join(ENGINES)}")
    packages = {"opencv": "cv2", "scikit-image": "skimage"}
    for name in packages if engine == "auto" else (engine,):
        if find_spec(packages[name]) is not None:
            return name
    raise MissingPackage(
        f"comparing pictures (engine {engine!r}) needs OpenCV or scikit-image: pip install 'nearkin[duplicates]'"
    )


def fitted(width: int, height: int, edge: int) -> tuple[int, int]:
    """The size with its longer side `edge`, and both at least 1."""
    scale = edge / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


# ---- to bytes and back


def pack(features: Features) -> bytes:
    """Compactly: 36 bytes a point, and the pixels compressed; at most about 29 KB."""
    height, width = features.thumbnail.shape
    sizes = (width, height, features.colours.shape[1], features.colours.shape[0])
    head = _HEAD.pack(_MAGIC, 1, features.width, features.height, len(features.points), *sizes)
    points = np.rint(features.points * _FIXED).astype("<u2").tobytes()
    pixels = features.thumbnail.tobytes() + features.colours.tobytes()
    return head + points + features.descriptors.tobytes() + zlib.compress(pixels, 6)


def unpack(data: bytes) -> Features:
    """What `pack` was given. Raises StoredFileDamaged for bytes that are not from there."""
    try:
        magic, version, width, height, count, across, down, columns, rows = _HEAD.unpack_from(data)
        if magic != _MAGIC or version != 1:
            raise ValueError(f"they begin with {data[:5]!r}")
        place = _HEAD.size
        points = np.frombuffer(data, "<u2", 2 * count, place).reshape(-1, 2).astype(np.float32) / np.float32(_FIXED)
        described = np.frombuffer(data, np.uint8, 32 * count, place + 4 * count).reshape(-1, 32)
        pixels = np.frombuffer(zlib.decompress(data[place + 36 * count :]), np.uint8)
        grey, colours = pixels[: down * across].reshape(down, across), pixels[down * across :].reshape(rows, columns, 2)
    except (ValueError, struct.error, zlib.error) as error:
        raise StoredFileDamaged(
            f"stored features of {len(data)} bytes can't be read: {error}; make them anew"
        ) from error
    return Features(points, described, width, height, grey, colours)


# ---- finding points


class _Found(NamedTuple):
    """Best first: places float32 (n, 2), levels of the pyramid int64 (n,), directions in radians float32 (n,)."""

    points: NDArray[np.float32]
    levels: NDArray[np.int64]
    angles: NDArray[np.float32]


def _found(rows: NDArray[np.float64]) -> _Found:
    """Of float64 (n, 4): x, y, level, direction; x and y of a pixel's first corner, on its level."""
    middles = rows[:, :2] + 0.5 * FACTOR ** rows[:, 2:3]
    return _Found(middles.astype(np.float32), rows[:, 2].astype(np.int64), rows[:, 3].astype(np.float32))


def _opencv(grey: NDArray[np.uint8], count: int) -> _Found:
    finder = opencv().ORB_create(
        count, scaleFactor=FACTOR, nlevels=LEVELS, edgeThreshold=RADIUS + 1, fastThreshold=_THRESHOLD
    )
    best = sorted(finder.detect(grey, None), key=lambda one: -one.response)
    rows = [(*one.pt, one.octave, np.radians(one.angle)) for one in best]
    return _found(np.array(rows, np.float64).reshape(-1, 4))


def _scikit_image(grey: NDArray[np.uint8], count: int) -> _Found:
    from skimage.feature import ORB

    finder = ORB(n_keypoints=count, downscale=FACTOR, n_scales=LEVELS, fast_threshold=_THRESHOLD / 255)
    try:
        finder.detect(grey)
    except (RuntimeError, ValueError, IndexError):  # which it raises where there is no corner
        return _found(_NONE)
    levels = np.rint(np.log(finder.scales) / np.log(FACTOR))
    rows = np.column_stack([finder.keypoints[:, ::-1], levels, finder.orientations])
    return _found(rows[np.argsort(-finder.responses, kind="stable")])


def _spread(found: _Found, size: tuple[int, int]) -> _Found:
    """The POINTS best, those of each cell of the picture in turns, so that all of it is covered."""
    columns, rows = (
        np.minimum(found.points[:, way] * _CELLS / size[way], _CELLS - 1).astype(np.int64) for way in (0, 1)
    )
    cells = rows * _CELLS + columns
    order = np.argsort(cells, kind="stable")
    ranks = np.empty(len(cells), np.int64)
    counts = np.bincount(cells, minlength=_CELLS * _CELLS)
    ranks[order] = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = np.argsort(ranks, kind="stable")[:POINTS]
    return _Found(found.points[chosen], found.levels[chosen], found.angles[chosen])


def _colours(normal: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(normal.resize(fitted(*size, COLOURS), Image.Resampling.BOX).convert("YCbCr"))[:, :, 1:]
