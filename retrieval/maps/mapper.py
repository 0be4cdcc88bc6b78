"""The map of a collection: laid out once, kept in its folder, followed as items come and go.

Items that have a place keep it. New ones come to lie among their neighbours; the map is laid out anew only once it has
more than doubled since, or if asked for, and is then turned to lie as it lay before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np

from indexers.arrays import scale_to_unit, split_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.types import LEVELS, Ids
from retrieval.clusters import browse
from retrieval.clusters.browse import Moment
from retrieval.clusters.browser import ClusterBrowser
from retrieval.filters import parse_filter
from retrieval.maps.layout import NEIGHBOURS, Indices, Places, lay_out
from retrieval.maps.placing import NEAREST, place_new, turn_to_fit
from retrieval.maps.store import StoredMap, find_file, read_map, write_map
from retrieval.records.maps import CollectionMap, Territory
from retrieval.spaces.view import View, find_cluster_state

CHUNK = 2000
"""Vectors whose neighbours are looked for at a time."""
DRIFT = 1.0
"""New items, as a share of those of the last layout, after which all are laid out anew."""
EMPTY = CollectionMap(
    np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32), np.empty((0, 3), np.int64), (), 0, 0
)
Progress = Callable[[int, int, str], object]


class Mapper:
    """Makes and follows the map of the current space. `read` is `Collection.map`, which documents it."""

    def __init__(self, catalogue: Catalogue, browser: ClusterBrowser) -> None:
        self._catalogue, self._browser = catalogue, browser
        self._known: dict[int, StoredMap] = {}
        self._lock = Lock()

    def read(
        self, where: Mapping[str, Any] | None, rebuild: bool, build: bool, progress: Progress | None
    ) -> CollectionMap:
        """Return the map; without `build` an empty one if it would have to be laid out first. Raises MissingPackage."""
        condition = parse_filter(where)

        def make(moment: Moment) -> CollectionMap:
            with self._lock:
                stored = self._follow(moment.view, moment.snapshot.number, rebuild, build, progress)
            if stored is None:
                return EMPTY
            return _describe(moment, stored, None if condition is None else moment.snapshot.ids(condition))

        return self._browser.read_clusters(make, EMPTY)

    def _follow(
        self, view: View, number: int, rebuild: bool, build: bool, progress: Progress | None
    ) -> StoredMap | None:
        space_id, path = view.space.id, find_file(self._catalogue.folder, view.space.id)
        before = self._known.get(space_id) or read_map(path)
        ids = np.sort(view.flat.index.ids())
        if not len(ids):
            return StoredMap(ids, np.empty((0, 2), np.float32), number, 0)
        if before is not None and not rebuild and np.array_equal(before.ids, ids):
            self._known[space_id] = before
            return before
        kept = np.empty(0, bool) if before is None else np.isin(before.ids, ids, assume_unique=True)
        is_lost = before is None or not kept.any()
        if is_lost and not build:
            return None
        if before is None or is_lost or rebuild or (build and len(ids) - before.base > DRIFT * before.base):
            stored = StoredMap(ids, _lay_out_all(view, ids, before, progress), number, len(ids))
        else:
            stored = _place_fresh(view, ids, before, kept)
        self._known[space_id] = stored
        if not self._catalogue.is_read_only:
            write_map(path, stored)
        return stored


def _lay_out_all(view: View, ids: Ids, before: StoredMap | None, progress: Progress | None) -> Places:
    report = progress or (lambda *_: None)
    vectors = scale_to_unit(view.flat.index.take(ids)).astype(np.float32)
    count = min(NEIGHBOURS, len(ids) - 1)
    neighbours, similarity = find_neighbours(
        view, ids, ids, count, lambda done: report(done, len(ids), "looking for neighbours")
    )
    places = lay_out(vectors, neighbours, similarity, lambda done, total: report(done, total, "laying out"))
    if before is None:
        return places
    common = np.intersect1d(ids, before.ids, assume_unique=True)
    rows, earlier = np.searchsorted(ids, common), np.searchsorted(before.ids, common)
    return turn_to_fit(places, before.places[earlier], places[rows])


def _place_fresh(view: View, ids: Ids, before: StoredMap, kept: np.ndarray) -> StoredMap:
    known, places = before.ids[kept], before.places[kept]
    fresh = np.setdiff1d(ids, known, assume_unique=True)
    if len(fresh):
        neighbours, similarity = find_neighbours(view, fresh, known, min(NEAREST, len(known)))
        places = np.concatenate([places, place_new(places, neighbours, similarity, fresh)])
    order = np.argsort(np.concatenate([known, fresh]))
    return StoredMap(ids, places[order], before.built, before.base)


def find_neighbours(
    view: View, ids: Ids, known: Ids, count: int, report: Callable[[int], object] = lambda _: None
) -> tuple[Indices, np.ndarray]:
    """Return the `count` nearest of `known` (sorted) of each item, other than itself: int64 (n, count), as places in
    `known`, -1 where fewer were found, and float32 (n, count), their similarities."""
    vectors = view.flat.index.take(ids)
    allowed = None if len(known) == len(view.flat.index) else view.flat.index.prepare_allowed(known)
    rows = np.full((len(ids), count), -1, np.int64)
    scores = np.full((len(ids), count), -1, np.float32)
    for chunk in split_chunks(range(len(ids)), CHUNK):
        part = slice(chunk[0], chunk[-1] + 1)
        found = view.searcher.search(scale_to_unit(vectors[part]).astype(np.float32), count + 1, allowed, "cosine")
        for row, (item_ids, values) in enumerate(zip(found.ids, found.scores, strict=True), part.start):
            others = np.flatnonzero((item_ids >= 0) & (item_ids != ids[row]))[:count]
            rows[row, : len(others)] = np.searchsorted(known, item_ids[others])
            scores[row, : len(others)] = values[others]
        report(part.stop)
    if len(known) > count:  # an index that found too few: the first stands for those that are missing
        rows, scores = np.where(rows < 0, rows[:, :1], rows), np.where(rows < 0, scores[:, :1], scores)
    return rows, scores


def _describe(moment: Moment, stored: StoredMap, chosen: Ids | None) -> CollectionMap:
    if chosen is not None:
        kept = np.isin(stored.ids, chosen)
        stored = stored._replace(ids=stored.ids[kept], places=stored.places[kept])
    x, y = (np.ascontiguousarray(column) for column in stored.places.T)
    clusters = np.zeros((len(stored.ids), len(LEVELS)), np.int64)
    state = find_cluster_state(moment.view, moment.snapshot)
    territories: list[Territory] = []
    for column, level in enumerate(LEVELS if state else ()):
        assert state is not None
        clusters[:, column] = state.assignment(level).find_labels(stored.ids)
        for cluster in browse.list_clusters(moment, level):
            rows = np.searchsorted(stored.ids, np.intersect1d(stored.ids, np.array(cluster.members, np.int64)))
            if len(rows):
                middle = float(np.median(x[rows])), float(np.median(y[rows]))
                territories.append(Territory(cluster.id or 0, cluster.name, level, len(rows), *middle, cluster.medoid))
    return CollectionMap(stored.ids, x, y, clusters, tuple(territories), moment.snapshot.number, stored.built)
