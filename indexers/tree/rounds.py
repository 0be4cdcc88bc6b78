"""The rounds of a cluster tree: their thresholds, and what an update starts from.

Rounds come in stages. In the first stage leaves merge along the edges of the neighbour graph, until its connected
components, the *parts*, are left. Where these are too many to compare all of them, another stage begins: each part has
edges to those most similar to it (see `parts`), and thresholds fall anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from indexers.arrays import Ints

STAGE_THRESHOLDS = np.concatenate([1 - np.geomspace(0.002, 2, 72), np.full(16, -np.inf)])
"""The least similarity of each round of a stage. The distance 1 - threshold grows by a tenth from .002 to 2, and the
last rounds only join what little is connected but very different."""
STAGE = len(STAGE_THRESHOLDS)
"""Rounds of a stage."""
STAGES = 12
"""Enough for any number of parts: a stage leaves at most a ninth of them, and there are fewer than 2^31."""
THRESHOLDS = np.tile(STAGE_THRESHOLDS, STAGES)
"""The least similarity of each round."""


@dataclass
class Rounds:
    """counts: the nodes alive at the beginning of each round. crown_round: the round in which the crown begins."""

    counts: Ints = field(default_factory=lambda: np.zeros(len(THRESHOLDS) + 1, np.int64))
    crown_round: int = 0


@dataclass
class NodeChanges:
    """What an update starts from, at the beginning of a stage.

    dirty, gone: nodes that appear and vanish. edged: nodes that stay and whose edges changed. new: edges, (n, 2), that
    appear between nodes that stay; cut: edges that vanish between them.
    """

    dirty: Ints
    gone: Ints
    edged: Ints
    new: Ints
    cut: Ints


def is_stage_start(round_index: int) -> bool:
    """Return True if the parts of a stage get their edges in this round."""
    return round_index > 0 and round_index % STAGE == 0


def height_limit(round_index: int) -> float:
    """Return what the heights of a round are at most: the threshold of the round before in the same stage."""
    return max(float(THRESHOLDS[round_index - 1]), -1.0) if round_index % STAGE else 1.0
