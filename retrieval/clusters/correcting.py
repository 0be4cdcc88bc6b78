"""What people say of clusters: which belong together, which do not, and where an item belongs.

A correction is a decision about items, so that it outlives rebuilds, new pictures and a change of model: it is applied
to the clusters of the tree whenever they change (`indexers.tree.corrections`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import is_storable
from indexers.catalogue.rows import format_time
from indexers.errors import UsageError
from indexers.types import LEVELS, CorrectionKind, CorrectionRow, Level
from retrieval.checks import ItemName, is_whole, list_names
from retrieval.clusters.browse import Moment, find_hidden_items, is_hidden
from retrieval.clusters.browser import ClusterBrowser
from retrieval.records.clusters import Cluster, Correction
from retrieval.spaces.cluster_state import ClusterState
from retrieval.spaces.spaces import Spaces
from retrieval.spaces.view import find_cluster_state

MEDIUM: Level = "medium"


class ClusterCorrector:
    """Records corrections, and says which hold. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces, browser: ClusterBrowser) -> None:
        self._catalogue, self._spaces, self._browser = catalogue, spaces, browser

    def merge(self, a: int | str, b: int | str) -> int:
        """Join two clusters of a level. Returns the decision's id. Raises ClusterNotFound, UsageError."""
        first, second = self._read_cluster(a), self._read_cluster(b)
        if first.id == second.id:
            raise UsageError(f"{a!r} and {b!r} are the same cluster; name two")
        if first.of != second.of:
            raise UsageError(
                f"cluster {first.id} is of {first.of or 'pictures'} and cluster {second.id} of "
                f"{second.of or 'pictures'}; name two of a kind"
            )
        if first.level != second.level:
            raise UsageError(
                f"cluster {first.id} is of {first.level} and cluster {second.id} of {second.level}; name two of a level"
            )
        return self._enter("merge", _read_level(first), [first.members, second.members], [first, second])

    def split(self, cluster: int | str, into: Sequence[Iterable[ItemName]]) -> int:
        """Take a cluster apart. Returns the decision's id. Raises ClusterNotFound, UsageError."""
        source = self._read_cluster(cluster)
        groups = [self._resolve(group, source.of) for group in into]
        if not groups or not all(groups):
            raise UsageError("into is a list of groups of items, none of them empty; got an empty one")
        everything = [item_id for group in groups for item_id in group]
        twice = next((item_id for item_id, count in Counter(everything).items() if count > 1), None)
        if twice is not None:
            raise UsageError(f"{_name(twice, source)} is in several groups; it belongs into one")
        strange = sorted(set(everything) - set(source.members))
        if strange:
            raise UsageError(f"{_name(strange[0], source)} is not in cluster {source.id}; split takes its own members")
        if len(groups) == 1:
            rest = sorted(set(source.members) - set(everything))
            if not rest:
                raise UsageError(f"the group holds all {source.of or 'items'} of cluster {source.id}; leave some out")
            groups.append(rest)
        return self._enter("split", _read_level(source), groups, [source])

    def move(self, items: ItemName | Iterable[ItemName], cluster: int | str) -> int:
        """Put items into a cluster. Returns the decision's id. Raises ItemNotFound, ClusterNotFound, UsageError."""
        target = self._read_cluster(cluster)
        moved = self._resolve(items, target.of)
        leaving = set(moved)
        anchor = [item_id for item_id in target.members if item_id not in leaving]
        if not moved or not anchor:
            raise UsageError("there is nothing to move" if not moved else f"cluster {target.id} holds nothing else")
        return self._enter("move", _read_level(target), [moved, anchor], [target])

    def keep_together(self, items: Iterable[ItemName]) -> int:
        """Put items into one cluster of each level. Returns the decision's id. Raises ItemNotFound, UsageError."""
        names = list_names(items)
        kind = self._find_kind(names)
        ids = self._resolve(names, kind)
        if len(ids) < 2:
            raise UsageError(f"two items or more can be kept together; got {len(ids)}")
        return self._enter("together", MEDIUM, [ids], of=kind)

    def keep_apart(self, a: ItemName, b: ItemName) -> int:
        """Keep two items in different clusters. Returns the decision's id. Raises ItemNotFound, UsageError."""
        kind = self._find_kind([a, b])
        first, second = self._resolve([a], kind)[0], self._resolve([b], kind)[0]
        if first == second:
            raise UsageError(f"{a!r} and {b!r} are the same item; name two")
        return self._enter("apart", MEDIUM, [[first], [second]], of=kind)

    def hide(self, cluster: int | str) -> int:
        """Hide a cluster. Returns the decision's id. Raises ClusterNotFound, UsageError."""
        hidden = self._read_cluster(cluster)
        return self._enter("hide", _read_level(hidden), [hidden.members], [hidden])

    def list_corrections(self) -> tuple[Correction, ...]:
        """Return the corrections that were not undone, and whether each holds."""
        nothing: tuple[Correction, ...] = ()
        with self._catalogue.snapshot() as snapshot:
            of = {row.id: snapshot.corrections.find_kind(row.groups) for row in snapshot.corrections.rows()}
        view = self._spaces.view()
        with self._catalogue.snapshot() as snapshot:
            known = {space.parts for space in snapshot.part_spaces(view.space)} if view else set()
        listed: dict[int, Correction] = {}
        for kind in dict.fromkeys([None, *of.values()]):
            rows = self._browser.read_clusters(_list_corrections, nothing, of=kind if kind in known else None)
            listed |= {row.decision: row for row in rows if of.get(row.decision) == kind}
        return tuple(listed[decision] for decision in sorted(listed))

    def apply(self) -> None:
        """Bring the clusters of the current space up to date with what was just said."""
        view = self._spaces.view()
        if view is not None:
            view.followers.record(let_wait=True)

    def _read_cluster(self, cluster: int | str) -> Cluster:
        found = self._browser.read_cluster(cluster)
        if found.level not in LEVELS:
            raise UsageError(
                f"cluster {found.id} belongs to the clustering {found.level!r}, which is made as a whole; clusters of "
                f"{', '.join(LEVELS)} can be corrected"
            )
        return found

    def _find_kind(self, names: Sequence[ItemName]) -> str | None:
        """Return the kind of the parts that are named by id; None if these are items."""
        with self._catalogue.snapshot() as snapshot:
            return snapshot.corrections.find_kind([_list_ids(names)])

    def _resolve(self, items: ItemName | Iterable[ItemName], of: str | None) -> list[int]:
        """Return the ids of items, or of parts of a kind. Raises ItemNotFound, UsageError."""
        names = list_names(items)
        with self._catalogue.snapshot() as snapshot:
            if of is None:
                return list(dict.fromkeys(snapshot.resolve(names)))
            rows = snapshot.parts.rows(_list_ids(names))
        known = {part_id for part_id, row in rows.items() if row.kind == of}
        strange = next((name for name in names if name not in known), None)
        if strange is not None:
            raise UsageError(f"{strange!r} is none of the {of}; name these by their ids, which `parts` tells")
        return list(dict.fromkeys(_list_ids(names)))

    def _enter(
        self,
        kind: CorrectionKind,
        level: Level,
        groups: Sequence[Sequence[int]],
        clusters: Sequence[Cluster] = (),
        of: str | None = None,
    ) -> int:
        view, of = self._spaces.view(), clusters[0].of if clusters else of
        if view is not None and of is not None:
            view = self._spaces.view_parts(view, of)
        if view is None or view.tree is None:
            raise UsageError("this collection keeps no clusters (the setting clusters is 0), so none can be corrected")
        with self._catalogue.transaction() as transaction:
            cluster_ids = [cluster.id or 0 for cluster in clusters]
            decision_id = transaction.corrections.add(kind, level, groups, cluster_ids, view.space.id)
        view.followers.record(let_wait=True)
        return decision_id


