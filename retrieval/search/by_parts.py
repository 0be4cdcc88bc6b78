"""Searching by parts: the hits are items, each found by that of its parts which is nearest to the query."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.parts import PartRow
from indexers.catalogue.snapshot import Snapshot
from indexers.types import Ids, Vectors
from indexers.vectors.allowed import Allowed
from retrieval.items.pictures import PictureLoader
from retrieval.parts.finder import to_record
from retrieval.records.search import NEAREST, WITHIN_RADIUS, Hits
from retrieval.search.expansion import expand, is_expanded
from retrieval.search.hits import Ranking, build_hits, check_space, judge
from retrieval.search.options import Options, check_count, check_options
from retrieval.search.query import Query
from retrieval.search.ranking import find_first_per_label
from retrieval.spaces import scope
from retrieval.spaces.part_owners import find_items
from retrieval.spaces.view import View, check_level, find_cluster_state

POOL, LEAST = 5, 100
"""Times as many parts as items asked for are looked at first, and at least so many."""
GROWTH = 8
"""Times as many are looked at next, as long as they lie in too few items."""


WORD = re.compile(r"\w+")
ENDING = 2
"""Letters at the end of a word of a query in which a word of a page may differ."""


class Best(NamedTuple):
    """The parts by which items were found, best first, and whether no other one can be nearer."""

    parts: Ids
    items: Ids
    scores: Vectors
    is_proved: bool


def attach_worded_parts(catalogue: Catalogue, hits: Hits, kind: str, words: str) -> Hits:
    """Return hits of words with that part of each which says most of them, such as a page; without one where none says
    any."""
    stems = {word[: max(len(word) - ENDING, 3)] for word in WORD.findall(words.casefold())}
    with catalogue.snapshot() as snapshot:
        rows = snapshot.parts.of_items([hit.item for hit in hits], kind)
    best: dict[int, tuple[int, PartRow]] = {}
    for row in rows:
        said = WORD.findall((row.text or "").casefold())
        count = sum(any(word.startswith(stem) for word in said) for stem in stems)
        if count > best.get(row.item_id, (0, row))[0]:
            best[row.item_id] = count, row
    parts = {item_id: to_record(row) for item_id, (_, row) in best.items()}
    return replace(hits, hits=tuple(replace(hit, part=parts.get(hit.item)) for hit in hits))


def find_by_parts(
    view: View,
    of_parts: View,
    query: Query,
    options: Options,
    *,
    asking_items: Ids,
    follow: bool = True,
    pictures: PictureLoader | None = None,
) -> Hits:
    """Return the k items with the nearest parts, or all with a part that is at least as similar as `radius`.

    view: of the items. asking_items: those that ask, which are left out. Raises what `search.find` raises.
    """
    check_options(options)
    with of_parts.followers.current_snapshot() as snapshot:
        check_space(view, snapshot, follow)
        check_level(options.level, snapshot)
        within, exclude = (
            scope.check_clusters(options.within, "within"),
            scope.check_clusters(options.exclude, "exclude"),
        )
        allowed = of_parts.allowed(options.where, snapshot, within, exclude)
        excluded = np.union1d(asking_items, np.array(query.find_items(snapshot), np.int64))
        best = _rank(view, of_parts, query, snapshot, options, allowed, excluded)
        proof = WITHIN_RADIUS if options.radius is not None and options.k is None else NEAREST
        ranking = Ranking(best.parts, best.scores, proof if best.is_proved else None)
        ranking = judge(of_parts, query, snapshot, options, allowed, ranking)
        rows = snapshot.parts.rows(ranking.ids.tolist())
        items = find_items(of_parts.find_owners(snapshot), ranking.ids)
        parts = [to_record(rows[part_id]) for part_id in ranking.ids.tolist()]
        return build_hits(view, snapshot, ranking._replace(ids=items), pictures, parts, query.unknown_words)


def _rank(
    view: View,
    of_parts: View,
    query: Query,
    snapshot: Snapshot,
    options: Options,
    allowed: Allowed | None,
    excluded: Ids,
) -> Best:
    metric, searcher = options.metric or of_parts.space.metric, of_parts.searcher
    vector = query.to_vector(snapshot)
    if is_expanded(query, metric):
        vector = expand(view, vector)
    owners = of_parts.find_owners(snapshot)
    count = check_count(options.k) or (20 if options.radius is None else None)

    def choose(parts: Ids, scores: Vectors, is_proved: bool) -> Best:
        """Return the best part of each item, of so many from one cluster."""
        items = find_items(owners, parts)
        is_kept = (parts >= 0) & (items > 0) & ~np.isin(items, excluded)
        parts, items, scores = parts[is_kept], items[is_kept], scores[is_kept]
        places = np.sort(np.unique(items, return_index=True)[1])
        if options.per_cluster is not None:
            state = find_cluster_state(view, snapshot, options.level or "fine")
            if state is not None:
                labels = state.assignment(options.level or "fine").find_labels(items[places])
                places = places[find_first_per_label(labels, options.per_cluster)]
        places = places[:count]
        return Best(parts[places], items[places], scores[places], is_proved)

    if options.radius is not None:
        return choose(*searcher.search_radius(vector, options.radius, allowed, metric), True)
    assert count is not None
    return _grow(
        lambda pool: searcher.search(vector, pool, allowed, metric, options.exact), choose, count, len(searcher.flat)
    )


def _grow(search: Callable[[int], object], choose: Callable[..., Best], count: int, total: int) -> Best:
    """Search for ever more parts until they lie in enough items, or there are no more."""
    pool = min(max(POOL * count, LEAST), max(total, 1))
    while True:
        nearest = search(pool)
        ids, scores, proved = nearest.ids[0], nearest.scores[0], nearest.proved  # type: ignore[attr-defined]
        best = choose(ids, scores, proved)
        if len(best.parts) >= count or pool >= total or (ids < 0).any():
            return best
        pool = min(GROWTH * pool, total)
