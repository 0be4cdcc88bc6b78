"""EVoC, from the package evoc if that is installed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from indexers.arrays import scale_to_unit
from indexers.clusterers.base import Ints, ProgressCallback, Rows, renumber_labels
from indexers.clusterers.steps.core_distance import CoreDistanceClusterer
from indexers.errors import MissingPackage

WIDTH = 16
"""The least number of columns that evoc can lay out; added columns of zeros change no cosine."""


@dataclass(frozen=True)
class Layers:
    """The labels that evoc gives.

    layers: int64 (n,) each, from fine to coarse.
    most_persistent: the number of the most persistent layer.
    core_distances: float64 (n,).
    """

    layers: list[Ints]
    most_persistent: int
    core_distances: NDArray[np.float64]


class Evoc(CoreDistanceClusterer):
    """Embedding vector oriented clustering: the neighbour graph for the cosine, laid out in a few dimensions as UMAP
    does it (McInnes, Healy and Melville, 2018), and HDBSCAN of the layout (Campello et al., 2013).

    It needs the package evoc (Tutte Institute), which compiles for up to a minute on its first use, and raises
    MissingPackage without it. A new row joins as `CoreDistanceClusterer` describes, among unit vectors.

    Parameters
    ----------
    approx_n_clusters: the number of clusters, reached as nearly as the layout allows; None: the most persistent layer.
    noise_level: 0 puts more rows into clusters, 1 makes purer clusters.
    min_cluster_size: the least number of rows of a cluster in the finest layer.
    n_neighbors: edges per row, counting the row itself.
    min_samples: the neighbour whose distance is the core distance, counting the row itself.
    random_state: a whole number; with None, two runs differ.

    Attributes
    ----------
    layers_: int64 (layers, n), labels from fine to coarse, -1 for noise; one of them is `labels_`.
    rows_: float32 (n, d), the unit vectors.
    core_distances_: as in CoreDistanceClusterer.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "approx_n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "noise_level": [Interval(Real, 0, 1, closed="both")],
        "min_cluster_size": [Interval(Integral, 2, None, closed="left")],
        "n_neighbors": [Interval(Integral, 2, None, closed="left")],
        "min_samples": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        approx_n_clusters: int | None = None,
        *,
        noise_level: float = 0.5,
        min_cluster_size: int = 5,
        n_neighbors: int = 15,
        min_samples: int = 5,
        random_state: int | None = None,
    ) -> None:
        self.approx_n_clusters = approx_n_clusters
        self.noise_level = noise_level
        self.min_cluster_size = min_cluster_size
        self.n_neighbors = n_neighbors
        self.min_samples = min_samples
        self.random_state = random_state

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        if self.min_samples > self.n_neighbors:
            raise ValueError(f"min_samples is {self.min_samples}; it can be at most n_neighbors={self.n_neighbors}")
        self.rows_ = scale_to_unit(rows)
        # Equal rows would be each other's only neighbours; evoc sees each once.
        distinct, copy_of = np.unique(self.rows_, axis=0, return_inverse=True)
        clustering = self._cluster(distinct)
        self.layers_ = np.stack([renumber_labels(layer[copy_of.ravel()]) for layer in clustering.layers])
        self.labels_ = self.layers_[clustering.most_persistent]
        self.core_distances_ = clustering.core_distances[copy_of.ravel()]

    def _cluster(self, rows: NDArray[np.float32]) -> Layers:
        """Cluster distinct unit vectors. Rows too few to fill one list of neighbours are noise."""
        if len(rows) <= self.n_neighbors:
            return Layers([np.full(len(rows), -1)], 0, np.zeros(len(rows)))
        padded = np.pad(rows, ((0, 0), (0, max(0, WIDTH - rows.shape[1]))))
        fitted = self._create_engine().fit(padded)
        neighbour = rows[fitted.nn_inds_[:, self.min_samples - 1]]
        core_distances = np.linalg.norm((rows - neighbour).astype(np.float64), axis=1)
        return Layers(fitted.cluster_layers_, int(np.argmax(fitted.persistence_scores_)), core_distances)

    def _create_engine(self) -> Any:
        try:
            engine = import_module("evoc").EVoC
        except ImportError as error:
            raise MissingPackage(f"Evoc needs the package 'evoc': pip install evoc ({error})") from error
        return engine(
            noise_level=self.noise_level,
            base_min_cluster_size=self.min_cluster_size,
            approx_n_clusters=self.approx_n_clusters,
            n_neighbors=self.n_neighbors,
            min_samples=self.min_samples,
            random_state=self.random_state,
        )
