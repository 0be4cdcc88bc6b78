"""Browsing: which families of pictures there are, what is in them, what has become of them, and what fits nowhere.

Public clusters come from the catalogue and need the vectors alone; cuts at any other place and outliers need the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, ClusterNotFound, UsageError
from indexers.types import LEVELS, ClusterRow, Ids, Level
from retrieval.checks import check_whole, is_number, is_whole
from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose, Outlier, Partition
from retrieval.records.items import Item, Page
from retrieval.records.search import Group, Hit, Hits
from retrieval.spaces.cluster_state import (
    Assignment,
    ClusterFacts,
    ClusterState,
    describe_items,
    find_cluster,
    find_nearest_clusters,
    join_nearest,
)
from retrieval.spaces.view import View, find_cluster_state

Pages = Callable[[Ids, int, int], Page]
"""Items, page, size -> that page."""


USUAL = 0.5
"""The quantile of all similarities to the nearest one that an outlier's is told beside."""


class At(NamedTuple):
    """A space at one moment, and how its items are paged."""

    view: View
    snapshot: Snapshot
    pages: Pages


def clusters(at: At, level: str, loose: str = "apart", since: int | None = None) -> Clusters:
    """All clusters of a level. `loose="nearest"`: items that are in none join the nearest one."""
    if loose not in ("apart", "nearest"):
        raise BadQuery(f'loose is "apart" or "nearest"; got {loose!r}')
    there = find_cluster_state(at.view, at.snapshot, level)
    if there is None:
        return Clusters((), level, 0, 0)
    grouping = there.assignment(level)
    rows = at.snapshot.clusters.rows([one for one, _ in grouping.clusters])
    joined = join_nearest(at.view.flat.index, there, grouping) if loose == "nearest" else grouping
    found = [_cluster(at, there, rows[one], level, joined.members(one), since) for one, _ in joined.clusters]
    return Clusters(tuple(found), level, len(joined.members(0)), there.as_of)


def cluster(at: At, one: Any, since: int | None = None) -> Cluster:
    """One of them, by id. Raises ClusterNotFound, which says what became of it."""
    row = at.snapshot.clusters.rows([one]).get(one) if is_whole(one) else None
    there = find_cluster_state(at.view, at.snapshot, row.level) if row and _is_level(at, row.level) else None
    level = there.find_level(int(one)) if there else None
    if row is None or there is None or level is None:
        raise ClusterNotFound(_gone(at, one))
    return _cluster(at, there, row, level, there.assignment(level).members(one), since)


def _is_level(at: At, level: Level) -> bool:
    """Whether it is one still: a clustering by name may have been dropped, its clusters are remembered."""
    return level in LEVELS or at.snapshot.clusterings.named(level) is not None


def _gone(at: At, one: Any) -> str:
    if not is_whole(one):
        return f"a cluster is named by its id, a whole number; got {one!r}"
    for happened in reversed(at.snapshot.clusters.events(0, at.view.space.id)):
        if happened.cluster_id == one and happened.kind == "died":
            into = " and ".join(map(str, happened.related))
            return f"the cluster {one} is no more since change {happened.change}" + (f"; see {into}" if into else "")
    return f"there is no cluster {one}; `clusters` lists those that there are"


def _cluster(at: At, there: ClusterState, row: ClusterRow, level: Level, members: Ids, since: int | None) -> Cluster:
    facts = there.describe(members, at.view.flat.index)
    return Cluster(
        id=row.id,
        name=row.name,
        size=len(members),
        level=level,
        parent=there.find_parent(row.id, level),
        children=there.find_children(row.id, level),
        medoid=facts.medoid,
        representatives=facts.representatives,
        tightness=facts.tightness,
        new=there.count_new(members, since),
        given=row.named_by_person,
        born=row.born_at,
        _members=members,
        _page=at.pages,
    )


def cut(at: At, count: int | None, threshold: float | None) -> Clusters:
    """The tree, which is at the snapshot's moment, cut anywhere. Clusters of fewer than five items are loose."""
    if at.view.tree is None:
        raise UsageError("this collection keeps no clusters (the setting clusters is 0)")
    tree = at.view.tree.tree
    if threshold is None:
        threshold = tree.find_threshold(int(count or 1))
    grouping = Assignment(tree.items.ids(), at.view.tree.cut_clusters(threshold))
    there = find_cluster_state(at.view, at.snapshot)
    found = []
    for node, size in grouping.clusters:
        members = grouping.members(node)
        row = find_cluster(there, members, at.snapshot)
        facts = (
            there.describe(members, at.view.flat.index) if there else ClusterFacts(0, (), 0.0, np.empty(0, np.float32))
        )
        new = there.count_new(members, None) if there else 0
        born = (row.named_by_person, row.born_at) if row else (False, None)
        about = (facts.medoid, facts.representatives, facts.tightness, new, *born, members, at.pages)
        found.append(Cluster(row.id if row else None, row.name if row else None, size, None, None, (), *about))
    return Clusters(tuple(found), None, len(grouping.members(0)), at.snapshot.number)


