"""Searching: from a question to hits.

A question becomes one vector (`Question`), a restriction becomes a set of vectors that may answer (`View.allowed`), and
the nearest of them become hits. All of it happens within one moment of the catalogue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from threading import Lock
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from indexers import images
from indexers.embedders.base import Embedder
from indexers.errors import BadQuery, BadVector, ItemNotFound, SpaceNotFound
from indexers.followers.base import Followers
from indexers.followers.stored import Flat, Index
from indexers.followers.tree import Tree
from indexers.reads import Snapshot
from indexers.remote import is_remote, read
from indexers.types import Ids, Limits, Neighbours, Space, Vectors
from indexers.vectors.allowed import Allowed
from indexers.vectors.base import checked, unit
from indexers.vectors.layer import Searcher
from indexers.where import Condition
from indexers.words import terms
from retrieval.filters import parse
from retrieval.results import Hit, Hits

FILTERS = 16
"""Restrictions remembered, per space."""
POOL = 100
"""Of each ranking, so many are fused."""
SMOOTH = 60
"""The constant of reciprocal rank fusion, as its authors chose it."""


class Text(NamedTuple):
    """Words, as a part of a mix."""

    words: str


class ItemOf(NamedTuple):
    """An item, by id or key, as a part of a mix."""

    name: int | str


def text(words: str) -> Text:
    """Words as a part of a mix: `mix=[("a.jpg", 1), (text("snow"), .5)]`."""
    return Text(words)


def item(name: int | str) -> ItemOf:
    """An item, by id or key, as a part of a mix: `mix=[(item(7), 1), ("b.jpg", -1)]`."""
    return ItemOf(name)


@dataclass(slots=True)
class View:
    """What a search of one space needs: the space, its followers, and how to embed for it."""

    space: Space
    followers: Followers
    flat: Flat
    index: Index | None
    embedder: Callable[[], Embedder]
    """Raises what is in the way, where the collection's embedder can't be had."""
    limits: Limits
    small: int
    web: bool = False
    tree: Tree | None = None
    _searcher: Searcher | None = None
    _restrictions: OrderedDict[tuple[str, int], Allowed] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def searcher(self) -> Searcher:
        """The search over the indices of the moment (a rebuild puts new ones in their place)."""
        flat, index = self.flat.index, self.index.index if self.index else None
        found = self._searcher
        if found is None or found.flat is not flat or found.index is not index:
            found = self._searcher = Searcher(flat, index, small=self.small)
        return found

    def allowed(self, where: Mapping[str, Any] | Condition | None, snapshot: Snapshot) -> Allowed | None:
        """The vectors that a filter leaves; remembered for as long as nothing changes."""
        condition = parse(where) if isinstance(where, Mapping) or where is None else where
        if condition is None:
            return None
        key = repr(condition), snapshot.number  # as text: to Python, a condition on 1 equals one on true
        with self._lock:
            known = self._restrictions.get(key)
        if known is None:
            known = self.flat.index.restrict(snapshot.ids(condition))
            with self._lock:
                self._restrictions[key] = known
                while len(self._restrictions) > FILTERS:
                    self._restrictions.popitem(last=False)
        return known


class SpaceSwitched(Exception):
    """Another space is searched from now on: the question has to be asked anew there. Callers never see it."""


class Question:
    """What is looked for. Pictures and words are embedded when it is made, before anything is locked; items are looked
    up within the search's moment."""

    def __init__(
        self,
        view: View,
        picture: Any = None,
        *,
        text: str | None = None,
        item: int | str | None = None,
        vector: ArrayLike | None = None,
        mix: Sequence[tuple[Any, float]] | None = None,
    ) -> None:
        given = {"picture": picture, "text": text, "item": item, "vector": vector, "mix": mix}
        names = [name for name, value in given.items() if value is not None]
        if len(names) != 1:
            got = " and ".join(names) or "nothing"
            raise BadQuery(f"search takes one of a picture, text=, item=, vector= and mix=; got {got}")
        self._view = view
        if mix is not None:
            self._parts = [(self._part(part), _weight(weight)) for part, weight in _pairs(mix)]
        else:
            self._parts = [(self._one(picture, text, item, vector), 1.0)]

    def _one(
        self, picture: Any, text: str | None, item: int | str | None, vector: ArrayLike | None
    ) -> ItemOf | Vectors:
        if vector is not None:
            return self._vector(vector)
        return self._part(Text(text) if text is not None else ItemOf(item) if item is not None else picture)

    def _part(self, part: Any) -> ItemOf | Vectors:
        if isinstance(part, ItemOf):
            return part
        if isinstance(part, Text):
            if not part.words.strip():
                raise BadQuery("the text to search for is empty")
            return cast(Vectors, self._view.embedder().embed_texts([part.words])[0])
        if (isinstance(part, np.ndarray) and part.ndim == 1) or isinstance(part, list | tuple):
            return self._vector(part)
        embedder = self._view.embedder()
        if is_remote(part):
            part = read(part, self._view.limits, self._view.web)
        return cast(Vectors, embedder.embed([images.as_picture(part, embedder.input_size, self._view.limits)])[0])

    def _vector(self, part: Any) -> Vectors:
        found = checked(part, self._view.space.dimension, self._view.space.metric)
        if len(found) != 1:
            raise BadVector(f"search takes one vector, got {len(found)}; for many there is search_many")
        return cast(Vectors, found[0])

    def items(self, snapshot: Snapshot) -> list[int]:
        """The items that are asked about, which don't answer. Raises ItemNotFound."""
        return snapshot.resolve([part.name for part, _ in self._parts if isinstance(part, ItemOf)])

    def vector(self, snapshot: Snapshot) -> Vectors:
        """The vector to search with, float32 (1, dimension). Raises BadQuery if the parts cancel each other out."""
        parts = [
            (self._look_up(part, snapshot) if isinstance(part, ItemOf) else part, weight)
            for part, weight in self._parts
        ]
        if len(parts) == 1 and parts[0][1] == 1.0:
            return np.ascontiguousarray(parts[0][0][None], np.float32)
        # directions are mixed, so that a part weighs what it was given and not what its vector's length makes of it
        mixed = np.stack([weight * unit(part[None])[0] for part, weight in parts]).sum(axis=0, dtype=np.float64)
        if np.linalg.norm(mixed) < 1e-6:
            raise BadQuery("the parts of the mix cancel each other out, so that nothing is left to search for")
        return np.ascontiguousarray(mixed[None], np.float32)

    def _look_up(self, part: ItemOf, snapshot: Snapshot) -> Vectors:
        one = snapshot.resolve([part.name])[0]
        ids, vectors = snapshot.vectors(self._view.space.id, [one])
        if not len(ids):
            raise ItemNotFound(f"the item {part.name!r} has no vector in the space {self._view.space.name!r}")
        return cast(Vectors, vectors[0])


