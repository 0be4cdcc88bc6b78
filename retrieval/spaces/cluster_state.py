"""The clusters of a space at one moment, in memory: who is in which, and what a person wants to see of each."""

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
"""Representatives at most."""
SAMPLE = 300
"""Members among which they are chosen, where there are more."""
COVERED = 0.02
"""What a further one must show: some member that is at least so much nearer to it than to those chosen before."""


@dataclass(frozen=True)
class ClusterFacts:
    """medoid: the member nearest to all others. representatives: it and up to eight more that cover the rest.
    tightness: mean similarity of two members. centroid: float32 (dimension,), the mean of unit vectors."""

    medoid: int
    representatives: tuple[int, ...]
    tightness: float
    centroid: Vectors


class Assignment:
    """A partition of items into clusters: members by label, label by item. Labels below `least`: loose."""

    def __init__(self, items: Ids, labels: Ids, least: int = 1) -> None:
        self.items, self.labels, self._least = items, labels, least
        order = np.argsort(labels, kind="stable")
        self._sorted = items[order]
        self.ids, self._start, self.sizes = np.unique(labels[order], return_index=True, return_counts=True)

    def members(self, label: int) -> Ids:
        """Sorted; none if there is no such label."""
        place = int(np.searchsorted(self.ids, label))
        if place == len(self.ids) or self.ids[place] != label:
            return self.items[:0]
        start = int(self._start[place])
        return self._sorted[start : start + int(self.sizes[place])]

    def find_labels(self, items: Ids) -> Ids:
        """The label of each; 0 for one that is not known."""
        if not len(self.items):
            return np.zeros(len(items), np.int64)
        place = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
        return np.where(self.items[place] == items, self.labels[place], 0)

    @property
    def clusters(self) -> list[tuple[int, int]]:
        """(label, size) of each cluster, the largest first."""
        found = [(int(one), int(size)) for one, size in zip(self.ids, self.sizes, strict=True) if one >= self._least]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))


class ClusterState:
    """The clusters of some levels, each nested in those of the level before: the tree's three, or the single one of a
    clustering by name. `as_of`: the change that they follow. `chosen`: the one at which it was decided how."""

    def __init__(
        self,
        membership: ItemClusters,
        as_of: int,
        chosen: int = 0,
        levels: tuple[Level, ...] = LEVELS,
        before: ClusterState | None = None,
    ) -> None:
        self._membership, self.as_of, self._chosen, self.levels = membership, as_of, chosen, levels
        self._facts: dict[bytes, ClusterFacts] = {}
        self._older = before._facts if before else {}
        self._groupings: dict[str, Assignment] = {}
        self._middles: dict[str, tuple[Ids, Vectors]] = {}

    @property
    def items(self) -> Ids:
        return self._membership.item_ids

    @property
    def since(self) -> Ids:
        """The change at which each item came into its cluster (of medium)."""
        return self._membership.since

    def assignment(self, level: Level) -> Assignment:
        if level not in self._groupings:
            labels = np.ascontiguousarray(self._membership.cluster_ids[:, self.levels.index(level)])
            self._groupings[level] = Assignment(self.items, labels)
        return self._groupings[level]

    def find_level(self, cluster: int) -> Level | None:
        """The level at which there is such a cluster."""
        return next(
            (level for level in self.levels if cluster > 0 and len(self.assignment(level).members(cluster))), None
        )

    def find_parent(self, cluster: int, level: Level) -> int | None:
        if level == self.levels[0]:
            return None
        above = self.assignment(self.levels[self.levels.index(level) - 1])
        return int(above.find_labels(self.assignment(level).members(cluster)[:1])[0]) or None

    def find_children(self, cluster: int, level: Level) -> tuple[int, ...]:
        """The largest first."""
        if level == self.levels[-1]:
            return ()
        labels = self.assignment(self.levels[self.levels.index(level) + 1]).find_labels(
            self.assignment(level).members(cluster)
        )
        found, sizes = np.unique(labels[labels > 0], return_counts=True)
        return tuple(found[np.lexsort((found, -sizes))].tolist())

    def count_new(self, items: Ids, since: int | None) -> int:
        """How many of these came into their cluster (of medium) after change `since`; by default with the newest
        pictures that came after the levels were chosen."""
        place = np.searchsorted(self.items, items)
        after = max(self._chosen, self._newest - 1) if since is None else since
        return int(np.count_nonzero(self.since[place] > after))

    @cached_property
    def _newest(self) -> int:
        return int(self.since.max(initial=0))

    def find_centroids(self, level: Level, flat: Exact) -> tuple[Ids, Vectors]:
        """The clusters of a level, and the directions of their middles, float32 (clusters, dimension)."""
        known = self._middles.get(level)
        if known is None:
            grouping = self.assignment(level)
            ids = np.array(sorted(one for one, _ in grouping.clusters), np.int64)
            rows = [_find_centroid(grouping.members(int(one)), flat) for one in ids]
            known = self._middles[level] = ids, np.stack(rows) if rows else np.empty((0, flat.dimension), np.float32)
        return known

    def describe(self, items: Ids, flat: Exact) -> ClusterFacts:
        """Of a set of items; remembered for as long as it stays the same."""
        key = items.tobytes()
        known = self._facts.get(key) or self._older.get(key)
        if known is None:
            known = describe_items(items[flat.has(items)], flat)
        self._facts[key] = known
        return known


