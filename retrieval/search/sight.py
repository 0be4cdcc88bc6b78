"""Filters by what pictures show: `{"$sees": "dog"}` becomes the items that a text finds beyond chance.

The items are ranked by their scores with the text, and as many count, from the best on, as keep the expected share of
those that are there by chance at MAX_DOUBT: the procedure of Benjamini and Hochberg (J. R. Stat. Soc. B 57, 1995) over
the chances of `indexers.vectors.chance`. So a collection without dogs sees none, and one full of dogs sees many; a
threshold of scores would be another one for every embedder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from indexers.errors import BadFilter
from indexers.types import Ids
from indexers.vectors.chance import MIN_ITEMS
from indexers.vectors.metrics import Float64s
from retrieval.checks import show_value
from retrieval.search.certainty import compute_chances
from retrieval.search.query import Query
from retrieval.spaces.view import View

SEES = "$sees"
MAX_DOUBT = 0.3
"""The share of items that are there by chance, at most, as it is expected."""
GROUPS = ("$and", "$or")

FindSeen = Callable[[str], Ids]
"""Returns the ids of the items in which the words are seen."""


def resolve_sight(where: Any, find_seen: FindSeen) -> Any:
    """Return a filter with the items that show them in place of words. Raises BadFilter."""
    if not isinstance(where, Mapping):
        return where
    terms = [_resolve_entry(key, value, find_seen) for key, value in where.items()]
    return {"$and": terms} if SEES in where else {key: value for term in terms for key, value in term.items()}


def _resolve_entry(key: Any, value: Any, find_seen: FindSeen) -> dict[Any, Any]:
    if key == SEES:
        if not isinstance(value, str) or not value.strip():
            raise BadFilter(f'{SEES} takes words for what a picture shows, such as "dog"; got {show_value(value)}')
        return {"id": {"$in": find_seen(value).tolist()}}
    if key in GROUPS and isinstance(value, list | tuple):
        return {key: [resolve_sight(part, find_seen) for part in value]}
    return {key: resolve_sight(value, find_seen) if key == "$not" else value}


def find_seen(view: View, words: str) -> Ids:
    """Return the ids of the items in which words are seen, sorted.

    Raises NoTextTower, UnknownWords, BadFilter (too few items to tell).
    """
    query, metric = Query(view, text=words), view.space.metric
    with view.followers.current_snapshot() as snapshot:
        vector, flat = query.to_vector(snapshot), view.flat.index
        ids, scores = flat.compute_scores(vector)
        # the second look takes vectors, and makes no chance smaller: it is for those alone that pass the first
        for is_second in (False, True):
            chances = compute_chances(
                view, snapshot, metric, vector[0], ids, scores, of_texts=True, among_words=is_second
            )
            if chances is None:
                raise BadFilter(
                    f"{SEES} compares with unrelated items, and {len(flat)} are too few; it takes {MIN_ITEMS}"
                )
            places = _choose_unlikely(chances, len(flat))
            ids, scores = ids[places], scores[places]
    return np.sort(ids)


def _choose_unlikely(chances: Float64s, count: int) -> Ids:
    """Return the places of those that are there by no chance; `chances` are the least of `count`."""
    order = np.argsort(chances, kind="stable")
    is_sure = chances[order] * count <= MAX_DOUBT * np.arange(1, len(order) + 1)
    return order[: int(np.flatnonzero(is_sure)[-1]) + 1 if is_sure.any() else 0]
