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
"""The largest number of rounds of k-means, which ends by itself after far fewer."""
TWINS = 1e-6
"""Two sets of equally many centres count as the same up to this relative difference of their inertia."""


class Genetic(Clusterer):
    """Genetic search for the centres of least inertia: HG-means (Gribel and Vidal, Pattern Recognition 2019).

    Each generation brings one child. Each of its two parents is the better of two drawn at random; the centres of the
    parents are matched by linear assignment, and the child inherits one centre of each pair. One of its centres that
    costs little to remove moves to a row, drawn in proportion to the squared distance from its nearest centre, and
    k-means leads the child to its optimum, the step that Krishna and Murty brought into genetic clustering (Genetic
    K-means algorithm, IEEE Transactions on Systems, Man, and Cybernetics B 1999). Once there are twice as many
    individuals as `population`, twins and the worst are dropped. At the end, single rows of the best individual change
    their centres (Descent.run_hartigan).

    With `n_clusters=None` the number evolves: parents may have different numbers of centres, a child may gain or lose
    one, and the best individual has the largest BIC of equal spherical Gaussians (Pelleg and Moore, X-means, ICML
    2000).

    Parameters
    ----------
    n_clusters: the number of clusters; None: let it evolve.
    population: the number of sets of centres that survive a selection.
    generations: the number of children.
    random_state: as in scikit-learn.

    Attributes
    ----------
    cluster_centers_: (k, d).
    inertia_: the sum of squared distances to the nearest centre.
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
        alive = [self._create_founder(rows, random) for _ in range(self.population)]
        for generation in range(self.generations):
            parents = self._select_parent(alive, random), self._select_parent(alive, random)
            centres = self._create_child(rows, *parents, random)
            alive = self._select_survivors([*alive, Descent(rows, centres).run_lloyd(ROUNDS).get_optimum()])
            progress(generation + 1, self.generations, "generations")
        best = max(alive, key=self._compute_fitness)
        best = Descent(rows, best.centres).run_lloyd(ROUNDS).run_hartigan(ROUNDS).run_lloyd(ROUNDS).get_optimum()
        used, labels = np.unique(best.labels, return_inverse=True)  # equal rows leave some centres unused
        self.cluster_centers_, self.labels_ = best.centres[used], labels.astype(np.int64)
        self.inertia_ = best.inertia

    def _create_founder(self, rows: Rows, random: np.random.RandomState) -> Optimum:
        count = self.n_clusters or int(len(rows) ** random.uniform(0, 0.5))
        centres, _ = kmeans_plusplus(rows, count, random_state=random)
        return Descent(rows, centres).run_lloyd(ROUNDS).get_optimum()

    def _compute_fitness(self, individual: Optimum) -> float:
        return compute_bic(individual) if self.n_clusters is None else -individual.inertia

    def _select_parent(self, alive: list[Optimum], random: np.random.RandomState) -> Optimum:
        first, second = (alive[int(place)] for place in random.randint(len(alive), size=2))
        return first if self._compute_fitness(first) >= self._compute_fitness(second) else second

    def _create_child(self, rows: Rows, mother: Optimum, father: Optimum, random: np.random.RandomState) -> Rows:
        """Return centres of both parents, one of them replaced; if the number is free, one is added and one removed,
        each with probability 1/2."""
        centres, removal_cost = cross_parents(mother, father, random)
        removes, adds = random.random_sample(2) < (0.5 if self.n_clusters is None else 1)
        if adds:
            cumulative = np.cumsum(mother.distance, dtype=np.float64)
            row = np.searchsorted(cumulative, random.random_sample() * cumulative[-1], side="right")
            centres = np.concatenate([centres, rows[None, min(row, len(rows) - 1)]])
        if removes and len(centres) > 1:
            candidates = random.randint(len(removal_cost), size=3)
            centres = np.delete(centres, candidates[removal_cost[candidates].argmin()], axis=0)
        return centres

    def _select_survivors(self, alive: list[Optimum]) -> list[Optimum]:
        """Return the best individuals without twins, once there are twice as many as the population."""
        if len(alive) < 2 * self.population:
            return alive
        survivors: list[Optimum] = []
        for individual in sorted(alive, key=self._compute_fitness, reverse=True):
            if not survivors or not are_twins(survivors[-1], individual):
                survivors.append(individual)
        return survivors[: self.population]

    def _predict(self, rows: Rows) -> Ints:
        return find_nearest_centre(rows, self.cluster_centers_)


def cross_parents(mother: Optimum, father: Optimum, random: np.random.RandomState) -> tuple[Rows, Reals]:
    """Return one centre of each matched pair and half of those without a partner, and the removal cost of each."""
    first, second = linear_sum_assignment(cdist(mother.centres, father.centres, "sqeuclidean"))
    is_mothers = random.random_sample(len(first)) < 0.5
    larger, matched = (mother, first) if len(mother.centres) > len(father.centres) else (father, second)
    alone = np.setdiff1d(np.arange(len(larger.centres)), matched)
    alone = alone[random.random_sample(len(alone)) < 0.5]
    sources = ((mother, first[is_mothers]), (father, second[~is_mothers]), (larger, alone))
    centres = np.concatenate([parent.centres[places] for parent, places in sources])
    return centres, np.concatenate([parent.removal_cost[places] for parent, places in sources])


def compute_bic(optimum: Optimum) -> float:
    """Compute half the Bayesian information criterion of spherical Gaussians of one variance around the centres: the
    larger, the better (Pelleg and Moore, X-means, ICML 2000)."""
    size = np.bincount(optimum.labels)
    size = size[size > 0]
    count, dimension, n_clusters = len(optimum.labels), optimum.centres.shape[1], len(size)
    freedom = dimension * max(count - n_clusters, 1)
    variance = max(optimum.inertia / freedom, np.finfo(optimum.centres.dtype).tiny)
    likelihood = float(size @ np.log(size / count)) - (count * dimension * np.log(2 * np.pi * variance) + freedom) / 2
    return float(likelihood - n_clusters * (dimension + 1) / 2 * np.log(count))


def are_twins(a: Optimum, b: Optimum) -> bool:
    """Return True if both have equally many centres and nearly the same inertia."""
    return len(a.centres) == len(b.centres) and abs(a.inertia - b.inertia) <= TWINS * a.inertia
