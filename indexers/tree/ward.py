"""Ward's linkage of clusters that are known by their sums and sizes (Ward 1963)."""

from __future__ import annotations

import numpy as np

from indexers.arrays import Ints, sort_unique
from indexers.tree.branches import Floats

FEWEST, MOST = 5, 24
"""Clusters of the coarse level, where medium has so many: as many as a person can look through."""
CLEAR = 2.0
"""How many times the merge before it a merge costs that joins what does not belong together."""


def choose_count(sums: Floats, sizes: Ints) -> int:
    """Return how many clusters are to be left: twice the square root of their number, within limits.

    Fewer, down to the square root, where a merge costs CLEAR times as much as the one before it: there are groups. Of
    less clear ones another 1 % of the items chose others: over five labelled sets AMI .84 between two choices, not .88.
    """
    root = float(np.sqrt(len(sizes)))
    low, high = (min(max(round(count), FEWEST), MOST) for count in (root, 2 * root))
    _, costs = _link(sums, sizes)
    if len(costs) < high + 1:
        return low
    costs = np.sort(costs)[::-1]  # costs[i] leaves i + 1 clusters
    counts = np.arange(low, high + 1)
    rises = costs[counts - 2] / np.maximum(costs[counts - 1], 1e-12)
    return int(counts[np.argmax(rises)]) if rises.max() >= CLEAR else high


def join_by_ward(sums: Floats, sizes: Ints, count: int) -> Ints:
    """Return the number, from 0, of the group of each cluster, after joining them until `count` are left.

    sums: float64 (n, dimension), of the unit vectors of each cluster. sizes: int64 (n,), its items.
    """
    merges, costs = _link(sums, sizes)
    group = np.arange(len(sizes))
    for place in np.argsort(costs, kind="stable")[: max(len(sizes) - count, 0)].tolist():
        kept, gone = group[merges[place]]
        group[group == gone] = kept
    return np.searchsorted(sort_unique(group), group)


def _link(sums: Floats, sizes: Ints) -> tuple[Ints, Floats]:
    """Return all merges as pairs of a cluster of either side, (n - 1, 2), and what each costs.

    Along a chain of nearest neighbours (Murtagh 1983), which finds the same merges in the square of their number.
    """
    size, count = sizes.astype(np.float64), len(sizes)
    means = sums / size[:, None]
    square = np.einsum("ij,ij->i", means, means)
    cost = np.maximum(square[:, None] + square - 2 * means @ means.T, 0) * (size[:, None] * size)
    cost /= size[:, None] + size
    np.fill_diagonal(cost, np.inf)
    merges, costs = np.empty((max(count - 1, 0), 2), np.int64), np.empty(max(count - 1, 0))
    is_left = np.ones(count, bool)
    chain: list[int] = []
    for place in range(count - 1):
        if not chain:
            chain.append(int(is_left.argmax()))
        while True:
            last = chain[-1]
            nearest = int(cost[last].argmin())
            if len(chain) > 1 and cost[last, chain[-2]] <= cost[last, nearest]:
                break
            chain.append(nearest)
        gone, kept = chain.pop(), chain.pop()
        merges[place], costs[place] = (kept, gone), cost[kept, gone]
        joined = (size[kept] + size) * cost[kept] + (size[gone] + size) * cost[gone] - size * costs[place]
        size[kept] += size[gone]
        is_left[gone] = False
        joined /= size[kept] + size
        joined[~is_left] = joined[kept] = np.inf
        cost[kept], cost[:, kept] = joined, joined
        cost[gone], cost[:, gone] = np.inf, np.inf
    return merges, costs
