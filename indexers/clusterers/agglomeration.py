"""The cluster tree as a scikit-learn estimator."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from indexers.arrays import Ints, scale_to_unit
from indexers.clusterers.steps.dendrogram import apply_merges
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.cuts import order_merges


class GraphAgglomeration(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Average-linkage agglomeration over the graph of nearest neighbours, for cosine similarity, kept up to date.

    Rows are scaled to unit length, so that a distance is 1 - cosine, 0 to 2; a row of zeros has no direction and is at
    distance 1 from everything else. Up to `limit` distinct rows this is average linkage over all pairs, as
    AgglomerativeClustering gives it; beyond that it is limited to neighbours, and to the most similar ones of what no
    neighbours join. `partial_fit` adds rows to a fitted tree;
    the result is that of one fit of all rows (if two rows are equally near, either may be the neighbour).

    The neighbours are found by brute force, in n^2 d. With a better graph at hand, use ClusterTree instead.

    Parameters
    ----------
    n_neighbors: edges per row.
    n_clusters: the number of clusters in `labels_`; while partial_fit has seen fewer rows, each row is a cluster.
    distance_threshold: the distance from which on clusters are not merged. Give at most one of these two; with neither,
        the tree is cut at its medium level.
    limit: with at most this many nodes left, all pairs are compared.

    Attributes
    ----------
    labels_: int64 (n,).
    n_clusters_, n_leaves_: int.
    children_: int64 (n - 1, 2), distances_: float64 (n - 1,), as AgglomerativeClustering has them: the i-th merge is
        node n + i, and distances never fall.
    tree_: the ClusterTree, with rows as items.

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
        """Build the tree of the rows of X, (n, d), n at least 2."""
        self._check_parameters()
        rows = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if self.n_clusters is not None and self.n_clusters > len(rows):
            raise ValueError(f"n_clusters is {self.n_clusters}; there are only n_samples={len(rows)} rows")
        self._start_tree(rows.shape[1])
        return self._extend_tree(rows)

    def partial_fit(self, X: Any, y: Any = None) -> GraphAgglomeration:  # noqa: N803
        """Add the rows of X to those that were fitted before; their labels follow in `labels_`."""
        self._check_parameters()
        is_first = not hasattr(self, "tree_")
        rows = validate_data(self, X, dtype=[np.float64, np.float32], reset=is_first)
        if is_first:
            self._start_tree(rows.shape[1])
        return self._extend_tree(rows)

    def _check_parameters(self) -> None:
        self._validate_params()
        if self.n_clusters is not None and self.distance_threshold is not None:
            raise ValueError(
                f"n_clusters is {self.n_clusters} and distance_threshold {self.distance_threshold}; give at most one"
            )

    def _start_tree(self, dimension: int) -> None:
        self.tree_ = ClusterTree(dimension, self.limit)
        self._rows = np.empty((0, dimension), np.float32)
        self._neighbours: Ints = np.empty((0, 0), np.int64)

    def _extend_tree(self, rows: NDArray[np.floating]) -> GraphAgglomeration:
        before = len(self._rows)
        self._rows = np.concatenate([self._rows, scale_to_unit(rows)])
        neighbours = self._extend_neighbours(before)
        old, new = (_encode_edges(build_edges(table), len(self._rows)) for table in (self._neighbours, neighbours))
        self.tree_.update(
            np.arange(before, len(self._rows)),
            rows,
            new_pairs=_decode_edges(np.setdiff1d(new, old, assume_unique=True), len(self._rows)),
            gone_pairs=_decode_edges(np.setdiff1d(old, new, assume_unique=True), len(self._rows)),
        )
        self._neighbours = neighbours
        self.n_leaves_ = len(self._rows)
        self.children_, self.distances_ = _build_dendrogram(self.tree_, self.n_leaves_)
        self._cut_tree()
        return self

    def _extend_neighbours(self, before: int) -> Ints:
        """Return the neighbour table of all rows, of which the first `before` have a table already."""
        rows, count = self._rows, min(self.n_neighbors, len(self._rows) - 1)
        if self._neighbours.shape[1] < count:  # there were too few rows for that many neighbours
            return find_neighbours(rows, count)
        fresh = np.arange(before, len(rows))
        table = np.concatenate([self._neighbours, find_neighbours(rows, count, fresh)])
        # A new row enters the lists of those rows that it is nearer to than their last neighbour.
        step = max(1, 4_000_000 // max(len(fresh), 1))
        for start in range(0, before, step):
            block = np.arange(start, min(start + step, before))
            old_cosine = np.einsum("ij,ikj->ik", rows[block], rows[table[block]])
            new_cosine = rows[block] @ rows[fresh].T
            nearer = np.flatnonzero(new_cosine.max(1) > old_cosine.min(1))
            candidates = np.concatenate([table[block[nearer]], np.tile(fresh, (len(nearer), 1))], 1)
            cosine = np.concatenate([old_cosine[nearer], new_cosine[nearer]], 1)
            best = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
            table[block[nearer]] = np.take_along_axis(candidates, best, 1)
        return table

    def _cut_tree(self) -> None:
        count = self.n_leaves_
        if self.n_clusters is not None:
            n_merges = max(count - self.n_clusters, 0)
        elif self.distance_threshold is not None:
            n_merges = int(np.count_nonzero(self.distances_ < self.distance_threshold))
        else:
            tops = self.tree_.cut_medium().nodes
            self.labels_ = np.unique(tops, return_inverse=True)[1]
            self.n_clusters_ = int(self.labels_.max()) + 1
            return
        self.labels_ = apply_merges(self.children_[:n_merges], count)
        self.n_clusters_ = count - n_merges


def _encode_edges(edges: Ints, width: int) -> Ints:
    """Encode each edge between rows below `width` as one number."""
    keys: Ints = edges[:, 0] * width + edges[:, 1]
    return keys


def _decode_edges(keys: Ints, width: int) -> Ints:
    return np.stack([keys // width, keys % width], 1)


def _build_dendrogram(tree: ClusterTree, count: int) -> tuple[Ints, NDArray[np.float64]]:
    """Return children_ and distances_: first the merges of equal rows, then those of the tree."""
    nodes = tree.nodes
    node_ids = np.full(nodes.used, -1)  # of each node of the tree: its present number in the dendrogram
    equal: list[tuple[int, int]] = []
    rows = np.argsort(tree.items.leaf[:count], kind="stable")
    for row, leaf in zip(rows.tolist(), tree.items.leaf[rows].tolist(), strict=True):
        if node_ids[leaf] < 0:
            node_ids[leaf] = row
        else:
            equal.append((int(node_ids[leaf]), row))
            node_ids[leaf] = count + len(equal) - 1
    ordered = order_merges(nodes)
    node_ids[ordered] = count + len(equal) + np.arange(len(ordered))
    children = np.concatenate(
        [
            np.array(equal, np.int64).reshape(-1, 2),
            np.stack([node_ids[nodes.left[ordered]], node_ids[nodes.right[ordered]]], 1),
        ]
    )
    distances = np.concatenate([np.zeros(len(equal)), 1 - tree.heights(ordered)])
    return np.sort(children, 1), distances
