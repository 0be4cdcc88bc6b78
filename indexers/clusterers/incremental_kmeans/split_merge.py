"""What k-means gains by splitting clusters, and what it loses by merging some: many at once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from indexers.arrays import NONE, Ints

Rows = NDArray[np.float32]
FEWEST = 8
"""Rows of a cluster from which on a split of it can be judged."""
ROUNDS = 4
"""Of two-means."""


@dataclass(frozen=True)
class Merges:
    """Clusters to drop, each into one to keep; the cheapest first. cost: float64, squared distances that it adds."""

    keep: Ints
    drop: Ints
    cost: NDArray[np.float64]

    def without(self, clusters: Ints) -> Merges:
        """Those that none of the clusters is part of."""
        rest = np.flatnonzero(~(np.isin(self.keep, clusters) | np.isin(self.drop, clusters)))
        return Merges(self.keep[rest], self.drop[rest], self.cost[rest])


@dataclass(frozen=True)
class Halves:
    """centres: float32 (m, 2, d), two for each cluster. gain: float64 (m,), squared distances that a row saves by the
    split, on average and judged by rows that the centres were not made from; 0 where it can't be told."""

    centres: Rows
    gain: NDArray[np.float64]


def cheapest_merges(centres: Rows, count: Ints, ones: Ints, but: Ints, most: int) -> Merges:
    """For each of `ones` the cluster whose merge with it adds least: n_i n_j / (n_i + n_j) |c_i - c_j|^2 (Ward 1963);
    `but` take part in none. One without rows costs nothing. Of two the one with more rows is kept."""
    if not len(ones) or not most:
        return Merges(NONE, NONE, np.empty(0))
    length = np.einsum("ij,ij->i", centres, centres)
    cost = centres[ones] @ centres.T
    cost *= -2
    cost += length
    cost += length[ones, None]
    np.maximum(cost, 0, out=cost)
    rows = np.maximum(count, 0.5).astype(np.float32)  # one without rows goes to the nearest, and others not to it
    cost *= rows[ones, None] * rows / (rows[ones, None] + rows)
    cost[np.arange(len(ones)), ones] = np.inf
    cost[:, but] = np.inf
    cost[:, (count == 0) & (count.max() > 0)] = np.inf
    other = cost.argmin(1)
    least = cost[np.arange(len(ones)), other].astype(np.float64)
    least[(count[ones] == 0) & (least < np.inf)] = 0
    swap = count[other] > count[ones]
    keep, drop = np.where(swap, other, ones), np.where(swap, ones, other)
    chosen = _apart(keep, drop, np.argsort(least, kind="stable")[: np.count_nonzero(least < np.inf)], most)
    return Merges(keep[chosen], drop[chosen], least[chosen])


def _apart(keep: Ints, drop: Ints, order: Ints, most: int) -> list[int]:
    """The first pairs in the order of which none drops what another keeps or drops."""
    kept, dropped, chosen = set[int](), set[int](), list[int]()
    for place in order.tolist():
        if len(chosen) == most:
            break
        one, other = int(keep[place]), int(drop[place])
        if one not in dropped and other not in dropped and other not in kept:
            kept.add(one)
            dropped.add(other)
            chosen.append(place)
    return chosen


def halves(rows: Rows, there: NDArray[np.bool_]) -> Halves:
    """Two-means of every second row of each cluster, judged by the rest. rows: float32 (m, r, d), in random order, of
    which those `there`, (m, r), are members; the first two always are."""
    learn = there.copy()
    learn[:, 1::2] = False
    judge = there & ~learn
    whole = _means(rows, learn[:, None])
    # The first centres: a random row, and the one that is farthest from it.
    first = rows[:, 0]
    far = np.where(learn, _nearness(rows, first[:, None])[..., 0], np.inf).argmin(1)
    centres = np.stack([first, rows[np.arange(len(rows)), far]], 1)
    fine = np.ones(len(rows), bool)
    for _ in range(ROUNDS):
        near = _nearness(rows, centres)
        second = near[..., 1] > near[..., 0]
        parts = np.stack([learn & ~second, learn & second], 1)
        fine &= np.all(parts.any(2), axis=1)
        centres = _means(rows, parts)
    better = _nearness(rows, centres).max(2) - _nearness(rows, whole)[..., 0]
    judges = np.count_nonzero(judge, axis=1)
    gain = 2 * np.sum(better, axis=1, where=judge, dtype=np.float64) / np.maximum(judges, 1)
    return Halves(centres, np.where(fine & (2 * judges >= FEWEST), gain, 0))


def parted(rows: Rows, parts: int, random: np.random.Generator) -> tuple[Rows, float]:
    """Centres of so many parts of a cluster, made from half of its rows, and the squared distances that they save, by
    the other half."""
    order = random.permutation(len(rows))
    learn, judge = rows[order[::2]], rows[order[1::2]]
    seed = int(random.integers(2**31))
    found = KMeans(min(parts, len(learn)), n_init=1, max_iter=ROUNDS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rows of which many are the same
        centres = np.asarray(found.fit(learn).cluster_centers_, np.float32)
    before, after = (nearest_of(judge, each)[1].sum(dtype=np.float64) for each in (learn.mean(0)[None], centres))
    return centres, float(before - after) * len(rows) / len(judge)


def nearest_of(rows: Rows, centres: Rows) -> tuple[Ints, Rows]:
    """The nearest centre of each row, and the squared distance but for the square of the row's own length."""
    distance = np.einsum("ij,ij->i", centres, centres) - 2 * (rows @ centres.T)
    label = distance.argmin(1)
    return label, distance[np.arange(len(rows)), label]


def _nearness(rows: Rows, centres: Rows) -> Rows:
    """Half of the squared distance of each row to each centre of its cluster, negative and but for the row's length."""
    found: Rows = rows @ centres.transpose(0, 2, 1)
    found -= np.einsum("mcd,mcd->mc", centres, centres)[:, None] / 2
    return found


def _means(rows: Rows, parts: NDArray[np.bool_]) -> Rows:
    """The means of the parts, (m, parts, r), of each cluster's rows; zero where a part is empty."""
    weight = parts.astype(np.float32)
    weight /= np.maximum(weight.sum(2, keepdims=True), 1)
    return weight @ rows
