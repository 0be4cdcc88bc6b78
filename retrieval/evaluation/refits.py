"""The clusterings that a collection keeps up to date, made anew of some of its items, to see how stable they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from indexers import plugins
from indexers.clusterers.incremental_kmeans.estimator import IncrementalKMeans
from indexers.errors import NearkinError
from indexers.followers.partitions import KMEANS_SETTINGS
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.cuts import MEMBERS
from indexers.tree.fixed_point import fingerprints, rounded
from indexers.tree.neighbour_graph import NeighbourGraph, Prints
from indexers.types import GroupingRow, Ids, Space, Vectors
from indexers.vectors.base import scale_to_unit
from indexers.vectors.exact import Exact


class TreeAgain:
    """Graph and tree of rows as a collection of just these would have them (with the exact index), cut at the
    similarities that the collection's levels have. Trees are kept: three levels are cut from each."""

    def __init__(self, space: Space, levels: tuple[float, ...]) -> None:
        self.space, self.levels = space, levels
        self._trees: dict[bytes, ClusterTree] = {}

    def level(self, place: int) -> Callable[[Vectors], Ids]:
        """What makes a level, by its place."""
        return lambda rows: self._cut(self._tree(rows), self.levels[place])

    def _tree(self, rows: Vectors) -> ClusterTree:
        prints = fingerprints(rounded(rows))
        key = prints.tobytes()
        if key not in self._trees:
            self._trees[key] = self._made(rows, prints)
        return self._trees[key]

    def _made(self, rows: Vectors, prints: Prints) -> ClusterTree:
        index = Exact(self.space.dimension, self.space.metric)
        items = np.arange(len(rows))
        index.add(items, rows)

        def find(some: Ids, count: int) -> tuple[Ids, Vectors]:
            found = index.search(index.take(some), min(count, len(rows)))
            return found.ids, found.scores

        nothing = np.empty(0, np.int64)
        tree = ClusterTree(self.space.dimension)
        tree.update(items, rows, new_pairs=NeighbourGraph().update(nothing, items, prints, find).new)
        return tree

    @staticmethod
    def _cut(tree: ClusterTree, similarity: float) -> Ids:
        node = tree.labels(threshold=similarity).node
        return np.where(np.bincount(node)[node] >= MEMBERS, node, -1)


def partitions_again(count: int) -> Callable[[Vectors], Ids]:
    """As many partitions, learnt from all rows at once and not as they came."""

    def again(rows: Vectors) -> Ids:
        found: Ids = IncrementalKMeans(min(count, len(rows)), **KMEANS_SETTINGS).fit(rows).labels_
        return found

    return again


def named_again(row: GroupingRow, space: Space) -> Callable[[Vectors], Ids] | str:
    """The method of a clustering by name, with its parameters; why not, where it can't be had or chose its items."""
    if row.choice:
        return "it was made of chosen items"
    try:
        kind = plugins.load("nearkin.clusterers", row.method)
    except NearkinError as error:
        return str(error)

    def again(rows: Vectors) -> Ids:
        labels: Ids = kind(**row.parameters).fit(scale_to_unit(rows) if space.metric == "cosine" else rows).labels_
        return labels

    return again
