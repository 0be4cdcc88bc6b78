"""Labels that are likely wrong: confident learning (Northcutt et al., JAIR 2021) over held-out answers.

Of each class the mean confidence of its own labels is a threshold: a row that reaches that of another class, and is
surest of it, is counted as of that class. So many labels of the first class are likely wrong, and those are the ones
that are surest to be of the other.
"""

from __future__ import annotations

import numpy as np

from indexers.classifiers.choice import HeldOut
from indexers.types import Ids


def find_doubtful(held_out: HeldOut) -> tuple[Ids, Ids]:
    """Return the places of rows whose labels are likely wrong, the most doubtful first, and the class of each that is
    likelier: int64 (m,) both."""
    probabilities, places = held_out.probabilities, held_out.places
    rows, count = np.arange(len(places)), probabilities.shape[1]
    sums = np.bincount(places, probabilities[rows, places], minlength=count)
    thresholds = sums / np.maximum(np.bincount(places, minlength=count), 1)
    reaching = np.where(probabilities >= thresholds, probabilities, -1)
    likelier = reaching.argmax(1)
    is_doubtful = (reaching.max(1) >= 0) & (likelier != places)
    margin = probabilities[rows, likelier] - probabilities[rows, places]
    doubtful = np.flatnonzero(is_doubtful & (margin > 0))
    order = doubtful[np.argsort(-margin[doubtful], kind="stable")]
    return order, likelier[order].astype(np.int64)
