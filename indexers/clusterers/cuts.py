"""Reading a tree: cuts by similarity or count, members, the merges in order, and the levels for people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.clusterers.nodes import Nodes
from indexers.clusterers.pools import NONE, Ints

MEMBERS = 5
"""Items that make a cluster; fewer are loose."""
CANDIDATES = 96
"""Cuts among which levels are chosen, in geometric steps of their counts."""
COARSE = 0.1
"""Resolution of the modularity that chooses coarse: links within clusters weigh ten times what chance does."""


@dataclass(frozen=True)
class Levels:
    """Similarities at which to cut, coarse <= medium <= fine."""

    coarse: float
    medium: float
    fine: float


def merges(nodes: Nodes) -> Ints:
    """All merges, the most similar first and children before parents, int64 slots. Equally similar ones are ordered by
    size and then key, so that the order depends on the tree alone."""
    slots = np.flatnonzero(nodes.left[: nodes.used] >= 0)
    return slots[np.lexsort((nodes.key[slots], nodes.size[slots], -nodes.height[slots]))]


def tops(nodes: Nodes, taken: Ints) -> Ints:
    """For every slot the topmost node above it when only the merges `taken` are made."""
    top = np.arange(nodes.used)
    for side in (nodes.left, nodes.right):
        top[side[taken]] = taken
    while True:
        further = top[top]
        if np.array_equal(further, top):
            return top
        top = further


def taken_at(nodes: Nodes, threshold: float) -> Ints:
    """The merges of at least a similarity."""
    inner = nodes.left[: nodes.used] >= 0
    return np.flatnonzero(inner & (nodes.height[: nodes.used] >= threshold))


def taken_until(nodes: Nodes, count: int) -> Ints:
    """The merges that leave `count` clusters, or as near as the number of leaves and of separate parts allows."""
    ordered = merges(nodes)
    leaves = int(np.count_nonzero(nodes.old.birth[: nodes.used] == 0))
    return ordered[: max(leaves - count, 0)]


def below(nodes: Nodes, node: int) -> Ints:
    """The leaves of a node."""
    leaves, front = [NONE], np.array([node], np.int64)
    while len(front):
        inner = nodes.left[front] >= 0
        leaves.append(front[~inner])
        front = np.concatenate([nodes.left[front[inner]], nodes.right[front[inner]]]).astype(np.int64)
    return np.sort(np.concatenate(leaves))


def kept(nodes: Nodes, node: int) -> Ints:
    """The topmost nodes within a node whose sums are kept."""
    found, front = [NONE], np.array([node], np.int64)
    while len(front):
        has = nodes.row[front] >= 0
        found.append(front[has])
        rest = front[~has]
        front = np.concatenate([nodes.left[rest], nodes.right[rest]]).astype(np.int64)
    return np.concatenate(found)


def levels(nodes: Nodes) -> Levels:
    """Three cuts that suit people.

    *medium*: the greatest modularity (Newman and Girvan 2004) of the neighbour graph; *fine*: the most clusters of at
    least five items; *coarse*: the greatest modularity at a tenth of the resolution (Reichardt and Bornholdt 2006).
    """
    ordered = merges(nodes)
    if not len(ordered):
        return Levels(0.0, 0.0, 0.0)
    height = nodes.height[ordered]
    # Between two equal heights there is no cut.
    possible = np.flatnonzero(np.append(height[:-1] > height[1:], True))
    leaves = np.flatnonzero(nodes.old.birth[: nodes.used] == 0)
    counts = len(leaves) - 1 - possible
    wanted = np.unique(np.geomspace(1, max(len(leaves) / 2, 1), CANDIDATES).astype(np.int64))
    candidate = possible[np.unique(np.searchsorted(-counts, -wanted).clip(0, len(possible) - 1))]
    modular = _modularity(nodes, leaves, ordered, candidate)
    medium = int(candidate[np.argmax(modular[0])])
    coarse = max(int(candidate[np.argmax(modular[1])]), medium)
    large = nodes.size >= MEMBERS
    gained = large[ordered].astype(np.int64) - large[nodes.left[ordered]] - large[nodes.right[ordered]]
    fine = min(int(possible[np.argmax(np.cumsum(gained)[possible])]), medium)
    return Levels(*(_between(height, place) for place in (coarse, medium, fine)))


def _between(height: NDArray[np.float64], place: int) -> float:
    """A similarity that takes the merges up to `place` and no more, as far from the two next ones as can be."""
    return float(height[place] if place + 1 == len(height) else (height[place] + height[place + 1]) / 2)


def _modularity(nodes: Nodes, leaves: Ints, ordered: Ints, candidate: Ints) -> NDArray[np.float64]:
    """Modularity at resolutions 1 and COARSE, (2, candidates)."""
    owner, near = nodes.near.get(leaves)
    source = leaves[owner]
    degree = np.bincount(source, minlength=nodes.used).astype(np.float64)
    total = max(degree.sum(), 1.0)
    found = np.empty((2, len(candidate)))
    for place, last in enumerate(candidate):
        top = tops(nodes, ordered[: last + 1])
        inside = np.count_nonzero(top[source] == top[near]) / total
        chance = float(np.sum((np.bincount(top, degree) / total) ** 2))
        found[:, place] = inside - chance, inside - COARSE * chance
    return found
