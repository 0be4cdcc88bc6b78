"""Answers by their definition, vectors that are hard to bound, and indexes that draw sketches at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from indexers.types import Ids, Vectors
from indexers.vectors import pruning
from indexers.vectors.exact import Exact
from indexers.vectors.metrics import compute_similarities

AT_ONCE = {
    "FIT_COST": 0,
    "BUILD_COST": 1e-9,
    "GATHER_COST": 1e-9,
    "CALL_COST": 0,
    "SKETCH_COST": 0,
    "WORTHWHILE": np.inf,
    "WIDTHS": (2, 4, 16),
    "SEEDS": 4,
}
"""Constants of `pruning` with which sketches are drawn with the first search, and used whatever that costs."""
SCALES = ((0, 0), (-3, 3), (-30, -28), (15, 17), (-20, 17), (-44, -36))
"""Powers of ten, between which the lengths of hard vectors lie."""


@contextmanager
def prune_at_once() -> Iterator[None]:
    """Draw sketches with the first search, and prune whatever it costs."""
    with patch.multiple(pruning, **AT_ONCE):
        yield


def make_index(vectors: Vectors, metric: str = "cosine", path: Path | None = None) -> Exact:
    """Return an index; with `path`, half of it is mapped, some replaced and some removed. Ids are 0, 2, 4 ..."""
    index, ids = Exact(vectors.shape[1], metric), np.arange(len(vectors)) * 2
    if path is None:
        index.add(ids, vectors)
        return index
    half = len(ids) // 2
    index.add(ids[:half], vectors[:half][::-1])
    index.save(path)
    index.load(path)
    index.add(ids[: half // 2], vectors[: half // 2])
    index.add(ids[half // 2 :], vectors[half // 2 :])
    index.remove(ids[::7])
    return index


def rank_by_definition(index: Exact, query: Vectors, metric: str, among: Ids | None = None) -> tuple[Ids, Vectors]:
    """Return all ids and scores as an answer orders them: by the score in float64 rounded to float32, then by id."""
    ids = index.ids() if among is None else np.intersect1d(index.ids(), among)
    if not len(ids):
        return ids, np.empty(0, np.float32)
    prepared = Exact(index.dimension, metric).prepare(query)[0]
    scores = compute_similarities(prepared, index.take_for_metric(ids, metric), metric).astype(np.float32)
    scores = np.minimum(scores, np.float32(1)) if metric == "cosine" else scores
    order = np.lexsort((ids, -scores))
    return ids[order], scores[order]


def draw_hard_vectors(random: np.random.Generator, count: int, dimension: int) -> Vectors:
    """Return vectors with ties, equal ones, subnormal numbers, lengths of 10^-44 to 10^17, rests of zero, few values.

    None is so short that its square vanishes in float32, since that has no direction.
    """
    rank = min(dimension, int(random.choice([1, 2, 3, dimension])))
    basis = random.standard_normal((rank, dimension)) if random.random() < 0.5 else np.eye(rank, dimension)
    rows = random.standard_normal((count, rank)) @ basis
    if random.random() < 0.5:
        rows = np.round(rows)
    rows = rows[random.integers(0, max(1, count // int(random.choice([1, 10]))), count)]
    low, high = SCALES[random.integers(len(SCALES))]
    vectors = (rows * 10.0 ** random.uniform(low, high, (count, 1))).astype(np.float32)
    nudged = random.integers(0, count, count // 4)
    vectors[nudged] = np.nextafter(vectors[random.integers(0, count, count // 4)], np.float32(random.choice([0, 9])))
    vectors[np.einsum("ij,ij->i", vectors, vectors) == 0, 0] = 1
    return vectors
