"""From a query to its hits.

A query becomes one vector (`Query`), a restriction becomes the set of vectors that may answer (`View.allowed`), and the
nearest of them become hits. All of it happens within one moment of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from indexers.arrays import NO_INTS
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.full_text import Weights
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, BadVector
from indexers.finders.base import Box
from indexers.types import Ids, Metric, Neighbours
from indexers.vectors.allowed import Allowed
from indexers.vectors.base import prepare_vectors
from indexers.vectors.metrics import parse_metric
from retrieval.clusters.browser import ClusterBrowser
from retrieval.config import Config
from retrieval.filters import parse_filter
from retrieval.items.pictures import PictureLoader
from retrieval.parts.asking import PartAsker
from retrieval.records.search import NEAREST, NEAREST_PER_CLUSTER, WITHIN_RADIUS, Hits
from retrieval.search.by_parts import attach_worded_parts, find_by_parts
from retrieval.search.diffusion import rank_again
from retrieval.search.expansion import expand, is_expanded
from retrieval.search.hits import Ranking, SpaceSwitched, build_hits, check_space, judge
from retrieval.search.options import Options, QueryParts, check_count, check_options, check_region
from retrieval.search.query import Query
from retrieval.search.ranking import NearestQuery, choose_diverse, fuse_rankings, limit_per_cluster, to_arrays
from retrieval.search.sight import find_seen
from retrieval.spaces import scope
from retrieval.spaces.spaces import Spaces
from retrieval.spaces.view import View, check_level, find_cluster_state

T = TypeVar("T")
POOL = 100
"""The number of hits of each ranking that are fused."""
GROUPS = 10
"""Clusters shown where hits are grouped, unless `k` says otherwise."""


class Search:
    """Answers the searches of a collection."""

    def __init__(
        self, catalogue: Catalogue, spaces: Spaces, config: Config, browser: ClusterBrowser, pictures: PictureLoader
    ) -> None:
        self._catalogue, self._spaces, self._config = catalogue, spaces, config
        self._browser, self._pictures = browser, pictures
        self._asker = PartAsker(catalogue, pictures)

    def find(self, parts: QueryParts, options: Options, *, group: bool, space: str | None) -> Hits:
        """Return the hits of a query, best first, with `group` in the clusters that they lie in."""
        if options.metric is not None:
            options = options._replace(metric=parse_metric(options.metric, BadQuery))
        within = scope.check_clusters(options.within, "within")  # once, since an iterator can't be read twice
        exclude = scope.check_clusters(options.exclude, "exclude")
        weights = Weights(self._config.path_weight, self._config.seen_weight)
        options = options._replace(within=within, exclude=exclude, word_weights=weights)
        count = options.k or GROUPS
        options = widen_for_groups(options) if group else options._replace(level=options.level or "fine")

        region = check_region(options.region)

        def find_in(view: View) -> Hits:
            if options.words is not None and options.by is not None and not parts.count_given() and region is None:
                hits = find(view, None, options._replace(by=None), follow=space is None, pictures=self._pictures)
                return attach_worded_parts(self._catalogue, hits, options.by, options.words)
            if options.by is not None or region is not None:
                return self._find_parts(view, parts, options, region, space is None)
            words_alone = options.words is not None and not parts.count_given()
            query = None if words_alone else Query(view, **parts._asdict(), metric=options.metric)
            return find(view, query, options, follow=space is None, pictures=self._pictures)

        hits = self._run_in_space(space, find_in)
        if hits is None:
            return self._find_nothing(parts, options)
        return replace(hits, groups=self._browser.group(hits, str(options.level), space)[:count]) if group else hits

    def _find_parts(self, view: View, parts: QueryParts, options: Options, region: Box | None, follow: bool) -> Hits:
        """Return the hits of a query by parts, or by a box of a picture."""
        if parts.count_given() != 1:
            Query(view, **parts._asdict())  # raises
        of_parts = None if options.by is None else self._spaces.view_parts(view, options.by)
        asking = self._asker.choose(view, of_parts, parts.picture, parts.item, region)
        if asking.picture is not None or asking.vector is not None:
            parts = parts._replace(picture=asking.picture, vector=asking.vector, item=None)
        query = Query(view, **parts._asdict(), metric=options.metric)
        if of_parts is None:
            return find(view, query, options, follow=follow, pictures=self._pictures, asking_items=asking.items)
        return find_by_parts(
            view, of_parts, query, options, asking_items=asking.items, follow=follow, pictures=self._pictures
        )

    def find_many(
        self,
        vectors: ArrayLike,
        k: int,
        where: Mapping[str, Any] | None,
        metric: str | None,
        space: str | None,
        exact: bool = False,
    ) -> Neighbours:
        """Return the k nearest items of each of many vectors, as arrays. Raises BadQuery, BadVector, BadFilter."""
        chosen = None if metric is None else parse_metric(metric, BadQuery)
        neighbours = self._run_in_space(
            space, lambda view: find_many(view, vectors, k, where, chosen, space is None, exact)
        )
        if neighbours is None:
            raise BadQuery("the collection is empty; add pictures or vectors first")
        return neighbours

    def find_seen(self, words: str, space: str | None) -> Ids:
        """Return the ids of the items in which words are seen. Raises what `sight.find_seen` raises."""
        seen = self._run_in_space(space, lambda view: find_seen(view, words))
        return np.empty(0, np.int64) if seen is None else seen

    def _run_in_space(self, space: str | None, job: Callable[[View], T]) -> T | None:
        """Return the job's result in the current space, whichever that is by then; None if there is no space yet."""
        while True:
            view = self._spaces.view(space) if space is not None else self._spaces.current
            try:
                return job(view) if view else None
            except SpaceSwitched:
                self._spaces.view()
            except BadVector:  # of the dimension of a space that another process has switched to?
                if space is not None or self._spaces.view() is view:
                    raise

    def _find_nothing(self, parts: QueryParts, options: Options) -> Hits:
        """Return no hits, of a collection that is empty, once the query has been checked."""
        check_options(options)
        check_level(options.level)
        if options.words is None and parts.count_given() != 1:
            raise BadQuery("search takes one of a picture, text=, item=, vector=, mix= and query=")
        with self._catalogue.snapshot() as snapshot:
            return Hits((), snapshot.number)


