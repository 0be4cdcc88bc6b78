"""One space at one moment, and who in it may answer"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, cast

import numpy as np
from PIL.Image import Image

from indexers.catalogue.conditions import Condition
from indexers.catalogue.snapshot import Snapshot
from indexers.embedders.base import Embedder
from indexers.errors import BadQuery
from indexers.followers.base import Followers
from indexers.followers.clusterings import ClusteringFollower
from indexers.followers.partitions import PartitionFollower
from indexers.followers.stored import FlatFollower, IndexFollower
from indexers.followers.tree import TreeFollower
from indexers.pictures import images
from indexers.pictures.remote import is_remote, read_uri
from indexers.types import LEVELS, Ids, Level, Limits, Space
from indexers.vectors.allowed import Allowed
from indexers.vectors.searcher import Searcher
from retrieval.filters import parse_filter
from retrieval.spaces import scope as restrict
from retrieval.spaces.cluster_state import ClusterState

FILTERS = 16
"""Restrictions remembered, per space."""


@dataclass(slots=True)
class View:
    """What a search of one space needs: the space, its followers, and how to embed for it."""

    space: Space
    followers: Followers
    flat: FlatFollower
    index: IndexFollower | None
    named: ClusteringFollower
    embedder: Callable[[], Embedder]
    """Raises what is in the way, where the collection's embedder can't be had."""
    limits: Limits
    small: int
    web: bool = False
    tree: TreeFollower | None = None
    partitions: PartitionFollower | None = None
    _searcher: Searcher | None = None
    _restrictions: OrderedDict[tuple[Any, ...], tuple[Allowed, Any]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    tree_state: ClusterState | None = None
    """The tree's clusters as they were last looked at."""
    named_states: dict[int, tuple[int, ClusterState]] = field(default_factory=dict)
    """Those of clusterings by name likewise, and how often they had been written by then."""

    @property
    def searcher(self) -> Searcher:
        """The search over the indices of the moment (a rebuild puts new ones in their place)."""
        flat, index = self.flat.index, self.index.index if self.index else None
        found = self._searcher
        if found is None or found.flat is not flat or found.index is not index:
            found = self._searcher = Searcher(flat, index, small=self.small)
        return found

    def allowed(
        self,
        where: Mapping[str, Any] | Condition | None,
        snapshot: Snapshot,
        within: Sequence[Any] = (),
        exclude: Sequence[Any] = (),
    ) -> Allowed | None:
        """The vectors that a filter and clusters leave; remembered for as long as nothing changes."""
        condition = parse_filter(where) if isinstance(where, Mapping) or where is None else where
        if condition is None and not within and not exclude:
            return None
        there = (snapshot.clustered(self.space.id), snapshot.clusterings.stamp()) if within or exclude else None
        clusters = restrict.build_key(within), restrict.build_key(exclude), there
        key = repr(condition), snapshot.number, clusters  # as text: to Python, a condition on 1 equals one on true
        with self._lock:
            known = self._restrictions.get(key)
        if known is None:
            allowed = self.flat.index.prepare_allowed(self._find_allowed_ids(condition, snapshot, within, exclude))
            with self._lock:
                known = self._restrictions[key] = allowed, (within, exclude)
                while len(self._restrictions) > FILTERS:
                    self._restrictions.popitem(last=False)
        return known[0]

    def _find_allowed_ids(
        self, condition: Condition | None, snapshot: Snapshot, within: Sequence[Any], exclude: Sequence[Any]
    ) -> Ids:
        ids = restrict.find_members(within, self.space.id, snapshot) if within else snapshot.ids(condition)
        if within and condition is not None:
            ids = np.intersect1d(ids, snapshot.ids(condition), assume_unique=True)
        if exclude:
            ids = np.setdiff1d(ids, restrict.find_members(exclude, self.space.id, snapshot), assume_unique=True)
        return ids


def find_cluster_state(view: View, snapshot: Snapshot, level: Level = LEVELS[0]) -> ClusterState | None:
    """The clusters of that moment, of the tree or of a clustering by name; None: the tree has none yet.

    Raises BadQuery: there is no such level.
    """
    if level not in LEVELS:
        return _find_named_state(view, snapshot, level)
    position, known = snapshot.clustered(view.space.id), view.tree_state
    if position is None:
        return None
    if known is None or known.as_of != position:
        clustering = snapshot.clusters.clustering(view.space.id)
        assert clustering is not None
        member = view.tree.find_assignment(clustering) if view.tree else None
        member = member or snapshot.clusters.membership(view.space.id)
        known = view.tree_state = ClusterState(member, position, clustering.since, before=known)
    return known


def _find_named_state(view: View, snapshot: Snapshot, name: str) -> ClusterState:
    row = snapshot.clusterings.named(check_level(name, snapshot))
    assert row is not None
    written, known = view.named_states.get(row.id, (-1, None))
    if known is None or written != row.written:
        member = snapshot.clusterings.membership(row.id)
        known = ClusterState(member, row.position, row.since, (row.name,), known)
        view.named_states[row.id] = row.written, known
    return known


def check_level(level: Any, snapshot: Snapshot | None = None) -> Level:
    """Raises BadQuery: it is neither one of the tree's levels nor, at that moment, a clustering's name."""
    if level in LEVELS or (snapshot and isinstance(level, str) and snapshot.clusterings.named(level)):
        return cast(Level, level)
    names = [one.name for one in snapshot.clusterings.rows()] if snapshot else []
    raise BadQuery(f"there is no level {level!r}; there are: {', '.join((*LEVELS, *names))}")


def load_picture(given: Any, view: View, edge: int = 0) -> Image:
    """The upright RGB picture that a caller gives, by an address too; see `images.as_picture`."""
    return images.as_picture(read_uri(given, view.limits, view.web) if is_remote(given) else given, edge, view.limits)
