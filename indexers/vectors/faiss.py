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
"""Vectors that a rebuild decodes at once: 8 MB at 512 dimensions."""
MAX_REMOVED_SHARE = 0.5
"""Removed nodes, as a share of the live ones, above which the graph is built again."""


class Faiss(RoundedSmallWorld):
    """faiss's IndexHNSWSQ. A node can't be taken out of it: searches pass through removed nodes and don't return them.

    When there are half as many of those as live ones, the graph is built again from its own vectors. That loses
    nothing: rounding does not change a vector that has been rounded before.
    """

    name: ClassVar[str] = "faiss"

    def _reset(self) -> None:
        super()._reset()
        self._set_labels(np.empty(0, np.int64))

    def _set_labels(self, labels: Ids) -> None:
        """Set the id of each node; -1: removed."""
        self._labels = labels
        self._live: Any = None  # selector of the live nodes; None: every node, or to be computed

    def _make_graph(self) -> Any:
        import faiss  # compiled code: loaded on first use only

        kind = faiss.ScalarQuantizer.QT_bf16 if self.precision == "bf16" else faiss.ScalarQuantizer.QT_8bit_uniform
        metric = faiss.METRIC_L2 if self.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        graph = faiss.IndexHNSWSQ(self.dimension, kind, self.settings["M"], metric)
        # trained on the extremes of a unit vector's coordinates: trained on data, later vectors could be clipped
        graph.train(np.array([[-1], [1]], np.float32).repeat(self.dimension, axis=1))
        graph.hnsw.efConstruction = self.settings["ef_construction"]
        return graph

    @contextmanager
    def _limit_threads(self) -> Iterator[Any]:
        """Give faiss with `threads` set; its number is one for the calling thread, and is put back afterwards."""
        import faiss

        previous = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(self.threads)
        try:
            yield faiss
        finally:
            faiss.omp_set_num_threads(previous)

    def _insert_nodes(self, ids: Ids, vectors: Vectors) -> None:
        if self._graph is None:
            self._graph = self._make_graph()
        with self._limit_threads():
            self._graph.add(vectors)
        self._set_labels(np.concatenate([self._labels, ids]))

    def _remove_nodes(self, ids: list[int]) -> None:
        labels = np.where(np.isin(self._labels, ids), -1, self._labels)
        self._set_labels(labels)
        live = np.flatnonzero(labels >= 0)
        if len(labels) - len(live) > MAX_REMOVED_SHARE * len(live):
            self._rebuild(live)

    def erase_removed(self) -> None:
        if (self._labels < 0).any():
            self._rebuild(np.flatnonzero(self._labels >= 0))

    def _rebuild(self, nodes: Ids) -> None:
        old, labels = self._graph, self._labels[nodes]
        self._graph = None
        self._set_labels(labels[:0])
        for first in range(0, len(nodes), BLOCK_ROWS):
            self._insert_nodes(
                labels[first : first + BLOCK_ROWS], old.reconstruct_batch(nodes[first : first + BLOCK_ROWS])
            )

    def _relabel_node(self, old: int, new: int) -> None:
        self._labels[self._labels == old] = new

    def _read_nodes(self, ids: Ids) -> Vectors:
        nodes = np.flatnonzero(self._labels >= 0)
        order = nodes[np.argsort(self._labels[nodes], kind="stable")]
        vectors: Vectors = self._graph.reconstruct_batch(order[np.searchsorted(self._labels[order], ids)])
        return vectors

    def _search_graph(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        with self._limit_threads() as faiss:
            parameters = faiss.SearchParametersHNSW(efSearch=self.ef, sel=self._select_live(faiss))
            scores, nodes = self._graph.search(queries, k, params=parameters)
        missing = nodes < 0
        scores = np.where(missing, np.float32(-np.inf), self._convert_scores(scores))
        return np.where(missing, -1, self._labels[nodes]), scores

    def _select_live(self, faiss: Any) -> Any:
        if self._live is None and (self._labels < 0).any():
            self._live = faiss.IDSelectorBitmap(np.packbits(self._labels >= 0, bitorder="little"))
        return self._live

    def _convert_scores(self, values: Vectors) -> Vectors:
        """Return similarities from squared distances, or from inner products."""
        if self.metric == "l2":
            return self._convert_distances(values)
        return np.minimum(values, np.float32(1)) if self.metric == "cosine" else values

    def _write_graph(self, path: Path) -> int:
        """Write the graph, and the labels at `path` + ".labels". faiss's own writer does not report a failed close."""
        import faiss

        self._labels.tofile(append_suffix(path, ".labels"))
        with open(path, "xb") as file:
            faiss.write_index(self._graph, faiss.PyCallbackIOWriter(file.write))
            return file.tell()

    def _read_graph(self, path: Path) -> None:
        import faiss

        with open(path, "rb") as file:
            self._graph = faiss.read_index(faiss.PyCallbackIOReader(file.read))
        self._set_labels(np.fromfile(append_suffix(path, ".labels"), np.int64))
        live = np.sort(self._labels[self._labels >= 0])
        if len(self._labels) != self._graph.ntotal or not np.array_equal(
            live, np.sort(self._identical.representatives)
        ):
            raise StoredFileDamaged(f"{path} and its tables of ids do not belong together")
