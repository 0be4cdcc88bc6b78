"""Names for clusters that have none: by what is seen in them, where the embedder reads words, else by what their
members say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.catalogue.snapshot import Snapshot
from indexers.naming import words as naming
from indexers.types import LEVELS, ClusterRow, Ids, ItemClusters, Level, Vectors
from indexers.vectors.exact import Exact

MOST, FEWEST, ALL = 200, 20, 30_000
"""Members of a cluster that are heard; and of all clusters together, about."""

LoadWords = Callable[[], tuple[Sequence[str], Vectors] | None]
"""A vocabulary and the vectors of its words in the space; None where the embedder reads no words."""


class ClusterNamer:
    """Names clusters of one space; called when some were born."""

    def __init__(self, words: LoadWords, flat: Callable[[], Exact]) -> None:
        self._words, self._flat = words, flat

    def __call__(
        self, snapshot: Snapshot, born: Sequence[ClusterRow], member: ItemClusters, levels: Sequence[Level] = LEVELS
    ) -> dict[int, str]:
        """Names of these clusters; of some there is nothing to say."""
        family = _Siblings(born, member, levels)
        found = naming.name_by_words(_read_texts(snapshot, family), family.parents)
        seen = self._words()
        if seen is not None:
            found |= self._name_by_sight(family, *seen)
        wanted = {row.id for row in born}
        return {one: name for one, name in found.items() if one in wanted and name}

    def _name_by_sight(self, family: _Siblings, words: Sequence[str], vectors: Vectors) -> dict[int, str]:
        flat = self._flat()
        middles = {one: _compute_centre(items, flat) for one, items in family.members.items()}
        beside = np.stack([family.average_siblings(one, middles) for one in middles])
        names = naming.name_by_vectors(np.stack(list(middles.values())), beside, list(words), vectors)
        return dict(zip(middles, names, strict=True))


class _Siblings:
    """The clusters to be named and their siblings: members and parents."""

    def __init__(self, born: Sequence[ClusterRow], member: ItemClusters, levels: Sequence[Level]) -> None:
        self.members: dict[int, Ids] = {}
        self.parents: dict[int, int | None] = {}
        for place, level in enumerate(levels):
            wanted = {row.id for row in born if row.level == level}
            if wanted:
                self._add_level(place, level, wanted, member)

    def _add_level(self, place: int, level: Level, wanted: set[int], member: ItemClusters) -> None:
        labels = member.cluster_ids[:, place]
        order = np.argsort(labels, kind="stable")
        ids, start, count = np.unique(labels[order], return_index=True, return_counts=True)
        above = member.cluster_ids[:, place - 1] if place else np.zeros(len(labels), np.int64)
        parents = dict(zip(ids.tolist(), above[order[start]].tolist(), strict=True))
        around = {parents[one] for one in wanted if one in parents}
        for one, first, size in zip(ids.tolist(), start.tolist(), count.tolist(), strict=True):
            if one and parents[one] in around:
                self.members[one] = member.item_ids[order[first : first + size]]
                self.parents[one] = parents[one] or None

    def average_siblings(self, one: int, middles: dict[int, Vectors]) -> Vectors:
        """The mean of its siblings; zeros where it has none."""
        parent = self.parents[one]
        others = [middles[other] for other, above in self.parents.items() if above == parent and other != one]
        found: Vectors = np.mean(others, axis=0) if others else np.zeros_like(middles[one])
        return found


def _read_texts(snapshot: Snapshot, family: _Siblings) -> dict[int, list[str]]:
    """What some members of each say: text, metadata, and the words of their files' names."""
    each = min(max(ALL // max(len(family.members), 1), FEWEST), MOST)
    some = {one: _sample(items, each).tolist() for one, items in family.members.items()}
    every = sorted({item for items in some.values() for item in items})
    bodies, rows = snapshot.indexed_texts(every), snapshot.hits(every)
    words = {
        item: " ".join([bodies.get(item, ""), *(naming.extract_file_words(row.uri) if row.uri else [])])
        for item, row in rows.items()
    }
    return {one: [words.get(item, "") for item in items] for one, items in some.items()}


def _sample(items: Ids, count: int) -> Ids:
    return items if len(items) <= count else items[np.linspace(0, len(items) - 1, count).astype(np.int64)]


def _compute_centre(items: Ids, flat: Exact) -> Vectors:
    found: Vectors = scale_to_unit(flat.take(items[flat.has(items)])).mean(0)
    return found
