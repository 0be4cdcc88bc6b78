"""A genetic algorithm over sets of centres, each brought to its optimum by k-means."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import kmeans_plusplus
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from indexers.clusterers.base import Clusterer, Ints, ProgressCallback, Rows, find_nearest_centre
from indexers.clusterers.steps.descent import Descent, Optimum, Reals

ROUNDS = 1000
"""Of k-means, at most: it ends by itself after far fewer."""
TWINS = 1e-6
"""Relative difference of their inertia up to which two of as many centres are the same."""


class Genetic(Clusterer):
    """Genetic search for the centres of least inertia: HG-means (Gribel and Vidal, Pattern Recognition 2019).

    Each generation brings one child. Of its parents, each is the better of two drawn at random; their centres are
    matched by linear assignment, and the child has one of each pair. One of its centres that costs little to lose goes
    to a row, drawn by its squared distance from the centre next to it, and k-means leads the child to its optimum, the
    step that Krishna and Murty brought into genetic clustering (Genetic K-means algorithm, IEEE Transactions on
    Systems, Man, and Cybernetics B 1999). Once there are twice as many as `population`, twins and the worst go. In the
    end, rows of the best change their centres one by one (Descent.hartigan).

    With `n_clusters=None` the number evolves: parents may differ in it, a child may win or lose a centre, and the best
    has the largest BIC of equal spherical Gaussians (Pelleg and Moore, X-means, ICML 2000).

    Parameters
    ----------
    n_clusters: how many; or None. population: sets of centres that live on. generations: children. random_state: as in
    scikit-learn.

    Attributes
    ----------
    cluster_centers_: (k, d). inertia_: the sum of squared distances to the nearest centre.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "population": [Interval(Integral, 2, None, closed="left")],
        "generations": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }
    learned = ("cluster_centers_", "inertia_")

    def __init__(
        self, n_clusters: int | None = 8, *, population: int = 5, generations: int = 100, random_state: Any = None
    ) -> None:
        self.n_clusters = n_clusters
        self.population = population
        self.generations = generations
        self.random_state = random_state

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        random = check_random_state(self.random_state)
        alive = [self._founder(rows, random) for _ in range(self.population)]
        for done in range(self.generations):
            centres = self._child(rows, self._parent(alive, random), self._parent(alive, random), random)
            alive = self._living([*alive, Descent(rows, centres).run_lloyd(ROUNDS).get_optimum()])
            progress(done + 1, self.generations, "generations")
        best = max(alive, key=self._fitness)
        best = Descent(rows, best.centres).run_lloyd(ROUNDS).run_hartigan(ROUNDS).run_lloyd(ROUNDS).get_optimum()
        used, label = np.unique(best.labels, return_inverse=True)  # fewer where rows are the same
        self.cluster_centers_, self.labels_ = best.centres[used], label.astype(np.int64)
        self.inertia_ = best.inertia

    def _founder(self, rows: Rows, random: np.random.RandomState) -> Optimum:
        count = self.n_clusters or int(len(rows) ** random.uniform(0, 0.5))
        centres, _ = kmeans_plusplus(rows, count, random_state=random)
        return Descent(rows, centres).run_lloyd(ROUNDS).get_optimum()

    def _fitness(self, one: Optimum) -> float:
        return bic(one) if self.n_clusters is None else -one.inertia

    def _parent(self, alive: list[Optimum], random: np.random.RandomState) -> Optimum:
        one, other = (alive[int(place)] for place in random.randint(len(alive), size=2))
        return one if self._fitness(one) >= self._fitness(other) else other

    def _child(self, rows: Rows, one: Optimum, other: Optimum, random: np.random.RandomState) -> Rows:
        """Centres of both parents; one goes and one comes, or where the number is free, each with probability 1/2."""
        centres, loss = crossed(one, other, random)
        goes, comes = random.random_sample(2) < (0.5 if self.n_clusters is None else 1)
        if comes:
            reach = np.cumsum(one.distance, dtype=np.float64)
            row = np.searchsorted(reach, random.random_sample() * reach[-1], side="right")
            centres = np.concatenate([centres, rows[None, min(row, len(rows) - 1)]])
        if goes and len(centres) > 1:
            three = random.randint(len(loss), size=3)
            centres = np.delete(centres, three[loss[three].argmin()], axis=0)
        return centres

    def _living(self, alive: list[Optimum]) -> list[Optimum]:
        if len(alive) < 2 * self.population:
            return alive
        kept: list[Optimum] = []
        for one in sorted(alive, key=self._fitness, reverse=True):
            if not kept or not twins(kept[-1], one):
                kept.append(one)
        return kept[: self.population]

    def _predict(self, rows: Rows) -> Ints:
        return find_nearest_centre(rows, self.cluster_centers_)


def crossed(one: Optimum, other: Optimum, random: np.random.RandomState) -> tuple[Rows, Reals]:
    """One centre of each matched pair, half of those that have no partner; and what each is worth (Optimum.loss)."""
    first, second = linear_sum_assignment(cdist(one.centres, other.centres, "sqeuclidean"))
    mine = random.random_sample(len(first)) < 0.5
    more, place = (one, first) if len(one.centres) > len(other.centres) else (other, second)
    alone = np.setdiff1d(np.arange(len(more.centres)), place)
    alone = alone[random.random_sample(len(alone)) < 0.5]
    centres = np.concatenate([one.centres[first[mine]], other.centres[second[~mine]], more.centres[alone]])
    return centres, np.concatenate(
        [one.removal_cost[first[mine]], other.removal_cost[second[~mine]], more.removal_cost[alone]]
    )


def bic(found: Optimum) -> float:
    """The Bayesian information criterion of spherical Gaussians of one variance around the centres, halved: the larger
    the better (Pelleg and Moore, X-means, ICML 2000)."""
    size = np.bincount(found.labels)
    size = size[size > 0]
    count, dimension, clusters = len(found.labels), found.centres.shape[1], len(size)
    free = dimension * max(count - clusters, 1)
    variance = max(found.inertia / free, np.finfo(found.centres.dtype).tiny)
    likelihood = float(size @ np.log(size / count)) - (count * dimension * np.log(2 * np.pi * variance) + free) / 2
    return float(likelihood - clusters * (dimension + 1) / 2 * np.log(count))


def twins(one: Optimum, other: Optimum) -> bool:
    return len(one.centres) == len(other.centres) and abs(one.inertia - other.inertia) <= TWINS * one.inertia
