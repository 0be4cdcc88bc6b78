"""Paths, neighbourhoods and summaries of a collection, over the graph and the vectors that are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, UsageError
from indexers.tree.neighbour_graph import NeighbourGraph
from indexers.types import Ids, Vectors
from retrieval.checks import ItemName, check_whole
from retrieval.clusters.browse import Moment
from retrieval.clusters.browser import ClusterBrowser
from retrieval.items.pictures import PictureLoader
from retrieval.records.clusters import SomeClusters
from retrieval.records.search import Hits
from retrieval.records.structure import NeighbourPath, Summary
from retrieval.search.hits import Ranking, build_hits
from retrieval.spaces import scope
from retrieval.spaces.view import View
from retrieval.structure.cover import choose_cover, draw

if TYPE_CHECKING:
    from retrieval.structure.links import Links

WIDEST, SHORTEST = "widest", "shortest"
MAX_HOPS = 20
REPRESENTED = 8192
"""Pictures of many that a summary looks at, drawn at random."""


class GraphExplorer:
    """Answers what the graph of neighbours tells. The methods are those of `Collection`, which documents them."""

    def __init__(self, browser: ClusterBrowser, pictures: PictureLoader) -> None:
        self._browser, self._pictures = browser, pictures
        self._links: tuple[NeighbourGraph, int, Links] | None = None

    def find_path(self, start: ItemName, end: ItemName, kind: str) -> NeighbourPath:
        """Return a path between two items. Raises BadQuery, ItemNotFound."""
        if kind not in (WIDEST, SHORTEST):
            raise BadQuery(f"kind is {WIDEST!r} or {SHORTEST!r}; got {kind!r}")

        def find(moment: Moment) -> NeighbourPath:
            items = np.array(moment.snapshot.resolve([start, end]), np.int64)
            _, links, nodes = self._find_nodes(moment.view, items)
            finder = links.find_widest_path if kind == WIDEST else links.find_shortest_path
            path = finder(*nodes.tolist())
            if path is None:
                raise BadQuery(
                    f"no path leads from item {items[0]} to item {items[1]}: they lie in parts of the collection that "
                    "no chain of nearest neighbours joins"
                )
            scores = np.append(np.float32(1), links.measure(path))
            found = links.items[path]
            found[[0, -1]] = items
            if len(path) == 1 and items[0] != items[1]:  # two items of one vector
                found, scores = items, np.ones(2, np.float32)
            hits = build_hits(moment.view, moment.snapshot, Ranking(found, scores), self._pictures)
            return NeighbourPath(kind, hits.hits, float(scores.min()), hits.as_of)

        path = self._browser.read_tree(find, None)
        if path is None:
            raise BadQuery("the collection is empty; add pictures or vectors first")
        return path

    def list_around(self, names: ItemName | Iterable[ItemName], hops: int, count: int) -> Hits:
        """Return the items within some steps of others, ranked by a random walk. Raises BadQuery, ItemNotFound."""
        hops = check_whole(hops, "hops is the number of steps,")
        if hops > MAX_HOPS:
            raise BadQuery(f"hops is at most {MAX_HOPS}; got {hops}")
        wanted = _list_names(names, "items")

        def find(moment: Moment) -> Hits:
            items = np.array(moment.snapshot.resolve(wanted), np.int64)
            graph, links, nodes = self._find_nodes(moment.view, items)
            around, _ = links.find_around(nodes, hops)
            shares = links.rank_by_walk(nodes, around)
            owner, ids = graph.list_items(graph.find_slots(links.items[around]))
            keep = ~np.isin(ids, items)
            ids, scores = ids[keep], shares[owner[keep]]
            order = np.lexsort((ids, -scores))[:count]
            ranking = Ranking(ids[order], scores[order].astype(np.float32))
            return build_hits(moment.view, moment.snapshot, ranking, self._pictures)

        return self._browser.read_tree(find, Hits((), 0))

    def summarize(
        self,
        count: int,
        where: Mapping[str, Any] | None,
        within: SomeClusters,
        continue_from: Iterable[ItemName] | None,
    ) -> Summary:
        """Return pictures that stand for all. Raises BadQuery, BadFilter, ClusterNotFound, ItemNotFound."""
        clusters = scope.check_clusters(within, "within")
        names = [] if continue_from is None else _list_names(continue_from, "continue_from", may_be_empty=True)

        def choose(moment: Moment) -> Summary:
            view, snapshot = moment.view, moment.snapshot
            before = np.array(snapshot.resolve(names), np.int64)
            flat = view.flat.index
            absent = before[~flat.has(before)]
            if len(absent):
                raise BadQuery(f"the item {absent[0]} has no vector in the space {view.space.name!r}")
            allowed = view.allowed(where, snapshot, clusters)
            ids = flat.ids() if allowed is None else allowed.ids
            if not len(ids):
                return Summary((), 0, snapshot.number)
            total = len(ids)
            ids, vectors = _drop_equal(np.union1d(before, draw(ids, REPRESENTED)), before, view)
            places = np.flatnonzero(np.isin(ids, before))
            chosen, shares = choose_cover(vectors, count, _read_times(snapshot, ids), places)
            ranking = Ranking(ids[chosen], shares[len(places) :].astype(np.float32))
            hits = build_hits(view, snapshot, ranking, self._pictures)
            return Summary(hits.hits, total, hits.as_of)

        return self._browser.read_clusters(choose, Summary((), 0, 0))

    def _find_nodes(self, view: View, items: Ids) -> tuple[NeighbourGraph, Links, Ids]:
        """Return the graph as it is now, its links, and the nodes of items, which must be in it."""
        if view.tree is None:
            raise UsageError("this collection keeps no graph of neighbours (the setting clusters is 0)")
        graph = view.tree.graph
        known = self._links
        if known is None or known[0] is not graph or known[1] != graph.updates:
            from retrieval.structure.links import Links  # with scipy's graphs, which take as long as a search's start

            known = self._links = graph, graph.updates, Links.of(graph)
        slots = graph.find_slots(items)
        absent = items[slots < 0]
        if len(absent):
            raise BadQuery(f"the item {absent[0]} has no vector in the space {view.space.name!r}")
        return graph, known[2], np.searchsorted(np.flatnonzero(graph.item >= 0), slots)


def _list_names(names: Any, parameter: str, may_be_empty: bool = False) -> list[ItemName]:
    wanted = [names] if isinstance(names, str | int) else list(names)
    if not wanted and not may_be_empty:
        raise BadQuery(f"{parameter} names at least one item; got none")
    return wanted


def _drop_equal(ids: Ids, first: Ids, view: View) -> tuple[Ids, Vectors]:
    """Return the items without those whose vectors equal another's, and the vectors, float32 (n, d), of length 1.

    Of equal ones the first of `first` stays, else the first.
    """
    vectors = scale_to_unit(view.flat.index.take(ids)).astype(np.float32)
    order = np.lexsort((ids, ~np.isin(ids, first)))
    _, kept = np.unique(vectors[order].view(f"V{vectors.shape[1] * 4}").ravel(), return_index=True)
    places = np.union1d(order[kept], np.flatnonzero(np.isin(ids, first)))
    return ids[places], vectors[places]


def _read_times(snapshot: Snapshot, ids: Ids) -> Any:
    """Return when pictures were taken, in seconds, NaN where unknown; None if that is not known of half of them."""
    times = np.full(len(ids), np.nan)
    taken = snapshot.shots.times()
    for place, item_id in enumerate(ids.tolist()):
        if item_id in taken:
            try:
                times[place] = datetime.fromisoformat(taken[item_id]).replace(tzinfo=None).timestamp()
            except (ValueError, OverflowError, OSError):
                continue
    return times if 2 * np.count_nonzero(~np.isnan(times)) >= max(len(ids), 1) else None
