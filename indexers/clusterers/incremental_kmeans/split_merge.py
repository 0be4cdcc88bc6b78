"""The gain of splitting clusters and the cost of merging them, computed for many clusters at once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from indexers.arrays import NO_INTS, Ints

Rows = NDArray[np.float32]
MIN_ROWS = 8
"""The least number of rows of a cluster from which a split of it can be judged."""
ROUNDS = 4
"""Rounds of two-means."""


@dataclass(frozen=True)
class Merges:
    """Merges of clusters, the cheapest first.

    keep, drop: int64 (m,); each cluster of `drop` goes into that of `keep`.
    cost: float64 (m,), the squared distances that each merge adds.
    """

    keep: Ints
    drop: Ints
    cost: NDArray[np.float64]

    def exclude(self, clusters: Ints) -> Merges:
        """Return the merges in which none of these clusters takes part."""
        rest = np.flatnonzero(~(np.isin(self.keep, clusters) | np.isin(self.drop, clusters)))
        return Merges(self.keep[rest], self.drop[rest], self.cost[rest])


@dataclass(frozen=True)
class Halves:
    """Splits of clusters in two.

    centres: float32 (m, 2, d), two for each cluster.
    gain: float64 (m,), the squared distance that the split saves per row, judged by rows that the centres were not made
        from; 0 if it can't be judged.
    """

    centres: Rows
    gain: NDArray[np.float64]


def find_cheapest_merges(centres: Rows, count: Ints, candidates: Ints, excluded: Ints, limit: int) -> Merges:
    """Find for each candidate the cluster whose merge with it adds least: n_i n_j / (n_i + n_j) |c_i - c_j|^2 (Ward
    1963). Return at most `limit` merges that don't touch each other's dropped clusters.

    `count`: rows of each cluster; of two merged clusters the one with more rows is kept. `excluded` are never merged. A
    cluster without rows merges at cost 0.
    """
    if not len(candidates) or not limit:
        return Merges(NO_INTS, NO_INTS, np.empty(0))
    squared_length = np.einsum("ij,ij->i", centres, centres)
    cost = centres[candidates] @ centres.T
    cost *= -2
    cost += squared_length
    cost += squared_length[candidates, None]
    np.maximum(cost, 0, out=cost)
    rows = np.maximum(count, 0.5).astype(np.float32)  # a cluster without rows goes to the nearest, none goes to it
    cost *= rows[candidates, None] * rows / (rows[candidates, None] + rows)
    cost[np.arange(len(candidates)), candidates] = np.inf
    cost[:, excluded] = np.inf
    cost[:, (count == 0) & (count.max() > 0)] = np.inf
    partner = cost.argmin(1)
    least = cost[np.arange(len(candidates)), partner].astype(np.float64)
    least[(count[candidates] == 0) & (least < np.inf)] = 0
    swap = count[partner] > count[candidates]
    keep, drop = np.where(swap, partner, candidates), np.where(swap, candidates, partner)
    chosen = _choose_compatible(keep, drop, np.argsort(least, kind="stable")[: np.count_nonzero(least < np.inf)], limit)
    return Merges(keep[chosen], drop[chosen], least[chosen])


def _choose_compatible(keep: Ints, drop: Ints, order: Ints, limit: int) -> list[int]:
    """Choose the first merges, in this order, of which none drops a cluster that another one keeps or drops."""
    kept, dropped, chosen = set[int](), set[int](), list[int]()
    for place in order.tolist():
        if len(chosen) == limit:
            break
        keeps, drops = int(keep[place]), int(drop[place])
        if keeps not in dropped and drops not in dropped and drops not in kept:
            kept.add(keeps)
            dropped.add(drops)
            chosen.append(place)
    return chosen


def split_in_halves(rows: Rows, is_member: NDArray[np.bool_]) -> Halves:
    """Split each cluster by two-means of every second row, and judge the split by the other rows.

    rows: float32 (m, r, d), in random order.
    is_member: bool (m, r), which of the rows belong to the cluster; the first two always do.
    """
    learns = is_member.copy()
    learns[:, 1::2] = False
    judges = is_member & ~learns
    whole = _compute_means(rows, learns[:, None])
    # The start centres are a random row and the row that is farthest from it.
    first = rows[:, 0]
    far = np.where(learns, _compute_nearness(rows, first[:, None])[..., 0], np.inf).argmin(1)
    centres = np.stack([first, rows[np.arange(len(rows)), far]], 1)
    is_split = np.ones(len(rows), bool)
    for _ in range(ROUNDS):
        nearness = _compute_nearness(rows, centres)
        in_second = nearness[..., 1] > nearness[..., 0]
        parts = np.stack([learns & ~in_second, learns & in_second], 1)
        is_split &= np.all(parts.any(2), axis=1)
        centres = _compute_means(rows, parts)
    saving = _compute_nearness(rows, centres).max(2) - _compute_nearness(rows, whole)[..., 0]
    n_judges = np.count_nonzero(judges, axis=1)
    gain = 2 * np.sum(saving, axis=1, where=judges, dtype=np.float64) / np.maximum(n_judges, 1)
    return Halves(centres, np.where(is_split & (2 * n_judges >= MIN_ROWS), gain, 0))


def split_into_parts(rows: Rows, parts: int, random: np.random.Generator) -> tuple[Rows, float]:
    """Split a cluster by k-means of half of its rows. Return the centres, and the squared distances that the split
    saves as judged by the other half."""
    order = random.permutation(len(rows))
    learn, judge = rows[order[::2]], rows[order[1::2]]
    seed = int(random.integers(2**31))
    kmeans = KMeans(min(parts, len(learn)), n_init=1, max_iter=ROUNDS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # if many rows are equal
        centres = np.asarray(kmeans.fit(learn).cluster_centers_, np.float32)
    before, after = (find_nearest(judge, tried)[1].sum(dtype=np.float64) for tried in (learn.mean(0)[None], centres))
    return centres, float(before - after) * len(rows) / len(judge)


def find_nearest(rows: Rows, centres: Rows) -> tuple[Ints, Rows]:
    """Return the nearest centre of each row, and the squared distance less the squared length of the row."""
    distance = np.einsum("ij,ij->i", centres, centres) - 2 * (rows @ centres.T)
    labels = distance.argmin(1)
    return labels, distance[np.arange(len(rows)), labels]


def _compute_nearness(rows: Rows, centres: Rows) -> Rows:
    """Compute x.c - |c|^2 / 2 for each row and each centre of its cluster, (m, r, centres): the larger, the nearer."""
    nearness: Rows = rows @ centres.transpose(0, 2, 1)
    nearness -= np.einsum("mcd,mcd->mc", centres, centres)[:, None] / 2
    return nearness


def _compute_means(rows: Rows, parts: NDArray[np.bool_]) -> Rows:
    """Compute the means of the parts, (m, parts, r), of each cluster's rows; zeros for an empty part."""
    weight = parts.astype(np.float32)
    weight /= np.maximum(weight.sum(2, keepdims=True), 1)
    return weight @ rows
