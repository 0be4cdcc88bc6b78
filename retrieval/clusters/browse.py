"""The clusters of one moment: what is in them, what has become of them, and which items fit nowhere.

Public clusters come from the catalogue and need the vectors alone; cuts at any other place and outliers need the tree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, ClusterNotFound, UsageError
from indexers.types import LEVELS, ClusterRow, Ids, Level
from retrieval.checks import check_whole, is_number, is_whole
from retrieval.clusters.members import build_part_pager, check_page, find_holders, read_parts
from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose, Outlier, Pager, Partition
from retrieval.records.parts import Part
from retrieval.records.pictures import PictureSource
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

NO_FACTS = ClusterFacts(0, (), 0.0, np.empty(0, np.float32))
TYPICAL = 0.5
"""The quantile of all similarities to the nearest item, with which that of an outlier is compared."""


class Moment(NamedTuple):
    """A space of items, or of parts, at one moment, how items are paged, and where pictures of members come from."""

    view: View
    snapshot: Snapshot
    pager: Pager
    pictures: PictureSource | None = None

    @property
    def of(self) -> str | None:
        """The kind of the parts that are clustered; None: items."""
        return self.view.space.parts


def list_clusters(
    moment: Moment, level: str, loose: str = "apart", since: int | None = None, with_hidden: bool = False
) -> Clusters:
    """Return all clusters of a level, hidden ones only if told so.

    With `loose="nearest"` items that are in none join the nearest one.
    """
    if loose not in ("apart", "nearest"):
        raise BadQuery(f'loose is "apart" or "nearest"; got {loose!r}')
    state = find_cluster_state(moment.view, moment.snapshot, level)
    if state is None:
        return Clusters((), level, 0, 0, of=moment.of)
    assignment = state.assignment(level)
    hidden = _find_hidden(moment, state, level)
    rows = moment.snapshot.clusters.rows([cluster_id for cluster_id, _ in assignment.clusters])
    shown = join_nearest(moment.view.flat.index, state, assignment) if loose == "nearest" else assignment
    clusters = [
        _build_cluster(moment, state, rows[cluster_id], level, shown.members(cluster_id), since, cluster_id in hidden)
        for cluster_id, _ in shown.clusters
        if with_hidden or cluster_id not in hidden
    ]
    note = _explain_level(moment, state, level)
    return Clusters(tuple(clusters), level, len(shown.members(0)), state.as_of, note, moment.of)


def find_hidden_items(moment: Moment, state: ClusterState) -> Ids:
    """Return the items of hidden clusters: those that were in them then, and those that are now."""
    rows = [row for row in moment.snapshot.corrections.rows() if row.kind == "hide"]
    parts = [np.array([item_id for row in rows for group in row.groups for item_id in group], np.int64)]
    parts += [state.assignment(row.level).members(row.clusters[0]) for row in rows if row.level in state.levels]
    return np.unique(np.concatenate(parts))


def is_hidden(members: Ids, hidden: Ids) -> bool:
    """Return True if most of a cluster's members are hidden."""
    return bool(2 * np.count_nonzero(np.isin(members, hidden)) > len(members))


def _find_hidden(moment: Moment, state: ClusterState, level: Level) -> set[int]:
    """Return the clusters of a level most of whose items are hidden: parts of a hidden cluster too."""
    if level not in LEVELS or not (items := find_hidden_items(moment, state)).size:
        return set()
    assignment = state.assignment(level)
    return {cluster for cluster, _ in assignment.clusters if is_hidden(assignment.members(cluster), items)}


def _explain_level(moment: Moment, state: ClusterState, level: str) -> str:
    """Return what is to be known about a level of the tree: that lengths don't count, why coarse is as medium."""
    return "; ".join(filter(None, [_explain_direction(moment, level), _explain_coarse(state, level)]))


