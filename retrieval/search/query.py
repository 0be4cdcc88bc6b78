"""A query: pictures, words, items, vectors, and mixes of them, as one vector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from indexers.arrays import scale_to_unit
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, BadVector, ItemNotFound
from indexers.types import Ids, Metric, Vectors
from indexers.vectors.base import check_vectors
from retrieval.checks import is_number
from retrieval.spaces.view import load_picture

if TYPE_CHECKING:
    from retrieval.spaces.view import View


class Text(NamedTuple):
    """Words, as a part of a mix."""

    words: str


class ItemOf(NamedTuple):
    """An item, by id or key, as a part of a mix."""

    name: int | str


def text(words: str) -> Text:
    """Return words as a part of a mix: `mix=[("a.jpg", 1), (text("snow"), .5)]`."""
    return Text(words)


def item(name: int | str) -> ItemOf:
    """Return an item, by id or key, as a part of a mix: `mix=[(item(7), 1), ("b.jpg", -1)]`."""
    return ItemOf(name)


class Query:
    """A query. Pictures and words are embedded when it is made, before anything is locked; items are looked up within
    the search's moment."""

    def __init__(
        self,
        view: View,
        picture: Any = None,
        *,
        text: str | None = None,
        item: int | str | None = None,
        vector: ArrayLike | None = None,
        mix: Sequence[tuple[Any, float]] | None = None,
        metric: Metric | None = None,
    ) -> None:
        parts = {"picture": picture, "text": text, "item": item, "vector": vector, "mix": mix}
        names = [name for name, value in parts.items() if value is not None]
        if len(names) != 1:
            got = " and ".join(names) or "nothing"
            raise BadQuery(f"search takes one of a picture, text=, item=, vector= and mix=; got {got}")
        self._view, self._metric = view, metric or view.space.metric
        self._seen: tuple[Snapshot | None, list[int], Vectors | None] = None, [], None
        self._excluded: list[int] = []
        self.is_text = text is not None
        """Whether it is a text alone: its scores with pictures are others than those of a picture."""
        self.unknown_words: list[str] = []
        """Words of its texts that the embedder doesn't know and has left out."""
        if mix is not None:
            self._parts = [(self._read_part(part), _check_weight(weight)) for part, weight in _check_pairs(mix)]
        else:
            self._parts = [(self._read_single(picture, text, item, vector), 1.0)]
        self.expands = self.is_text and view.embedder().expands_words
        """Whether the nearest pictures ask with it."""

    def _read_single(
        self, picture: Any, text: str | None, item: int | str | None, vector: ArrayLike | None
    ) -> ItemOf | Vectors:
        if vector is not None:
            return self._read_vector(vector, self._metric)
        return self._read_part(Text(text) if text is not None else ItemOf(item) if item is not None else picture)

    def _read_part(self, part: Any) -> ItemOf | Vectors:
        if isinstance(part, ItemOf):
            return part
        if isinstance(part, Text):
            if not part.words.strip():
                raise BadQuery("the text to search for is empty")
            embedder = self._view.embedder()
            vector = cast(Vectors, embedder.embed_texts([part.words])[0])
            self.unknown_words += embedder.find_unknown_words(part.words)
            return vector
        if (isinstance(part, np.ndarray) and part.ndim == 1) or isinstance(part, list | tuple):
            return self._read_vector(part, "cosine")  # directions are mixed
        embedder = self._view.embedder()
        return cast(Vectors, embedder.embed([load_picture(part, self._view, embedder.input_size)])[0])

    def _read_vector(self, part: Any, metric: Metric) -> Vectors:
        vectors = check_vectors(part, self._view.space.dimension, metric)
        if len(vectors) != 1:
            raise BadVector(f"search takes one vector, got {len(vectors)}; use search_many for several")
        return cast(Vectors, vectors[0])

    def find_items(self, snapshot: Snapshot) -> list[int]:
        """Return the items of the query, which are excluded from its hits; those that are looked up come first. Raises
        ItemNotFound."""
        if self._seen[0] is not snapshot:
            items = [part.name for part, _ in self._parts if isinstance(part, ItemOf)]
            self._seen = snapshot, [*(snapshot.resolve(items) if items else []), *self._excluded], None
        return self._seen[1]

    def exclude(self, item_ids: Ids) -> None:
        """Leave these items out of the hits, too."""
        self._excluded = item_ids.tolist()

    def to_vector(self, snapshot: Snapshot) -> Vectors:
        """Return the vector to search with, float32 (1, dimension). Raises BadQuery if the parts cancel out."""
        items = iter(self.find_items(snapshot))
        vector = self._seen[2]
        if vector is None:
            vector = self._mix(
                [
                    (self._look_up(part, next(items), snapshot) if isinstance(part, ItemOf) else part, weight)
                    for part, weight in self._parts
                ]
            )
            self._seen = *self._seen[:2], vector
        return vector

    def _mix(self, parts: list[tuple[Vectors, float]]) -> Vectors:
        if len(parts) == 1 and parts[0][1] == 1.0:
            return np.ascontiguousarray(parts[0][0][None], np.float32)
        # directions are mixed, so that a part weighs as much as its weight says, whatever the length of its vector
        mixed = np.stack([weight * scale_to_unit(part[None])[0] for part, weight in parts]).sum(
            axis=0, dtype=np.float64
        )
        if np.linalg.norm(mixed) < 1e-6:
            raise BadQuery("the parts of the mix cancel each other out, so that nothing is left to search for")
        return np.ascontiguousarray(mixed[None], np.float32)

    def _look_up(self, part: ItemOf, item_id: int, snapshot: Snapshot) -> Vectors:
        ids, vectors = snapshot.vectors(self._view.space.id, [item_id])
        if not len(ids):
            raise ItemNotFound(f"the item {part.name!r} has no vector in the space {self._view.space.name!r}")
        return cast(Vectors, vectors[0])


def _check_pairs(mix: Sequence[Any]) -> list[tuple[Any, Any]]:
    pairs = list(mix) if isinstance(mix, Iterable) and getattr(mix, "shape", None) != () else []
    if not pairs or any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
        raise BadQuery(
            f'a mix is a list of (part, weight) pairs, such as [("a.jpg", 1), (text("snow"), .5)]; got {mix!r}'
        )
    return pairs


def _check_weight(weight: Any) -> float:
    if not is_number(weight) or weight == 0:
        raise BadQuery(f"a weight in a mix is a number other than 0; got {weight!r}")
    return float(weight)