def grouped(at: At, found: Hits, level: str) -> tuple[Group, ...]:
    """Hits by their clusters of a level, in order of their best ones; loose ones together."""
    there = find_cluster_state(at.view, at.snapshot, level)
    if there is None:
        return (Group(None, found.hits),) if len(found) else ()
    labels = there.assignment(level).find_labels(np.array([hit.item for hit in found], np.int64)).tolist()
    parts: dict[int, list[Hit]] = {}
    for hit, label in zip(found, labels, strict=True):
        parts.setdefault(label, []).append(hit)
    return tuple(Group(cluster(at, one) if one else None, tuple(some)) for one, some in parts.items())


def check_cut(count: Any, threshold: Any) -> None:
    if (count is None) == (threshold is None):
        raise BadQuery(f"a cut is given by count= or by threshold=; got count={count!r} and threshold={threshold!r}")
    if count is not None:
        check_whole(count, "count is how many clusters are wanted,")
    if threshold is not None and not (is_number(threshold) and -1 <= threshold <= 1):
        raise BadQuery(f"threshold is a similarity from -1 to 1; got {threshold!r}")


def partitions(at: At) -> tuple[Partition, ...]:
    """The partitions of mini-batch k-means, the largest first; all followers are at the snapshot's moment."""
    if at.view.partitions is None:
        raise UsageError("this collection keeps no clusters (the setting clusters is 0)")
    grouping = Assignment(*at.view.partitions.labels(), least=0)
    found = []
    for one, size in grouping.clusters:
        members = grouping.members(one)
        facts = describe_items(members, at.view.flat.index)
        found.append(Partition(one, size, facts.medoid, facts.representatives, facts.tightness, members, at.pages))
    return tuple(found)


def loose(at: At, level: str, page: int, size: int = 100) -> tuple[Loose, ...]:
    """The items that are in no cluster of a level, page by page in order of id, each with the nearest one."""
    _check_page(page, size)
    there = find_cluster_state(at.view, at.snapshot, level)
    grouping = there.assignment(level) if there else None
    if there is None or grouping is None:
        return ()
    alone = grouping.members(0)
    alone = alone[at.view.flat.index.has(alone)][(page - 1) * size : page * size]
    nearest, similarity = find_nearest_clusters(at.view.flat.index, there, grouping, alone)
    rows = at.snapshot.hits(alone.tolist())
    return tuple(
        Loose(one, rows[one].key, rows[one].uri, cluster or None, near)
        for one, cluster, near in zip(alone.tolist(), nearest.tolist(), similarity.tolist(), strict=True)
    )


def events(at: At, since: int) -> tuple[ClusterEvent, ...]:
    """What has happened to clusters after change `since`."""
    check_whole(since, "since is a change number, such as a report's `change`,", 0)
    found = at.snapshot.clusters.events(since, at.view.space.id)
    rows = at.snapshot.clusters.rows({one.cluster_id for one in found if one.cluster_id})
    names = {one: row.name for one, row in rows.items()}
    return tuple(
        ClusterEvent(
            one.change,
            one.cluster_id,
            one.kind,
            one.related,
            one.level,
            one.gained,
            one.lost,
            one.size,
            names.get(one.cluster_id or 0),
        )
        for one in found
    )


def outliers(at: At, count: int) -> tuple[Outlier, ...]:
    """The items whose nearest neighbours are least similar to them (Ramaswamy, Rastogi and Shim, 2000), of those that
    have no exact copy; the tree is at the snapshot's moment."""
    check_whole(count, "outliers takes how many are wanted,")
    if at.view.tree is None:
        raise UsageError("this collection keeps no clusters (the setting clusters is 0)")
    graph = at.view.tree.graph
    slots = np.flatnonzero((graph.item >= 0) & (graph.near[:, 0] >= 0))
    slots = slots[~np.isin(slots, list(graph.copies))]
    if not len(slots):
        return ()
    near = graph.similarity[slots]
    score = np.where(near > -np.inf, near, 0).sum(1) / (near > -np.inf).sum(1)
    best = np.argsort(score, kind="stable")[:count]
    items = graph.item[slots[best]].tolist()
    nearest = graph.item[graph.near[slots[best], 0]].tolist()
    rows = at.snapshot.hits(items + nearest)
    usual = float(np.quantile(near[:, 0], USUAL))
    there = find_cluster_state(at.view, at.snapshot)
    inside = there.assignment("medium").find_labels(np.array(items)) if there else [0] * len(items)
    found = []
    for place, one, other, cluster_of in zip(best.tolist(), items, nearest, inside, strict=True):
        top = float(near[place, 0])
        reason = f"the nearest picture ({rows[other].uri or rows[other].key}) is at {top:.2f}, where half of all have "
        reason += f"one at {usual:.2f} or more" + ("" if cluster_of else "; it is in no cluster")
        found.append(Outlier(one, rows[one].key, rows[one].uri, float(score[place]), other, reason))
    return tuple(found)


def paged(snapshot: Snapshot, view: View, items: Ids, page: int, size: int) -> Page:
    """Items by their similarity to the middle of all of them."""
    _check_page(page, size)
    items = items[view.flat.index.has(items)]
    if len(items):
        vectors = view.flat.index.take(items)
        items = items[np.argsort(-(vectors @ vectors.mean(0)), kind="stable")]
    chosen = items[(page - 1) * size : page * size].tolist()
    rows = tuple(Item.of(row) for row in snapshot.items(chosen))
    return Page(rows, page + 1 if page * size < len(items) else None, snapshot.number)


def _check_page(page: Any, size: Any) -> None:
    check_whole(page, "page is")
    check_whole(size, "size is")
