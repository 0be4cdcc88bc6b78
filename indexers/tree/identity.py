"""Which new cluster is which old one, and what happened to those that are not.

A new cluster takes the id of the old one with which it shares most items, if that one shares most with it too and they
share more than half of the smaller of the two. Every other new one is born, every other old one dies, and it is said
from what and into what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.types import ClusterEventRow, Ids, Level


@dataclass(frozen=True)
class CarriedIds:
    """labels: int64 (n,), the public id of each item, 0 where it is loose. born: new ids. changes: what happened."""

    labels: Ids
    born: tuple[int, ...]
    changes: tuple[ClusterEventRow, ...]


def carry_ids(before: Ids, after: Ids, next_id: int, level: Level) -> CarriedIds:
    """before: int64 (n,), the old id of each of n items, 0 where it was loose or not there. after: int64 (n,), its new
    cluster by any positive numbers, 0 where it is loose now, -1 where it is gone. `next_id`: for the first born one.

    The answer depends on the sets alone, not on the numbers in `after` or the order of clusters.
    """
    labels = np.zeros(len(before), np.int64)
    open_ = np.flatnonzero(~_settled(before, after, labels))
    before, after = before[open_], after[open_]
    found, first, place = np.unique(after, return_index=True, return_inverse=True)
    real = np.flatnonzero(found > 0)
    # Numbered by their first items, so that ids don't depend on how the tree numbers its nodes.
    rank = np.zeros(len(found), np.int64)
    rank[real[np.argsort(first[real])]] = np.arange(1, len(real) + 1)
    new = rank[place]
    same = _matched(before, new)
    ids = np.array([0, *(same.get(number, 0) for number in range(1, len(real) + 1))], np.int64)
    fresh = np.flatnonzero(ids[1:] == 0) + 1
    ids[fresh] = next_id + np.arange(len(fresh))
    born = tuple(ids[fresh].tolist())
    labels[open_] = ids[new]
    return CarriedIds(labels, born, _changes(before, ids[new], born, level))


def _settled(before: Ids, after: Ids, labels: Ids) -> NDArray[np.bool_]:
    """The items of clusters that have just the items that they had, whose ids are entered in `labels`; and those that
    are loose as before. They are most of a collection, and need no comparison."""
    low, high = np.maximum(before, 0), np.maximum(after, 0)
    width_old, width_new = int(low.max(initial=0)) + 1, int(high.max(initial=0)) + 1
    # A set is the same if all its items went to one place, and nothing else went there.
    goes, comes = np.zeros(width_old, np.int64), np.zeros(width_new, np.int64)
    goes[low], comes[high] = high, low
    whole_old, whole_new = np.ones(width_old, bool), np.ones(width_new, bool)
    whole_old[low[goes[low] != high]] = False
    whole_new[high[comes[high] != low]] = False
    whole_old[0] = whole_new[0] = False
    same = whole_old[low] & whole_new[high] & (after > 0)
    labels[same] = before[same]
    found: NDArray[np.bool_] = same | ((before <= 0) & (after <= 0))
    return found


def _matched(before: Ids, after: Ids) -> dict[int, int]:
    """New -> old, where they belong together."""
    old, new, shared = _overlap(before, after)
    sizes_old, sizes_new = _counts(before), _counts(after)
    best_old, best_new = _best(old, new, shared), _best(new, old, shared)
    return {
        one: other
        for one, (other, both) in best_new.items()
        if best_old[other][0] == one and 2 * both > min(sizes_old[other], sizes_new[one])
    }


def _overlap(before: Ids, after: Ids) -> tuple[Ids, Ids, Ids]:
    """The pairs of an old and a new cluster that share items, and how many (labels of 0 and below: none)."""
    both = np.flatnonzero((before > 0) & (after > 0))
    width = int(after.max(initial=0)) + 1
    pairs, shared = np.unique(before[both] * width + after[both], return_counts=True)
    return pairs // width, pairs % width, shared.astype(np.int64)


def _best(owner: Ids, other: Ids, shared: Ids) -> dict[int, tuple[int, int]]:
    """Of each owner the one that it shares most with (of several the smallest), and how much."""
    order = np.lexsort((other, -shared, owner))
    owners, first = np.unique(owner[order], return_index=True)
    pairs = zip(other[order][first].tolist(), shared[order][first].tolist(), strict=True)
    return dict(zip(owners.tolist(), pairs, strict=True))


def _changes(before: Ids, after: Ids, born: tuple[int, ...], level: Level) -> tuple[ClusterEventRow, ...]:
    moved = np.flatnonzero(before != after)
    sizes_before, sizes = _counts(before), _counts(after)
    lost, gained = _counts(before[moved]), _counts(after[moved])
    died = sorted(set(sizes_before) - set(sizes))
    # What most of a new one comes from, and what most of an old one has gone into.
    old, new, shared = _overlap(before[moved], after[moved])
    source = {one: [other] for one, (other, both) in _best(new, old, shared).items() if 2 * both > sizes[one]}
    into = {one: [other] for one, (other, both) in _best(old, new, shared).items() if 2 * both > sizes_before[one]}
    parts = _turned({one: source.get(one, []) for one in born})
    taken = _turned({one: into.get(one, []) for one in died})
    new_ones = frozenset(born)
    changes = []
    for one in sorted({*lost, *gained}):
        won, gone = gained.get(one, 0), lost.get(one, 0)
        others = [*parts.get(one, []), *taken.get(one, [])]
        if one not in sizes:
            what, others = "died", into.get(one, [])
        elif one in new_ones:
            what, others = (
                "born",
                [*source.get(one, []), *(other for other in others if other not in source.get(one, []))],
            )
        elif others:
            what = "split" if one in parts else "merged"
        else:
            what = "grew" if won > gone else "shrank" if gone > won else "changed"
        changes.append(ClusterEventRow(one, level, what, tuple(others), won, gone, sizes.get(one, 0)))
    return tuple(changes)


def _turned(links: dict[int, list[int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for one, others in links.items():
        for other in others:
            found.setdefault(other, []).append(one)
    return found


def _counts(labels: Ids) -> dict[int, int]:
    found, counts = np.unique(labels[labels > 0], return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))
