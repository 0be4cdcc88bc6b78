"""k-means from given start centres, for searches that try many sets of them: fast if most centres stay in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from indexers.clusterers.base import Ints, Rows

Reals = NDArray[np.floating]
MIN_SAVING = 1e-3
"""The least that the move of a single row must save, as a share of its squared distance; float32 errs by less."""


@dataclass(frozen=True)
class Optimum:
    """A result of k-means.

    centres: (k, d).
    labels: int64 (n,).
    distance: (n,), squared, to the row's own centre.
    second_distance: (n,), squared, to the nearest other centre; infinite if there is none.
    """

    centres: Rows
    labels: Ints
    distance: Reals
    second_distance: Reals

    @property
    def inertia(self) -> float:
        return float(self.distance.sum(dtype=np.float64))

    @property
    def removal_cost(self) -> Reals:
        """The increase of the inertia if a centre were removed and its rows went to their second centre, (k,)."""
        increase = self.second_distance - self.distance
        cost: Reals = np.bincount(self.labels, increase, len(self.centres)).astype(np.float64)
        return cost


class Descent:
    """k-means from given start centres.

    Only centres that moved are compared again (Kaukoranta, Fränti and Nevalainen, IEEE Transactions on Image Processing
    2000), and only rows that changed their centre enter the sums; this keeps n x k products in memory. A centre without
    rows moves to the row that lies farthest from its own centre.
    """

    def __init__(self, rows: Rows, centres: Rows) -> None:
        self.rows = rows
        self.row_numbers = np.arange(len(rows))
        self.squared_length = np.einsum("ij,ij->i", rows, rows)
        self.centres = centres.astype(rows.dtype)
        self.nearness = np.empty((len(rows), len(centres)), rows.dtype)
        """x.c - |c|^2 / 2 of each row and centre: the larger, the nearer."""
        self.labels: Ints = np.full(len(rows), -1)
        self.sums, self.sizes = np.zeros(centres.shape), np.zeros(len(centres), np.int64)

    def run_lloyd(self, rounds: int) -> Self:
        """Run Lloyd's iteration until no row changes its centre, or for `rounds` rounds."""
        moved = np.arange(len(self.centres))
        for _ in range(rounds):
            self._update_nearness(moved)
            best = self.nearness.argmax(1)
            changed = np.flatnonzero(best != self.labels)
            if not len(changed):
                break
            moved = self._move(changed, best[changed])
        return self

    def run_hartigan(self, rounds: int) -> Self:
        """Move single rows, after `run_lloyd`, where that pays once both centres have followed (Hartigan, Clustering
        Algorithms, 1975).

        The optima of this search are some of Lloyd's, the better ones (Telgarsky and Vattani, AISTATS 2010); moves that
        save next to nothing are left to another `run_lloyd`.
        """
        for _ in range(rounds):
            changed, targets = self._find_exchanges()
            if not len(changed):
                break
            self._update_nearness(self._move(changed, targets))
        return self

    def get_optimum(self) -> Optimum:
        """Return the centres and labels that have been reached."""
        second_distance = np.full_like(self.squared_length, np.inf)
        if self.nearness.shape[1] > 1:
            second_distance = self.squared_length - 2 * np.partition(self.nearness, -2, axis=1)[:, -2]
        return Optimum(self.centres, self.labels, self._compute_distance(), second_distance)

    def _update_nearness(self, moved: Ints) -> None:
        """Compute the nearness of all rows to the centres that moved."""
        centres = self.centres[moved]
        product = self.rows @ centres.T
        product -= np.einsum("ij,ij->i", centres, centres) / 2
        self.nearness[:, moved] = product

    def _move(self, rows: Ints, targets: Ints) -> Ints:
        """Move rows to other centres. Return the centres whose position changed."""
        is_labelled = self.labels[rows] >= 0
        sources, leaving = self.labels[rows[is_labelled]], rows[is_labelled]
        self.sums += self._sum_rows(rows, targets) - self._sum_rows(leaving, sources)
        self.sizes += np.bincount(targets, minlength=len(self.sizes)) - np.bincount(sources, minlength=len(self.sizes))
        self.labels[rows] = targets
        moved = np.union1d(targets, sources)
        filled = moved[self.sizes[moved] > 0]
        self.centres[filled] = self.sums[filled] / self.sizes[filled, None]
        return np.union1d(moved, self._refill())

    def _sum_rows(self, rows: Ints, centres: Ints) -> Rows:
        """Sum the rows by centre, (k, d)."""
        shape = (len(self.sizes), len(rows))
        indicator = csr_matrix((np.ones(len(rows), self.rows.dtype), (centres, np.arange(len(rows)))), shape)
        sums: Rows = indicator @ self.rows[rows]
        return sums

    def _refill(self) -> Ints:
        """Put each centre without rows at one of the rows that lie farthest from their own centre."""
        empty = np.flatnonzero(self.sizes == 0)
        if len(empty):
            self.centres[empty] = self.rows[np.argsort(-self._compute_distance())[: len(empty)]]
        return empty

    def _compute_distance(self) -> Reals:
        """Compute the squared distance of each row to its own centre."""
        distance: Reals = np.maximum(self.squared_length - 2 * self.nearness[self.row_numbers, self.labels], 0)
        return distance

    def _find_exchanges(self) -> tuple[Ints, Ints]:
        """Find rows that would better lie elsewhere, and their new centres; no two moves touch the same centre."""
        saving = self._compute_distance() * (self.sizes / np.maximum(self.sizes - 1, 1))[self.labels]
        price = (self.squared_length[:, None] - 2 * self.nearness) * (self.sizes / (self.sizes + 1)).astype(
            self.rows.dtype
        )
        price[self.row_numbers, self.labels] = np.inf
        targets = price.argmin(1)
        gain = saving - price[self.row_numbers, targets]
        rows = np.flatnonzero((gain > MIN_SAVING * saving) & (self.sizes[self.labels] > 1))
        is_free, chosen = np.ones(len(self.sizes), bool), []
        for row in rows[np.argsort(-gain[rows])].tolist():
            ends = [self.labels[row], targets[row]]
            if is_free[ends].all():
                chosen.append(row)
                is_free[ends] = False
        return np.array(chosen, np.int64), targets[chosen]
