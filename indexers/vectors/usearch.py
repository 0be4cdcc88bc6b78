"""Approximate search through USearch: HNSW over vectors kept in fewer bits, and mapped from the file until something
changes (Malkov and Yashunin, 2016; unum-cloud/usearch)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexers.errors import StoredFileDamaged
from indexers.types import Ids, Vectors
from indexers.vectors.small_world import RoundedSmallWorld

METRICS = {"cosine": "cos", "ip": "ip", "l2": "l2sq"}


class Usearch(RoundedSmallWorld):
    """USearch's graph. After `load`, and until the first change, it lies in the file and takes up memory that the
    operating system can take back; the first change copies it into memory."""

    name: ClassVar[str] = "usearch"

    def _reset(self) -> None:
        super()._reset()
        self._pages: Any = None  # the file that the graph lies in, while it does
        self._free = 0  # nodes of the graph that were removed; the next ones take their places

    def _empty(self) -> Any:
        from usearch.index import Index  # compiled code: not loaded before an index is used

        return Index(
            ndim=self.dimension,
            metric=METRICS[self.metric],
            dtype=self.precision,
            connectivity=self.settings["M"],
            expansion_add=self.settings["ef_construction"],
            expansion_search=self.ef,
        )

    def _own(self) -> None:
        """Have the graph in memory: a write to a mapped one ends the process."""
        if self._graph is None:
            self._graph = self._empty()
        if self._pages is not None:
            self._graph = self._graph.copy()
            self._pages = None

    def _insert_nodes(self, ids: Ids, vectors: Vectors) -> None:
        self._own()
        reused = min(self._free, len(ids))
        if reused:  # one thread: another may be reading the node whose place is taken
            self._graph.add(ids[:reused], vectors[:reused], threads=1)
            self._free -= reused
        if reused < len(ids):
            self._graph.add(ids[reused:], vectors[reused:], threads=self.threads)

    def _remove_nodes(self, ids: list[int]) -> None:
        self._own()
        self._graph.remove(np.array(ids), threads=1)
        self._free += len(ids)

    def _relabel_node(self, old: int, new: int) -> None:
        self._own()
        self._graph.rename(old, new)

    def _search_graph(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        found = self._graph.search(queries, k, threads=self.threads)
        keys, distances = np.atleast_2d(found.keys), np.atleast_2d(found.distances)
        if len(queries) > 1:  # the places of what could not be reached hold anything
            nothing = np.arange(k) >= np.asarray(found.counts)[:, None]
            return np.where(nothing, -1, keys.view(np.int64)), np.where(nothing, -np.inf, self._similarity(distances))
        return keys.view(np.int64), self._similarity(distances)

    def _write_graph(self, path: Path) -> int:
        self._graph.save(os.fsencode(path))
        return int(self._graph.serialized_length)

    def _read_graph(self, path: Path) -> None:
        self._graph, self._pages = self._empty(), np.memmap(path, np.uint8, "r")
        self._graph.view(self._pages)
        self._free = int(self._graph.metadata(self._pages)["count_deleted"])
        shown = self._identical.representatives
        if len(self._graph) != len(shown) or not self._graph.contains(shown).all():
            raise StoredFileDamaged(f"{path} and its table of ids do not belong together")
