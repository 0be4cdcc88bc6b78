"""Vectors as short codes in cells, through rabitqlib (Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a
Theoretical Error Bound for Approximate Nearest Neighbor Search", 2024; Gao et al., "Practical and Asymptotically
Optimal Quantization", 2025)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import compute_lengths
from indexers.errors import StoredFileDamaged, WriteFailed
from indexers.types import Ids, Metric, Vectors
from indexers.vectors.rows import FrozenRows
from indexers.vectors.small_world import append_suffix, encode_path

CELLS_PER_ROOT, MIN_CELLS = 1.6, 16
"""Cells for each square root of the number of vectors: 506 for 100,000. Then finding the nearest cells takes about as
long as reading the codes in them."""
PROBES, NEIGHBOURS, COVERED = 64, 10, 0.999
"""How far cells reach from their centres towards a query is told by the nearest neighbours of so many vectors, and of
as many sums of two, which lie between clusters: so that this share of the neighbours is found."""
FIRST_COVERED, LEAST_PROBED = 0.85, 16
"""A search looks at first into as many cells as this share of stored vectors needs as queries, and into so many at
least: to look into a cell more costs .5 us, to search again 50."""
SAMPLE_PER_CELL = 64
"""Vectors that k-means is trained on, for each cell."""
BLOCK_ROWS = 8192
"""Vectors that are encoded at once: 16 MB at 512 dimensions."""
LEAST_DIMENSION = 64
"""Shorter vectors are padded with zeros: the library's rotation takes no fewer coordinates."""
LABELS, PLACES, CENTRES, FACTS = ".labels", ".places", ".centres", ".facts"
"""Files beside that of the library: the id of each code, its cell, centres and radii, and numbers of the whole."""