def _explain_direction(moment: Moment, level: str | None) -> str:
    """Return that the tree compares directions, if the metric of the space compares more than these."""
    metric = moment.view.space.metric
    if metric == "cosine" or level not in (*LEVELS, None):
        return ""
    return (
        f"clusters of the tree follow the direction of vectors alone, while the space's metric is {metric}, for which "
        "their length counts too; `make_clustering` takes the vectors as they are"
    )


def _explain_coarse(state: ClusterState, level: str) -> str:
    """Return why coarse is no coarser than medium, if it is not."""
    if level != "coarse" or level not in state.levels:
        return ""
    is_same = [row[1] for row in state.assignment("coarse").clusters] == [
        row[1] for row in state.assignment("medium").clusters
    ]
    return "there are few clusters, so those of coarse are those of medium" if is_same else ""


def read_cluster(moment: Moment, cluster_id: Any, since: int | None = None) -> Cluster:
    """Return one cluster. Raises ClusterNotFound, which says what became of it."""
    row = moment.snapshot.clusters.rows([cluster_id]).get(cluster_id) if is_whole(cluster_id) else None
    state = None
    if row and _has_level(moment, row.level):
        state = find_cluster_state(moment.view, moment.snapshot, row.level)
    level = state.find_level(int(cluster_id)) if state else None
    if row is None or state is None or level is None:
        raise ClusterNotFound(_describe_missing(moment, cluster_id))
    hidden = row.id in _find_hidden(moment, state, level)
    return _build_cluster(moment, state, row, level, state.assignment(level).members(cluster_id), since, hidden)


def _has_level(moment: Moment, level: Level) -> bool:
    """Return False for a named clustering that was dropped: the catalogue remembers its clusters."""
    return level in LEVELS or moment.snapshot.clusterings.find(level) is not None


def _describe_missing(moment: Moment, cluster_id: Any) -> str:
    if not is_whole(cluster_id):
        return f"a cluster is named by its id, a whole number; got {cluster_id!r}"
    for event in reversed(moment.snapshot.clusters.events(0, moment.view.space.id)):
        if event.cluster_id == cluster_id and event.kind == "died":
            successors = " and ".join(map(str, event.related))
            see = f"; see {successors}" if successors else ""
            return f"the cluster {cluster_id} was removed at change {event.change}{see}"
    return f"there is no cluster {cluster_id}; `clusters` lists them"


def _build_cluster(
    moment: Moment,
    state: ClusterState,
    row: ClusterRow,
    level: Level,
    members: Ids,
    since: int | None,
    hidden: bool,
) -> Cluster:
    facts = state.describe(members, moment.view.flat.index)
    return Cluster(
        id=row.id,
        name=row.name,
        size=len(members),
        level=level,
        parent=state.find_parent(row.id, level),
        children=state.find_children(row.id, level),
        medoid=facts.medoid,
        representatives=facts.representatives,
        tightness=facts.tightness,
        new=state.count_new(members, since),
        given=row.named_by_person,
        born=row.born_at,
        hidden=hidden,
        of=moment.of,
        _members=members,
        _pager=moment.pager,
        _pictures=moment.pictures,
        _part_pager=build_part_pager(moment.view),
    )


