"""Approximate search through faiss: HNSW over scalar-quantised vectors (Malkov and Yashunin, 2016; Douze et al., "The
Faiss library", 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexers.errors import StoredFileDamaged
from indexers.types import Ids, Vectors
from indexers.vectors.small_world import RoundedSmallWorld, append_suffix

BLOCK_ROWS = 4096
"""Vectors that a rebuild decodes at once: 8 MB of 512 dimensions."""
MAX_REMOVED_SHARE = 0.5
"""Removed nodes, in parts of the live ones, from which on the graph is built anew."""


class Faiss(RoundedSmallWorld):
    """faiss's IndexHNSWSQ. A node can't be taken out of it: the removed ones are passed through and not answered, until
    there are half as many as live ones; then the graph is built anew from its own vectors, which loses nothing, since
    what was rounded once stays as it is."""

    name: ClassVar[str] = "faiss"

    def _reset(self) -> None:
        super()._reset()
        self._label(np.empty(0, np.int64))

    def _label(self, labels: Ids) -> None:
        """The id of each node; -1: removed."""
        self._labels = labels
        self._live: Any = None  # what a search may answer with; None: not known, or every node

    def _empty(self) -> Any:
        import faiss  # compiled code: not loaded before an index is used

        kind = faiss.ScalarQuantizer.QT_bf16 if self.precision == "bf16" else faiss.ScalarQuantizer.QT_8bit_uniform
        metric = faiss.METRIC_L2 if self.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        graph = faiss.IndexHNSWSQ(self.dimension, kind, self.settings["M"], metric)
        # learnt from the ends of what a unit vector can hold: learnt from data, what comes later would be cut off
        graph.train(np.array([[-1], [1]], np.float32).repeat(self.dimension, axis=1))
        graph.hnsw.efConstruction = self.settings["ef_construction"]
        return graph

    @contextmanager
    def _threads(self) -> Iterator[Any]:
        """faiss, with so many threads as are set; the number is its own, and the calling thread's."""
        import faiss

        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(self.threads)
        try:
            yield faiss
        finally:
            faiss.omp_set_num_threads(before)

    def _insert_nodes(self, ids: Ids, vectors: Vectors) -> None:
        if self._graph is None:
            self._graph = self._empty()
        with self._threads():
            self._graph.add(vectors)
        self._label(np.concatenate([self._labels, ids]))

    def _remove_nodes(self, ids: list[int]) -> None:
        labels = np.where(np.isin(self._labels, ids), -1, self._labels)
        self._label(labels)
        live = np.flatnonzero(labels >= 0)
        if len(labels) - len(live) > MAX_REMOVED_SHARE * len(live):
            self._rebuild(live)

    def _rebuild(self, nodes: Ids) -> None:
        old, labels = self._graph, self._labels[nodes]
        self._graph = None
        self._label(labels[:0])
        for first in range(0, len(nodes), BLOCK_ROWS):
            self._insert_nodes(
                labels[first : first + BLOCK_ROWS], old.reconstruct_batch(nodes[first : first + BLOCK_ROWS])
            )

    def _relabel_node(self, old: int, new: int) -> None:
        self._labels[self._labels == old] = new

    def _search_graph(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        with self._threads() as faiss:
            parameters = faiss.SearchParametersHNSW(efSearch=self.ef, sel=self._selector(faiss))
            scores, nodes = self._graph.search(queries, k, params=parameters)
        missing = nodes < 0
        scores = self._scores(scores)
        return np.where(missing, -1, self._labels[nodes]), np.where(missing, np.float32(-np.inf), scores)

    def _selector(self, faiss: Any) -> Any:
        if self._live is None and (self._labels < 0).any():
            self._live = faiss.IDSelectorBitmap(np.packbits(self._labels >= 0, bitorder="little"))
        return self._live

    def _scores(self, found: Vectors) -> Vectors:
        """From squared distances, or inner products."""
        if self.metric == "l2":
            return self._similarity(found)
        return np.minimum(found, np.float32(1)) if self.metric == "cosine" else found

    def _write_graph(self, path: Path) -> int:
        """The labels lie at `path` + ".labels". A file of ours: faiss's own says nothing if closing it fails."""
        import faiss

        self._labels.tofile(append_suffix(path, ".labels"))
        with open(path, "xb") as file:
            faiss.write_index(self._graph, faiss.PyCallbackIOWriter(file.write))
            return file.tell()

    def _read_graph(self, path: Path) -> None:
        import faiss

        with open(path, "rb") as file:
            self._graph = faiss.read_index(faiss.PyCallbackIOReader(file.read))
        self._label(np.fromfile(append_suffix(path, ".labels"), np.int64))
        live = np.sort(self._labels[self._labels >= 0])
        if len(self._labels) != self._graph.ntotal or not np.array_equal(
            live, np.sort(self._identical.representatives)
        ):
            raise StoredFileDamaged(f"{path} and its tables of ids do not belong together")