MAX_CELLS = 10**8
"""Hits in one answer of `search_many`, whose arrays hold them all, found or not: 1.2 GB."""


def widen_for_groups(options: Options) -> Options:
    """Return options that find enough hits for `k` clusters with some of each. Raises BadQuery."""
    check_count(options.k)
    if options.diversify is not None:
        raise BadQuery("group=True can't be combined with diversify=; groups are diverse already")
    by_vector = options.words is None and options.radius is None
    per_cluster = options.per_cluster or (5 if by_vector else None)
    count = (options.k or GROUPS) * (per_cluster or 10)
    return options._replace(k=count, per_cluster=per_cluster, level=options.level or "medium")


def find(
    view: View,
    query: Query | None,
    options: Options,
    *,
    follow: bool = True,
    pictures: PictureLoader | None = None,
    asking_items: Ids = NO_INTS,
) -> Hits:
    """Return the k nearest items, or all that are at least as similar as `radius`. Items of the query are left out.

    `asking_items`: more items of the query: those of which a box asks.

    `options.words`: items whose text, metadata, paths or picture say them; with a query, both rankings are fused.
    `follow`: the current space is meant, whichever that is now; raises SpaceSwitched if it is no longer this one.
    `pictures`: where the hits load their pictures from.
    """
    check_options(options)
    followers = view.followers  # the graph stays as it is for as long as it is read
    moment = followers.complete_snapshot(let_wait=True) if options.rerank else followers.current_snapshot()
    with moment as snapshot:
        check_space(view, snapshot, follow)
        check_level(options.level, snapshot)
        if query is not None:
            query.exclude(asking_items)
        unknown_words = query.unknown_words if query is not None else ()
        return build_hits(view, snapshot, _rank(view, query, snapshot, options), pictures, unknown_words=unknown_words)


def find_many(
    view: View,
    vectors: ArrayLike,
    k: int,
    where: Mapping[str, Any] | None,
    metric: Metric | None = None,
    follow: bool = True,
    exact: bool = False,
) -> Neighbours:
    """Return the k nearest items of each of many vectors, as arrays."""
    count, metric = check_count(k) or 10, metric or view.space.metric
    queries = prepare_vectors(vectors, view.space.dimension, metric)
    if len(queries) * count > MAX_CELLS:
        raise BadQuery(
            f"k={count} hits for each of {len(queries)} vectors are more than the {MAX_CELLS:,} of one answer; ask for "
            "fewer hits, or for fewer vectors at once"
        )
    with view.followers.current_snapshot() as snapshot:
        check_space(view, snapshot, follow)
        return view.searcher.search(queries, count, view.allowed(where, snapshot), metric, exact)


