"""Hierarchical clustering of all pairs: SciPy's and scikit-learn's."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import pairwise_distances_chunked
from sklearn.utils._param_validation import Interval, StrOptions

from indexers.clusterers.base import Clusterer, Ints, ProgressCallback, Rows
from indexers.clusterers.steps.dendrogram import Floats, apply_merges, limit_to_distinct_rows
from indexers.clusterers.steps.neighbours import unit

LIMIT = 20_000
"""Rows of which all pairs are held at once, in 8 n^2 bytes: 3.2 GB."""
WITHIN = {"single": np.minimum, "complete": np.maximum, "average": np.add}
"""What a linkage makes of the distances to a cluster's rows; a mean is a sum over the count."""


class Hierarchical(Clusterer):
    """Single, complete, average or Ward's linkage over all pairs of rows (Murtagh and Contreras, Algorithms for
    hierarchical clustering: an overview, 2012). SciPy's nearest-neighbour chain, and scikit-learn's minimum spanning
    tree for single linkage (Müllner, Modern hierarchical, agglomerative clustering algorithms, 2011).

    Single linkage takes memory that grows with n, the others with n^2; these refuse more than 20,000 rows. All take
    n^2 d in time.

    A new row joins the cluster whose distance to it is smallest, in the linkage's own sense: to the nearest of the
    cluster's rows (single), to the farthest (complete), on average (average), or by what the sum of squares grows
    (ward). A row of `fit` may so be predicted into another cluster than its own, but for single linkage.

    Parameters
    ----------
    n_clusters: how many. distance_threshold: the distance from which on clusters are not merged; one of the two is
        None. linkage: "single", "complete", "average", "ward". metric: "euclidean", "cosine", "manhattan"; for "ward"
        the first only.

    Attributes
    ----------
    children_: int64 (n - 1, 2), distances_: float64 (n - 1,), the whole tree as AgglomerativeClustering has it: the
    i-th merge is node n + i. n_clusters_: int. rows_: what new rows are compared with, cluster after cluster: (n, d),
    or for "ward" the means, (n_clusters_, d). sizes_: int64 (n_clusters_,).
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
        self._check(len(rows))
        self.children_, self.distances_ = self._single(rows) if self.linkage == "single" else self._all_pairs(rows)
        self.labels_ = apply_merges(self.children_[: self._taken(rows)], len(rows))
        self.sizes_ = np.bincount(self.labels_)
        self.n_clusters_ = len(self.sizes_)
        self.rows_ = rows[np.argsort(self.labels_, kind="stable")]
        if self.linkage == "ward":
            self.rows_ = np.add.reduceat(self.rows_, self._starts(), axis=0) / self.sizes_[:, None].astype(rows.dtype)

    def _check(self, count: int) -> None:
        if (self.n_clusters is None) == (self.distance_threshold is None):
            raise ValueError(
                f"n_clusters is {self.n_clusters} and distance_threshold {self.distance_threshold}; give exactly one"
            )
        if self.linkage == "ward" and self.metric != "euclidean":
            raise ValueError(f"metric is {self.metric!r}; linkage='ward' is for 'euclidean' only")
        if count < 2:
            raise ValueError(f"n_samples={count} row has no tree; at least 2 are needed")
        if count > LIMIT and self.linkage != "single":
            raise ValueError(
                f"X has {count:,} rows; linkage={self.linkage!r} holds all pairs, of at most {LIMIT:,}; "
                "use Density or GraphAgglomeration, which go over neighbours, or linkage='single'"
            )

    def _single(self, rows: Rows) -> tuple[Ints, Floats]:
        """Half the squared distance of unit vectors is 1 - cosine, and single linkage sees nothing but the order."""
        cosine = self.metric == "cosine"
        tree = AgglomerativeClustering(
            None, distance_threshold=0, linkage="single", metric="euclidean" if cosine else self.metric
        ).fit(unit(rows) if cosine else rows)
        return tree.children_.astype(np.int64), tree.distances_**2 / 2 if cosine else tree.distances_

    def _all_pairs(self, rows: Rows) -> tuple[Ints, Floats]:
        from scipy.cluster.hierarchy import linkage

        merges = linkage(_condensed(rows, self.metric), self.linkage)
        return merges[:, :2].astype(np.int64), merges[:, 2].copy()

    def _taken(self, rows: Rows) -> int:
        if self.distance_threshold is not None:
            return int(np.searchsorted(self.distances_, self.distance_threshold))
        return len(rows) - limit_to_distinct_rows(rows, self.n_clusters or 1)

    def _starts(self) -> Ints:
        return np.cumsum(self.sizes_) - self.sizes_

    def _predict(self, rows: Rows) -> Ints:
        parts = pairwise_distances_chunked(rows, self.rows_, metric=self.metric)
        return np.concatenate([self._to_clusters(part).argmin(1) for part in parts])

    def _to_clusters(self, distance: NDArray[np.floating]) -> NDArray[np.floating]:
        """From distances to `rows_`, (m, n), those to clusters, (m, n_clusters_)."""
        if self.linkage == "ward":
            return distance**2 * (self.sizes_ / (self.sizes_ + 1))
        found: NDArray[np.floating] = WITHIN[self.linkage].reduceat(distance, self._starts(), axis=1)
        return found / self.sizes_ if self.linkage == "average" else found


def _condensed(rows: Rows, metric: str) -> Floats:
    """The distances of all pairs, as SciPy wants them: by matrix products where the metric has them, which is many
    times as fast as SciPy's own."""
    count = len(rows)
    found, filled, first = np.empty(count * (count - 1) // 2), 0, 0
    for part in pairwise_distances_chunked(rows, metric=metric):
        for row in part:
            first += 1
            found[filled : filled + count - first] = row[first:]
            filled += count - first
    return found
