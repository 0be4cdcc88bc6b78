"""The pictures whose answer would teach most: those between two classes, and not all of them alike."""

from __future__ import annotations

import numpy as np

from indexers.classifiers.base import Scores
from indexers.types import Ids, Vectors

POOL = 10
"""Pictures that are looked at for each that is chosen."""


def choose_questions(vectors: Vectors, probabilities: Scores, count: int) -> Ids:
    """Return places in order: each is uncertain, and unlike those before (margin sampling, Scheffer et al., 2001).

    vectors: (n, d), of length 1. probabilities: (n, c), of the same items.
    """
    if not len(vectors):
        return np.empty(0, np.int64)
    best = np.sort(probabilities, 1)
    doubt = 1 - (best[:, -1] - best[:, -2])
    pool = np.argsort(-doubt, kind="stable")[: POOL * count]
    vectors, doubt = vectors[pool], doubt[pool]
    chosen: list[int] = []
    novelty = np.ones(len(pool))
    while len(chosen) < min(count, len(pool)):
        gain = doubt * novelty
        gain[chosen] = -1
        place = int(gain.argmax())
        chosen.append(place)
        novelty = np.minimum(novelty, 1 - np.clip(vectors @ vectors[place], 0, 1))
    return pool[chosen]
