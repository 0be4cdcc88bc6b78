"""Taking clusters apart one by one, where a tree has two branches that are clusters themselves."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from indexers.arrays import Ints, sort_unique
from indexers.tree.branches import Branches, Floats
from indexers.tree.cuts import MIN_CLUSTER_SIZE
from indexers.tree.fixed_point import SCALE


def split_branches(branches: Branches, tops: Ints, splits: int) -> Ints:
    """Split clusters so many times, and return the nodes of the cut, from left to right.

    tops: int64, the nodes of the cut before. A split is a merge of two branches of at least MIN_CLUSTER_SIZE items;
    smaller pieces that the tree adds above it are left on their own. First comes the one that lowers the sum of squared
    distances to the means of clusters most; of two that do so equally, the one with the lower key. The end is where
    there are no more.
    """
    nodes = branches.nodes
    is_large = nodes.size[: nodes.used] >= MIN_CLUSTER_SIZE
    is_split = np.zeros(nodes.used, bool)
    is_split[branches.merges] = is_large[branches.left[branches.merges]] & is_large[branches.right[branches.merges]]
    following = _find_next_splits(branches, is_split)
    made = np.zeros(nodes.used, bool)
    waiting: list[tuple[float, int, int]] = []
    found = following[tops]
    for _ in range(splits):
        found = found[is_split[found]]
        for gain, split in zip(_measure_gains(branches, found).tolist(), found.tolist(), strict=True):
            heapq.heappush(waiting, (-gain, int(nodes.key[split]), split))
        if not waiting:
            break
        split = heapq.heappop(waiting)[-1]
        made[split] = True
        found = following[[branches.left[split], branches.right[split]]]
    return branches.descend(tops, branches.add_up(made[branches.merges].astype(np.int64), branches.merges) > 0)


def find_pieces(branches: Branches, groups: Sequence[Ints]) -> Ints:
    """Return for each slot of a leaf the topmost node above it in which leaves of one group lie at most.

    groups: int64, the slots of leaves of each.
    """
    held = np.zeros(branches.nodes.used, np.int64)
    for group in groups:
        leaves = sort_unique(group)
        held += branches.add_up(np.ones(len(leaves), np.int64), leaves) > 0
    tops = branches.descend(branches.find_root(), (held > 1) & (branches.left >= 0))  # a leaf can't be split
    top = np.arange(branches.nodes.used)
    top[branches.leaves] = branches.repeat(tops, tops)
    return top


def _measure_gains(branches: Branches, splits: Ints) -> Floats:
    """Return by how much each split lowers the sum of squared distances to the means of clusters."""
    left, right = branches.left[splits], branches.right[splits]
    sizes = [branches.nodes.size[side].astype(np.float64) for side in (left, right)]
    means = [
        branches.nodes.add_up_each(side) / SCALE / size[:, None]
        for side, size in zip((left, right), sizes, strict=True)
    ]
    gains: Floats = ((means[0] - means[1]) ** 2).sum(1) * sizes[0] * sizes[1] / (sizes[0] + sizes[1])
    return gains


def _find_next_splits(branches: Branches, is_split: np.ndarray) -> Ints:
    """Return for each slot the topmost split within it, or a slot that is none: its largest branch, down to a leaf."""
    following = np.arange(branches.nodes.used)
    merges = branches.merges[~is_split[branches.merges]]
    left, right = branches.left[merges], branches.right[merges]
    following[merges] = np.where(branches.nodes.size[left] >= branches.nodes.size[right], left, right)
    while True:
        further = following[following]
        if np.array_equal(further, following):
            return following
        following = further
