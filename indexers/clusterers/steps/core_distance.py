"""Prediction for clusterers with noise: a new row joins a cluster only where the cluster is dense enough."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from indexers.clusterers.base import Clusterer, Ints, Rows

SLACK = 1e-6
"""Rounding error: the distance of two equal rows may come out as this share of their length."""


class CoreDistanceClusterer(Clusterer):
    """A clusterer of dense rows among noise.

    The core distance of a row is the distance to its `min_samples`-th neighbour, by which Ester et al. (DBSCAN, KDD
    1996) and Campello et al. (HDBSCAN, PAKDD 2013) measure density.

    A new row gets the label of the nearest row of `fit` if it lies within that row's core distance, which means that it
    would have been among its `min_samples` nearest. Otherwise, and if the nearest row is noise, it gets -1. So each row
    of `fit` is predicted into its own cluster. All rows of `fit` are kept for this.

    Attributes
    ----------
    rows_: (n, d), the rows of `fit`.
    core_distances_: float64 (n,), in the clusterer's metric.
    """

    learned = ("rows_", "core_distances_", "labels_")
    default_metric: ClassVar[str] = "euclidean"
    """The metric between `rows_` for clusterers without a parameter `metric`."""

    def _predict(self, rows: Rows) -> Ints:
        distances, places = self._find_nearest(1, rows)
        nearest = places[:, 0]
        length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        is_inside = distances[:, 0] <= self.core_distances_[nearest] + SLACK * length
        return np.where(is_inside, self.labels_[nearest], -1)

    def _find_nearest(self, count: int, rows: Rows) -> tuple[NDArray[np.float64], Ints]:
        """Find the nearest rows of `fit`: their distances and row numbers, each (m, count). The nearest of a row of
        `fit` is the row itself."""
        metric = getattr(self, "metric", self.default_metric)
        nearest: tuple[NDArray[np.float64], Ints] = (
            NearestNeighbors(n_neighbors=count, metric=metric).fit(self.rows_).kneighbors(rows)
        )
        return nearest