def _pairs(mix: Sequence[Any]) -> list[tuple[Any, Any]]:
    pairs = list(mix)
    if not pairs or any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
        raise BadQuery(
            f'a mix is a list of (what, weight) pairs, such as [("a.jpg", 1), (text("snow"), .5)]; got {mix!r}'
        )
    return pairs


def _weight(weight: Any) -> float:
    if not _is_number(weight) or weight == 0:
        raise BadQuery(f"a weight in a mix is a number other than 0; got {weight!r}")
    return float(weight)


def find(
    view: View,
    question: Question | None,
    *,
    k: int | None,
    radius: float | None,
    where: Mapping[str, Any] | None,
    diversify: float | None,
    words: str | None = None,
    follow: bool = True,
) -> Hits:
    """The k nearest, or everything at least as similar as `radius`. Items that are asked about don't answer.

    `words`: items that say these; with a question as well, both rankings are fused.

    `follow`: the current space is meant, whichever it is at that moment (SpaceSwitched if it is no longer this one).
    """
    check(k, radius, where, diversify, words)
    count = _count(k, 20 if radius is None else None)
    with view.followers.current() as snapshot:
        _meant(view, snapshot, follow)
        allowed = view.allowed(where, snapshot)
        if words is None:
            assert question is not None
            ids, scores = _nearest(view, question, snapshot, count, radius, allowed, diversify)
        else:
            assert count is not None
            pool = max(count, POOL)
            ranking = snapshot.find_words(words, pool, parse(where))
            beside = (
                [] if question is None else _nearest(view, question, snapshot, pool, None, allowed, None)[0].tolist()
            )
            ids, scores = fused(ranking, beside) if question else _ranked(ranking)
        return hits(snapshot, ids[:count], scores[:count])


