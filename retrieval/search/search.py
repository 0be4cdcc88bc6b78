"""Searching: from a question to hits.

A question becomes one vector (`Question`), a restriction becomes a set of vectors that may answer (`View.allowed`), and
the nearest of them become hits. All of it happens within one moment of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from indexers.catalogue.full_text import terms
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, SpaceNotFound
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.base import prepare_vectors
from retrieval.checks import check_whole, is_number
from retrieval.filters import parse_filter
from retrieval.records.search import Hit, Hits
from retrieval.search.query import Query
from retrieval.search.ranking import NearestQuery, choose_diverse, fuse_rankings, limit_per_cluster, to_arrays
from retrieval.spaces import scope as restrict
from retrieval.spaces.view import View, check_level, find_cluster_state

POOL = 100
"""Of each ranking, so many are fused."""
GROUPS = 10
"""Clusters shown where hits are grouped."""


class SpaceSwitched(Exception):
    """Another space is searched from now on: the question has to be asked anew there. Callers never see it."""


class Options(NamedTuple):
    """How to search: see Collection.search."""

    k: int | None = None
    radius: float | None = None
    where: Mapping[str, Any] | None = None
    diversify: float | None = None
    words: str | None = None
    within: Any = None
    exclude: Any = None
    per_cluster: int | None = None
    level: str = "fine"
    metric: Metric | None = None
    pool: int | None = None


def grouping(how: Options, level: str | None) -> Options:
    """So many hits that the wanted number of clusters comes together, with some of each."""
    _count(how.k, None)
    few = how.per_cluster or (None if how.words is not None or how.radius is not None else 5)
    if how.diversify is not None:
        raise BadQuery("group=True does not go with diversify=; clusters are variety")
    count = how.k or GROUPS
    return how._replace(k=count * (few or 10), per_cluster=few, level=level or "medium")


def find(view: View, question: Query | None, options: Options, *, follow: bool = True) -> Hits:
    """The k nearest, or everything at least as similar as `radius`. Items that are asked about don't answer. `words`:
    items that say these; with a question as well, both rankings are fused.

    `follow`: the current space is meant, whichever it is at that moment (SpaceSwitched if it is no longer this one).
    """
    check(options)
    with view.followers.current_snapshot() as snapshot:
        meant(view, snapshot, follow)
        check_level(options.level, snapshot)
        return hits(view, snapshot, *_found(view, question, snapshot, options))


def _found(view: View, question: Query | None, snapshot: Snapshot, how: Options) -> tuple[Ids, Vectors]:
    within, exclude = restrict.check_clusters(how.within, "within"), restrict.check_clusters(how.exclude, "exclude")
    count = _count(how.k, 20 if how.radius is None else None)
    if how.words is None:
        assert question is not None
        return _nearest(view, question, snapshot, count, how, view.allowed(how.where, snapshot, within, exclude))
    assert count is not None
    if question is None and how.metric is not None:
        raise BadQuery(f"metric= is about vectors, words alone have none; got metric={how.metric!r} beside query=")
    pool = max(count, POOL)
    ranking = snapshot.find_words(how.words, pool, parse_filter(how.where))
    allowed = view.allowed(how.where, snapshot, within, exclude)
    if allowed is not None and (within or exclude):
        ranking = [pair for pair in ranking if pair[0] in allowed]
    if question is None:
        ids, scores = to_arrays(ranking)
    else:
        beside = _nearest(view, question, snapshot, pool, Options(metric=how.metric), allowed)[0]
        ids, scores = fuse_rankings(ranking, beside.tolist())
    return ids[:count], scores[:count]


def _nearest(
    view: View, question: Query, snapshot: Snapshot, count: int | None, how: Options, allowed: Allowed | None
) -> tuple[Ids, Vectors]:
    metric = how.metric or view.space.metric
    vector = prepare_vectors(question.to_vector(snapshot), view.space.dimension, metric)
    asked, diversify = question.find_items(snapshot), how.diversify
    there = find_cluster_state(view, snapshot, how.level) if how.per_cluster is not None else None
    if there is not None:
        assert count is not None
        what = NearestQuery(view.searcher, vector, metric, allowed, np.array(asked, np.int64))
        return limit_per_cluster(there, what, count, how.per_cluster or 1, how.level)
    if how.radius is not None:
        ids, scores = view.searcher.search_radius(vector, how.radius, allowed, metric)
    else:
        assert count is not None
        pool = (count if diversify is None else how.pool or max(4 * count, 64)) + len(asked)
        nearest = view.searcher.search(vector, min(pool, max(1, len(view.flat.index))), allowed, metric)
        ids, scores = nearest.ids[0], nearest.scores[0]
    keep = (ids >= 0) & ~np.isin(ids, asked) if asked else ids >= 0
    ids, scores = ids[keep], scores[keep]
    if diversify is not None:
        order = choose_diverse(
            view.searcher.flat.take_for_metric(ids, metric), vector[0], count or len(ids), diversify, metric
        )
        ids, scores = ids[order], scores[order]
    return ids[:count], scores[:count]


def hits(view: View, snapshot: Snapshot, ids: Ids, scores: Vectors) -> Hits:
    """Ids and scores with what the catalogue says of them."""
    numbers = ids.tolist()
    rows = snapshot.hits(numbers, view.space.id)
    found = zip(numbers, scores.tolist(), strict=True)
    return Hits(
        tuple(
            Hit(one, (row := rows[one]).key, score, row.uri, row.metadata, row.clusters, row.text)
            for one, score in found
        ),
        snapshot.number,
    )


def find_many(
    view: View,
    vectors: ArrayLike,
    k: int,
    where: Mapping[str, Any] | None,
    metric: Metric | None = None,
    follow: bool = True,
) -> Neighbours:
    """The k nearest of each of many vectors, as arrays."""
    count, metric = _count(k, 10), metric or view.space.metric
    queries = prepare_vectors(vectors, view.space.dimension, metric)
    with view.followers.current_snapshot() as snapshot:
        meant(view, snapshot, follow)
        return view.searcher.search(queries, count or 10, view.allowed(where, snapshot), metric)


def meant(view: View, snapshot: Snapshot, follow: bool) -> None:
    if follow and snapshot.space != view.space.id:
        raise SpaceSwitched
    if not follow and all(space.id != view.space.id for space in snapshot.spaces()):
        raise SpaceNotFound(f"the space {view.space.name!r} was dropped")


def _count(k: Any, default: int | None) -> int | None:
    return default if k is None else check_whole(k, "k is the number of hits wanted,")


def check(how: Options) -> None:
    """Raises BadQuery, BadFilter."""
    k, radius, diversify, words = how.k, how.radius, how.diversify, how.words
    if words is not None:
        if not isinstance(words, str):
            raise BadQuery(f"query is words to look for; got {words!r}")
        terms(words)
        if radius is not None or diversify is not None or how.per_cluster is not None:
            raise BadQuery("query= does not go with radius=, diversify=, per_cluster=, which are about vectors alone")
    _count(k, None)
    parse_filter(how.where)
    if radius is not None and not is_number(radius):
        raise BadQuery(f"radius is the least score wanted, a number; got {radius!r}")
    if diversify is not None and not (is_number(diversify) and 0 <= diversify <= 1):
        raise BadQuery(f"diversify is a share from 0 (nearest first) to 1 (as different as can be); got {diversify!r}")
    if how.pool is not None:
        check_whole(how.pool, "pool is how many of the nearest diversify= chooses from,")
        if diversify is None:
            raise BadQuery("pool= is how many of the nearest diversify= chooses from; it does not go without it")
    if how.per_cluster is not None:
        check_whole(how.per_cluster, "per_cluster is how many hits one cluster may have,")
        if radius is not None or diversify is not None:
            raise BadQuery("per_cluster= does not go with radius= and diversify=")
    restrict.check_clusters(how.within, "within")
    restrict.check_clusters(how.exclude, "exclude")