class Cells:
    """Codes of vectors, each in the cell whose centre is nearest; the centres stay as they were trained.

    native: rabitqlib's index. It numbers vectors as they come, and keeps what is removed as a tombstone. scale: a power
    of two by which vectors are multiplied before they are encoded. trained: how many vectors it was built of.
    """

    def __init__(self, native: Any, metric: Metric, centres: Vectors, scale: float, trained: int) -> None:
        self._native, self._metric, self._scale, self.trained = native, metric, np.float32(scale), trained
        self._centres = centres
        self._radii = np.zeros(len(centres), np.float32)  # of each cell, the root of the mean square
        self._reach = 1.0  # of a cell, towards a query, as a share of its radius
        self.first_probes = LEAST_PROBED
        """How many cells a search looks into at first."""
        self._halves = np.einsum("ij,ij->i", centres, centres) / 2
        self._labels = np.empty(0, np.int64)  # the id of each number, -1: removed; with room at the end
        self._places = np.empty(0, np.uint32)  # the cell of each number
        self._ids, self._numbers = np.empty(0, np.int64), np.empty(0, np.uint32)  # sorted by id
        self.stored = 0
        """Codes that it holds, those of removed vectors included."""

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> Ids:
        """Return all ids, sorted."""
        return self._ids

    @property
    def changes(self) -> int:
        """How many vectors have come or gone since the cells were trained."""
        return 2 * self.stored - self.trained - len(self)

    @classmethod
    def train(cls, frozen: FrozenRows, metric: Metric, bits: int, threads: int, scale: float) -> Cells:
        """Return cells of all vectors of `frozen`, that are prepared for the metric."""
        import rabitqlib  # compiled code: loaded on first use only

        count, dimension = len(frozen.ids), frozen.base.shape[1]
        cell_count = min(count, max(MIN_CELLS, round(CELLS_PER_ROOT * math.sqrt(count))))
        sample = np.linspace(0, count - 1, min(count, SAMPLE_PER_CELL * cell_count)).astype(np.int64)
        means = rabitqlib.RaBitQKMeans(max(dimension, LEAST_DIMENSION), cell_count, num_threads=threads)
        means.train(_widen(frozen.take(sample), scale))
        centres = np.ascontiguousarray(means.centroids, np.float32)
        native = rabitqlib.IvfIndex(
            centres.shape[1],
            min(count, BLOCK_ROWS),  # it grows with each block
            num_clusters=cell_count,
            nbits=bits,
            metric="l2" if metric == "l2" else "ip",
        )
        cells, places, squares = cls(native, metric, centres, scale, count), [], np.zeros(cell_count)
        probes = _Probes(_widen(frozen.take(np.linspace(0, count - 1, 2 * PROBES).astype(np.int64)), scale), metric)
        for start in range(0, count, BLOCK_ROWS):
            block = _widen(frozen.take(np.arange(start, min(start + BLOCK_ROWS, count))), scale)
            places.append(cells._find_nearest(block))
            probes.compare(block, places[-1])
            rests = block - centres[places[-1]]
            squares += np.bincount(places[-1], np.einsum("ij,ij->i", rests, rests), cell_count)
            if start:
                native.add(block, places[-1], num_threads=threads)
            else:
                native.build(block, centres, places[-1], num_threads=threads)
        cells._set_labels(frozen.ids, np.concatenate(places))
        sizes = np.bincount(cells._places, minlength=cell_count)
        cells._radii[:] = np.sqrt(squares / np.maximum(sizes, 1))
        cells._reach = cells._measure_reach(probes)
        cells.first_probes = cells._measure_first_probes(probes)
        return cells

    def _measure_reach(self, probes: _Probes) -> float:
        """Return the reach that the neighbours of the probes need."""
        needed = []
        for query, scores, places in zip(probes.queries, probes.scores, probes.places, strict=True):
            nearness, reaches = self._bound_cells(query, 1.0)
            gains, least = reaches - nearness, scores.min()
            has_gain = (gains[places] > 0) & (scores > -np.inf)
            needed.append(((least - nearness) / np.where(gains > 0, gains, 1))[places[has_gain]])
        every = np.concatenate(needed)
        return float(np.quantile(every, COVERED)) if len(every) else 1.0

    def _measure_first_probes(self, probes: _Probes) -> int:
        """Return how many cells most of the stored vectors among the probes need."""
        own = range(probes.own_count)
        needed = [self._count_needed(probes.queries[row], probes.scores[row].min()) for row in own]
        return max(LEAST_PROBED, math.ceil(np.quantile(needed, FIRST_COVERED))) if needed else LEAST_PROBED

    def _find_nearest(self, vectors: Vectors) -> NDArray[np.uint32]:
        """Return the cell of each vector, which is as the library takes it."""
        nearest: NDArray[np.uint32] = np.argmax(vectors @ self._centres.T - self._halves, axis=1).astype(np.uint32)
        return nearest

    def _set_labels(self, labels: Ids, places: NDArray[np.uint32]) -> None:
        self._labels, self._places, self.stored = labels.copy(), places, len(labels)
        live = np.flatnonzero(labels >= 0)
        order = live[np.argsort(labels[live], kind="stable")]
        self._ids, self._numbers = labels[order], order.astype(np.uint32)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add prepared vectors under ids that are not here, each once."""
        if not len(ids):
            return
        block = _widen(vectors, self._scale)
        places = self._find_nearest(block)
        numbers, end = self._native.add(block, places), self.stored + len(ids)
        if end > len(self._labels):
            room = max(end, len(self._labels) * 3 // 2, 1024) - len(self._labels)
            self._labels = np.concatenate([self._labels, np.full(room, -1, np.int64)])
            self._places = np.concatenate([self._places, np.zeros(room, np.uint32)])
        self._labels[numbers], self._places[numbers] = ids, places
        self.stored = end
        order = np.argsort(ids, kind="stable")
        spots = np.searchsorted(self._ids, ids[order])
        self._ids = np.insert(self._ids, spots, ids[order])
        self._numbers = np.insert(self._numbers, spots, numbers[order])

    def remove(self, ids: Ids) -> None:
        """Remove the vectors of these ids; unknown ids are ignored."""
        spots = np.searchsorted(self._ids, np.sort(ids))
        spots = spots[spots < len(self._ids)]
        gone = np.unique(spots[np.isin(self._ids[spots], ids)])
        if len(gone):
            self._native.remove(self._numbers[gone])
            self._labels[self._numbers[gone]] = -1
            self._ids, self._numbers = np.delete(self._ids, gone), np.delete(self._numbers, gone)

    def search(self, queries: Vectors, count: int, probes: int, threads: int) -> tuple[Ids, Vectors]:
        """Return the `count` vectors that seem nearest to prepared queries, ids int64 (n, count), and estimates.

        probes: how many cells are looked into, the nearest ones. An estimate is an inner product, or a squared distance
        negated; -1 and -inf stand at the end where the cells hold fewer.
        """
        count, threads = min(count, self.stored), threads if len(queries) > 1 else 1
        numbers, distances = self._native.search(_widen(queries, self._scale), count, probes, None, threads)
        estimates = -distances if self._metric == "l2" else np.float32(1) - distances
        if self._scale != 1:
            estimates /= self._scale * self._scale
        is_missing = numbers >= self.stored
        if not is_missing[:, -1].any():  # they stand at the end
            return self._labels[numbers], estimates
        ids = np.where(is_missing, -1, self._labels[np.where(is_missing, 0, numbers)])
        return ids, np.where(is_missing, np.float32(-np.inf), estimates)

    @property
    def count(self) -> int:
        """The number of cells."""
        return len(self._centres)

    def count_needed(self, query: Vectors, least: float) -> int:
        """Return how many of the cells nearest to a prepared query may hold vectors that score `least` or more."""
        return self._count_needed(_widen(query[None], self._scale)[0], least * float(self._scale) ** 2)

    def _count_needed(self, query: Vectors, least: float) -> int:
        nearness, reaches = self._bound_cells(query, self._reach)
        is_needed = reaches >= least
        return int(np.count_nonzero(nearness >= nearness[is_needed].min())) if is_needed.any() else 1

    def _bound_cells(self, query: Vectors, reach: float) -> tuple[Vectors, Vectors]:
        """Return the estimate of each centre, by which the library chooses cells, and what vectors of its cell score at
        most if they reach so far; `query` is as the library takes it."""
        products, size = self._centres @ query, float(np.sqrt(query @ query))
        if self._metric != "l2":
            return products, products + reach * size * self._radii
        squares = np.maximum(size * size - 2 * (products - self._halves), 0)
        return -squares, 2 * reach * self._radii * np.sqrt(squares) - squares

    def save(self, path: Path) -> None:
        """Write the codes by the library, and what it does not know to files beside it."""
        self._labels[: self.stored].tofile(append_suffix(path, LABELS))
        self._places[: self.stored].tofile(append_suffix(path, PLACES))
        np.column_stack([self._centres, self._radii]).tofile(append_suffix(path, CENTRES))
        facts = {"scale": float(self._scale), "trained": self.trained, "reach": self._reach, "first": self.first_probes}
        append_suffix(path, FACTS).write_text(json.dumps(facts))
        try:
            self._native.save(encode_path(path))
        except RuntimeError as error:
            raise WriteFailed(f"{path} can't be written: {error}; make room on the disk and try again") from error

    @classmethod
    def load(cls, path: Path, dimension: int, metric: Metric, bits: int) -> Cells:
        """Read what `save` wrote. Raises StoredFileDamaged if its files do not belong together."""
        import rabitqlib

        native = rabitqlib.IvfIndex.load(encode_path(path))
        labels = np.fromfile(append_suffix(path, LABELS), np.int64)
        places = np.fromfile(append_suffix(path, PLACES), np.uint32)
        centres = np.fromfile(append_suffix(path, CENTRES), np.float32).reshape(native.num_clusters, -1)
        facts = json.loads(append_suffix(path, FACTS).read_text())
        cells = cls(native, metric, np.ascontiguousarray(centres[:, :-1]), facts["scale"], facts["trained"])
        cells._radii[:], cells._reach = centres[:, -1], facts["reach"]
        cells.first_probes = facts.get("first", max(LEAST_PROBED, cells.count // 16))  # older files lack it
        cells._set_labels(labels, places)
        kind = native.dim, native.nbits, native.num_stored_points, native.num_points
        if kind != (max(dimension, LEAST_DIMENSION), bits, len(places), len(cells)) or len(places) != len(labels):
            raise StoredFileDamaged(f"{path} and its tables do not belong together")
        return cells


class _Probes:
    """The nearest neighbours of some vectors and of sums of two, found while all vectors pass by.

    queries: float32 (n, dimension). scores: their neighbours' estimates (n, NEIGHBOURS), places: the cells of these.
    """

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        own, others = vectors[::2], vectors[1::2]
        sums = own[: len(others)][::-1] + others
        lengths = [compute_lengths(each)[:, None] for each in (own[: len(others)], sums)]
        sums *= lengths[0] / np.where(lengths[1] > 0, lengths[1], 1)
        self.queries: Vectors = np.concatenate([own, sums])
        self.own_count = len(own)
        self._metric = metric
        self.scores = np.full((len(self.queries), NEIGHBOURS), -np.inf, np.float32)
        self.places = np.zeros((len(self.queries), NEIGHBOURS), np.uint32)

    def compare(self, vectors: Vectors, places: NDArray[np.uint32]) -> None:
        """Compare vectors, which lie in the cells `places`, with the queries."""
        scores = self.queries @ vectors.T
        if self._metric == "l2":
            squares, own = (np.einsum("ij,ij->i", each, each) for each in (vectors, self.queries))
            scores = 2 * scores - squares - own[:, None]
        every = np.concatenate([self.scores, scores], axis=1)
        best = np.argpartition(-every, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        every_place = np.concatenate([self.places, np.broadcast_to(places, scores.shape)], axis=1)
        self.scores, self.places = np.take_along_axis(every, best, 1), np.take_along_axis(every_place, best, 1)


def _widen(vectors: Vectors, scale: float | np.float32) -> Vectors:
    """Return vectors as the library takes them: scaled, and of LEAST_DIMENSION coordinates at least."""
    lacking = max(0, LEAST_DIMENSION - vectors.shape[1])
    wide = np.pad(vectors, ((0, 0), (0, lacking))) if lacking else vectors
    scaled: Vectors = np.ascontiguousarray(wide * np.float32(scale), np.float32)
    return scaled
