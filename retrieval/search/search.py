"""Searching: from a question to hits.

A question becomes one vector (`Question`), a restriction becomes a set of vectors that may answer (`View.allowed`), and
the nearest of them become hits. All of it happens within one moment of the catalogue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from indexers.catalogue.conditions import Condition
from indexers.catalogue.full_text import terms
from indexers.catalogue.snapshot import Snapshot
from indexers.embedders.base import Embedder
from indexers.errors import BadQuery, SpaceNotFound
from indexers.followers.base import Followers
from indexers.followers.clusterings import Named
from indexers.followers.partitions import Partitions
from indexers.followers.stored import Flat, Index
from indexers.followers.tree import Tree
from indexers.types import LEVELS, Ids, Level, Limits, Metric, Neighbours, Space, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.base import prepared, unit
from indexers.vectors.metrics import similarities
from indexers.vectors.searcher import Searcher
from retrieval.filters import parse
from retrieval.records.items import Hit, Hits
from retrieval.search.query import Question, is_number, whole
from retrieval.spaces import scope as restrict
from retrieval.spaces.cluster_state import Families

FILTERS = 16
"""Restrictions remembered, per space."""
POOL = 100
"""Of each ranking, so many are fused."""
GROUPS = 10
"""Clusters shown where hits are grouped."""
SMOOTH = 60
"""The constant of reciprocal rank fusion, as its authors chose it."""


@dataclass(slots=True)
class View:
    """What a search of one space needs: the space, its followers, and how to embed for it."""

    space: Space
    followers: Followers
    flat: Flat
    index: Index | None
    named: Named
    embedder: Callable[[], Embedder]
    """Raises what is in the way, where the collection's embedder can't be had."""
    limits: Limits
    small: int
    web: bool = False
    tree: Tree | None = None
    partitions: Partitions | None = None
    _searcher: Searcher | None = None
    _restrictions: OrderedDict[tuple[Any, ...], tuple[Allowed, Any]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    known: Families | None = None
    """The tree's clusters as they were last looked at."""
    by_name: dict[int, tuple[int, Families]] = field(default_factory=dict)
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
        condition = parse(where) if isinstance(where, Mapping) or where is None else where
        if condition is None and not within and not exclude:
            return None
        there = (snapshot.clustered(self.space.id), snapshot.groupings.stamp()) if within or exclude else None
        clusters = restrict.key(within), restrict.key(exclude), there
        key = repr(condition), snapshot.number, clusters  # as text: to Python, a condition on 1 equals one on true
        with self._lock:
            known = self._restrictions.get(key)
        if known is None:
            allowed = self.flat.index.restrict(self._kept(condition, snapshot, within, exclude))
            with self._lock:
                known = self._restrictions[key] = allowed, (within, exclude)
                while len(self._restrictions) > FILTERS:
                    self._restrictions.popitem(last=False)
        return known[0]

    def _kept(
        self, condition: Condition | None, snapshot: Snapshot, within: Sequence[Any], exclude: Sequence[Any]
    ) -> Ids:
        ids = restrict.members(within, self.space.id, snapshot) if within else snapshot.ids(condition)
        if within and condition is not None:
            ids = np.intersect1d(ids, snapshot.ids(condition), assume_unique=True)
        if exclude:
            ids = np.setdiff1d(ids, restrict.members(exclude, self.space.id, snapshot), assume_unique=True)
        return ids


def families(view: View, snapshot: Snapshot, level: Level = LEVELS[0]) -> Families | None:
    """The clusters of that moment, of the tree or of a clustering by name; None: the tree has none yet.

    Raises BadQuery: there is no such level.
    """
    if level not in LEVELS:
        return _by_name(view, snapshot, level)
    position, known = snapshot.clustered(view.space.id), view.known
    if position is None:
        return None
    if known is None or known.as_of != position:
        clustering = snapshot.clusters.clustering(view.space.id)
        assert clustering is not None
        member = view.tree.membership(clustering) if view.tree else None
        member = member or snapshot.clusters.membership(view.space.id)
        known = view.known = Families(member, position, clustering.since, before=known)
    return known


