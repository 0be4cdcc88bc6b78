"""Compact features: a picture's best points in 19 bytes each, kept for every picture so that copies can be nominated.

Of a point's 256 bits 128 are kept, chosen so that they are balanced and hardly correlated. They form four words of 32
bits; the second and the fourth are what the first and the third are in the mirror image, so that mirroring a picture
swaps its words. The first bits of a word tell most, so that the beginning of a word is a shorter word.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import StoredFileDamaged
from indexers.matching.descriptors import BITS, describe_points
from indexers.matching.features import EDGE, find_keypoints, normalise

MAX_POINTS = 208
"""Points that are kept: four pictures then fit into a page of the database."""
QUERY_POINTS = 640
"""Points of a picture that is looked for and not kept: what it shows may be a small part of it."""
WORDS = 4
"""Words of 32 bits that describe a point."""
DIRECTIONS = 32
"""Directions that are told apart, each of 11 degrees."""
MIRRORED_WORDS = (1, 0, 3, 2)
"""Where the words of the mirror image are found."""
_DETECTED = 640  # points, of which those are kept that cover the picture best
_STEP = EDGE // 256  # pixels of the normalised picture in a step of a stored coordinate
_HEAD = struct.Struct("<BB")
_VERSION = 1
# Chosen greedily on photographs: the next bit is the one that correlates least with those of its word, and is balanced,
# both in the picture and in the mirror image (as in ORB, Rublee et al., ICCV 2011).
_FIRST = "122 60 99 79 47 70 100 113 101 120 0 52 123 83 81 65 80 107 19 82 12 33 68 91 63 39 102 72 108 23 15 71"
_THIRD = "36 64 90 13 54 38 55 127 9 7 119 21 116 110 5 96 58 78 85 74 87 24 97 42 31 51 28 86 67 121 25 45"
_CHOSEN = np.array([int(bit) + half for word in (_FIRST, _THIRD) for half in (0, BITS // 2) for bit in word.split()])


class CompactFeatures(NamedTuple):
    """The best points of one picture.

    `words` uint32 (n, 4); `places` uint8 (n, 2): x and y in steps of two pixels of the normalised picture; `levels` of
    the pyramid, uint8 (n,), each 1.2 times as coarse as the one before; `directions` uint8 (n,), in 32nds of a circle
    (x right, y down).
    """

    words: NDArray[np.uint32]
    places: NDArray[np.uint8]
    levels: NDArray[np.uint8]
    directions: NDArray[np.uint8]
    is_mirrored: bool = False

    def mirror(self) -> CompactFeatures:
        """Return the features of the mirror image (left for right). Its x still counts from the left edge."""
        directions = (DIRECTIONS // 2 - self.directions.astype(np.int64)) % DIRECTIONS
        words = np.ascontiguousarray(self.words[:, MIRRORED_WORDS])
        return CompactFeatures(words, self.places, self.levels, directions.astype(np.uint8), not self.is_mirrored)


def extract_compact(image: Image.Image, engine: str = "auto", limit: int = MAX_POINTS) -> CompactFeatures:
    """Compute the compact features of an upright RGB picture, of up to `limit` points. Deterministic.

    Raises as `extract_features` does.
    """
    grey = normalise(image.convert("L"))
    keypoints = find_keypoints(grey, engine, (max(_DETECTED, 3 * limit), limit), max(image.size))
    bits = describe_points(grey, keypoints.points, keypoints.levels, keypoints.angles, _CHOSEN)
    words = np.ascontiguousarray(bits).view(">u4").astype(np.uint32)
    places = np.clip(keypoints.points / _STEP, 0, 255).astype(np.uint8)
    directions = np.rint(keypoints.angles * (DIRECTIONS / (2 * np.pi))).astype(np.int64) % DIRECTIONS
    return CompactFeatures(words, places, keypoints.levels.astype(np.uint8), directions.astype(np.uint8))


def pack_compact(features: CompactFeatures) -> bytes:
    """Write compact features: 19 bytes a point."""
    turned = features.levels * np.uint8(DIRECTIONS) + features.directions
    parts = features.words.astype("<u4"), features.places, turned
    return _HEAD.pack(_VERSION, len(features.words)) + b"".join(part.tobytes() for part in parts)


def unpack_compact(data: bytes) -> CompactFeatures:
    """Read what `pack_compact` wrote. Raises StoredFileDamaged for any other bytes."""
    version, count = data[:2].ljust(2, b"\0")
    if version != _VERSION or len(data) != _HEAD.size + 19 * count:
        raise StoredFileDamaged(
            f"stored compact features of {len(data)} bytes can't be read; compute them again from the picture"
        )
    words = np.frombuffer(data, "<u4", WORDS * count, 2).reshape(-1, WORDS).astype(np.uint32)
    places = np.frombuffer(data, np.uint8, 2 * count, 2 + 16 * count).reshape(-1, 2)
    turned = np.frombuffer(data, np.uint8, count, 2 + 18 * count)
    return CompactFeatures(words, places, turned // np.uint8(DIRECTIONS), turned % np.uint8(DIRECTIONS))
