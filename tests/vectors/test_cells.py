"""Codes in cells: what they estimate, and which cells a search needs."""

from pathlib import Path

import numpy as np
import pytest

from indexers.errors import StoredFileDamaged
from indexers.types import Metric, Vectors
from indexers.vectors.base import prepare_vectors
from indexers.vectors.cells import LABELS, LEAST_PROBED, Cells
from indexers.vectors.rows import Rows
from tests.support.graphs import make_clusters

pytest.importorskip("rabitqlib", reason="needs the extra rabitq")


def train(vectors: Vectors, metric: Metric = "cosine", bits: int = 1, scale: float = 1.0) -> Cells:
    rows = Rows(vectors.shape[1])
    rows.upsert(np.arange(len(vectors)) * 2, vectors, np.ones(len(vectors), np.float32))
    return Cells.train(rows.freeze(rows.ids), metric, bits, 1, scale)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("dimension", [5, 64, 100])
def test_estimates_are_near_products_and_squared_distances(metric: Metric, dimension: int) -> None:
    vectors = prepare_vectors(make_clusters(600, dimension), dimension, metric)
    cells = train(vectors, metric, bits=8, scale=0.25)
    ids, estimates = cells.search(vectors[:20], 600, cells.count, 1)
    assert (np.sort(ids) == np.arange(600) * 2).all()
    products = np.take_along_axis(vectors[:20] @ vectors.T, ids // 2, 1)
    squares = np.einsum("ij,ij->i", vectors, vectors)
    expected = 2 * products - squares[:20, None] - squares[ids // 2] if metric == "l2" else products
    assert np.abs(estimates - expected).mean() < 0.02 * squares.mean()
    assert (np.diff(estimates) <= 0).all()


def test_ids_come_and_go() -> None:
    vectors = prepare_vectors(make_clusters(3000, 64), 64, "cosine")
    cells = train(vectors[:1000])
    cells.add(np.arange(2000) * 2 + 1, vectors[1000:])
    cells.remove(np.arange(0, 1000, 2))
    assert (len(cells), cells.stored, cells.changes) == (2500, 3000, 2500)
    ids, _ = cells.search(vectors[1000:1100], 10, cells.count, 1)
    assert (ids == (np.arange(100) * 2 + 1)[:, None]).any(axis=1).all()
    everything, estimates = cells.search(vectors[:1], 3000, cells.count, 1)
    assert (everything[0, 2500:] == -1).all()
    assert np.isneginf(estimates[0, 2500:]).all()
    assert np.array_equal(np.sort(everything[0, :2500]), cells.ids())


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_the_needed_cells_hold_the_nearest(metric: Metric) -> None:
    vectors = prepare_vectors(make_clusters(4000, 64), 64, metric)
    cells, queries = train(vectors, metric), prepare_vectors(make_clusters(50, 64, seed=1), 64, metric)
    missed = 0
    for query in queries:
        products = 2 * vectors @ query - (np.einsum("ij,ij->i", vectors, vectors) + query @ query) * (metric == "l2")
        scores = products if metric == "l2" else products / 2
        best = np.argsort(-scores)[:10]
        needed = cells.count_needed(query, float(scores[best[-1]]))
        assert 1 <= needed <= cells.count
        missed += np.isin(best * 2, cells.search(query[None], 4000, needed, 1)[0], invert=True).sum()
    assert missed <= 5
    assert cells.count_needed(queries[0], -np.inf) == cells.count
    assert cells.count_needed(queries[0], np.inf) == 1


def test_a_search_looks_first_into_as_many_cells_as_most_queries_need() -> None:
    random = np.random.default_rng(0)
    rows = prepare_vectors(make_clusters(4000, 64), 64, "cosine")
    diffuse = train(prepare_vectors(random.standard_normal((4000, 64)).astype(np.float32), 64, "cosine"))
    cells = train(rows)
    assert LEAST_PROBED <= cells.first_probes < cells.count / 2 < diffuse.first_probes <= diffuse.count
    scores = np.sort(rows[:200] @ rows.T, axis=1)[:, -10]
    needed = [cells.count_needed(query, float(score)) for query, score in zip(rows, scores, strict=False)]
    assert np.mean(np.array(needed) <= cells.first_probes) > 0.75


def test_equal_vectors_can_be_trained_on() -> None:
    cells = train(np.ones((200, 64), np.float32))
    assert set(cells.search(np.ones((1, 64), np.float32), 10, cells.count, 1)[0][0]) <= set(range(0, 400, 2))


def test_files_of_different_moments_are_refused(tmp_path: Path) -> None:
    vectors = make_clusters(1000, 64)
    cells = train(vectors)
    cells.save(tmp_path / "c")
    again = Cells.load(tmp_path / "c", 64, "cosine", 1)
    assert np.array_equal(again.search(vectors[:5], 9, 9, 1)[0], cells.search(vectors[:5], 9, 9, 1)[0])
    assert again.first_probes == cells.first_probes
    assert again.count_needed(vectors[0], 0.5) == cells.count_needed(vectors[0], 0.5)
    assert again.changes == 0
    labels = np.fromfile(tmp_path / f"c{LABELS}", np.int64)
    labels[3] = -1
    labels.tofile(tmp_path / f"c{LABELS}")
    with pytest.raises(StoredFileDamaged, match="do not belong together"):
        Cells.load(tmp_path / "c", 64, "cosine", 1)
    with pytest.raises(StoredFileDamaged, match="do not belong together"):
        Cells.load(tmp_path / "c", 64, "cosine", 4)
