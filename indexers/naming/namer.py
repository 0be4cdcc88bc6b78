"""Names for new clusters: by what their pictures show, if the embedder reads words, else by what their members
say, else by where and when they were taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.catalogue.snapshot import Snapshot
from indexers.naming import words as naming
from indexers.naming.telling import describe_occasion, find_common_words, list_telling_words
from indexers.types import LEVELS, ClusterRow, Ids, ItemClusters, ItemRow, Level, Vectors
from indexers.vectors.exact import Exact

MAX_READ, MIN_READ, TOTAL_READ = 200, 20, 30_000
"""Members whose texts are read: of one cluster, and about of all clusters together."""
COLLECTION_READ = 500
"""Items whose paths are read, to see which words most of the collection has."""

LoadWords = Callable[[], tuple[Sequence[str], Vectors] | None]
"""Returns a vocabulary and the vectors of its words in the space; None if the embedder reads no words."""


class ClusterNamer:
    """Names new clusters of one space when it is called.

    of_parts: members are parts; what is said of them is their own text, else that of the items that they are in.
    """

    def __init__(self, load_words: LoadWords, load_vectors: Callable[[], Exact], of_parts: bool = False) -> None:
        self._load_words, self._load_vectors, self._of_parts = load_words, load_vectors, of_parts

    def __call__(
        self, snapshot: Snapshot, born: Sequence[ClusterRow], members: ItemClusters, levels: Sequence[Level] = LEVELS
    ) -> dict[int, str]:
        """Return names of the clusters that were born, by cluster id; none for a cluster without telling words."""
        clusters = _Siblings(born, members, levels)
        rows = _read_rows(snapshot, clusters, self._of_parts)
        common = _read_common_words(snapshot, members.item_ids, self._of_parts)
        # most are in a cluster of each level, and several parts with texts of their own in one item
        read = {(row.id, row.text): row for items in rows.values() for row in items}
        said = {key: list_telling_words(row, common) for key, row in read.items()}
        texts = {cluster_id: [said[row.id, row.text] for row in items] for cluster_id, items in rows.items()}
        names = naming.name_by_words(texts, clusters.parents)
        names |= _name_by_occasion(clusters, rows, names)
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


def _read_rows(snapshot: Snapshot, clusters: _Siblings, of_parts: bool) -> dict[int, list[ItemRow]]:
    """Return some members of each cluster; of parts the items that hold them, each once."""
    count = min(max(TOTAL_READ // max(len(clusters.members), 1), MIN_READ), MAX_READ)
    samples = {cluster_id: _sample(item_ids, count).tolist() for cluster_id, item_ids in clusters.members.items()}
    sampled_ids = sorted({item_id for item_ids in samples.values() for item_id in item_ids})
    if of_parts:
        return _read_holders(snapshot, samples, sampled_ids)
    rows = {row.id: row for row in snapshot.items(sampled_ids)}
    return {
        cluster_id: [rows[item_id] for item_id in item_ids if item_id in rows]
        for cluster_id, item_ids in samples.items()
    }


def _read_holders(
    snapshot: Snapshot, samples: Mapping[int, Sequence[int]], part_ids: Sequence[int]
) -> dict[int, list[ItemRow]]:
    """Return the items that hold the parts of each sample, with a part's own text in place of its item's."""
    parts = snapshot.parts.rows(part_ids)
    items = {row.id: row for row in snapshot.items(sorted({part.item_id for part in parts.values()}))}
    holders: dict[int, list[ItemRow]] = {}
    for cluster_id, sample in samples.items():
        said = dict.fromkeys((parts[part_id].item_id, parts[part_id].text) for part_id in sample if part_id in parts)
        rows = [(items[item_id], text) for item_id, text in said if item_id in items]
        holders[cluster_id] = [replace(row, text=text) if text else row for row, text in rows]
    return holders


def _read_common_words(snapshot: Snapshot, member_ids: Ids, of_parts: bool) -> frozenset[str]:
    """Return the words that the paths of most of the collection have."""
    ids = _sample(member_ids, COLLECTION_READ).tolist()
    if of_parts:
        ids = np.unique(snapshot.parts.find_owners(ids)[1]).tolist()
    return find_common_words(row.uri for row in snapshot.hits(ids).values())


def _name_by_occasion(
    clusters: _Siblings, rows: Mapping[int, Sequence[ItemRow]], names: Mapping[int, str]
) -> dict[int, str]:
    """Return names after place and date for the clusters without a name: those that no sibling has, nor a larger
    cluster around it."""
    parents = clusters.parents
    unnamed = {cluster_id: describe_occasion(rows[cluster_id]) for cluster_id in rows if cluster_id not in names}
    counts = Counter((parents.get(cluster_id), name) for cluster_id, name in unnamed.items())  # among siblings
    found: dict[int, str] = {}
    for cluster_id in sorted(unnamed, key=lambda cluster_id: (_count_ancestors(cluster_id, parents), cluster_id)):
        parent, name = parents.get(cluster_id), unnamed[cluster_id]
        is_whole = parent is not None and len(clusters.members.get(parent, ())) == len(clusters.members[cluster_id])
        above = () if is_whole else (names.get(parent or 0), found.get(parent or 0))
        if name and counts[parent, name] == 1 and name not in above:
            found[cluster_id] = name
    return found


def _count_ancestors(cluster_id: int, parents: Mapping[int, int | None]) -> int:
    count, above = 0, parents.get(cluster_id)
    while above is not None and count < len(LEVELS):
        count, above = count + 1, parents.get(above)
    return count


def _sample(item_ids: Ids, count: int) -> Ids:
    """Return at most `count` of the ids, evenly spaced."""
    if len(item_ids) <= count:
        return item_ids
    return item_ids[np.linspace(0, len(item_ids) - 1, count).astype(np.int64)]


def _compute_centre(item_ids: Ids, item_vectors: Exact) -> Vectors:
    centre: Vectors = scale_to_unit(item_vectors.take(item_ids[item_vectors.has(item_ids)])).mean(0)
    return centre
