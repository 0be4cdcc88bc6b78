"""Whether the graph depends on what came when: growth, dense groups in a sparse set, churn, and many items.

List places are compared with brute force. The graph of few items is exact; that of many is simulated by searching in an
index from 2,000 items on, as the graph of more than 100,000 does.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np

from indexers import plugins
from indexers.arrays import scale_to_unit
from indexers.tree import neighbour_graph
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.neighbour_graph import NeighbourGraph
from indexers.tree.rounded_vectors import RoundedVectors
from indexers.types import Ids, Vectors
from indexers.vectors.exact import Exact
from indexers.vectors.searcher import Searcher
from tests.bench.harness import Bench, make_nested_vectors

SMALL = 2000
"""Items from which on an index is searched in the simulation."""
DIMENSION = 64
Batch = tuple[Ids, Ids]
"""Items that go, and items that come."""


class History:
    """A graph, a tree and the index that they search in, brought forward batch by batch."""

    def __init__(self, vectors: Vectors, searches: bool) -> None:
        dimension = vectors.shape[1]
        self.vectors = vectors
        self.graph, self.tree = NeighbourGraph(), ClusterTree(dimension)
        self.flat = Exact(dimension)
        index = plugins.load_member("nearkin.vectors", "hnsw")
        self.indexes = [self.flat, index(dimension, threads=1)] if searches else []

    def advance(self, gone: Ids, new: Ids) -> None:
        for index in self.indexes:
            index.remove(gone)
            index.add(new, self.vectors[new])
        find_neighbours = self.find_neighbours if self.indexes else None
        edges = self.graph.update(gone, RoundedVectors(self.tree, new, self.vectors[new]), find_neighbours)
        self.tree.update(new, self.vectors[new], gone, edges.new, edges.gone)

    def find_neighbours(self, items: Ids, count: int) -> tuple[Ids, Vectors]:
        found = Searcher(*self.indexes).search(self.flat.take(items), min(count, len(self.flat)))
        return found.ids, found.scores

    def measure_recall(self) -> float:
        nothing = RoundedVectors(self.tree, np.empty(0, np.int64), self.vectors[:0])
        return self.graph.measure_recall(nothing, 10_000)


def run(bench: Bench) -> None:
    count = max(int(20_000 * min(bench.scale, 1)), 2000)
    for name, vectors, batches, least in draw_histories(count):
        history = follow(vectors, batches, searches=False)
        title = f"{name}, {len(history.graph):,} items: list places right"
        bench.add(title, history.measure_recall(), "", f"at least {least}", limit=least, more=True)
    with patch.object(neighbour_graph, "EXACT", SMALL):
        for name, vectors, batches, _ in draw_histories(max(int(8000 * min(bench.scale, 1)), 3000)):
            history = follow(vectors, batches, searches=True)
            title = f"{name}, {len(history.graph):,} items, searched in an index from {SMALL:,} on: list places right"
            bench.add(title, history.measure_recall(), "", "at least .99", limit=0.99, more=True)


def follow(vectors: Vectors, batches: Iterator[Batch], searches: bool) -> History:
    history = History(vectors, searches)
    for gone, new in batches:
        history.advance(gone, new)
    return history


def draw_histories(count: int) -> Iterator[tuple[str, Vectors, Iterator[Batch], float]]:
    """Yield histories that end with `count` items: name, vectors, batches, and the share that must be right."""
    nested = scale_to_unit(make_nested_vectors(5 * count, DIMENSION)[0])
    yield "growth by hundreds", nested, grow(count, count // 4, 100), 0.999
    random = np.random.default_rng(0)
    sparse = random.standard_normal((count // 2, DIMENSION))
    dense = np.repeat(random.standard_normal((10, DIMENSION)), count // 20, axis=0)
    dense = dense + 0.1 * random.standard_normal(dense.shape)
    mixed = scale_to_unit(np.concatenate([sparse, dense])).astype(np.float32)
    yield "dense groups come into a sparse set", mixed, grow(len(mixed), count // 2, 100), 0.999
    yield "churn of 400 %", nested, churn(count, count // 20), 0.995


def grow(count: int, first: int, batch: int) -> Iterator[Batch]:
    nothing = np.empty(0, np.int64)
    yield nothing, np.arange(first)
    for start in range(first, count, batch):
        yield nothing, np.arange(start, min(start + batch, count))


def churn(count: int, batch: int) -> Iterator[Batch]:
    """Replace each item four times, in random order, by items never seen before."""
    random, present = np.random.default_rng(1), np.arange(count)
    yield np.empty(0, np.int64), present
    for start in range(count, 5 * count - batch + 1, batch):
        place = random.choice(count, batch, replace=False)
        gone, present[place] = present[place], np.arange(start, start + batch)
        yield gone, present[place]