def _find_centroid(items: Ids, flat: Exact) -> Vectors:
    middle = flat.take(items[flat.has(items)]).sum(0)
    found: Vectors = middle / max(float(np.linalg.norm(middle)), 1e-12)
    return found


def describe_items(items: Ids, flat: Exact) -> ClusterFacts:
    """What a set of items looks like. Representatives: greedily, each the one that takes most members nearer to what is
    shown (facility location; Krause and Golovin, 2014), of a sample where there are many."""
    if not len(items):
        return ClusterFacts(0, (), 0.0, np.zeros(flat.dimension, np.float32))
    vectors = scale_to_unit(flat.take(items))
    centroid = vectors.mean(0, dtype=np.float64).astype(np.float32)
    near = vectors @ centroid
    medoid = int(np.argmax(near))
    count = len(items)
    length = float(centroid.astype(np.float64) @ centroid)
    tightness = (count * count * length - count) / (count * (count - 1)) if count > 1 else 1.0
    some = np.arange(count)
    if count > SAMPLE:
        some = np.union1d(np.linspace(0, count - 1, SAMPLE).astype(np.int64), [medoid])
    chosen = _choose_representatives(vectors[some], int(np.searchsorted(some, medoid)))
    return ClusterFacts(int(items[medoid]), tuple(items[some[chosen]].tolist()), min(tightness, 1.0), centroid)


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


def find_nearest_clusters(flat: Exact, there: ClusterState, grouping: Assignment, items: Ids) -> tuple[Ids, Vectors]:
    """For each item the cluster whose middle it is most similar to, and how similar; 0 where there is no cluster."""
    ids = np.array([one for one, _ in grouping.clusters], np.int64)
    if not len(ids) or not len(items):
        return np.zeros(len(items), np.int64), np.zeros(len(items), np.float32)
    middles = np.stack([there.describe(grouping.members(int(one)), flat).centroid for one in ids])
    similarity = scale_to_unit(flat.take(items)) @ scale_to_unit(middles).T
    best = similarity.argmax(1)
    return ids[best], similarity[np.arange(len(items)), best]


def join_nearest(flat: Exact, there: ClusterState, grouping: Assignment) -> Assignment:
    """Loose items in the cluster nearest to them."""
    alone = grouping.members(0)
    alone = alone[flat.has(alone)]
    labels = grouping.labels.copy()
    labels[np.searchsorted(grouping.items, alone)] = find_nearest_clusters(flat, there, grouping, alone)[0]
    return Assignment(grouping.items, labels)


def find_cluster(there: ClusterState | None, members: Ids, snapshot: Snapshot) -> ClusterRow | None:
    """The public cluster that has just these members."""
    for level in reversed(LEVELS) if there else ():
        assert there is not None
        label = int(there.assignment(level).find_labels(members[:1])[0])
        if label and np.array_equal(there.assignment(level).members(label), members):
            return snapshot.clusters.rows([label])[label]
    return None
