"""The names of clusters: a cluster of now is named by its id, or by a name that it alone has."""

from __future__ import annotations

import unicodedata
from typing import Any, NamedTuple

import numpy as np

from indexers.catalogue.metadata import fold_text
from indexers.errors import BadQuery, ClusterNotFound
from indexers.types import LEVELS
from retrieval.checks import is_whole
from retrieval.clusters.browse import Moment
from retrieval.spaces.view import find_cluster_state


class Candidate(NamedTuple):
    """A cluster that a name may mean."""

    id: int
    name: str
    level: str
    size: int


def resolve_cluster(moment: Moment, cluster: Any) -> Any:
    """Return the id of a cluster that is named by its id or name; what is no text is returned as it is.

    Upper and lower case count only where several names differ in nothing else. Of clusters of several levels that hold
    the same items, the coarsest is meant. Raises ClusterNotFound, and BadQuery if several others have the name.
    """
    if not isinstance(cluster, str):
        return int(cluster) if is_whole(cluster) else cluster
    candidates = list_named(moment, cluster)
    exact = [row for row in candidates if _compose(row.name) == _compose(cluster)]
    candidates = exact or candidates
    if not candidates:
        raise ClusterNotFound(f"there is no cluster named {cluster!r}; `clusters` lists them")
    if len(candidates) > 1 and not _are_identical(moment, candidates):
        ids = ", ".join(f"{row.id} ({row.level}, {row.size} items)" for row in candidates)
        raise BadQuery(f"{len(candidates)} clusters are named {cluster!r}; say which by its id: {ids}")
    return candidates[0].id


def find_automatic_name(moment: Moment, cluster_id: int) -> str | None:
    """Return the name that a cluster of now would be given if it was new."""
    snapshot, view = moment.snapshot, moment.view
    row = snapshot.clusters.rows([cluster_id])[cluster_id]
    namer = view.named.namer
    if namer is None:
        return None
    if row.level in LEVELS:
        return namer(snapshot, [row], snapshot.clusters.item_clusters(view.space.id)).get(cluster_id)
    clustering = snapshot.clusterings.find(row.level)
    assert clustering is not None
    item_clusters = snapshot.clusterings.item_clusters(clustering.id)
    return namer(snapshot, [row], item_clusters, (row.level,)).get(cluster_id)


def list_named(moment: Moment, name: str) -> list[Candidate]:
    """Return the clusters of now that have a name, in whatever case, of the tree and the clusterings of this space."""
    snapshot, space, folded = moment.snapshot, moment.view.space, _fold(name)
    levels = [*LEVELS, *(row.name for row in snapshot.clusterings.rows() if row.space == space.id)]
    candidates = []
    for level in levels:
        state = find_cluster_state(moment.view, snapshot, level)
        sizes = dict(state.assignment(level).clusters) if state else {}
        rows = snapshot.clusters.rows(sizes)
        candidates += [
            Candidate(i, row.name, level, sizes[i])
            for i, row in sorted(rows.items())
            if row.name and _fold(row.name) == folded
        ]
    return candidates


def _are_identical(moment: Moment, candidates: list[Candidate]) -> bool:
    """Return True if the clusters hold the same items, as those of several levels may."""
    if len({row.size for row in candidates}) > 1:
        return False
    states = [(find_cluster_state(moment.view, moment.snapshot, row.level), row) for row in candidates]
    members = [state.assignment(row.level).members(row.id) for state, row in states if state]
    return all(np.array_equal(members[0], other) for other in members)


def _compose(name: str) -> str:
    """Return a name in the composed form of Unicode, with single spaces."""
    return unicodedata.normalize("NFC", " ".join(name.split()))


def _fold(name: str) -> str:
    return fold_text(_compose(name))
