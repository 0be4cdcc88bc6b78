"""Reading a tree: cuts by similarity or count, members, and the merges in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints
from indexers.tree.nodes import Nodes

MIN_CLUSTER_SIZE = 5
"""Items that make a cluster; fewer are loose."""


def order_merges(nodes: Nodes) -> Ints:
    """All merges, the most similar first and children before parents, int64 slots. Equally similar ones are ordered by
    size and then key, so that the order depends on the tree alone."""
    slots = np.flatnonzero(nodes.left[: nodes.used] >= 0)
    return slots[np.lexsort((nodes.key[slots], nodes.size[slots], -nodes.height[slots]))]


def find_tops(nodes: Nodes, taken: Ints) -> Ints:
    """For every slot the topmost node above it when only the merges `taken` are made."""
    top = np.arange(nodes.used)
    for side in (nodes.left, nodes.right):
        top[side[taken]] = taken
    while True:
        further = top[top]
        if np.array_equal(further, top):
            return top
        top = further


def select_merges_at(nodes: Nodes, threshold: float) -> Ints:
    """The merges of at least a similarity."""
    inner = nodes.left[: nodes.used] >= 0
    return np.flatnonzero(inner & (nodes.height[: nodes.used] >= threshold))


def select_merges_for_count(nodes: Nodes, count: int) -> Ints:
    """The merges that leave `count` clusters, or as near as the number of leaves and of separate parts allows."""
    ordered = order_merges(nodes)
    leaves = int(np.count_nonzero(nodes.old.birth[: nodes.used] == 0))
    return ordered[: max(leaves - count, 0)]


def find_threshold(nodes: Nodes, count: int) -> float:
    """A similarity at which a cut has the number of clusters of at least MEMBERS items that is nearest to `count`; of
    several the one from which it is farthest to the next merge."""
    ordered = order_merges(nodes)
    if not len(ordered):
        return 0.0
    height = nodes.height[ordered]
    large = nodes.size >= MIN_CLUSTER_SIZE
    leaves = np.flatnonzero(nodes.old.birth[: nodes.used] == 0)
    gained = large[ordered].astype(np.int64) - large[nodes.left[ordered]] - large[nodes.right[ordered]]
    there = int(np.count_nonzero(large[leaves])) + np.cumsum(gained)
    possible = np.flatnonzero(np.append(height[:-1] > height[1:], True))
    off = np.abs(there[possible] - count)
    possible = possible[off == off.min()]
    gap = height[possible] - np.append(height, -1.0)[possible + 1]
    return choose_threshold(height, int(possible[np.argmax(gap)]))


def find_leaves(nodes: Nodes, node: int) -> Ints:
    """The leaves of a node."""
    leaves, front = [NO_INTS], np.array([node], np.int64)
    while len(front):
        inner = nodes.left[front] >= 0
        leaves.append(front[~inner])
        front = np.concatenate([nodes.left[front[inner]], nodes.right[front[inner]]]).astype(np.int64)
    return np.sort(np.concatenate(leaves))


def find_summed_nodes(nodes: Nodes, node: int) -> Ints:
    """The topmost nodes within a node whose sums are kept."""
    found, front = [NO_INTS], np.array([node], np.int64)
    while len(front):
        has = nodes.row[front] >= 0
        found.append(front[has])
        rest = front[~has]
        front = np.concatenate([nodes.left[rest], nodes.right[rest]]).astype(np.int64)
    return np.concatenate(found)


def choose_threshold(height: NDArray[np.float64], place: int) -> float:
    """A similarity that takes the merges up to `place` and no more, as far from the two next ones as can be."""
    return float(height[place] if place + 1 == len(height) else (height[place] + height[place + 1]) / 2)
