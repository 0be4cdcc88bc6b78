"""What clusterers with noise share: to whom a new row belongs, judged by how dense it is where it falls."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from indexers.clusterers.base import Clusterer, Ints, Rows

SLACK = 1e-6
"""How much of a row's length the distance of two equal rows may come out as, by rounding."""


class CoreDistanceClusterer(Clusterer):
    """Clusters of dense rows among noise. A core distance is that of a row to its `min_samples`-th neighbour, as Ester
    et al. (DBSCAN, KDD 1996) and Campello et al. (HDBSCAN, PAKDD 2013) measure density.

    A new row gets the label of the nearest row of `fit` if it lies within that row's core distance, which is where it
    would have been one of its `min_samples` nearest; else, and where the nearest row is noise, -1. So each row of `fit`
    is predicted into its own cluster. All rows of `fit` are kept for that.

    Attributes
    ----------
    rows_: (n, d), the rows of `fit`. core_distances_: float64 (n,), in the clusterer's metric.
    """

    learned = ("rows_", "core_distances_", "labels_")
    distance: ClassVar[str] = "euclidean"
    """Where it is not a parameter: the metric between `rows_`."""

    def _predict(self, rows: Rows) -> Ints:
        distance, place = self._near(1, rows)
        nearest = place[:, 0]
        length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        inside = distance[:, 0] <= self.core_distances_[nearest] + SLACK * length
        return np.where(inside, self.labels_[nearest], -1)

    def _near(self, count: int, rows: Rows) -> tuple[NDArray[np.float64], Ints]:
        """Distances to the nearest rows of `fit`, and which they are; a row of `fit` is its own first."""
        metric = getattr(self, "metric", self.distance)
        found: tuple[NDArray[np.float64], Ints] = (
            NearestNeighbors(n_neighbors=count, metric=metric).fit(self.rows_).kneighbors(rows)
        )
        return found