def _by_name(view: View, snapshot: Snapshot, name: str) -> Families:
    row = snapshot.groupings.named(check_level(name, snapshot))
    assert row is not None
    written, known = view.by_name.get(row.id, (-1, None))
    if known is None or written != row.written:
        member = snapshot.groupings.membership(row.id)
        known = Families(member, row.position, row.since, (row.name,), known)
        view.by_name[row.id] = row.written, known
    return known


def check_level(level: Any, snapshot: Snapshot | None = None) -> Level:
    """Raises BadQuery: it is neither one of the tree's levels nor, at that moment, a clustering's name."""
    if level in LEVELS or (snapshot and isinstance(level, str) and snapshot.groupings.named(level)):
        return cast(Level, level)
    names = [one.name for one in snapshot.groupings.rows()] if snapshot else []
    raise BadQuery(f"there is no level {level!r}; there are: {', '.join((*LEVELS, *names))}")


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


def find(view: View, question: Question | None, options: Options, *, follow: bool = True) -> Hits:
    """The k nearest, or everything at least as similar as `radius`. Items that are asked about don't answer. `words`:
    items that say these; with a question as well, both rankings are fused.

    `follow`: the current space is meant, whichever it is at that moment (SpaceSwitched if it is no longer this one).
    """
    check(options)
    with view.followers.current() as snapshot:
        meant(view, snapshot, follow)
        check_level(options.level, snapshot)
        return hits(view, snapshot, *_found(view, question, snapshot, options))


def _found(view: View, question: Question | None, snapshot: Snapshot, how: Options) -> tuple[Ids, Vectors]:
    within, exclude = restrict.chosen(how.within, "within"), restrict.chosen(how.exclude, "exclude")
    count = _count(how.k, 20 if how.radius is None else None)
    if how.words is None:
        assert question is not None
        return _nearest(view, question, snapshot, count, how, view.allowed(how.where, snapshot, within, exclude))
    assert count is not None
    if question is None and how.metric is not None:
        raise BadQuery(f"metric= is about vectors, words alone have none; got metric={how.metric!r} beside query=")
    pool = max(count, POOL)
    ranking = snapshot.find_words(how.words, pool, parse(how.where))
    allowed = view.allowed(how.where, snapshot, within, exclude)
    if allowed is not None and (within or exclude):
        ranking = [pair for pair in ranking if pair[0] in allowed]
    if question is None:
        ids, scores = _ranked(ranking)
    else:
        beside = _nearest(view, question, snapshot, pool, Options(metric=how.metric), allowed)[0]
        ids, scores = fused(ranking, beside.tolist())
    return ids[:count], scores[:count]


def _nearest(
    view: View, question: Question, snapshot: Snapshot, count: int | None, how: Options, allowed: Allowed | None
) -> tuple[Ids, Vectors]:
    metric = how.metric or view.space.metric
    vector = prepared(question.vector(snapshot), view.space.dimension, metric)
    asked, diversify = question.items(snapshot), how.diversify
    there = families(view, snapshot, how.level) if how.per_cluster is not None else None
    if there is not None:
        assert count is not None
        what = restrict.Asked(view.searcher, vector, metric, allowed, np.array(asked, np.int64))
        return restrict.few_each(there, what, count, how.per_cluster or 1, how.level)
    if how.radius is not None:
        ids, scores = view.searcher.within(vector, how.radius, allowed, metric)
    else:
        assert count is not None
        pool = (count if diversify is None else how.pool or max(4 * count, 64)) + len(asked)
        nearest = view.searcher.search(vector, min(pool, max(1, len(view.flat.index))), allowed, metric)
        ids, scores = nearest.ids[0], nearest.scores[0]
    keep = (ids >= 0) & ~np.isin(ids, asked) if asked else ids >= 0
    ids, scores = ids[keep], scores[keep]
    if diversify is not None:
        order = mmr(view.searcher.flat.given(ids, metric), vector[0], count or len(ids), diversify, metric)
        ids, scores = ids[order], scores[order]
    return ids[:count], scores[:count]