def _list_ids(names: Iterable[ItemName]) -> list[int]:
    return [int(name) for name in names if is_whole(name) and is_storable(name)]


def _name(member_id: int, cluster: Cluster) -> str:
    return f"the {'item' if cluster.of is None else 'part'} {member_id}"


def _read_level(cluster: Cluster) -> Level:
    return LEVELS[LEVELS.index(cluster.level)] if cluster.level in LEVELS else MEDIUM


def _list_corrections(moment: Moment) -> tuple[Correction, ...]:
    return tuple(
        Correction(
            row.id,
            row.kind,
            row.level,
            tuple(row.groups),
            row.clusters,
            format_time(row.at),
            _find_exception(moment, row),
            moment.of,
        )
        for row in moment.snapshot.corrections.rows()
    )


def _find_exception(moment: Moment, row: CorrectionRow) -> str:
    """Return what of a correction does not hold, in words; "" if all of it does."""
    state = find_cluster_state(moment.view, moment.snapshot)
    if state is None:
        return ""
    if row.kind == "hide":
        return _explain_shown(moment, state, row)
    present = set(state.items.tolist())
    groups = [np.array([item_id for item_id in group if item_id in present], np.int64) for group in row.groups]
    if not all(len(group) for group in groups[:2]) and row.kind != "together":
        return ""  # all that it is about is gone
    if row.kind == "apart":
        for level in LEVELS:
            first, second = (state.assignment(level).find_labels(group) for group in groups)
            shared = np.intersect1d(first[first > 0], second[second > 0])
            if len(shared):
                return f"both are in cluster {shared[0]} of {level}"
        return ""
    find_labels = state.assignment(row.level).find_labels
    if row.kind == "split":
        labels = [np.unique(find_labels(group)) for group in groups]
        numbers, counts = np.unique(np.concatenate(labels), return_counts=True)
        shared = numbers[(counts > 1) & (numbers > 0)]
        if len(shared):
            return f"cluster {shared[0]} holds items of several groups"
        loose = sum(1 for group in labels if group.tolist() == [0])
        return f"{loose} of the groups are loose: a cluster has five items or more" if loose else ""
    if row.kind == "move":
        moved, anchor = (find_labels(group) for group in groups)
        away = moved != np.bincount(anchor).argmax() if len(anchor) else np.ones(len(moved), bool)
    else:
        labels_together = find_labels(np.concatenate(groups))
        if not len(labels_together):
            return ""
        if len(labels_together) > 1 and not labels_together.any():
            return "all of them are loose: a cluster has five items or more"
        away = labels_together != np.bincount(labels_together).argmax()
    return (
        f"{np.count_nonzero(away)} of {len(away)} {moment.of or 'items'} are elsewhere by a later correction"
        if away.any()
        else ""
    )


def _explain_shown(moment: Moment, state: ClusterState, row: CorrectionRow) -> str:
    """Return how many pictures of a hidden cluster are in one that is shown."""
    hidden, assignment = find_hidden_items(moment, state), state.assignment(row.level)
    items = np.intersect1d(np.array(row.groups[0], np.int64), state.items)
    labels = assignment.find_labels(items)
    covered = [
        label for label in np.unique(labels[labels > 0]).tolist() if is_hidden(assignment.members(label), hidden)
    ]
    count = int(np.count_nonzero(~np.isin(labels, [0, *covered])))
    return f"{count} of {len(items)} {moment.of or 'pictures'} are in clusters that are shown" if count else ""
