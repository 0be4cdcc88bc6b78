"""The collection's own clusterings repeated on a part of its items, to measure how stable they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from indexers import plugins
from indexers.arrays import scale_to_unit
from indexers.clusterers.incremental_kmeans.estimator import IncrementalKMeans
from indexers.errors import NearkinError
from indexers.followers.partitions import KMEANS_SETTINGS
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import compute_fingerprints, round_vectors
from indexers.tree.level_cut import LevelLabels
from indexers.tree.level_parameters import LevelParameters
from indexers.tree.neighbour_graph import NeighbourGraph
from indexers.tree.rounded_vectors import RoundedVectors
from indexers.types import ClusteringRow, Ids, Space, Vectors


class TreeRefit:
    """Neighbour graphs and trees of some rows, as a collection of just these would have them.

    They are cut as the collection's levels are. The cuts are kept, since three levels come from each tree.
    """

    def __init__(self, space: Space, levels: tuple[float, float, float]) -> None:
        self.space, self.levels = space, LevelParameters(*levels)
        self._cuts: dict[bytes, LevelLabels] = {}

    def make_level_refit(self, place: int) -> Callable[[Vectors], Ids]:
        """Return the function that clusters rows as the level at this place of LEVELS does."""

        def refit(rows: Vectors) -> Ids:
            labels = self._find_cut(rows)[place]
            return np.where(labels > 0, labels, -1)

        return refit

    def _find_cut(self, rows: Vectors) -> LevelLabels:
        key = compute_fingerprints(round_vectors(rows)).tobytes()
        if key not in self._cuts:
            self._cuts[key] = self._cut_tree(rows)
        return self._cuts[key]

    def _cut_tree(self, rows: Vectors) -> LevelLabels:
        tree, items, graph = ClusterTree(self.space.dimension), np.arange(len(rows)), NeighbourGraph()
        edges = graph.update(np.empty(0, np.int64), RoundedVectors(tree, items, rows)).new
        tree.update(items, rows, new_pairs=edges)
        return tree.cut_levels(self.levels, graph.link_items)


def make_partition_refit(count: int) -> Callable[[Vectors], Ids]:
    """Return the function that makes `count` partitions, learnt from all rows at once rather than as they came."""

    def refit(rows: Vectors) -> Ids:
        labels: Ids = IncrementalKMeans(min(count, len(rows)), **KMEANS_SETTINGS).fit(rows).labels_
        return labels

    return refit


def make_named_refit(row: ClusteringRow, space: Space) -> Callable[[Vectors], Ids] | str:
    """Return the function that clusters rows by the method and parameters of a named clustering.

    Return the reason instead if the method is unavailable, or the clustering was learnt from chosen items.
    """
    if row.choice:
        return "it was made of chosen items"
    try:
        kind = plugins.load_member("nearkin.clusterers", row.method)
    except NearkinError as error:
        return str(error)

    def refit(rows: Vectors) -> Ids:
        labels: Ids = kind(**row.parameters).fit(scale_to_unit(rows) if space.metric == "cosine" else rows).labels_
        return labels

    return refit
