"""Identical vectors: which ones are exactly equal, so that only one of them enters a graph.

More equal vectors than a node has links form an island in HNSW: each links to its equals only, and a search that enters
does not get out (5,000 items with 5 vectors repeated 300 times each: recall@10 fell to .84; 1,000 times: .53).
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
    """Return the XXH3-64 of each row. Any two of n different rows share one with probability n^2 / 2^65.

    That is 3e-8 at a million rows.
    """
    rows = vectors + np.float32(0)  # -0 equals 0 but has different bytes
    return np.array([xxhash.xxh3_64_intdigest(row) for row in rows], np.uint64)


class IdenticalVectors:
    """Groups of ids with equal vectors. One id of each, its representative, is in the graph; the others are hidden.

    `ids`: all ids, sorted.
    """

    def __init__(self) -> None:
        self.ids = np.empty(0, np.int64)
        self._fingerprints = np.empty(0, np.uint64)  # of each id
        self._group_fingerprints = np.empty(0, np.uint64)  # sorted
        self._representatives = np.empty(0, np.int64)  # of each group
        self._hidden_ids: dict[int, list[int]] = {}  # representative -> hidden ids, sorted
        self._representative_of: dict[int, int] = {}  # hidden id -> representative
        self._crowded: Ids | None = None  # representatives with hidden ids, sorted; None: to be computed

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def representatives(self) -> Ids:
        """The ids that are in the graph, in the order of their fingerprints."""
        return self._representatives

    def select_known(self, ids: Ids) -> Ids:
        """Return those of the ids, each of which comes once, that are known."""
        return ids[np.isin(ids, self.ids, assume_unique=True)] if len(self.ids) else ids[:0]

    def add(self, ids: Ids, fingerprints: Fingerprints) -> NDArray[np.bool_]:
        """Add new ids, each once; return True for those that become representatives and have to enter the graph."""
        unique, first, group = np.unique(fingerprints, return_index=True, return_inverse=True)
        place = np.searchsorted(self._group_fingerprints, unique)
        exists = np.zeros(len(unique), dtype=bool)
        if len(self._group_fingerprints):
            exists = self._group_fingerprints[np.minimum(place, len(self._group_fingerprints) - 1)] == unique
        representatives = ids[first]
        representatives[exists] = self._representatives[place[exists]]
        represents = np.zeros(len(ids), dtype=bool)
        represents[first[~exists]] = True
        self._group_fingerprints = np.insert(self._group_fingerprints, place[~exists], unique[~exists])
        self._representatives = np.insert(self._representatives, place[~exists], representatives[~exists])
        for row in np.flatnonzero(~represents).tolist():
            self._hide(int(ids[row]), int(representatives[group[row]]))
        self._insert_sorted(ids, fingerprints)
        return represents

    def find_representatives(self, fingerprints: Fingerprints) -> Ids:
        """Return the representative of each fingerprint's group, int64 (n,); -1 where there is none."""
        if not len(self._group_fingerprints):
            return np.full(len(fingerprints), -1, np.int64)
        place = np.minimum(np.searchsorted(self._group_fingerprints, fingerprints), len(self._group_fingerprints) - 1)
        return np.where(self._group_fingerprints[place] == fingerprints, self._representatives[place], -1)

    def list_next(self, fingerprint: int, count: int) -> tuple[Ids, int]:
        """Return up to `count` representatives whose fingerprints follow that one, beginning again after the last, and
        the fingerprint that the next list is to follow."""
        start = int(np.searchsorted(self._group_fingerprints, np.uint64(fingerprint), side="right"))
        places = np.arange(start, start + min(count, len(self._representatives))) % max(len(self._representatives), 1)
        last = int(self._group_fingerprints[places[-1]]) if len(places) else 0
        return self._representatives[places], last

    def _insert_sorted(self, ids: Ids, fingerprints: Fingerprints) -> None:
        order = np.argsort(ids, kind="stable")
        place = np.searchsorted(self.ids, ids[order])
        self.ids = np.insert(self.ids, place, ids[order])
        self._fingerprints = np.insert(self._fingerprints, place, fingerprints[order])

    def _hide(self, item_id: int, representative: int) -> None:
        insort(self._hidden_ids.setdefault(representative, []), item_id)
        self._representative_of[item_id] = representative
        self._crowded = None

    def remove(self, ids: Ids) -> list[tuple[int, int | None]]:
        """Remove known ids, each once; return each representative among them with its heir.

        The heir is the hidden id that has to take the representative's place in the graph; None if there is none.
        """
        representatives = [item_id for item_id in ids.tolist() if not self._remove_hidden(item_id)]
        heirs = [(item_id, self._promote_heir(item_id)) for item_id in representatives]
        place = np.searchsorted(self.ids, ids)
        self._replace_representatives(heirs)
        self.ids, self._fingerprints = np.delete(self.ids, place), np.delete(self._fingerprints, place)
        self._crowded = None
        return heirs

    def _remove_hidden(self, item_id: int) -> bool:
        """Remove an id if it is hidden; return True if it was."""
        representative = self._representative_of.pop(item_id, None)
        if representative is None:
            return False
        hidden = self._hidden_ids[representative]
        hidden.remove(item_id)
        if not hidden:
            del self._hidden_ids[representative]
        return True

    def _promote_heir(self, representative: int) -> int | None:
        hidden = self._hidden_ids.pop(representative, None)
        if hidden is None:
            return None
        heir, *rest = hidden
        del self._representative_of[heir]
        if rest:
            self._hidden_ids[heir] = rest
            self._representative_of.update(dict.fromkeys(rest, heir))
        return heir

    def _replace_representatives(self, heirs: list[tuple[int, int | None]]) -> None:
        """Put the heirs in the places of removed representatives; a group without an heir ends."""
        if not heirs:
            return
        removed = np.array([item_id for item_id, _ in heirs], dtype=np.int64)
        place = np.searchsorted(self._group_fingerprints, self._fingerprints[np.searchsorted(self.ids, removed)])
        self._representatives[place] = [-1 if heir is None else heir for _, heir in heirs]
        live = self._representatives >= 0
        self._group_fingerprints, self._representatives = self._group_fingerprints[live], self._representatives[live]

    def include_hidden(self, ids: Ids, scores: Vectors, k: int) -> tuple[Ids, Vectors]:
        """Add the hidden ids to an answer (n, m) of representatives; return the k best by score and id, (n, k)."""
        if not self._hidden_ids:
            return ids, scores
        if self._crowded is None:
            self._crowded = np.array(sorted(self._hidden_ids), dtype=np.int64)
        all_ids, all_scores = np.full((len(ids), k), -1, np.int64), np.full((len(ids), k), -np.inf, np.float32)
        all_ids[:, : ids.shape[1]], all_scores[:, : ids.shape[1]] = ids, scores
        for row in np.flatnonzero(np.isin(ids, self._crowded).any(axis=1)).tolist():
            groups = [[item_id, *self._hidden_ids.get(item_id, [])[:k]] for item_id in ids[row].tolist()]
            members = np.array([item_id for group in groups for item_id in group], dtype=np.int64)
            member_scores = np.repeat(scores[row], [len(group) for group in groups])
            best = np.lexsort((members, -member_scores))[:k]
            all_ids[row, : len(best)], all_scores[row, : len(best)] = members[best], member_scores[best]
        return all_ids, all_scores

    def save(self, path: Path) -> None:
        """Write 64-bit little-endian numbers: ids, fingerprints, and the hidden ids with their representatives."""
        pairs = np.array(sorted(self._representative_of.items()), dtype=np.int64).reshape(-1, 2)
        with open(path, "xb") as file:
            for part in (np.array([len(self.ids), len(pairs)], np.int64), self.ids, self._fingerprints, pairs):
                file.write(np.ascontiguousarray(part).data)

    def load(self, path: Path) -> None:
        """Read what `save` wrote. Raises StoredFileDamaged if the numbers do not fit."""
        numbers = np.fromfile(path, np.int64)
        if len(numbers) < 2 or numbers.min(initial=0, where=np.arange(len(numbers)) < 2) < 0:
            raise StoredFileDamaged(f"{path} is not a table of identical vectors")
        count, pair_count = int(numbers[0]), int(numbers[1])
        if len(numbers) != 2 + 2 * count + 2 * pair_count:
            expected = f"{count} ids and {pair_count} hidden ones"
            raise StoredFileDamaged(f"{path} has {len(numbers)} numbers, not those of {expected}")
        self.ids = numbers[2 : 2 + count].copy()
        self._fingerprints = numbers[2 + count : 2 + 2 * count].view(np.uint64).copy()
        hidden, representatives = numbers[2 + 2 * count :].reshape(-1, 2).T
        self._representative_of = dict(zip(hidden.tolist(), representatives.tolist(), strict=True))
        self._hidden_ids = {}
        for item_id, representative in sorted(self._representative_of.items()):
            self._hidden_ids.setdefault(representative, []).append(item_id)
        self._crowded = None
        in_graph = np.isin(self.ids, list(self._representative_of), invert=True)
        order = np.argsort(self._fingerprints[in_graph], kind="stable")
        self._group_fingerprints, self._representatives = self._fingerprints[in_graph][order], self.ids[in_graph][order]
