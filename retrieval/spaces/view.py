"""What a search of one space needs, and which of its vectors may answer."""

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
from indexers.pictures.addresses import is_remote
from indexers.pictures.images import hash_content
from indexers.pictures.remote import read_uri
from indexers.types import LEVELS, Ids, Level, Limits, Metric, Space, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.chance import ChanceModel
from indexers.vectors.searcher import Searcher
from indexers.vectors.staged import SCANNED, Staged
from retrieval.filters import parse_filter
from retrieval.spaces import scope
from retrieval.spaces.cluster_state import ClusterState
from retrieval.spaces.part_owners import PartOwners, find_parts_in

FILTERS = 16
"""Restrictions that are kept, per space."""
FILTER_BYTES = 64 * 2**20
"""The memory of these restrictions together."""


@dataclass(slots=True)
class View:
    """What a search of one space needs: the space, its followers, and how to embed for it."""

    space: Space
    followers: Followers
    flat: FlatFollower
    index: IndexFollower | None
    named: ClusteringFollower
    embedder: Callable[[], Embedder]
    """Returns the embedder, or raises the reason why there is none."""
    limits: Limits
    small: int
    web: bool = False
    tree: TreeFollower | None = None
    partitions: PartitionFollower | None = None
    _searcher: Searcher | None = None
    _restrictions: OrderedDict[bytes, tuple[Allowed, Any]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    tree_state: ClusterState | None = None
    """The tree's clusters as they were last read."""
    load_words: Callable[[], Vectors | None] = lambda: None
    """Returns unit vectors of some words in the space; None if its embedder reads none, or is not available."""
    chance_models: dict[tuple[Metric, bool], tuple[tuple[int, int], ChanceModel | None]] = field(default_factory=dict)
    """The null distributions of scores by metric, and whether texts ask, with the moment that they are of."""
    making_chance_model: Lock = field(default_factory=Lock)
    owners: PartOwners | None = None
    """Of a space of parts: the item of each."""
    items_space_id: int | None = None
    """Of a space of parts: the space of the items beside it, whose clusters restrict a search."""
    named_states: dict[int, tuple[int, ClusterState]] = field(default_factory=dict)
    """The clusters of named clusterings, with the number of times they had been written by then."""

    @property
    def searcher(self) -> Searcher:
        """The search over the current indexes (a rebuild replaces them)."""
        flat, index = self.flat.index, self.index.index if self.index else None
        searcher = self._searcher
        if searcher is None or searcher.flat is not flat or searcher.index is not index:
            searcher = self._searcher = Searcher(flat, index, small=self.small)
        return searcher

    @property
    def index_kind(self) -> str:
        """What an index that changes with the size of the collection is at present; SCANNED for others."""
        index = self.index.index if self.index else None
        return index.kind if isinstance(index, Staged) else SCANNED

    def allowed(
        self,
        where: Mapping[str, Any] | Condition | None,
        snapshot: Snapshot,
        within: Sequence[Any] | None = None,
        exclude: Sequence[Any] | None = None,
    ) -> Allowed | None:
        """Return the vectors that a filter and clusters leave, or None for all; kept for as long as nothing changes.

        In a space of parts, filter and clusters are about the items that these are in.
        within: clusters that the items have to be in; with an empty sequence no item is allowed.
        """
        condition = parse_filter(where) if isinstance(where, Mapping) or where is None else where
        if condition is None and within is None and not exclude:
            return None
        scope_id = self.items_space_id or self.space.id
        position = (snapshot.clusters_version(scope_id), snapshot.clusterings.versions()) if within or exclude else None
        within = None if within is None else scope.resolve_names(within, snapshot)
        exclude = scope.resolve_names(exclude or (), snapshot)
        clusters = None if within is None else scope.build_key(within), scope.build_key(exclude), position
        # as text: to Python, a condition on 1 equals one on true; hashed, since a filter may be long
        key = hash_content(repr((condition, snapshot.number, clusters)).encode("utf-8", "surrogatepass"))
        with self._lock:
            restriction = self._restrictions.get(key)
        if restriction is None:
            allowed = self.flat.index.prepare_allowed(self._find_allowed_ids(condition, snapshot, within, exclude))
            with self._lock:
                restriction = self._restrictions[key] = allowed, (within, exclude)
                self._drop_old_restrictions()
        return restriction[0]

    def _drop_old_restrictions(self) -> None:
        """Keep at most FILTERS restrictions of FILTER_BYTES together, and the newest in any case."""
        kept = [allowed for allowed, _ in self._restrictions.values()]
        sizes = [allowed.ids.nbytes + allowed.rows.nbytes + allowed.run_starts.nbytes for allowed in kept]
        while len(sizes) > 1 and (len(sizes) > FILTERS or sum(sizes) > FILTER_BYTES):
            self._restrictions.popitem(last=False)
            del sizes[0]

    def _find_allowed_ids(
        self, condition: Condition | None, snapshot: Snapshot, within: Sequence[Any] | None, exclude: Sequence[Any]
    ) -> Ids:
        scope_id = self.items_space_id or self.space.id
        ids = snapshot.ids(condition) if within is None else scope.find_members(within, scope_id, snapshot)
        if within is not None and condition is not None:
            ids = np.intersect1d(ids, snapshot.ids(condition), assume_unique=True)
        if exclude:
            ids = np.setdiff1d(ids, scope.find_members(exclude, scope_id, snapshot), assume_unique=True)
        return ids if self.owners is None else find_parts_in(self.find_owners(snapshot), ids)

    def find_owners(self, snapshot: Snapshot) -> tuple[Ids, Ids]:
        """Return the parts of a space of parts, sorted, and the item of each."""
        assert self.owners is not None
        return self.owners.advance(snapshot, self.flat.index.ids())

    def release(self) -> None:
        """Let go of what was loaded: the mapped file, indexes, restrictions."""
        self.followers.release()
        self._searcher = self.tree_state = None
        self.named_states.clear()
        self.chance_models.clear()
        with self._lock:
            self._restrictions.clear()


def find_cluster_state(view: View, snapshot: Snapshot, level: Level = LEVELS[0]) -> ClusterState | None:
    """Return the clusters of the tree, or of a named clustering; None if the tree has none yet. Raises BadQuery."""
    if level not in LEVELS:
        return _find_named_state(view, snapshot, level)
    version, state = snapshot.clusters_version(view.space.id), view.tree_state
    if version is None:
        return None
    if state is None or state.version != version:
        levels = snapshot.clusters.tree_levels(view.space.id)
        assert levels is not None
        item_clusters = view.tree.recall_item_clusters(version) if view.tree else None
        item_clusters = item_clusters or snapshot.clusters.item_clusters(view.space.id)
        state = view.tree_state = ClusterState(item_clusters, version[0], levels.since, previous=state, version=version)
    return state


def _find_named_state(view: View, snapshot: Snapshot, name: str) -> ClusterState:
    row = snapshot.clusterings.find(check_level(name, snapshot))
    assert row is not None
    if view.space.parts is not None:
        levels = ", ".join(LEVELS)
        raise BadQuery(
            f"the clustering {name!r} is of pictures; clusters of {view.space.parts} have the levels {levels}"
        )
    written, state = view.named_states.get(row.id, (-1, None))
    if state is None or written != row.written:
        item_clusters = snapshot.clusterings.item_clusters(row.id)
        state = ClusterState(item_clusters, row.position, row.since, (row.name,), state)
        view.named_states[row.id] = row.written, state
    return state


def check_level(level: Any, snapshot: Snapshot | None = None) -> Level:
    """Return the level, one of the tree's or the name of a clustering. Raises BadQuery if there is no such level."""
    if level in LEVELS or (snapshot and isinstance(level, str) and snapshot.clusterings.find(level)):
        return cast(Level, level)
    names = [row.name for row in snapshot.clusterings.rows()] if snapshot else []
    raise BadQuery(f"there is no level {level!r}; there are: {', '.join((*LEVELS, *names))}")


def load_picture(picture: Any, view: View, edge: int = 0) -> Image:
    """Return the upright RGB picture that a caller passes, also by address; see `images.as_picture`."""
    content = read_uri(picture, view.limits, view.web) if is_remote(picture) else picture
    return images.as_picture(content, edge, view.limits)