def cut(moment: Moment, count: int | None, threshold: float | None) -> Clusters:
    """Return the clusters of a cut anywhere in the tree, which is at the snapshot's moment.

    Clusters of fewer than five items are loose.
    """
    view, snapshot = moment.view, moment.snapshot
    if view.tree is None:
        raise UsageError("this collection keeps no clusters (the setting clusters is 0)")
    if threshold is not None:
        labels = view.tree.cut_clusters(threshold)
    else:
        chosen = snapshot.clusters.tree_levels(view.space.id)
        labels = view.tree.cut_into(chosen.levels if chosen else None, int(count or 1))
    assignment = Assignment(view.tree.tree.items.ids(), labels)
    state = find_cluster_state(view, snapshot)
    hidden = find_hidden_items(moment, state) if state else assignment.items[:0]
    clusters = []
    for node, size in assignment.clusters:
        members = assignment.members(node)
        row = find_cluster(state, members, snapshot)
        facts = state.describe(members, view.flat.index) if state else NO_FACTS
        cluster = Cluster(
            id=row.id if row else None,
            name=row.name if row else None,
            size=size,
            level=None,
            parent=None,
            children=(),
            medoid=facts.medoid,
            representatives=facts.representatives,
            tightness=facts.tightness,
            new=state.count_new(members, None) if state else 0,
            given=row.named_by_person if row else False,
            born=row.born_at if row else None,
            hidden=is_hidden(members, hidden),
            of=moment.of,
            _members=members,
            _pager=moment.pager,
            _pictures=moment.pictures,
            _part_pager=build_part_pager(view),
        )
        clusters.append(cluster)
    notes = [_explain_direction(moment, None)]
    if count is not None and len(clusters) < count:
        most = f"there are at most {len(clusters)} of five {'parts' if moment.of else 'items'} or more"
        notes.append(f"{count} clusters were asked for; {most}")
    note, loose = "; ".join(filter(None, notes)), len(assignment.members(0))
    return Clusters(tuple(clusters), None, loose, snapshot.number, note, moment.of)


def group_hits(moment: Moment, hits: Hits, level: str) -> tuple[Group, ...]:
    """Return hits by their clusters of a level, in order of their best hits; loose hits are one group."""
    state = find_cluster_state(moment.view, moment.snapshot, level)
    if state is None:
        return (Group(None, hits.hits),) if len(hits) else ()
    labels = state.assignment(level).find_labels(np.array([hit.item for hit in hits], np.int64)).tolist()
    by_cluster: dict[int, list[Hit]] = {}
    for hit, label in zip(hits, labels, strict=True):
        by_cluster.setdefault(label, []).append(hit)
    assignment, hidden = state.assignment(level), _find_hidden(moment, state, level)
    rows = moment.snapshot.clusters.rows(filter(None, by_cluster))
    groups = []
    for cluster_id, members in by_cluster.items():
        cluster = None
        if cluster_id:
            items = assignment.members(cluster_id)
            cluster = _build_cluster(moment, state, rows[cluster_id], level, items, None, cluster_id in hidden)
        groups.append(Group(cluster, tuple(members)))
    return tuple(groups)


def check_cut(count: Any, threshold: Any) -> None:
    """Raise BadQuery unless one of the two is given and makes sense."""
    if (count is None) == (threshold is None):
        raise BadQuery(f"a cut takes count= or threshold=; got count={count!r} and threshold={threshold!r}")
    if count is not None:
        check_whole(count, "count is the number of clusters,")
    if threshold is not None and not (is_number(threshold) and -1 <= threshold <= 1):
        raise BadQuery(f"threshold is a similarity from -1 to 1; got {threshold!r}")


def list_partitions(moment: Moment) -> tuple[Partition, ...]:
    """Return the partitions of mini-batch k-means, the largest first; all followers are at the snapshot's moment."""
    if moment.view.partitions is None:
        raise UsageError("this collection keeps no clusters (the setting clusters is 0)")
    assignment = Assignment(*moment.view.partitions.labels(), least=0)
    partitions = []
    for partition_id, size in assignment.clusters:
        members = assignment.members(partition_id)
        facts = describe_items(members, moment.view.flat.index)
        partition = Partition(
            partition_id,
            size,
            facts.medoid,
            facts.representatives,
            facts.tightness,
            members,
            moment.pager,
            moment.pictures,
        )
        partitions.append(partition)
    return tuple(partitions)


