"""The cluster tree as an estimator of scikit-learn's."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from indexers.arrays import Ints
from indexers.clusterers.steps.dendrogram import apply_merges
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours, unit
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.cuts import order_merges

APART = 2.0
"""The distance at which parts that no edge joins are put together: more than any other."""


class GraphAgglomeration(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Average-linkage agglomeration over the graph of nearest neighbours, for cosine similarity, kept up to date.

    Rows are brought to unit length, so that a distance is 1 - cosine, 0 to 2; a row of zeros has no direction and is at
    distance 1 of everything else. Up to `limit` different rows this is average linkage over all pairs, as
    AgglomerativeClustering gives it; beyond that, over neighbours only. `partial_fit` adds rows to a fitted tree; the
    result is that of one fit of all rows (where two rows are equally near, either may be the neighbour).

    The neighbours are found by brute force, in n^2 d. Who has a better graph uses ClusterTree with it.

    Parameters
    ----------
    n_neighbors: edges per row.
    n_clusters: clusters of `labels_`; as long as there are fewer rows in partial_fit, each is a cluster.
    distance_threshold: distance from which on clusters are not merged; at most one of the two. With neither, the cut
        is the tree's medium (levels.levels).
    limit: nodes from which on all pairs are compared.

    Attributes
    ----------
    labels_: int64 (n,). n_clusters_, n_leaves_: int. children_: int64 (n - 1, 2), distances_: float64 (n - 1,), as
    AgglomerativeClustering has them: the i-th merge is node n + i, and distances never fall. tree_: the ClusterTree,
    with rows as items.

    References
    ----------
    Monath et al., Scalable Hierarchical Agglomerative Clustering, KDD 2021. Müllner, Modern hierarchical, agglomerative
    clustering algorithms, 2011.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "distance_threshold": [Interval(Real, 0, None, closed="left"), None],
        "limit": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_neighbors: int = 15,
        *,
        n_clusters: int | None = None,
        distance_threshold: float | None = None,
        limit: int = 1000,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.n_clusters = n_clusters
        self.distance_threshold = distance_threshold
        self.limit = limit

    def fit(self, X: Any, y: Any = None) -> GraphAgglomeration:  # noqa: N803
        """Build the tree of the rows of X, (n, d), of at least two rows."""
        self._check()
        rows = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if self.n_clusters is not None and self.n_clusters > len(rows):
            raise ValueError(f"n_clusters is {self.n_clusters}; there are only n_samples={len(rows)} rows")
        self._begin(rows.shape[1])
        return self._extend(rows)

    def partial_fit(self, X: Any, y: Any = None) -> GraphAgglomeration:  # noqa: N803
        """Add the rows of X to those that were fitted before; they follow them in `labels_`."""
        self._check()
        first = not hasattr(self, "tree_")
        rows = validate_data(self, X, dtype=[np.float64, np.float32], reset=first)
        if first:
            self._begin(rows.shape[1])
        return self._extend(rows)

    def _check(self) -> None:
        self._validate_params()
        if self.n_clusters is not None and self.distance_threshold is not None:
            raise ValueError(
                f"n_clusters is {self.n_clusters} and distance_threshold {self.distance_threshold}; give at most one"
            )

    def _begin(self, dimension: int) -> None:
        self.tree_ = ClusterTree(dimension, self.limit)
        self._rows = np.empty((0, dimension), np.float32)
        self._near: Ints = np.empty((0, 0), np.int64)

    def _extend(self, rows: NDArray[np.floating]) -> GraphAgglomeration:
        before = len(self._rows)
        self._rows = np.concatenate([self._rows, unit(rows)])
        near = self._neighbours(before)
        old, new = (_keys(build_edges(table), len(self._rows)) for table in (self._near, near))
        self.tree_.update(
            np.arange(before, len(self._rows)),
            rows,
            new_pairs=_pairs(np.setdiff1d(new, old, assume_unique=True), len(self._rows)),
            gone_pairs=_pairs(np.setdiff1d(old, new, assume_unique=True), len(self._rows)),
        )
        self._near = near
        self.n_leaves_ = len(self._rows)
        self.children_, self.distances_ = _dendrogram(self.tree_, self.n_leaves_)
        self._cut()
        return self

    def _neighbours(self, before: int) -> Ints:
        """The nearest rows of all, of which the first `before` were known."""
        rows, count = self._rows, min(self.n_neighbors, len(self._rows) - 1)
        if self._near.shape[1] < count:  # there were too few rows for as many neighbours
            return find_neighbours(rows, count)
        fresh = np.arange(before, len(rows))
        table = np.concatenate([self._near, find_neighbours(rows, count, fresh)])
        # A new row enters the lists of those that it is nearer to than their last neighbour.
        step = max(1, 4_000_000 // max(len(fresh), 1))
        for start in range(0, before, step):
            part = np.arange(start, min(start + step, before))
            known = np.einsum("ij,ikj->ik", rows[part], rows[table[part]])
            other = rows[part] @ rows[fresh].T
            nearer = np.flatnonzero(other.max(1) > known.min(1))
            choice = np.concatenate([table[part[nearer]], np.tile(fresh, (len(nearer), 1))], 1)
            value = np.concatenate([known[nearer], other[nearer]], 1)
            best = np.argpartition(-value, count - 1, axis=1)[:, :count]
            table[part[nearer]] = np.take_along_axis(choice, best, 1)
        return table

    def _cut(self) -> None:
        count = self.n_leaves_
        if self.n_clusters is not None:
            taken = max(count - self.n_clusters, 0)
        elif self.distance_threshold is not None:
            taken = int(np.count_nonzero(self.distances_ < self.distance_threshold))
        else:
            taken = int(np.count_nonzero(self.distances_ <= 1 - self.tree_.choose_levels().medium))
        self.labels_ = apply_merges(self.children_[:taken], count)
        self.n_clusters_ = count - taken


def _keys(edges: Ints, wide: int) -> Ints:
    found: Ints = edges[:, 0] * wide + edges[:, 1]
    return found


def _pairs(keys: Ints, wide: int) -> Ints:
    return np.stack([keys // wide, keys % wide], 1)


def _dendrogram(tree: ClusterTree, count: int) -> tuple[Ints, NDArray[np.float64]]:
    """children_ and distances_: exact copies first, then the tree's merges, then what no edge joins."""
    nodes = tree.nodes
    name = np.full(nodes.used, -1)  # of each node of the tree, by now
    children: list[tuple[int, int]] = []
    rows = np.argsort(tree.items.leaf[:count], kind="stable")
    for row, leaf in zip(rows.tolist(), tree.items.leaf[rows].tolist(), strict=True):
        if name[leaf] < 0:
            name[leaf] = row
        else:
            children.append((int(name[leaf]), row))
            name[leaf] = count + len(children) - 1
    copies = len(children)
    ordered = order_merges(nodes)
    name[ordered] = count + copies + np.arange(len(ordered))
    roots = name[np.sort(tree.roots())]
    last = count + copies + len(ordered)
    joined = [(int(roots[0]) if place == 0 else last + place - 1, int(root)) for place, root in enumerate(roots[1:])]
    found = np.concatenate(
        [
            np.array(children, np.int64).reshape(-1, 2),
            np.stack([name[nodes.left[ordered]], name[nodes.right[ordered]]], 1),
            np.array(joined, np.int64).reshape(-1, 2),
        ]
    )
    distance = np.concatenate([np.zeros(copies), 1 - nodes.height[ordered], np.full(len(joined), APART)])
    return np.sort(found, 1), distance
