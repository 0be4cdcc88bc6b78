"""Names for new clusters: by what their pictures show, if the embedder reads words, else by their members' texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.catalogue.snapshot import Snapshot
from indexers.naming import words as naming
from indexers.types import LEVELS, ClusterRow, Ids, ItemClusters, Level, Vectors
from indexers.vectors.exact import Exact

MAX_READ, MIN_READ, TOTAL_READ = 200, 20, 30_000
"""Members whose texts are read: of one cluster, and about of all clusters together."""

LoadWords = Callable[[], tuple[Sequence[str], Vectors] | None]
"""Returns a vocabulary and the vectors of its words in the space; None if the embedder reads no words."""


class ClusterNamer:
    """Names new clusters of one space when it is called."""

    def __init__(self, load_words: LoadWords, load_vectors: Callable[[], Exact]) -> None:
        self._load_words, self._load_vectors = load_words, load_vectors

    def __call__(
        self, snapshot: Snapshot, born: Sequence[ClusterRow], members: ItemClusters, levels: Sequence[Level] = LEVELS
    ) -> dict[int, str]:
        """Return names of the clusters that were born, by cluster id; none for a cluster without telling words."""
        clusters = _Siblings(born, members, levels)
        names = naming.name_by_words(_read_texts(snapshot, clusters), clusters.parents)
        vocabulary = self._load_words()
        if vocabulary is not None:
            names |= self._name_by_sight(clusters, *vocabulary)
        born_ids = {row.id for row in born}
        return {cluster_id: name for cluster_id, name in names.items() if cluster_id in born_ids and name}

    def _name_by_sight(self, clusters: _Siblings, words: Sequence[str], word_vectors: Vectors) -> dict[int, str]:
        item_vectors = self._load_vectors()
        centres = {
            cluster_id: _compute_centre(item_ids, item_vectors) for cluster_id, item_ids in clusters.members.items()
        }
        sibling_means = np.stack([clusters.average_siblings(cluster_id, centres) for cluster_id in centres])
        names = naming.name_by_vectors(np.stack(list(centres.values())), sibling_means, list(words), word_vectors)
        return dict(zip(centres, names, strict=True))


class _Siblings:
    """The clusters that were born and their siblings, with the items and the parent of each."""

    def __init__(self, born: Sequence[ClusterRow], members: ItemClusters, levels: Sequence[Level]) -> None:
        self.members: dict[int, Ids] = {}
        self.parents: dict[int, int | None] = {}
        for column, level in enumerate(levels):
            born_ids = {row.id for row in born if row.level == level}
            if born_ids:
                self._add_level(column, born_ids, members)

    def _add_level(self, column: int, born_ids: set[int], members: ItemClusters) -> None:
        labels = members.cluster_ids[:, column]
        order = np.argsort(labels, kind="stable")
        ids, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
        above = members.cluster_ids[:, column - 1] if column else np.zeros(len(labels), np.int64)
        parents = dict(zip(ids.tolist(), above[order[starts]].tolist(), strict=True))
        parents_of_born = {parents[cluster_id] for cluster_id in born_ids if cluster_id in parents}
        for cluster_id, start, count in zip(ids.tolist(), starts.tolist(), counts.tolist(), strict=True):
            if cluster_id and parents[cluster_id] in parents_of_born:
                self.members[cluster_id] = members.item_ids[order[start : start + count]]
                self.parents[cluster_id] = parents[cluster_id] or None

    def average_siblings(self, cluster_id: int, centres: dict[int, Vectors]) -> Vectors:
        """Return the mean of the centres of its siblings; zeros if it has none."""
        parent = self.parents[cluster_id]
        siblings = [
            centres[sibling] for sibling, above in self.parents.items() if above == parent and sibling != cluster_id
        ]
        mean: Vectors = np.mean(siblings, axis=0) if siblings else np.zeros_like(centres[cluster_id])
        return mean


def _read_texts(snapshot: Snapshot, clusters: _Siblings) -> dict[int, list[str]]:
    """Return the texts of some members of each cluster: text, metadata, and the words in their files' names."""
    count = min(max(TOTAL_READ // max(len(clusters.members), 1), MIN_READ), MAX_READ)
    samples = {cluster_id: _sample(item_ids, count).tolist() for cluster_id, item_ids in clusters.members.items()}
    sampled_ids = sorted({item_id for item_ids in samples.values() for item_id in item_ids})
    bodies, rows = snapshot.indexed_texts(sampled_ids), snapshot.hits(sampled_ids)
    texts = {
        item_id: " ".join([bodies.get(item_id, ""), *(naming.extract_file_words(row.uri) if row.uri else [])])
        for item_id, row in rows.items()
    }
    return {cluster_id: [texts.get(item_id, "") for item_id in item_ids] for cluster_id, item_ids in samples.items()}


def _sample(item_ids: Ids, count: int) -> Ids:
    """Return at most `count` of the ids, evenly spaced."""
    if len(item_ids) <= count:
        return item_ids
    return item_ids[np.linspace(0, len(item_ids) - 1, count).astype(np.int64)]


def _compute_centre(item_ids: Ids, item_vectors: Exact) -> Vectors:
    centre: Vectors = scale_to_unit(item_vectors.take(item_ids[item_vectors.has(item_ids)])).mean(0)
    return centre
