"""What k-means gains by splitting one cluster, and what it loses by merging two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.clusterers.pools import Ints

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Move:
    """Merge `drop` into `keep`, whose centre becomes `centre`. cost: squared distances added (infinite: no two)."""

    keep: int
    drop: int
    centre: Rows
    cost: float


@dataclass(frozen=True)
class Split:
    """members: rows of the sample; second: which of them go to the second half. centres: (2, d), larger half first;
    counts: their rows. gain: squared distances that are saved, judged by rows that the halves were not made from."""

    members: Ints
    second: NDArray[np.bool_]
    centres: Rows
    counts: tuple[float, float]
    gain: float


def cheapest_merge(centres: Rows, count: Ints) -> Move:
    """The two clusters whose merge adds least: n_i n_j / (n_i + n_j) |c_i - c_j|^2 (Ward 1963). One without rows costs
    nothing."""
    if len(centres) < 2:
        return Move(0, 0, centres[0], np.inf)
    length = np.einsum("ij,ij->i", centres, centres)
    distance = np.maximum(length[:, None] + length - 2 * (centres @ centres.T), 0)
    weight = count[:, None] * count / np.maximum(count[:, None] + count, 1)
    cost = weight * distance
    np.fill_diagonal(cost, np.inf)
    i, j = np.unravel_index(int(cost.argmin()), cost.shape)
    keep, drop = (int(i), int(j)) if count[i] >= count[j] else (int(j), int(i))
    total = max(int(count[keep] + count[drop]), 1)
    share = np.float32(count[drop] / total)
    return Move(keep, drop, centres[keep] * (1 - share) + centres[drop] * share, float(cost[i, j]))


def halves(sample: Rows, members: Ints, random: np.random.Generator, rounds: int = 5) -> Split | None:
    """Two-means of half of the members, judged by the other half; None where there are too few."""
    if len(members) < 8:
        return None
    rows = sample[members]
    order = random.permutation(len(members))
    learn, judge = order[: (len(order) + 1) // 2], order[(len(order) + 1) // 2 :]
    centres = _two(rows[learn], random, rounds)
    if centres is None:
        return None
    test = rows[judge]
    whole = _squares(test, rows[learn].mean(0)[None]).min(1).sum(dtype=np.float64)
    split = _squares(test, centres).min(1).sum(dtype=np.float64)
    second = _squares(rows, centres).argmin(1).astype(bool)
    if second.all() or not second.any():
        return None
    if np.count_nonzero(second) * 2 > len(second):
        second = ~second
    centres = np.stack([rows[~second].mean(0), rows[second].mean(0)])
    gain = float(whole - split) * len(members) / len(judge)
    counts = float(np.count_nonzero(~second)), float(np.count_nonzero(second))
    return Split(members, second, centres, counts, gain)


def _two(rows: Rows, random: np.random.Generator, rounds: int) -> Rows | None:
    """Two-means that begins along the line to the row that is farthest from a random one."""
    first = rows[random.integers(len(rows))]
    far = rows[_squares(rows, first[None])[:, 0].argmax()]
    centres = np.stack([first, far])
    for _ in range(rounds):
        second = _squares(rows, centres).argmin(1).astype(bool)
        if second.all() or not second.any():
            return None
        centres = np.stack([rows[~second].mean(0), rows[second].mean(0)])
    return centres


def _squares(rows: Rows, centres: Rows) -> Rows:
    length = np.einsum("ij,ij->i", centres, centres)
    found: Rows = np.einsum("ij,ij->i", rows, rows)[:, None] + length - 2 * (rows @ centres.T)
    return found