def _rank(view: View, query: Query | None, snapshot: Snapshot, options: Options) -> Ranking:
    """Rank the hits."""
    within, exclude = scope.check_clusters(options.within, "within"), scope.check_clusters(options.exclude, "exclude")
    count = check_count(options.k) or (20 if options.radius is None else None)
    if options.words is None:
        assert query is not None
        allowed = view.allowed(options.where, snapshot, within, exclude)
        ranking = _rank_nearest(view, query, snapshot, count, options, allowed)
        # what is known of chances is of similarities, and scores of diffusion are none
        return ranking if options.rerank else judge(view, query, snapshot, options, allowed, ranking)
    assert count is not None
    if query is None and options.metric is not None:
        raise BadQuery(f"metric= compares vectors, and query= alone has none; got metric={options.metric!r}")
    if query is None and options.exact:
        raise BadQuery("exact=True compares vectors, and query= alone has none; its hits are complete without it")
    if query is None and options.at_least is not None:
        raise BadQuery("at_least= cuts by how near vectors are, and query= alone has none; leave it out")
    pool = max(count, POOL)
    worded = snapshot.search_text(options.words, pool, parse_filter(options.where), options.word_weights)
    allowed = view.allowed(options.where, snapshot, within, exclude)
    if allowed is not None and (within is not None or exclude):
        worded = [(item_id, score) for item_id, score in worded if item_id in allowed]
    if query is None:
        ids, scores = to_arrays(worded)
    else:
        by_vector = Options(metric=options.metric, exact=options.exact, at_least=options.at_least)
        nearest = _rank_nearest(view, query, snapshot, pool, by_vector, allowed)
        nearest = judge(view, query, snapshot, by_vector, allowed, nearest)
        ids, scores = fuse_rankings(worded, nearest.ids.tolist())
        if nearest.chances is not None:
            known = dict(zip(nearest.ids.tolist(), nearest.chances.tolist(), strict=True))
            chances = np.array([known.get(item_id, np.nan) for item_id in ids.tolist()])
            return Ranking(ids, scores, None, chances, nearest.looked_through).choose(slice(count))
    return Ranking(ids[:count], scores[:count])


def _rank_nearest(
    view: View, query: Query, snapshot: Snapshot, count: int | None, options: Options, allowed: Allowed | None
) -> Ranking:
    metric = options.metric or view.space.metric
    vector = query.to_vector(snapshot)
    if is_expanded(query, metric):
        vector = expand(view, vector)
    query_items, diversity = query.find_items(snapshot), options.diversify
    if options.rerank is not None:
        assert count is not None
        return Ranking(*rank_again(view, vector, count, allowed, np.array(query_items, np.int64)))
    if options.per_cluster is not None:
        state = find_cluster_state(view, snapshot, options.level or "fine")
        if state is not None:
            assert count is not None
            vector = prepare_vectors(vector, view.space.dimension, metric)
            excluded = np.array(query_items, np.int64)
            nearest_query = NearestQuery(view.searcher, vector, metric, allowed, excluded, options.exact)
            level = options.level or "fine"
            found, is_proved = limit_per_cluster(state, nearest_query, count, options.per_cluster, level)
            return Ranking(*found, NEAREST_PER_CLUSTER if is_proved else None)
    if options.radius is not None:
        ids, scores = view.searcher.search_radius(vector, options.radius, allowed, metric)
        proof: str | None = WITHIN_RADIUS
    else:
        assert count is not None
        pool = (count if diversity is None else options.pool or max(4 * count, 64)) + len(query_items)
        nearest = view.searcher.search(vector, min(pool, max(1, len(view.flat.index))), allowed, metric, options.exact)
        ids, scores, proof = nearest.ids[0], nearest.scores[0], NEAREST if nearest.proved else None
    keep = (ids >= 0) & ~np.isin(ids, query_items) if query_items else ids >= 0
    ids, scores = ids[keep], scores[keep]
    if options.radius is not None and count is not None and count < len(ids):
        proof = NEAREST
    if diversity is not None:
        vectors = view.searcher.flat.take_for_metric(ids, metric)
        order = choose_diverse(vectors, vector[0], count or len(ids), diversity, metric)
        ids, scores, proof = ids[order], scores[order], None
    return Ranking(ids[:count], scores[:count], proof)