def list_loose(moment: Moment, level: str, page: int, size: int = 100) -> tuple[Loose, ...]:
    """Return a page of the items that are in no cluster of a level, in order of id, each with the nearest cluster; of
    parts the parts, each with its item."""
    check_page(page, size)
    state = find_cluster_state(moment.view, moment.snapshot, level)
    if state is None:
        return ()
    flat, assignment = moment.view.flat.index, state.assignment(level)
    loose = assignment.members(0)
    loose = loose[flat.has(loose)][(page - 1) * size : page * size]
    nearest, similarity = find_nearest_clusters(flat, state, assignment, loose)
    items, parts = find_holders(moment.snapshot, moment.view, loose).tolist(), _read_parts(moment, loose)
    rows = moment.snapshot.hits(items)
    return tuple(
        Loose(item_id, rows[item_id].key, rows[item_id].uri, cluster_id or None, score, parts.get(member_id))
        for member_id, item_id, cluster_id, score in zip(
            loose.tolist(), items, nearest.tolist(), similarity.tolist(), strict=True
        )
    )


def _read_parts(moment: Moment, members: Ids) -> dict[int, Part]:
    """Return the parts that members are, by id; none if they are items."""
    return {} if moment.of is None else read_parts(moment.snapshot, members)


def list_events(moment: Moment, since: int) -> tuple[ClusterEvent, ...]:
    """Return the events of clusters after change `since`, oldest first."""
    check_whole(since, "since is a change number, such as a report's `change`,", 0)
    rows = moment.snapshot.clusters.events(since, moment.view.space.id)
    clusters = moment.snapshot.clusters.rows({row.cluster_id for row in rows if row.cluster_id})
    names = {cluster_id: cluster.name for cluster_id, cluster in clusters.items()}
    return tuple(
        ClusterEvent(
            row.change,
            row.cluster_id,
            row.kind,
            row.related,
            row.level,
            row.gained,
            row.lost,
            row.size,
            names.get(row.cluster_id or 0),
        )
        for row in rows
    )


def list_outliers(moment: Moment, count: int) -> tuple[Outlier, ...]:
    """Return the items, or parts, whose nearest neighbours are least similar to them (Ramaswamy et al., 2000).

    Those that have an identical vector beside them are left out. The tree is at the snapshot's moment.
    """
    check_whole(count, "outliers takes the number of items,")
    if moment.view.tree is None:
        raise UsageError("this collection keeps no clusters (the setting clusters is 0)")
    graph = moment.view.tree.graph
    slots = np.flatnonzero((graph.item >= 0) & (graph.near[:, 0] >= 0))
    slots = slots[~np.isin(slots, list(graph.other_items))]
    if not len(slots):
        return ()
    similarity = graph.similarity[slots]
    scores = np.where(similarity > -np.inf, similarity, 0).sum(1) / (similarity > -np.inf).sum(1)
    strangest = np.argsort(scores, kind="stable")[:count]
    members = graph.item[slots[strangest]]
    nearest = graph.item[graph.near[slots[strangest], 0]]
    items = find_holders(moment.snapshot, moment.view, members).tolist()
    neighbours = find_holders(moment.snapshot, moment.view, nearest).tolist()
    rows, parts = moment.snapshot.hits(items + neighbours), _read_parts(moment, members)
    typical = float(np.quantile(similarity[:, 0], TYPICAL))
    state = find_cluster_state(moment.view, moment.snapshot)
    labels = state.assignment("medium").find_labels(members) if state else [0] * len(items)
    outliers = []
    for place, member_id, item_id, neighbour_id, label in zip(
        strangest.tolist(), members.tolist(), items, neighbours, labels, strict=True
    ):
        neighbour = rows[neighbour_id].uri or rows[neighbour_id].key
        nearest_one = (
            f"its nearest picture ({neighbour})" if moment.of is None else f"the nearest part (in {neighbour})"
        )
        reason = f"{nearest_one} has a similarity of {float(similarity[place, 0]):.2f}; half of all "
        reason += f"{'parts' if moment.of else 'pictures'} have one of at least {typical:.2f}"
        reason += "" if label else "; it is in no cluster"
        row, part = rows[item_id], parts.get(member_id)
        outliers.append(Outlier(item_id, row.key, row.uri, float(scores[place]), neighbour_id, reason, part))
    return tuple(outliers)
