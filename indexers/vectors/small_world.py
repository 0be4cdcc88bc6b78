"""What every navigable small world (HNSW) shares: its settings, identical vectors behind their representative, and the
order of steps when vectors come and go. Members bring the library that holds the graph."""

from __future__ import annotations

import math
import os
import struct
import sys
from abc import abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexers.arrays import compute_lengths, scale_to_unit
from indexers.devices import count_cores
from indexers.errors import BadQuery, BadSetting, MissingPackage, UsageError, WriteFailed
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.base import VectorIndex, break_ties, check_k, make_empty_answer, pair_with_ids
from indexers.vectors.identical import IdenticalVectors, compute_fingerprints
from indexers.vectors.strays import Strays, merge_answers

SETTING_RANGES = {"M": (2, 128), "ef_construction": (4, 4096), "ef": (1, 65536), "threads": (0, 1024)}
PRECISIONS = ("bf16", "i8")
SCALE = struct.Struct("<d")
CHECKS = 2
"""For each node that was removed, so many others are looked at in turn, whether they are still found."""
FIRST_PASSING_ID = 2**62
"""The first id of nodes that are removed as soon as they are inserted; no item has it."""
SCORE_ERROR = 1e-5
"""The error of a score, as a share of the squared length of the vector."""
CHECK_WIDTH, CHECK_BLOCK = 8, 4096
"""A node is found if it is among so many that a search for its own vector returns; nodes searched for at once."""