def _nearest(
    view: View,
    question: Question,
    snapshot: Snapshot,
    count: int | None,
    radius: float | None,
    allowed: Allowed | None,
    diversify: float | None,
) -> tuple[Ids, Vectors]:
    vector = view.searcher.flat.prepare(question.vector(snapshot))
    asked = question.items(snapshot)
    if radius is not None:
        ids, scores = view.searcher.within(vector, radius, allowed)
    else:
        assert count is not None
        pool = (count if diversify is None else max(4 * count, 64)) + len(asked)
        nearest = view.searcher.search(vector, min(pool, max(1, len(view.flat.index))), allowed)
        ids, scores = nearest.ids[0], nearest.scores[0]
    keep = (ids >= 0) & ~np.isin(ids, asked) if asked else ids >= 0
    ids, scores = ids[keep], scores[keep]
    if diversify is not None:
        order = mmr(view.searcher.flat.take(ids), vector[0], count or len(ids), diversify)
        ids, scores = ids[order], scores[order]
    return ids, scores


def fused(ranking: Sequence[tuple[int, float]], beside: Sequence[int]) -> tuple[Ids, Vectors]:
    """Two rankings as one, by the sum of 1 / (60 + rank): reciprocal rank fusion (Cormack, Clarke, Buettcher, 2009)."""
    worth: dict[int, float] = {}
    for order in ([one for one, _ in ranking], beside):
        for rank, one in enumerate(order, 1):
            worth[one] = worth.get(one, 0.0) + 1 / (SMOOTH + rank)
    return _ranked(sorted(worth.items(), key=lambda pair: (-pair[1], pair[0])))


def _ranked(ranking: Sequence[tuple[int, float]]) -> tuple[Ids, Vectors]:
    return np.array([one for one, _ in ranking], np.int64), np.array([score for _, score in ranking], np.float32)


def hits(snapshot: Snapshot, ids: Ids, scores: Vectors) -> Hits:
    """Ids and scores with what the catalogue says of them."""
    numbers = ids.tolist()
    rows = snapshot.hits(numbers)
    found = zip(numbers, scores.tolist(), strict=True)
    return Hits(
        tuple(Hit(one, (row := rows[one]).key, score, row.uri, row.metadata) for one, score in found), snapshot.number
    )


def find_many(
    view: View, vectors: ArrayLike, k: int, where: Mapping[str, Any] | None, follow: bool = True
) -> Neighbours:
    """The k nearest of each of many vectors, as arrays."""
    count = _count(k, 10)
    queries = view.flat.index.prepare(vectors)
    with view.followers.current() as snapshot:
        _meant(view, snapshot, follow)
        return view.searcher.search(queries, count or 10, view.allowed(where, snapshot))


def _meant(view: View, snapshot: Snapshot, follow: bool) -> None:
    if follow and snapshot.space != view.space.id:
        raise SpaceSwitched
    if not follow and all(space.id != view.space.id for space in snapshot.spaces()):
        raise SpaceNotFound(f"the space {view.space.name!r} was dropped")


def mmr(vectors: Vectors, query: Vectors, count: int, diversity: float) -> list[int]:
    """Places of `count` vectors, chosen one by one for nearness to the query and distance from those chosen before:
    maximal marginal relevance (Carbonell and Goldstein, 1998). `diversity` 0: nearness alone; 1: distance alone."""
    if not len(vectors):
        return []
    directions = unit(vectors)
    nearness = directions @ (query / np.linalg.norm(query))
    closest = np.full(len(vectors), -1.0, np.float32)  # similarity to the nearest one chosen
    chosen: list[int] = []
    left = np.ones(len(vectors), bool)
    for _ in range(min(count, len(vectors))):
        worth = nearness if not chosen else (1 - diversity) * nearness - diversity * closest
        best = int(np.argmax(np.where(left, worth, -np.inf)))
        chosen.append(best)
        left[best] = False
        closest = np.maximum(closest, directions @ directions[best])
    return chosen


def _count(k: Any, default: int | None) -> int | None:
    if k is None:
        return default
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise BadQuery(f"k is the number of hits wanted, a whole number from 1 on; got {k!r}")
    return int(k)


def check(k: Any, radius: Any, where: Mapping[str, Any] | None, diversify: Any, words: Any = None) -> None:
    """Raises BadQuery, BadFilter."""
    if words is not None:
        if not isinstance(words, str):
            raise BadQuery(f"query is words to look for; got {words!r}")
        terms(words)
        if radius is not None or diversify is not None:
            raise BadQuery("query= does not go with radius= and diversify=, which are about vectors alone")
    _count(k, None)
    parse(where)
    if radius is not None and not _is_number(radius):
        raise BadQuery(f"radius is the least score wanted, a number; got {radius!r}")
    if diversify is not None and not (_is_number(diversify) and 0 <= diversify <= 1):
        raise BadQuery(f"diversify is a share from 0 (nearest first) to 1 (as different as can be); got {diversify!r}")


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and bool(np.isfinite(float(value)))