def fused(ranking: Sequence[tuple[int, float]], beside: Sequence[int]) -> tuple[Ids, Vectors]:
    """Two rankings as one, by the sum of 1 / (60 + rank): reciprocal rank fusion (Cormack, Clarke, Buettcher, 2009)."""
    worth: dict[int, float] = {}
    for order in ([one for one, _ in ranking], beside):
        for rank, one in enumerate(order, 1):
            worth[one] = worth.get(one, 0.0) + 1 / (SMOOTH + rank)
    return _ranked(sorted(worth.items(), key=lambda pair: (-pair[1], pair[0])))


def _ranked(ranking: Sequence[tuple[int, float]]) -> tuple[Ids, Vectors]:
    return np.array([one for one, _ in ranking], np.int64), np.array([score for _, score in ranking], np.float32)


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
    queries = prepared(vectors, view.space.dimension, metric)
    with view.followers.current() as snapshot:
        meant(view, snapshot, follow)
        return view.searcher.search(queries, count or 10, view.allowed(where, snapshot), metric)


def meant(view: View, snapshot: Snapshot, follow: bool) -> None:
    if follow and snapshot.space != view.space.id:
        raise SpaceSwitched
    if not follow and all(space.id != view.space.id for space in snapshot.spaces()):
        raise SpaceNotFound(f"the space {view.space.name!r} was dropped")


def mmr(vectors: Vectors, query: Vectors, count: int, diversity: float, metric: Metric = "cosine") -> list[int]:
    """Places of `count` vectors, chosen one by one for nearness to the query and distance from those chosen before:
    maximal marginal relevance (Carbonell and Goldstein, 1998). `diversity` 0: nearness alone; 1: distance alone.
    With an inner product it is told by direction too."""
    if not len(vectors):
        return []
    if metric in ("cosine", "ip"):
        vectors, query = unit(vectors), query / np.linalg.norm(query)

    def similar(one: Vectors) -> Vectors:
        return vectors @ one if metric in ("cosine", "ip") else similarities(one, vectors, metric).astype(np.float32)

    nearness = similar(query)
    closest = np.full(len(vectors), -np.inf, np.float32)  # similarity to the nearest one chosen
    chosen: list[int] = []
    left = np.ones(len(vectors), bool)
    for _ in range(min(count, len(vectors))):
        worth = nearness if not chosen else (1 - diversity) * nearness - diversity * closest
        best = int(np.argmax(np.where(left, worth, -np.inf)))
        chosen.append(best)
        left[best] = False
        closest = np.maximum(closest, similar(vectors[best]))
    return chosen


def _count(k: Any, default: int | None) -> int | None:
    return default if k is None else whole(k, "k is the number of hits wanted,")


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
    parse(how.where)
    if radius is not None and not is_number(radius):
        raise BadQuery(f"radius is the least score wanted, a number; got {radius!r}")
    if diversify is not None and not (is_number(diversify) and 0 <= diversify <= 1):
        raise BadQuery(f"diversify is a share from 0 (nearest first) to 1 (as different as can be); got {diversify!r}")
    if how.pool is not None:
        whole(how.pool, "pool is how many of the nearest diversify= chooses from,")
        if diversify is None:
            raise BadQuery("pool= is how many of the nearest diversify= chooses from; it does not go without it")
    if how.per_cluster is not None:
        whole(how.per_cluster, "per_cluster is how many hits one cluster may have,")
        if radius is not None or diversify is not None:
            raise BadQuery("per_cluster= does not go with radius= and diversify=")
    restrict.chosen(how.within, "within")
    restrict.chosen(how.exclude, "exclude")
