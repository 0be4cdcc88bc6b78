"""The rounds of a cluster tree: their thresholds, and what an update starts from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from indexers.arrays import Ints

THRESHOLDS = np.concatenate([1 - np.geomspace(0.002, 2, 72), np.full(16, -np.inf)])
"""The least similarity of each round. The distance 1 - threshold grows by a tenth from .002 to 2, and the last rounds
only join what little is connected but very different; only a graph of more than `limit` parts gets that far."""


@dataclass
class Rounds:
    """counts: the nodes alive at the beginning of each round. crown_round: the round in which the crown begins, or the
    number of rounds if there is none."""

    counts: Ints = field(default_factory=lambda: np.zeros(len(THRESHOLDS) + 1, np.int64))
    crown_round: int = 0


@dataclass
class LeafChanges:
    """What an update starts from, at the beginning of the first round.

    dirty, gone: leaves that appear and vanish. edged: leaves that stay and whose edges changed. new: edges, (n, 2),
    that appear between leaves that stay; cut: edges that vanish between them.
    """

    dirty: Ints
    gone: Ints
    edged: Ints
    new: Ints
    cut: Ints


def height_limit(round_index: int) -> float:
    """Return what the heights of a round are at most: the threshold of the round before."""
    return max(float(THRESHOLDS[round_index - 1]), -1.0) if round_index else 1.0
