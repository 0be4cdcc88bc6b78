from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from indexers.clusterers.base import Ints, ignore_progress
from indexers.clusterers.steps import merging
from indexers.clusterers.steps.dendrogram import Floats
from indexers.clusterers.steps.merging import Merging, NodeSums

NONE = np.empty((0, 2), np.int64)


def ward(nodes: NodeSums, a: Ints, b: Ints, product: Floats) -> Floats:
    """What the sum of squares grows by: half the square of SciPy's distance."""
    size, other = nodes.size[a], nodes.size[b]
    gap = nodes.square[a] / size**2 + nodes.square[b] / other**2 - 2 * product / (size * other)
    grown: Floats = size * other / (size + other) * gap
    return grown


def rows(count: int, dimension: int = 6) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, dimension)).astype(np.float32)


def test_over_all_pairs_it_is_hierarchical_clustering_itself() -> None:
    children, distances = Merging(NodeSums(rows(400)), NONE, ward).run(ignore_progress)
    expected = linkage(rows(400), "ward")
    np.testing.assert_array_equal(children, np.sort(expected[:, :2]))
    np.testing.assert_allclose(distances, expected[:, 2] ** 2 / 2, rtol=1e-3)


def test_over_a_graph_only_neighbours_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain whose ends are nearest of all, but not joined."""
    monkeypatch.setattr(merging, "CROWN", 1)
    sums = np.array([[0, 0], [2, 2], [4.5, 0], [0.1, 0]], np.float32)
    children, _ = Merging(NodeSums(sums.copy()), np.array([[0, 1], [1, 2], [2, 3]]), ward).run(ignore_progress)
    assert children.tolist() == [[0, 1], [2, 4], [3, 5]]


def test_a_graph_that_falls_apart_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "CROWN", 10)
    monkeypatch.setattr(merging, "NEAR", 2)
    edges = np.arange(300).reshape(-1, 2)
    children, distances = Merging(NodeSums(rows(300)), edges, ward).run(ignore_progress)
    assert np.sort(children.ravel()).tolist() == list(range(598))
    assert (np.diff(distances) >= 0).all()


def test_progress_is_told() -> None:
    steps: list[tuple[int, int, str]] = []
    Merging(NodeSums(rows(60)), NONE, ward).run(lambda *step: steps.append(step))
    assert steps[-1] == (59, 59, "merging")
    assert [done for done, _, _ in steps] == sorted({done for done, _, _ in steps})


def test_one_row_has_no_merges() -> None:
    children, distances = Merging(NodeSums(rows(1)), NONE, ward).run(ignore_progress)
    assert children.shape == (0, 2)
    assert distances.shape == (0,)
