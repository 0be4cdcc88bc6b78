"""Ranked items, how sure each is, and hits with what the catalogue says about their items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, SpaceNotFound
from indexers.types import Ids, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.chance import MIN_ITEMS
from indexers.vectors.metrics import Float64s
from retrieval.items.pictures import PictureLoader
from retrieval.records.parts import Part
from retrieval.records.search import Hit, Hits
from retrieval.search.certainty import compute_chances, find_word, parse_at_least
from retrieval.search.expansion import is_expanded, score_words
from retrieval.search.options import Options
from retrieval.search.query import Query
from retrieval.spaces.view import View


class SpaceSwitched(Exception):
    """Another space has become the current one: the query has to be embedded again for it. Callers never see this."""


class Ranking(NamedTuple):
    """ids: int64 (n,) of the hits, best first. scores: float32 (n,). proof: as of `Hits`.

    chances: of each score, float64 (n,), NaN where nothing is known; None for all. looked_through: the number of items.
    """

    ids: Ids
    scores: Vectors
    proof: str | None = None
    chances: Float64s | None = None
    looked_through: int = 0

    def choose(self, places: Any) -> Ranking:
        """Return the ranking of some places, such as a slice or the numbers of some."""
        chances = None if self.chances is None else self.chances[places]
        return self._replace(ids=self.ids[places], scores=self.scores[places], chances=chances)


def judge(
    view: View, query: Query, snapshot: Snapshot, options: Options, allowed: Allowed | None, ranking: Ranking
) -> Ranking:
    """Return the ranking with the chance of each score, and without hits that are less sure than `at_least` asks."""
    metric, threshold = options.metric or view.space.metric, parse_at_least(options.at_least)
    vector = query.to_vector(snapshot)[0]
    scores = score_words(view, vector, ranking.ids) if is_expanded(query, metric) else ranking.scores
    chances = compute_chances(view, snapshot, metric, vector, ranking.ids, scores, of_texts=query.is_text)
    if chances is None:
        if threshold is not None:
            raise BadQuery(
                f"at_least= compares a score with those of unrelated items, and the space {view.space.name!r} has "
                f"{len(view.flat.index)} items; it takes {MIN_ITEMS} different ones"
            )
        return ranking
    count = len(view.flat.index) if allowed is None else len(allowed)
    ranking = ranking._replace(chances=chances, looked_through=count)
    if threshold is None:
        return ranking
    is_kept = (chances <= threshold.chance) & (chances * count <= threshold.expected)
    return ranking.choose(is_kept)


def build_hits(
    view: View,
    snapshot: Snapshot,
    ranking: Ranking,
    pictures: PictureLoader | None = None,
    parts: Sequence[Part] | None = None,
    unknown_words: Sequence[str] = (),
) -> Hits:
    """Return hits with what the catalogue says about their items. parts: that by which each item was found."""
    ids = ranking.ids.tolist()
    rows = snapshot.hits(ids, view.space.id)
    hits = []
    chances = [math.nan] * len(ids) if ranking.chances is None else ranking.chances.tolist()
    found: Sequence[Part | None] = parts or [None] * len(ids)
    for item_id, score, chance, part in zip(ids, ranking.scores.tolist(), chances, found, strict=True):
        row, is_judged = rows[item_id], not math.isnan(chance)
        certainty = find_word(chance, ranking.looked_through) if is_judged else None
        facts = row.uri, row.metadata, row.clusters, row.text, row.missing, chance if is_judged else None, certainty
        hits.append(Hit(item_id, row.key, score, *facts, part, pictures))
    return Hits(tuple(hits), snapshot.number, proof=ranking.proof, unknown_words=tuple(unknown_words))


def check_space(view: View, snapshot: Snapshot, follow: bool) -> None:
    """Raise SpaceSwitched or SpaceNotFound if the view's space is no longer the one that is meant."""
    if follow and snapshot.current_space_id != view.space.id:
        raise SpaceSwitched
    if not follow and all(space.id != view.space.id for space in snapshot.spaces()):
        raise SpaceNotFound(f"the space {view.space.name!r} was dropped")
