from __future__ import annotations

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.clusterers.steps import neighbours
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours


def fan() -> np.ndarray:
    """Unit vectors at 0, 10, 30 and 90 degrees."""
    angle = np.deg2rad([0, 10, 30, 90])
    return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)


def test_neighbours_are_the_most_similar_other_rows() -> None:
    assert find_neighbours(fan(), 1).tolist() == [[1], [0], [1], [2]]
    assert [sorted(row) for row in find_neighbours(fan(), 2).tolist()] == [[1, 2], [0, 2], [0, 1], [1, 2]]


def test_neighbours_can_be_found_for_some_rows_only() -> None:
    assert find_neighbours(fan(), 1, np.array([3, 0])).tolist() == [[2], [1]]


@pytest.mark.parametrize(("count", "expected"), [(4, (4, 3)), (1, (1, 0)), (0, (0, 0))])
def test_there_are_no_more_neighbours_than_other_rows(count: int, expected: tuple[int, int]) -> None:
    table = find_neighbours(fan()[:count], 9)
    assert table.shape == expected
    assert all(row not in neighbours_of for row, neighbours_of in enumerate(table.tolist()))


def test_rows_in_several_blocks_have_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = scale_to_unit(np.random.default_rng(0).standard_normal((50, 4)))
    whole = np.sort(find_neighbours(rows, 5), 1)
    monkeypatch.setattr(neighbours, "CELLS", 50 * 7)
    np.testing.assert_array_equal(np.sort(find_neighbours(rows, 5), 1), whole)


def test_each_edge_comes_once_with_its_smaller_row_first() -> None:
    assert build_edges(np.array([[1], [0], [1], [2]])).tolist() == [[0, 1], [1, 2], [2, 3]]


def test_edges_of_part_of_a_table_name_its_rows() -> None:
    assert build_edges(np.array([[2, 5], [3, 5]]), np.array([5, 2])).tolist() == [[2, 3], [2, 5], [5, 5]]


def test_no_neighbours_give_no_edges() -> None:
    assert build_edges(np.empty((1, 0), np.int64)).shape == (0, 2)


def test_neighbours_and_edges_equal_brute_force() -> None:
    rows = scale_to_unit(np.random.default_rng(0).standard_normal((50, 4)))
    table = find_neighbours(rows, 3)
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -9)
    np.testing.assert_array_equal(np.sort(table, 1), np.sort(np.argsort(-similarity, 1)[:, :3], 1))
    edges = build_edges(table)
    assert (edges[:, 0] < edges[:, 1]).all()
    assert {tuple(edge) for edge in edges.tolist()} == {
        (min(a, b), max(a, b)) for a, row in enumerate(table.tolist()) for b in row
    }
    assert find_neighbours(rows[:1], 3).shape == (1, 0)
