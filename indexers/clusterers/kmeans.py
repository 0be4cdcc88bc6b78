"""k-means over all rows: scikit-learn's."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import sklearn.cluster
from sklearn.utils._param_validation import Interval

from indexers.clusterers.base import Clusterer, Ints, ProgressCallback, Rows, find_nearest_centre


class KMeans(Clusterer):
    """k-means: Lloyd's iteration (Least squares quantization in PCM, 1982) from the best of several k-means++ starts
    (Arthur and Vassilvitskii, SODA 2007). This is scikit-learn's, behind the interface of this family.

    Parameters
    ----------
    n_clusters: the number of clusters.
    n_init: starts.
    max_iter: the largest number of rounds of one start.
    random_state: as in scikit-learn.

    Attributes
    ----------
    cluster_centers_: (k, d).
    inertia_: the sum of squared distances to the nearest centre.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }
    learned = ("cluster_centers_", "inertia_")

    def __init__(self, n_clusters: int = 8, *, n_init: int = 3, max_iter: int = 300, random_state: Any = None) -> None:
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        n_distinct = len(np.unique(rows, axis=0)) if len(rows) <= 50 * self.n_clusters else self.n_clusters
        kmeans = sklearn.cluster.KMeans(
            min(self.n_clusters, n_distinct),
            n_init=self.n_init,
            max_iter=self.max_iter,
            random_state=self.random_state,
        ).fit(rows)
        self.cluster_centers_, self.inertia_ = kmeans.cluster_centers_, float(kmeans.inertia_)
        self.labels_ = kmeans.labels_.astype(np.int64)
        self.n_iter_ = kmeans.n_iter_

    def _predict(self, rows: Rows) -> Ints:
        return find_nearest_centre(rows, self.cluster_centers_)
