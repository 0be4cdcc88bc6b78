"""Which vectors are exactly equal, so that only one of them enters a graph.

More equal vectors than a node has links form an island in HNSW: each links to its copies only, and a search that
enters does not get out (5,000 items with 5 vectors copied 300 times each: recall@10 fell to .84; 1,000 times: .53).
"""

from __future__ import annotations

from bisect import insort
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from indexers.errors import StoredFileDamaged
from indexers.types import Ids, Vectors

Fingerprints = NDArray[np.uint64]


def compute_fingerprints(vectors: Vectors) -> Fingerprints:
    """XXH3-64 of each row. Rows that differ get equal ones with probability n^2 / 2^65: 3e-8 at a million."""
    rows = vectors + np.float32(0)  # -0 equals 0 but has other bytes
    return np.fromiter((xxhash.xxh3_64_intdigest(row) for row in rows), np.uint64, len(rows))


class IdenticalVectors:
    """All ids, sorted, and the print of each; the id that stands in the graph for each print; the ids behind it."""

    def __init__(self) -> None:
        self.ids = np.empty(0, np.int64)
        self._fingerprints = np.empty(0, np.uint64)
        self._group_fingerprints = np.empty(0, np.uint64)  # sorted, with the id that stands for it
        self._representatives = np.empty(0, np.int64)
        self._hidden_ids: dict[int, list[int]] = {}  # shown -> hidden ids, sorted
        self._representative_of: dict[int, int] = {}  # hidden -> shown
        self._crowded: Ids | None = None  # sorted keys of _behind; None: not known

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def representatives(self) -> Ids:
        """The ids that are in the graph."""
        return self._representatives

    def select_known(self, ids: Ids) -> Ids:
        """Those of the ids that are here."""
        return ids[np.isin(ids, self.ids, assume_unique=True)] if len(self.ids) else ids[:0]

    def add(self, ids: Ids, fingerprints: Fingerprints) -> NDArray[np.bool_]:
        """Take in new, distinct ids. True where the vector has to enter the graph."""
        unique, first, group = np.unique(fingerprints, return_index=True, return_inverse=True)
        place = np.searchsorted(self._group_fingerprints, unique)
        old = np.zeros(len(unique), dtype=bool)
        if len(self._group_fingerprints):
            old = self._group_fingerprints[np.minimum(place, len(self._group_fingerprints) - 1)] == unique
        stands = ids[first]
        stands[old] = self._representatives[place[old]]
        fresh = np.zeros(len(ids), dtype=bool)
        fresh[first[~old]] = True
        self._group_fingerprints = np.insert(self._group_fingerprints, place[~old], unique[~old])
        self._representatives = np.insert(self._representatives, place[~old], stands[~old])
        for at in np.flatnonzero(~fresh).tolist():
            self._hide(int(ids[at]), int(stands[group[at]]))
        self._insert_sorted(ids, fingerprints)
        return fresh

    def _insert_sorted(self, ids: Ids, fingerprints: Fingerprints) -> None:
        order = np.argsort(ids, kind="stable")
        place = np.searchsorted(self.ids, ids[order])
        self.ids = np.insert(self.ids, place, ids[order])
        self._fingerprints = np.insert(self._fingerprints, place, fingerprints[order])

    def _hide(self, item: int, shown: int) -> None:
        insort(self._hidden_ids.setdefault(shown, []), item)
        self._representative_of[item] = shown
        self._crowded = None

    def remove(self, ids: Ids) -> list[tuple[int, int | None]]:
        """Forget known, distinct ids. The shown ones among them, each with the id that has to take its place."""
        shown = [item for item in ids.tolist() if not self._unhide(item)]
        heirs = [(item, self._promote(item)) for item in shown]
        place = np.searchsorted(self.ids, ids)
        self._replace_representatives(heirs)
        self.ids, self._fingerprints = np.delete(self.ids, place), np.delete(self._fingerprints, place)
        self._crowded = None
        return heirs

    def _unhide(self, item: int) -> bool:
        shown = self._representative_of.pop(item, None)
        if shown is None:
            return False
        others = self._hidden_ids[shown]
        others.remove(item)
        if not others:
            del self._hidden_ids[shown]
        return True

    def _promote(self, item: int) -> int | None:
        others = self._hidden_ids.pop(item, None)
        if others is None:
            return None
        heir, *rest = others
        del self._representative_of[heir]
        if rest:
            self._hidden_ids[heir] = rest
            self._representative_of.update(dict.fromkeys(rest, heir))
        return heir

    def _replace_representatives(self, heirs: list[tuple[int, int | None]]) -> None:
        """Enter the heirs, or nobody, where the shown ones stood."""
        if not heirs:
            return
        gone = np.array([item for item, _ in heirs], dtype=np.int64)
        place = np.searchsorted(self._group_fingerprints, self._fingerprints[np.searchsorted(self.ids, gone)])
        self._representatives[place] = [-1 if heir is None else heir for _, heir in heirs]
        left = self._representatives >= 0
        self._group_fingerprints, self._representatives = self._group_fingerprints[left], self._representatives[left]

    def include_hidden(self, ids: Ids, scores: Vectors, k: int) -> tuple[Ids, Vectors]:
        """Put the hidden ids beside those that stand for them, in an answer (n, m); (n, k), by score and id."""
        if not self._hidden_ids:
            return ids, scores
        if self._crowded is None:
            self._crowded = np.array(sorted(self._hidden_ids), dtype=np.int64)
        wide = np.full((len(ids), k), -1, np.int64), np.full((len(ids), k), -np.inf, np.float32)
        wide[0][:, : ids.shape[1]], wide[1][:, : ids.shape[1]] = ids, scores
        for row in np.flatnonzero(np.isin(ids, self._crowded).any(axis=1)).tolist():
            groups = [[item, *self._hidden_ids.get(item, [])[:k]] for item in ids[row].tolist()]
            members = np.array([item for group in groups for item in group], dtype=np.int64)
            theirs = np.repeat(scores[row], [len(group) for group in groups])
            best = np.lexsort((members, -theirs))[:k]
            wide[0][row, : len(best)], wide[1][row, : len(best)] = members[best], theirs[best]
        return wide

    def save(self, path: Path) -> None:
        """ids, prints, and the hidden ids with those that stand for them, as plain little-endian 64-bit numbers."""
        pairs = np.array(sorted(self._representative_of.items()), dtype=np.int64).reshape(-1, 2)
        with open(path, "xb") as file:
            for part in (np.array([len(self.ids), len(pairs)], np.int64), self.ids, self._fingerprints, pairs):
                file.write(np.ascontiguousarray(part).data)

    def load(self, path: Path) -> None:
        data = np.fromfile(path, np.int64)
        if len(data) < 2 or data.min(initial=0, where=np.arange(len(data)) < 2) < 0:
            raise StoredFileDamaged(f"{path} is not a table of copies")
        count, pairs = int(data[0]), int(data[1])
        if len(data) != 2 + 2 * count + 2 * pairs:
            raise StoredFileDamaged(f"{path} has {len(data)} numbers, not those of {count} ids and {pairs} copies")
        self.ids, marks = data[2 : 2 + count].copy(), data[2 + count : 2 + 2 * count].view(np.uint64)
        self._fingerprints = marks.copy()
        table = data[2 + 2 * count :].reshape(-1, 2)
        self._representative_of = dict(zip(table[:, 0].tolist(), table[:, 1].tolist(), strict=True))
        self._hidden_ids = {}
        for item, shown in sorted(self._representative_of.items()):
            self._hidden_ids.setdefault(shown, []).append(item)
        self._crowded = None
        visible = (
            ~np.isin(self.ids, list(self._representative_of)) if self._representative_of else np.ones(count, dtype=bool)
        )
        order = np.argsort(self._fingerprints[visible], kind="stable")
        self._group_fingerprints, self._representatives = self._fingerprints[visible][order], self.ids[visible][order]
