"""Reading a tree: its merges in order, cuts by similarity or count, and the leaves of a node."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, sort_unique
from indexers.tree.nodes import Nodes

MIN_CLUSTER_SIZE = 5
"""Items that make a cluster; the items of smaller ones are unclustered."""


def find_heights(nodes: Nodes) -> NDArray[np.float64]:
    """Return for every slot the least similarity of the merges within it, float64 (used,); 1 for a leaf.

    Within a stage of rounds this is nearly always its own; a part may have come together at less than it then joins
    another one.
    """
    heights = nodes.height[: nodes.used].copy()
    merges = np.flatnonzero(nodes.left[: nodes.used] >= 0)
    while len(merges):
        lowest = np.minimum(heights[nodes.left[merges]], heights[nodes.right[merges]])
        is_lower = lowest < heights[merges]
        lowered = merges[is_lower]
        heights[lowered] = lowest[is_lower]
        above = nodes.parent[lowered]
        merges = sort_unique(above[above >= 0].astype(np.int64))
    return heights


def order_merges(nodes: Nodes) -> Ints:
    """Return the slots of all merges, int64, the most similar first and children before parents.

    Equally similar ones are ordered by size and then key, so that the order depends on the tree alone.
    """
    slots = np.flatnonzero(nodes.left[: nodes.used] >= 0)
    return slots[np.lexsort((nodes.key[slots], nodes.size[slots], -find_heights(nodes)[slots]))]


def find_tops(nodes: Nodes, merges: Ints) -> Ints:
    """Return for every slot the topmost node above it if only these merges are made."""
    top = np.arange(nodes.used)
    for side in (nodes.left, nodes.right):
        top[side[merges]] = merges
    while True:
        further = top[top]
        if np.array_equal(further, top):
            return top
        top = further


def select_merges_at(nodes: Nodes, threshold: float) -> Ints:
    """Return the merges of at least this similarity."""
    is_merge = nodes.left[: nodes.used] >= 0
    return np.flatnonzero(is_merge & (find_heights(nodes) >= threshold))


def select_merges_for_count(nodes: Nodes, count: int) -> Ints:
    """Return the merges that leave `count` clusters, or as near to it as leaves and separate parts allow."""
    ordered = order_merges(nodes)
    leaves = int(np.count_nonzero(nodes.old.birth[: nodes.used] == 0))
    return ordered[: max(leaves - count, 0)]


def find_leaves(nodes: Nodes, node: int) -> Ints:
    """Return the leaves of a node, sorted."""
    leaves, front = [NO_INTS], np.array([node], np.int64)
    while len(front):
        is_merge = nodes.left[front] >= 0
        leaves.append(front[~is_merge])
        front = np.concatenate([nodes.left[front[is_merge]], nodes.right[front[is_merge]]]).astype(np.int64)
    return np.sort(np.concatenate(leaves))
