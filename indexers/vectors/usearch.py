"""Approximate search through USearch: HNSW over vectors in fewer bits, mapped from the file until something changes
(Malkov and Yashunin, 2016; unum-cloud/usearch)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexers.errors import StoredFileDamaged
from indexers.types import Ids, Vectors
from indexers.vectors.small_world import RoundedSmallWorld, encode_path

METRICS = {"cosine": "cos", "ip": "ip", "l2": "l2sq"}


class Usearch(RoundedSmallWorld):
    """USearch's graph. After `load` it lies in its mapped file, whose memory the operating system reclaims; the first
    change copies it into memory."""

    name: ClassVar[str] = "usearch"

    def _reset(self) -> None:
        super()._reset()
        self._pages: Any = None  # the mapped file, while the graph lies in it

    def _make_graph(self) -> Any:
        from usearch.index import Index  # compiled code: loaded on first use only

        return Index(
            ndim=self.dimension,
            metric=METRICS[self.metric],
            dtype=self.precision,
            connectivity=self.settings["M"],
            expansion_add=self.settings["ef_construction"],
            expansion_search=self.ef,
        )

    def _ensure_writable(self) -> None:
        """Copy a mapped graph into memory: a write to the mapping would end the process."""
        if self._graph is None:
            self._graph = self._make_graph()
        if self._pages is not None:
            self._graph = self._graph.copy()
            self._pages = None

    def _insert_nodes(self, ids: Ids, vectors: Vectors) -> None:
        self._ensure_writable()
        reused = min(self._free, len(ids))
        if reused:  # one thread: another may be reading the node whose place is taken
            self._graph.add(ids[:reused], vectors[:reused], threads=1)
            self._free -= reused
        if reused < len(ids):
            self._graph.add(ids[reused:], vectors[reused:], threads=self.threads)

    def _remove_nodes(self, ids: list[int]) -> None:
        self._ensure_writable()
        self._graph.remove(np.array(ids, dtype=np.int64), threads=1)
        self._free += len(ids)

    def _relabel_node(self, old: int, new: int) -> None:
        self._ensure_writable()
        self._graph.rename(old, new)

    def _read_nodes(self, ids: Ids) -> Vectors:
        return np.asarray(self._graph.get(ids, dtype="f32"), np.float32).reshape(-1, self.dimension)

    def _search_graph(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        matches = self._graph.search(queries, k, threads=self.threads)
        keys, distances = np.atleast_2d(matches.keys), np.atleast_2d(matches.distances)
        ids = keys.view(np.int64)
        if len(queries) == 1:
            return ids, self._convert_distances(distances)
        missing = np.arange(k) >= np.asarray(matches.counts)[:, None]  # these places hold anything, also NaN
        scores = self._convert_distances(np.where(missing, np.float32(0), distances))
        return np.where(missing, -1, ids), np.where(missing, -np.inf, scores)

    def _write_graph(self, path: Path) -> int:
        self._graph.save(encode_path(path))
        return int(self._graph.serialized_length)

    def _read_graph(self, path: Path) -> None:
        self._graph, self._pages = self._make_graph(), np.memmap(path, np.uint8, "r")
        self._graph.view(self._pages)
        self._free = int(self._graph.metadata(self._pages)["count_deleted"])
        representatives = self._identical.representatives
        if len(self._graph) != len(representatives) or not self._graph.contains(representatives).all():
            raise StoredFileDamaged(f"{path} and its table of ids do not belong together")