class SmallWorld(VectorIndex):
    """A navigable small world over the distinct vectors; identical ones are found through their representative.

    Settings: `M` links of a node (twice as many on the ground layer), `ef_construction` and `ef` candidates while
    building and searching, `threads` (0: all cores that this process may use).
    """

    name: ClassVar[str]
    metrics: ClassVar[frozenset[Metric]] = frozenset({"cosine", "ip", "l2"})
    setting_names: ClassVar[frozenset[str]] = frozenset(SETTING_RANGES)

    def __init__(
        self,
        dimension: int,
        metric: Metric = "cosine",
        *,
        M: int = 16,  # noqa: N803  the field's own name for it
        ef_construction: int = 200,
        ef: int = 128,
        threads: int = 0,
        **unknown: Any,
    ) -> None:
        super().__init__(dimension, metric)
        if unknown:
            names = ", ".join(sorted(self.setting_names))
            raise BadSetting(f"{self.name} has no setting {sorted(unknown)[0]!r}; it has: {names}")
        self.settings = {"M": M, "ef_construction": ef_construction, "ef": ef, "threads": threads}
        for name, value in self.settings.items():
            low, high = SETTING_RANGES[name]
            if not isinstance(value, int) or not low <= value <= high:
                raise BadSetting(f"{self.name}'s {name} is {value!r}; it must be a whole number from {low} to {high}")
        self.ef = ef
        self.threads = threads or count_cores()
        self._reset()

    def _reset(self) -> None:
        """Start again without any vector."""
        self._identical = IdenticalVectors()
        self._graph: Any = None
        self._scale = 1.0
        self._strays = Strays(self.dimension)
        self._free = 0  # removed nodes whose places the next ones take
        self._removed = 0  # nodes that were removed since it was last looked for strays
        self._checked: int | None = None  # the fingerprint up to which nodes were looked at; None: at none by now

    @abstractmethod
    def _insert_nodes(self, ids: Ids, vectors: Vectors) -> None:
        """Insert distinct vectors under ids that are not in the graph."""

    @abstractmethod
    def _remove_nodes(self, ids: list[int]) -> None:
        """Remove the nodes of these ids."""

    @abstractmethod
    def _relabel_node(self, old: int, new: int) -> None:
        """Give the node of `old` another id, which is not in the graph."""

    @abstractmethod
    def _read_nodes(self, ids: Ids) -> Vectors:
        """Return the vectors in the graph of these ids, float32 (n, dimension), as far as they are rounded."""

    @abstractmethod
    def _search_graph(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """Return ids (n, up to k) and scores, nearest first; -1 and -inf where the graph could not reach as many."""

    @abstractmethod
    def _write_graph(self, path: Path) -> int:
        """Write the graph; return how many bytes the file has to have."""

    @abstractmethod
    def _read_graph(self, path: Path) -> None:
        """Read what `_write_graph` wrote. Raises StoredFileDamaged if the table of ids belongs to another graph."""

    def __len__(self) -> int:
        return len(self._identical)

    def ids(self) -> Ids:
        """Return all ids, sorted; a copy."""
        return self._identical.ids.copy()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        ids, vectors = pair_with_ids(ids, self.prepare(vectors))
        self.remove(ids)
        if len(ids):
            if self._graph is None:
                self._scale = choose_scale(vectors, self.metric)
            fingerprints = compute_fingerprints(vectors)
            if self._checked is None:  # a turn starts anywhere: processes that end soon look at other nodes each time
                self._checked = int(fingerprints[0])
            represents = self._identical.add(ids, fingerprints)
            if represents.any():
                self._insert_nodes(ids[represents], vectors[represents] * np.float32(self._scale))
        if self._removed and self._graph is not None:
            self._mend(CHECKS * self._removed)

    def remove(self, ids: Ids) -> None:
        known = self._identical.select_known(np.unique(np.asarray(ids, dtype=np.int64)))
        if not len(known):
            return
        if len(known) == len(self):
            self._reset()
            return
        heirs = self._identical.remove(known)
        for representative, heir in heirs:
            if heir is not None:
                self._relabel_node(representative, heir)
                self._strays.relabel(representative, heir)
        unused = [representative for representative, heir in heirs if heir is None]
        if unused:
            self._remove_nodes(unused)
            self._strays.remove(np.array(unused))
            self._removed += len(unused)

    def erase_removed(self) -> None:
        """Overwrite the nodes that are marked as removed, with copies of others, which are removed at once."""
        alive = self._identical.representatives
        if self._graph is None or not self._free or not len(alive):
            return
        places = np.arange(self._free)
        copies = FIRST_PASSING_ID + places
        self._insert_nodes(copies, self._read_nodes(alive[places % len(alive)]))
        self._remove_nodes(copies.tolist())

    def _mend(self, count: int) -> None:
        """Look at the next nodes, whether searches still find them: insert those again that are lost, and keep those
        beside the graph that are not found even then."""
        self._removed = 0
        block, self._checked = self._identical.list_next(self._checked or 0, count)
        self._strays.remove(block)
        lost, vectors = self._find_lost(block)
        if len(lost):
            self._remove_nodes(lost.tolist())
            self._insert_nodes(lost, vectors)
            lost, vectors = self._find_lost(lost)
            self._strays.add(lost, vectors / np.float32(self._scale))

    def _find_lost(self, ids: Ids) -> tuple[Ids, Vectors]:
        """Return which nodes a search for their own vectors does not find, and their vectors in the graph.

        A node that others outdo is not lost: short vectors by inner product, many that are equal but for rounding.
        """
        lost_ids, lost_vectors = [ids[:0]], [np.empty((0, self.dimension), np.float32)]
        width = min(CHECK_WIDTH, len(self._identical.representatives))
        for start in range(0, len(ids), CHECK_BLOCK):
            block = ids[start : start + CHECK_BLOCK]
            vectors = self._read_nodes(block)
            found, scores = self._search_graph(vectors, width)
            squares = np.einsum("ij,ij->i", vectors, vectors)
            own = np.zeros(len(block), np.float32) if self.metric == "l2" else squares
            is_lost = (found != block[:, None]).all(1) & (scores[:, -1] < own - SCORE_ERROR * squares)
            lost_ids.append(block[is_lost])
            lost_vectors.append(vectors[is_lost])
        return np.concatenate(lost_ids), np.concatenate(lost_vectors)

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> Neighbours:
        """Return the k nearest; -1 also where the graph can't reach as many as exist: the shared layer then scans."""
        if allowed is not None:
            raise BadQuery(f"{self.name} can't restrict its answers; search through the shared layer (Searcher)")
        given, queries, k = np.asarray(queries, np.float32), self.prepare(queries), check_k(k)
        width = min(k, len(self._identical.representatives))
        if not width or not len(queries):
            return Neighbours(*make_empty_answer(len(queries), k), self.position)
        ids, scores = self._strays.merge(queries, *self._search_scaled(queries, width), self.metric)
        ids, scores = break_ties(*self._include_equal(queries, given.reshape(queries.shape), ids, scores))
        ids, scores = self._identical.include_hidden(ids, scores, k)
        return Neighbours(*pad_answer(ids, scores, k), self.position)

    def _include_equal(self, queries: Vectors, raw_queries: Vectors, ids: Ids, scores: Vectors) -> tuple[Ids, Vectors]:
        """Include in an answer the node that is equal to the query, if there is one and the graph has missed it.

        `raw_queries`: the queries before they were prepared. A vector that was prepared before may come out in other
        digits.
        """
        forms = np.concatenate([queries, raw_queries]) if self.metric == "cosine" else queries
        found = self._identical.find_representatives(compute_fingerprints(forms)).reshape(-1, len(queries))
        if found.max() < 0:
            return ids, scores
        equal = np.where(found[0] < 0, found[-1], found[0])
        missed = np.flatnonzero((equal >= 0) & (ids != equal[:, None]).all(1))
        if len(missed):
            squares = np.einsum("ij,ij->i", queries[missed], queries[missed])
            own = {"l2": np.zeros_like(squares), "cosine": np.minimum(squares, np.float32(1))}.get(self.metric, squares)
            merged = merge_answers(ids[missed], scores[missed], equal[missed, None], own[:, None])
            ids[missed], scores[missed] = merged
        return ids, scores

    def _search_scaled(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """Search with queries of the graph's scale, and return scores of the vectors' own."""
        if self.metric == "cosine":
            return self._search_graph(queries, k)
        if self.metric == "l2":
            ids, scores = self._search_graph(queries * np.float32(self._scale), k)
            return ids, scores / np.float32(self._scale)
        lengths = compute_lengths(queries)[:, None]  # the order of products does not depend on the query's length
        ids, scores = self._search_graph(scale_to_unit(queries), k)
        return ids, (scores * (lengths.astype(np.float64) / self._scale)).astype(np.float32)

    def _convert_distances(self, distances: Vectors) -> Vectors:
        """Return similarities from squared distances, or from one less the inner product."""
        if self.metric == "l2":
            return -np.sqrt(np.maximum(distances, 0))
        scores: Vectors = np.float32(1) - distances
        return np.minimum(scores, np.float32(1)) if self.metric == "cosine" else scores

    def save(self, path: Path) -> None:
        """Write the graph by its library, the table of ids beside it as ".ids", a scale other than 1 as ".scale", and
        strays as ".strays"."""
        self._identical.save(append_suffix(path, ".ids"))
        if self._scale != 1.0:
            append_suffix(path, ".scale").write_bytes(SCALE.pack(self._scale))
        if len(self._strays):
            self._strays.save(append_suffix(path, ".strays"))
        if self._graph is None:
            path.write_bytes(b"")
            return
        expected = self._write_graph(path)
        size = path.stat().st_size if path.exists() else 0
        if size != expected:  # not every library checks its stream for errors
            raise WriteFailed(f"{path} took {size} of {expected} bytes; make room on the disk and try again")

    def load(self, path: Path) -> None:
        """Read what `save` wrote. The caller verifies the file first: these libraries crash on damaged ones."""
        self._reset()
        self._identical.load(append_suffix(path, ".ids"))
        scale = append_suffix(path, ".scale")
        self._scale = SCALE.unpack(scale.read_bytes())[0] if scale.exists() else 1.0
        strays = append_suffix(path, ".strays")
        if strays.exists():
            self._strays.load(strays)
        if len(self._identical):
            self._read_graph(path)


class RoundedSmallWorld(SmallWorld):
    """A small world that stores vectors in fewer bits: its scores are nearly right, and the shared layer computes the
    exact ones from the flat vector file.

    `precision`: "bf16", half the memory of float32; "i8", a quarter: coordinates of unit vectors as whole numbers from
    -127 to 127, so for the cosine only. The other settings are those of every small world.
    """

    exact_scores: ClassVar[bool] = False
    setting_names: ClassVar[frozenset[str]] = SmallWorld.setting_names | {"precision"}

    def __init__(self, dimension: int, metric: Metric = "cosine", *, precision: str = "bf16", **settings: Any) -> None:
        if find_spec(self.name) is None:
            raise MissingPackage(f"the index {self.name!r} is not installed: pip install 'nearkin[{self.name}]'")
        if precision not in PRECISIONS:
            raise BadSetting(f"{self.name}'s precision is {precision!r}; it must be one of: {', '.join(PRECISIONS)}")
        if precision == "i8" and metric != "cosine":
            raise BadSetting(f"precision 'i8' is for unit vectors, so for the cosine; for {metric!r} take 'bf16'")
        self.precision = precision
        super().__init__(dimension, metric, **settings)


def encode_path(path: Path) -> bytes:
    """Return a path as C++ opens it: as the system stores it, on Windows in the code page. Raises UsageError there."""
    if sys.platform == "win32":
        try:
            return str(path).encode("mbcs")
        except UnicodeEncodeError as error:
            raise UsageError(f"{path} has characters that this system's code page lacks; use another folder") from error
    return os.fsencode(path)


def choose_scale(vectors: Vectors, metric: Metric) -> float:
    """Return a power of two by which a graph multiplies its vectors: the longest of the first gets a length near 1.

    hnswlib and usearch compute 1 - product in float32, where products below 6e-8 vanish, and squared distances, where
    those of 1e-23 do. A power of two changes no digit. Cosines need none.
    """
    longest = float(compute_lengths(vectors).max(initial=0)) if metric != "cosine" else 0.0
    return 2.0 ** -math.frexp(longest)[1] if longest > 0 else 1.0


def append_suffix(path: Path, suffix: str) -> Path:
    """Return the path with `suffix` after its whole name."""
    return path.with_name(path.name + suffix)


def pad_answer(ids: Ids, scores: Vectors, k: int) -> tuple[Ids, Vectors]:
    """Widen an answer (n, m) to k columns with -1 and -inf."""
    missing = k - ids.shape[1]
    if missing <= 0:
        return ids, scores
    gap = (0, 0), (0, missing)
    return np.pad(ids, gap, constant_values=-1), np.pad(scores, gap, constant_values=-np.inf)
