"""HDBSCAN: scikit-learn's."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import sklearn.cluster
from sklearn.utils._param_validation import Interval, StrOptions

from indexers.clusterers.base import Ints, ProgressCallback, Rows, renumber_labels
from indexers.clusterers.steps.core_distance import CoreDistanceClusterer

LIMIT = 20_000
"""The largest number of rows of which all pairs are held at once, in 8 n^2 bytes: 3.2 GB."""


class Hdbscan(CoreDistanceClusterer):
    """Clusters that persist over the most densities, and noise (Campello, Moulavi and Sander, Density-based clustering
    based on hierarchical density estimates, PAKDD 2013). This is scikit-learn's, behind the interface of this family; a
    new row joins as `CoreDistanceClusterer` describes.

    "euclidean" and "manhattan" need memory that grows with n, "cosine" with n^2, so "cosine" refuses more than 20,000
    rows. All need n^2 d in time if d is large.

    Parameters
    ----------
    min_cluster_size: the least number of rows of a cluster.
    min_samples: the neighbour whose distance is the core distance, counting the row itself; None: min_cluster_size.
    cluster_selection_epsilon: clusters nearer than this are not split.
    cluster_selection_method: "eom" (excess of mass) or "leaf".
    allow_single_cluster: all rows may be one cluster.
    metric: "euclidean", "cosine", "manhattan".

    Attributes
    ----------
    probabilities_: float64 (n,), how strongly a row belongs to its cluster, 0 to 1.
    rows_, core_distances_: as in CoreDistanceClusterer.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "min_cluster_size": [Interval(Integral, 2, None, closed="left")],
        "min_samples": [Interval(Integral, 1, None, closed="left"), None],
        "cluster_selection_epsilon": [Interval(Real, 0, None, closed="left")],
        "cluster_selection_method": [StrOptions({"eom", "leaf"})],
        "allow_single_cluster": ["boolean"],
        "metric": [StrOptions({"euclidean", "cosine", "manhattan"})],
    }

    def __init__(
        self,
        min_cluster_size: int = 5,
        *,
        min_samples: int | None = None,
        cluster_selection_epsilon: float = 0.0,
        cluster_selection_method: str = "eom",
        allow_single_cluster: bool = False,
        metric: str = "euclidean",
    ) -> None:
        self.min_cluster_size = min_cluster_size
        self.min_samples = min_samples
        self.cluster_selection_epsilon = cluster_selection_epsilon
        self.cluster_selection_method = cluster_selection_method
        self.allow_single_cluster = allow_single_cluster
        self.metric = metric

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        if self.metric == "cosine" and len(rows) > LIMIT:
            raise ValueError(
                f"X has {len(rows):,} rows; metric='cosine' holds all pairs in memory, of at most {LIMIT:,} rows; "
                "use unit vectors with metric='euclidean', or Evoc"
            )
        # The parameters are those of scikit-learn's class; without copy it changes float64 rows in place. It refuses
        # fewer rows than a core distance counts.
        parameters = self.get_params()
        parameters["min_samples"] = min(self.min_samples or self.min_cluster_size, len(rows))
        fitted = sklearn.cluster.HDBSCAN(**parameters, copy=True).fit(rows)
        self.labels_ = renumber_labels(fitted.labels_)
        self.probabilities_ = fitted.probabilities_
        self.rows_ = rows
        self.core_distances_ = self._find_nearest(parameters["min_samples"], rows)[0][:, -1]
