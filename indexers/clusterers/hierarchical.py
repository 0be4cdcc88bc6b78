"""Hierarchical clustering of all pairs: SciPy's and scikit-learn's."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import pairwise_distances_chunked
from sklearn.utils._param_validation import Interval, StrOptions

from indexers.arrays import scale_to_unit
from indexers.clusterers.base import Clusterer, Ints, ProgressCallback, Rows
from indexers.clusterers.steps.dendrogram import Floats, apply_merges, limit_to_distinct_rows

LIMIT = 20_000
"""The largest number of rows of which all pairs are held at once, in 8 n^2 bytes: 3.2 GB."""
REDUCTIONS = {"single": np.minimum, "complete": np.maximum, "average": np.add}
"""How a linkage reduces the distances to a cluster's rows; the average is the sum over the count."""


class Hierarchical(Clusterer):
    """Single, complete, average or Ward's linkage over all pairs of rows (Murtagh and Contreras, Algorithms for
    hierarchical clustering: an overview, 2012). It uses SciPy's nearest-neighbour chain, and scikit-learn's minimum
    spanning tree for single linkage (Müllner, Modern hierarchical, agglomerative clustering algorithms, 2011).

    Single linkage needs memory that grows with n, the others with n^2, so these refuse more than 20,000 rows. All need
    n^2 d in time.

    A new row joins the cluster with the smallest distance in the sense of the linkage: to the nearest of the cluster's
    rows (single), to the farthest (complete), on average (average), or by the increase of the sum of squares (ward). So
    a row of `fit` may be predicted into another cluster than its own, except with single linkage.

    Parameters
    ----------
    n_clusters: the number of clusters.
    distance_threshold: the distance from which on clusters are not merged. One of these two is None.
    linkage: "single", "complete", "average", "ward".
    metric: "euclidean", "cosine", "manhattan"; "ward" takes "euclidean" only.

    Attributes
    ----------
    children_: int64 (n - 1, 2), distances_: float64 (n - 1,): the whole tree as AgglomerativeClustering has it. The
        i-th merge is node n + i.
    n_clusters_: int.
    rows_: the rows of `fit` with which new rows are compared, cluster by cluster, (n, d); for "ward" the means,
        (n_clusters_, d).
    sizes_: int64 (n_clusters_,).
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "distance_threshold": [Interval(Real, 0, None, closed="left"), None],
        "linkage": [StrOptions({"single", "complete", "average", "ward"})],
        "metric": [StrOptions({"euclidean", "cosine", "manhattan"})],
    }
    learned = ("rows_", "sizes_")

    def __init__(
        self,
        n_clusters: int | None = 8,
        *,
        distance_threshold: float | None = None,
        linkage: str = "average",
        metric: str = "euclidean",
    ) -> None:
        self.n_clusters = n_clusters
        self.distance_threshold = distance_threshold
        self.linkage = linkage
        self.metric = metric

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        self._check_parameters(len(rows))
        build_tree = self._build_single_linkage if self.linkage == "single" else self._build_from_all_pairs
        self.children_, self.distances_ = build_tree(rows)
        self.labels_ = apply_merges(self.children_[: self._count_merges(rows)], len(rows))
        self.sizes_ = np.bincount(self.labels_)
        self.n_clusters_ = len(self.sizes_)
        self.rows_ = rows[np.argsort(self.labels_, kind="stable")]
        if self.linkage == "ward":
            sums = np.add.reduceat(self.rows_, self._find_starts(), axis=0)
            self.rows_ = sums / self.sizes_[:, None].astype(rows.dtype)

    def _check_parameters(self, count: int) -> None:
        if (self.n_clusters is None) == (self.distance_threshold is None):
            raise ValueError(
                f"n_clusters is {self.n_clusters} and distance_threshold {self.distance_threshold}; give exactly one"
            )
        if self.linkage == "ward" and self.metric != "euclidean":
            raise ValueError(f"metric is {self.metric!r}; linkage='ward' takes 'euclidean' only")
        if count < 2:
            raise ValueError(f"n_samples={count} is too few for a tree; give at least 2 rows")
        if count > LIMIT and self.linkage != "single":
            raise ValueError(
                f"X has {count:,} rows; linkage={self.linkage!r} holds all pairs in memory, of at most {LIMIT:,} rows; "
                "use Density or GraphAgglomeration, which compare neighbours only, or linkage='single'"
            )

    def _build_single_linkage(self, rows: Rows) -> tuple[Ints, Floats]:
        """Return children and distances. The cosine goes by the Euclidean distance of unit vectors, half of whose
        square is 1 - cosine, since single linkage depends on the order of the distances only."""
        is_cosine = self.metric == "cosine"
        tree = AgglomerativeClustering(
            None, distance_threshold=0, linkage="single", metric="euclidean" if is_cosine else self.metric
        ).fit(scale_to_unit(rows) if is_cosine else rows)
        return tree.children_.astype(np.int64), tree.distances_**2 / 2 if is_cosine else tree.distances_

    def _build_from_all_pairs(self, rows: Rows) -> tuple[Ints, Floats]:
        """Return children and distances."""
        from scipy.cluster.hierarchy import linkage

        merges = linkage(_compute_condensed_distances(rows, self.metric), self.linkage)
        return merges[:, :2].astype(np.int64), merges[:, 2].copy()

    def _count_merges(self, rows: Rows) -> int:
        """Return the number of merges to make."""
        if self.distance_threshold is not None:
            return int(np.searchsorted(self.distances_, self.distance_threshold))
        return len(rows) - limit_to_distinct_rows(rows, self.n_clusters or 1)

    def _find_starts(self) -> Ints:
        """Return the place in `rows_` at which each cluster starts."""
        return np.cumsum(self.sizes_) - self.sizes_

    def _predict(self, rows: Rows) -> Ints:
        chunks = pairwise_distances_chunked(rows, self.rows_, metric=self.metric)
        return np.concatenate([self._reduce_to_clusters(distances).argmin(1) for distances in chunks])

    def _reduce_to_clusters(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Reduce distances to `rows_`, (m, n), to distances to clusters, (m, n_clusters_)."""
        if self.linkage == "ward":
            return distances**2 * (self.sizes_ / (self.sizes_ + 1))
        reduced: NDArray[np.floating] = REDUCTIONS[self.linkage].reduceat(distances, self._find_starts(), axis=1)
        return reduced / self.sizes_ if self.linkage == "average" else reduced


def _compute_condensed_distances(rows: Rows, metric: str) -> Floats:
    """Compute the distances of all pairs in SciPy's condensed form. Metrics that have a matrix product use it, which is
    many times as fast as SciPy's own function."""
    count = len(rows)
    condensed, filled, row_number = np.empty(count * (count - 1) // 2), 0, 0
    for chunk in pairwise_distances_chunked(rows, metric=metric):
        for distances in chunk:
            row_number += 1
            condensed[filled : filled + count - row_number] = distances[row_number:]
            filled += count - row_number
    return condensed
