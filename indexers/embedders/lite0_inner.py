"""What becomes of the means of inner layers: each stage of the network counts as much as the others.

The outputs of a stage lie around a centre far from zero, so that even pictures without anything in common are similar.
`lite0_centre.txt` holds these centres, a number a line. `python -m tests.bench.centre` has computed them of pictures in
the public domain: drawings of openclipart and samples of scikit-image. They are constants: no collection changes them.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.embedders.lite0_graph import INNER, STAGES
from indexers.types import Vectors

FILE = "lite0_centre.txt"
BOUNDS = (0, *np.cumsum([STAGES[place].channels for place in INNER]).tolist())
"""Where the numbers of each stage begin, and the last ones end."""


def combine_stages(means: Vectors) -> Vectors:
    """Return unit vectors, float32 (n, d), of the means of the stages' channels, one stage after the other (n, d).

    Of each stage, the length is made 1, the centre subtracted, and the length made 1 again.
    """
    centre, parts = read_centre(), []
    for start, end in pairwise(BOUNDS):
        part = scale_to_unit(means[:, start:end]) - centre[start:end]
        parts.append(scale_to_unit(part))
    vectors: Vectors = np.concatenate(parts, axis=1) / np.float32(len(parts) ** 0.5)
    return vectors


@cache
def read_centre() -> Vectors:
    """Return the centres of the stages, one after the other, float32 (d,): of vectors of length 1 each."""
    return np.array(_read().split(), np.float32)


@cache
def hash_centre() -> str:
    """Return the SHA-256 of the centres."""
    return sha256(read_centre().astype("<f4").tobytes()).hexdigest()


def _read() -> str:
    return (files("indexers.embedders") / FILE).read_text("ascii")
