"""k-means from given centres, for searches that try many sets of them: quick where most centres stay where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from indexers.clusterers.base import Ints, Rows

Reals = NDArray[np.floating]
SAVED = 1e-3
"""What the move of a single row must save at least, as a share of its squared distance; float32 errs by less."""


@dataclass(frozen=True)
class Optimum:
    """What k-means came to. centres: (k, d). labels: int64 (n,). distance and second: (n,), squared, to the own centre
    and to the nearest other one (infinite where there is none)."""

    centres: Rows
    labels: Ints
    distance: Reals
    second_distance: Reals

    @property
    def inertia(self) -> float:
        return float(self.distance.sum(dtype=np.float64))

    @property
    def removal_cost(self) -> Reals:
        """(k,), by how much the inertia would grow if that centre went and its rows had to go to their second."""
        found: Reals = np.bincount(self.labels, self.second_distance - self.distance, len(self.centres)).astype(
            np.float64
        )
        return found


class Descent:
    """k-means from given centres.

    Only centres that moved are compared again (Kaukoranta, Fränti and Nevalainen, IEEE Transactions on Image Processing
    2000), and only rows that changed enter the sums; n x k products are kept for it. A centre without rows goes to the
    row that lies farthest from its own.
    """

    def __init__(self, rows: Rows, centres: Rows) -> None:
        self.rows = rows
        self.every = np.arange(len(rows))
        self.length = np.einsum("ij,ij->i", rows, rows)
        self.centres = centres.astype(rows.dtype)
        self.near = np.empty((len(rows), len(centres)), rows.dtype)
        self.labels: Ints = np.full(len(rows), -1)
        self.sums, self.count = np.zeros(centres.shape), np.zeros(len(centres), np.int64)

    def run_lloyd(self, rounds: int) -> Self:
        """Lloyd's iteration, until no row changes its centre."""
        moved = np.arange(len(self.centres))
        for _ in range(rounds):
            self._compare(moved)
            best = self.near.argmax(1)
            changed = np.flatnonzero(best != self.labels)
            if not len(changed):
                break
            moved = self._move(changed, best[changed])
        return self

    def run_hartigan(self, rounds: int) -> Self:
        """After `lloyd`: rows move one by one where that pays once both centres have followed (Hartigan, Clustering
        Algorithms, 1975). It leaves some of Lloyd's optima and ends in no others (Telgarsky and Vattani, AISTATS 2010)
        but for moves that save next to nothing, which `lloyd` makes afterwards."""
        for _ in range(rounds):
            changed, to = self._exchanges()
            if not len(changed):
                break
            self._compare(self._move(changed, to))
        return self

    def get_optimum(self) -> Optimum:
        second = np.full_like(self.length, np.inf)
        if self.near.shape[1] > 1:
            second = self.length - 2 * np.partition(self.near, -2, axis=1)[:, -2]
        return Optimum(self.centres, self.labels, self._distance(), second)

    def _compare(self, moved: Ints) -> None:
        """x.c - |c|^2 / 2, the larger the nearer, for centres that moved."""
        centres = self.centres[moved]
        product = self.rows @ centres.T
        product -= np.einsum("ij,ij->i", centres, centres) / 2
        self.near[:, moved] = product

    def _move(self, rows: Ints, to: Ints) -> Ints:
        """Rows go to other centres; the centres that have moved by it."""
        known = self.labels[rows] >= 0
        left, gone = self.labels[rows[known]], rows[known]
        self.sums += self._sum(rows, to) - self._sum(gone, left)
        self.count += np.bincount(to, minlength=len(self.count)) - np.bincount(left, minlength=len(self.count))
        self.labels[rows] = to
        moved = np.union1d(to, left)
        full = moved[self.count[moved] > 0]
        self.centres[full] = self.sums[full] / self.count[full, None]
        return np.union1d(moved, self._refill())

    def _sum(self, rows: Ints, to: Ints) -> Rows:
        one = csr_matrix(
            (np.ones(len(rows), self.rows.dtype), (to, np.arange(len(rows)))), (len(self.count), len(rows))
        )
        found: Rows = one @ self.rows[rows]
        return found

    def _refill(self) -> Ints:
        """Centres without rows, put where they are needed."""
        empty = np.flatnonzero(self.count == 0)
        if len(empty):
            self.centres[empty] = self.rows[np.argsort(-self._distance())[: len(empty)]]
        return empty

    def _distance(self) -> Reals:
        found: Reals = np.maximum(self.length - 2 * self.near[self.every, self.labels], 0)
        return found

    def _exchanges(self) -> tuple[Ints, Ints]:
        """Rows that would better lie elsewhere, and where, no two of which touch the same centre."""
        saved = self._distance() * (self.count / np.maximum(self.count - 1, 1))[self.labels]
        price = (self.length[:, None] - 2 * self.near) * (self.count / (self.count + 1)).astype(self.rows.dtype)
        price[self.every, self.labels] = np.inf
        to = price.argmin(1)
        gain = saved - price[self.every, to]
        rows = np.flatnonzero((gain > SAVED * saved) & (self.count[self.labels] > 1))
        free, chosen = np.ones(len(self.count), bool), []
        for row in rows[np.argsort(-gain[rows])].tolist():
            ends = [self.labels[row], to[row]]
            if free[ends].all():
                chosen.append(row)
                free[ends] = False
        return np.array(chosen, np.int64), to[chosen]
