"""The clusters of a space at one moment, in memory: which items are in which, and what a person sees of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import scale_to_unit
from indexers.catalogue.snapshot import Snapshot
from indexers.types import LEVELS, ClusterRow, Ids, ItemClusters, Level, Vectors
from indexers.vectors.exact import Exact

SHOWN = 9
"""Most representatives of a cluster."""
SAMPLE = 300
"""Members among which representatives are chosen, if there are more."""
COVERED = 0.02
"""A further representative must be nearer to some member by at least this much than those chosen before."""


@dataclass(frozen=True)
class ClusterFacts:
    """What a set of items looks like.

    medoid: the member nearest to all others. representatives: it and up to eight more that cover the rest. tightness:
    the mean similarity of two members. centroid: float32 (dimension,), the mean of unit vectors.
    """

    medoid: int
    representatives: tuple[int, ...]
    tightness: float
    centroid: Vectors


class Assignment:
    """Which item is in which cluster: members by label, labels by item. Items with a label below `least` are loose."""

    def __init__(self, items: Ids, labels: Ids, least: int = 1) -> None:
        self.items, self.labels, self._least = items, labels, least
        order = np.argsort(labels, kind="stable")
        self._sorted = items[order]
        self.ids, self._start, self.sizes = np.unique(labels[order], return_index=True, return_counts=True)

    def members(self, label: int) -> Ids:
        """Return the items of a label, sorted; none if there is no such label."""
        place = int(np.searchsorted(self.ids, label))
        if place == len(self.ids) or self.ids[place] != label:
            return self.items[:0]
        start = int(self._start[place])
        return self._sorted[start : start + int(self.sizes[place])]

    def find_labels(self, items: Ids) -> Ids:
        """Return the label of each item, 0 for unknown items."""
        if not len(self.items):
            return np.zeros(len(items), np.int64)
        place = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
        return np.where(self.items[place] == items, self.labels[place], 0)

    @property
    def clusters(self) -> list[tuple[int, int]]:
        """(label, size) of each cluster, the largest first."""
        pairs = zip(self.ids.tolist(), self.sizes.tolist(), strict=True)
        return sorted((pair for pair in pairs if pair[0] >= self._least), key=lambda pair: (-pair[1], pair[0]))


class ClusterState:
    """The clusters of nested levels: the tree's three, or the single level of a named clustering.

    as_of: the change that they follow. version: see Snapshot.clusters_version. chosen_at: the change at which the
    levels were chosen. previous: the state before this one, whose facts about unchanged clusters are used again.
    """

    def __init__(
        self,
        item_clusters: ItemClusters,
        as_of: int,
        chosen_at: int = 0,
        levels: tuple[Level, ...] = LEVELS,
        previous: ClusterState | None = None,
        version: tuple[int, int] = (-1, -1),
    ) -> None:
        self.version = version
        self._item_clusters, self.as_of, self._chosen_at, self.levels = item_clusters, as_of, chosen_at, levels
        self._facts: dict[bytes, ClusterFacts] = {}
        self._older_facts = previous._facts if previous else {}
        self._assignments: dict[str, Assignment] = {}

    @property
    def items(self) -> Ids:
        return self._item_clusters.item_ids

    @property
    def since(self) -> Ids:
        """The change at which each item came into its cluster (of medium)."""
        return self._item_clusters.since

    def assignment(self, level: Level) -> Assignment:
        if level not in self._assignments:
            labels = np.ascontiguousarray(self._item_clusters.cluster_ids[:, self.levels.index(level)])
            self._assignments[level] = Assignment(self.items, labels)
        return self._assignments[level]

    def find_level(self, cluster: int) -> Level | None:
        """Return the level of a living cluster, or None."""
        return next(
            (level for level in self.levels if cluster > 0 and len(self.assignment(level).members(cluster))), None
        )

    def find_parent(self, cluster: int, level: Level) -> int | None:
        if level == self.levels[0]:
            return None
        above = self.assignment(self.levels[self.levels.index(level) - 1])
        return int(above.find_labels(self.assignment(level).members(cluster)[:1])[0]) or None

    def find_children(self, cluster: int, level: Level) -> tuple[int, ...]:
        """Return the clusters of the next finer level inside this one, the largest first."""
        if level == self.levels[-1]:
            return ()
        labels = self.assignment(self.levels[self.levels.index(level) + 1]).find_labels(
            self.assignment(level).members(cluster)
        )
        children, sizes = np.unique(labels[labels > 0], return_counts=True)
        return tuple(children[np.lexsort((children, -sizes))].tolist())

    def count_new(self, items: Ids, since: int | None) -> int:
        """Return the number of items that came into their cluster (of medium) after change `since`.

        By default: with the newest pictures, if these came after the levels were chosen. Items that this state does not
        know yet, since another process is writing, are new.
        """
        if not len(self.items):
            return len(items)
        place = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
        after = max(self._chosen_at, self._newest - 1) if since is None else since
        return int(np.count_nonzero((self.since[place] > after) | (self.items[place] != items)))

    @cached_property
    def _newest(self) -> int:
        return int(self.since.max(initial=0))

    def describe(self, items: Ids, flat: Exact) -> ClusterFacts:
        """Return what a set of items looks like; kept for as long as the set stays the same."""
        key = items.tobytes()
        facts = self._facts.get(key) or self._older_facts.get(key)
        if facts is None:
            facts = describe_items(items[flat.has(items)], flat)
        self._facts[key] = facts
        return facts


def describe_items(items: Ids, flat: Exact) -> ClusterFacts:
    """Return what a set of items looks like.

    Representatives are chosen greedily, each the one that brings most members nearer to a representative (facility
    location; Krause and Golovin, 2014), from a sample if there are many.
    """
    if not len(items):
        return ClusterFacts(0, (), 0.0, np.zeros(flat.dimension, np.float32))
    vectors = scale_to_unit(flat.take(items))
    centroid = vectors.mean(0, dtype=np.float64).astype(np.float32)
    near = vectors @ centroid
    medoid = int(np.argmax(near))
    count = len(items)
    length = float(centroid.astype(np.float64) @ centroid)
    tightness = (count * count * length - count) / (count * (count - 1)) if count > 1 else 1.0
    sample = np.arange(count)
    if count > SAMPLE:
        sample = np.union1d(np.linspace(0, count - 1, SAMPLE).astype(np.int64), [medoid])
    chosen = _choose_representatives(vectors[sample], int(np.searchsorted(sample, medoid)))
    return ClusterFacts(int(items[medoid]), tuple(items[sample[chosen]].tolist()), min(tightness, 1.0), centroid)


def _choose_representatives(vectors: Vectors, first: int) -> list[int]:
    similarity: NDArray[np.float32] = vectors @ vectors.T
    chosen, cover = [first], similarity[first].copy()
    while len(chosen) < min(SHOWN, len(vectors)):
        gain = np.maximum(similarity - cover, 0).sum(1)
        best = int(np.argmax(gain))
        if float(np.max(similarity[best] - cover)) < COVERED:
            break
        chosen.append(best)
        cover = np.maximum(cover, similarity[best])
    return chosen


def find_nearest_clusters(flat: Exact, state: ClusterState, assignment: Assignment, items: Ids) -> tuple[Ids, Vectors]:
    """Return for each item the cluster with the most similar centroid, and that similarity; 0 if there are none."""
    ids = np.array([cluster_id for cluster_id, _ in assignment.clusters], np.int64)
    if not len(ids) or not len(items):
        return np.zeros(len(items), np.int64), np.zeros(len(items), np.float32)
    centroids = np.stack([state.describe(assignment.members(cluster_id), flat).centroid for cluster_id in ids.tolist()])
    similarity = scale_to_unit(flat.take(items)) @ scale_to_unit(centroids).T
    best = similarity.argmax(1)
    return ids[best], similarity[np.arange(len(items)), best]


def join_nearest(flat: Exact, state: ClusterState, assignment: Assignment) -> Assignment:
    """Return the assignment with each loose item in the cluster nearest to it."""
    loose = assignment.members(0)
    loose = loose[flat.has(loose)]
    labels = assignment.labels.copy()
    labels[np.searchsorted(assignment.items, loose)] = find_nearest_clusters(flat, state, assignment, loose)[0]
    return Assignment(assignment.items, labels)


def find_cluster(state: ClusterState | None, members: Ids, snapshot: Snapshot) -> ClusterRow | None:
    """Return the public cluster of the tree that has exactly these members, or None."""
    for level in reversed(LEVELS) if state else ():
        assert state is not None
        label = int(state.assignment(level).find_labels(members[:1])[0])
        if label and np.array_equal(state.assignment(level).members(label), members):
            return snapshot.clusters.rows([label])[label]
    return None
