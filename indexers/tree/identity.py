"""Which new cluster is which old one, and what happened to those that are not.

A new cluster takes the id of the old one with which it shares most items, if that one shares most with it too and they
share more than half of the smaller of the two. Every other new one is born and every other old one dies, with a note of
the clusters that it came from or went into. Where items come back, a new one may continue a cluster that had ended.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS
from indexers.types import ClusterEventRow, Ids, Level


@dataclass(frozen=True)
class CarriedIds:
    """cluster_ids: int64 (n,), the public cluster of each item, 0 where it is in none. born: new ids. events: what
    happened to the clusters."""

    cluster_ids: Ids
    born: tuple[int, ...]
    events: tuple[ClusterEventRow, ...]


def find_touched(before: NDArray[np.int32], after: NDArray[np.int32]) -> Ids:
    """Return the places of items that have moved, and of all that are in a cluster that one of these left or joined.

    before, after: int32 (n,), the clusters of n items by any numbers above 0; 0 and below: none. A cluster of other
    items has the same number and the same items in both.
    """
    differs = before != after
    touched = differs.copy()
    for labels in (before, after):
        is_touched = np.zeros(max(int(labels.max(initial=0)), 0) + 1, bool)
        is_touched[np.maximum(labels[differs], 0)] = True
        is_touched[0] = False
        touched |= is_touched.take(labels, mode="clip")  # a third of the time of an index
    return np.flatnonzero(touched)


def carry_ids(before: Ids, after: Ids, next_id: int, level: Level, ended: Ids = NO_INTS) -> CarriedIds:
    """Give each new cluster the id of the old one that it continues, or a new id.

    before: int64 (n,), the old cluster id of each of n items, 0 where it was in none or not in the collection.
    after: int64 (n,), its new cluster by any positive numbers, 0 where it is in none, -1 where it was removed.
    next_id: the id of the first cluster that is born. ended: the ids of clusters that had ended before some of their
    items came back: a new cluster that holds most of these items, and would be born else, continues one.

    The result depends on the sets of items alone, not on the numbers in `after` or the order of clusters.
    """
    cluster_ids = np.zeros(len(before), np.int64)
    unsettled = np.flatnonzero(~_settle_unchanged(before, after, cluster_ids))
    before, after = before[unsettled], after[unsettled]
    numbers, first, place = np.unique(after, return_index=True, return_inverse=True)
    real = np.flatnonzero(numbers > 0)
    # Numbered by their first items, so that ids don't depend on how the tree numbers its nodes.
    rank = np.zeros(len(numbers), np.int64)
    rank[real[np.argsort(first[real])]] = np.arange(1, len(real) + 1)
    new = rank[place]
    old_of = _match_clusters(before, new)
    old_of |= _revive_clusters(before, new, old_of, ended)
    ids = np.array([0, *(old_of.get(number, 0) for number in range(1, len(real) + 1))], np.int64)
    unmatched = np.flatnonzero(ids[1:] == 0) + 1
    ids[unmatched] = next_id + np.arange(len(unmatched))
    born = tuple(ids[unmatched].tolist())
    cluster_ids[unsettled] = ids[new]
    return CarriedIds(cluster_ids, born, _describe_events(before, ids[new], born, level))


def _settle_unchanged(before: Ids, after: Ids, cluster_ids: Ids) -> NDArray[np.bool_]:
    """Enter the ids of clusters whose items are the same as before in `cluster_ids`; return which items are settled.

    Items that are in no cluster as before are settled too. These are most of a collection and need no comparison.
    """
    low, high = np.maximum(before, 0), np.maximum(after, 0)
    width_old, width_new = int(low.max(initial=0)) + 1, int(high.max(initial=0)) + 1
    # A set is the same if all its items went to one place, and nothing else went there.
    goes_to, comes_from = np.zeros(width_old, np.int64), np.zeros(width_new, np.int64)
    goes_to[low], comes_from[high] = high, low
    whole_old, whole_new = np.ones(width_old, bool), np.ones(width_new, bool)
    whole_old[low[goes_to[low] != high]] = False
    whole_new[high[comes_from[high] != low]] = False
    whole_old[0] = whole_new[0] = False
    same = whole_old[low] & whole_new[high] & (after > 0)
    cluster_ids[same] = before[same]
    settled: NDArray[np.bool_] = same | ((before <= 0) & (after <= 0))
    return settled


def _match_clusters(before: Ids, after: Ids) -> dict[int, int]:
    """Return new -> old, for those that belong together."""
    old, new, shared = _count_shared(before, after)
    sizes_old, sizes_new = _count_items(before), _count_items(after)
    best_old, best_new = _find_best_partners(old, new, shared), _find_best_partners(new, old, shared)
    return {
        new_id: old_id
        for new_id, (old_id, count) in best_new.items()
        if best_old[old_id][0] == new_id and 2 * count > min(sizes_old[old_id], sizes_new[new_id])
    }


def _revive_clusters(before: Ids, after: Ids, old_of: dict[int, int], ended: Ids) -> dict[int, int]:
    """Return new -> old, for those new ones without an old one that hold most of what came back of an ended one."""
    is_open = np.isin(before, np.setdiff1d(ended, list(old_of.values()))) & ~np.isin(after, list(old_of))
    old, new, shared = _count_shared(np.where(is_open, before, 0), after)
    sizes = _count_items(before)
    revived: dict[int, int] = {}
    for place in np.lexsort((old, -shared)).tolist():
        old_id, new_id = int(old[place]), int(new[place])
        if 2 * shared[place] > sizes[old_id] and new_id not in revived:  # so no other one holds most of it
            revived[new_id] = old_id
    return revived


def _count_shared(before: Ids, after: Ids) -> tuple[Ids, Ids, Ids]:
    """Return the pairs of an old and a new cluster that share items, and how many (labels of 0 and below: none)."""
    in_both = np.flatnonzero((before > 0) & (after > 0))
    width = int(after.max(initial=0)) + 1
    pairs, shared = np.unique(before[in_both] * width + after[in_both], return_counts=True)
    return pairs // width, pairs % width, shared.astype(np.int64)


def _find_best_partners(clusters: Ids, partners: Ids, shared: Ids) -> dict[int, tuple[int, int]]:
    """Return for each cluster the partner that it shares most items with (of several the smallest), and how many."""
    order = np.lexsort((partners, -shared, clusters))
    cluster_ids, first = np.unique(clusters[order], return_index=True)
    pairs = zip(partners[order][first].tolist(), shared[order][first].tolist(), strict=True)
    return dict(zip(cluster_ids.tolist(), pairs, strict=True))


def _describe_events(before: Ids, after: Ids, born: tuple[int, ...], level: Level) -> tuple[ClusterEventRow, ...]:
    """Return what happened to each cluster that gained or lost items, sorted by id."""
    moved = np.flatnonzero(before != after)
    sizes_before, sizes = _count_items(before), _count_items(after)
    lost, gained = _count_items(before[moved]), _count_items(after[moved])
    died = sorted(set(sizes_before) - set(sizes))
    # What most of a new one comes from, and what most of an old one has gone into.
    old, new, shared = _count_shared(before[moved], after[moved])
    origin = {
        cluster_id: [partner]
        for cluster_id, (partner, count) in _find_best_partners(new, old, shared).items()
        if 2 * count > sizes[cluster_id]
    }
    successor = {
        cluster_id: [partner]
        for cluster_id, (partner, count) in _find_best_partners(old, new, shared).items()
        if 2 * count > sizes_before[cluster_id]
    }
    parts = _invert_links({cluster_id: origin.get(cluster_id, []) for cluster_id in born})
    absorbed = _invert_links({cluster_id: successor.get(cluster_id, []) for cluster_id in died})
    is_new = frozenset(born)
    events = []
    for cluster_id in sorted({*lost, *gained}):
        won, left = gained.get(cluster_id, 0), lost.get(cluster_id, 0)
        related = [*parts.get(cluster_id, []), *absorbed.get(cluster_id, [])]
        if cluster_id not in sizes:
            kind, related = "died", successor.get(cluster_id, [])
        elif cluster_id in is_new:
            sources = origin.get(cluster_id, [])
            kind, related = "born", [*sources, *(cluster for cluster in related if cluster not in sources)]
        elif related:
            kind = "split" if cluster_id in parts else "merged"
        else:
            kind = "grew" if won > left else "shrank" if left > won else "changed"
        size = sizes.get(cluster_id, 0)
        events.append(ClusterEventRow(cluster_id, level, kind, tuple(related), won, left, size))
    return tuple(events)


def _invert_links(links: dict[int, list[int]]) -> dict[int, list[int]]:
    """Return target -> sources of links source -> targets."""
    sources_of: dict[int, list[int]] = {}
    for source, targets in links.items():
        for target in targets:
            sources_of.setdefault(target, []).append(source)
    return sources_of


def _count_items(labels: Ids) -> dict[int, int]:
    """Return the number of items of each cluster."""
    cluster_ids, counts = np.unique(labels[labels > 0], return_counts=True)
    return dict(zip(cluster_ids.tolist(), counts.tolist(), strict=True))
