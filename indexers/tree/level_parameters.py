"""What says how a tree is cut into levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Rule(NamedTuple):
    """How a walk is described.

    nearest: links of each leaf. A cluster of fewer members would be lost in those around it. medium, fine: the steps
    that are described at once (Markov time: Schaub, Lambiotte and Barahona 2012). Of one step alone, medium takes
    classes apart that belong together (digits: AMI .74, of 1.4 steps .82), and finds clusters in noise; of two, it
    joins small classes (OpenMoji: .46 of 1.4 steps, .29). Of 1.6 steps, fine takes classes apart (digits: .73 of 1.6
    steps, .80 of two). long: what is one cluster to a walk of so many steps is one
    of medium if it is seldom left; as many as of medium: there are none.
    """

    nearest: int
    medium: float
    fine: float
    long: float


LARGE, SMALL = Rule(8, 1.4, 2.0, 2.2), Rule(4, 1.5, 1.0, 1.5)
STEPS = 8
"""Steps in which the bits of a link grow, a bit: a doubling of a collection."""
HEAVIEST = 64.0
"""What a multiplier is at most, and at least below 0: whoever wrote the catalogue may have written anything."""


@dataclass(frozen=True)
class LevelParameters:
    """What says how a tree is cut into levels.

    coarse: the number of clusters, at least 2. medium: the multiplier of the map equation. fine: the steps of the walk,
    which tell the rule. If `coarse` is less than 2, all three are similarities at which the whole tree is cut, as
    earlier versions chose them.
    """

    coarse: float
    medium: float
    fine: float

    @property
    def are_similarities(self) -> bool:
        """True if each level is a cut of the whole tree at one similarity."""
        return not self.coarse >= 2

    def weigh_steps(self, ends: int) -> float:
        """Return the bits of a step out of a cluster, where there are so many ends of links.

        The multiplier's, and those that tell one link from all. If these grew with each link, the cost of every node
        would; so they grow in steps, and stay the same while a collection grows by 9 %.
        """
        multiplier = np.clip(np.nan_to_num(self.medium), -HEAVIEST, HEAVIEST)
        return float(multiplier) + round_link_bits(ends)

    @property
    def rule(self) -> Rule:
        """The rule by which they were chosen."""
        return LARGE if self.fine > SMALL.fine else SMALL


def round_link_bits(ends: int) -> float:
    """Return the bits that tell one end of a link from all, to the next of STEPS a bit."""
    return round(STEPS * math.log2(max(ends, 1))) / STEPS
