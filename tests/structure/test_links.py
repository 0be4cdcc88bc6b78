"""Paths and walks over links, against every path that there is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from retrieval.structure.links import Links


def make_links(random: np.random.Generator, count: int, share: float, levels: int = 6) -> Links:
    """Return random links, many of which are equally similar."""
    a, b = np.nonzero(np.triu(random.random((count, count)) < share, 1))
    similarity = (random.integers(1, levels + 1, len(a)) / (levels + 1)).astype(np.float32)
    return Links(np.arange(100, 100 + count), a, b, similarity)


def find_widths(links: Links) -> np.ndarray:
    """Return the width of the widest path between each two nodes, (n, n), -1 without one: Floyd and Warshall."""
    count = len(links.items)
    width = np.full((count, count), -1.0)
    width[links.a, links.b] = width[links.b, links.a] = links.similarity
    for middle in range(count):
        width = np.maximum(width, np.minimum(width[:, middle, None], width[middle]))
    return width


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5])
def test_the_weakest_link_of_a_path_is_as_strong_as_it_can_be(share: float) -> None:
    random = np.random.default_rng(int(100 * share))
    for _ in range(40):
        links = make_links(random, int(random.integers(2, 25)), share)
        width = find_widths(links)
        start, end = random.choice(len(links.items), 2, replace=False).tolist()
        path = links.find_widest_path(start, end)
        if width[start, end] < 0:
            assert path is None
            continue
        assert path is not None
        assert (path[0], path[-1]) == (start, end)
        assert links.measure(path).min() == np.float32(width[start, end])
        assert len(set(path.tolist())) == len(path)


def test_of_the_widest_paths_it_is_one_of_fewest_pictures() -> None:
    a, b = np.array([0, 1, 0, 3, 2]), np.array([1, 2, 3, 4, 4])
    links = Links(np.arange(5), a, b, np.full(5, 0.5, np.float32))
    order = np.lexsort((b, a))
    links = Links(links.items, a[order], b[order], links.similarity)
    path = links.find_widest_path(0, 2)
    assert path is not None
    assert path.tolist() == [0, 1, 2]


def test_the_shortest_path_has_the_least_sum_of_angles() -> None:
    random = np.random.default_rng(5)
    for _ in range(30):
        links = make_links(random, 12, 0.3, levels=50)
        angle = np.full((12, 12), np.inf)
        angle[links.a, links.b] = angle[links.b, links.a] = np.arccos(links.similarity.astype(np.float64))
        np.fill_diagonal(angle, 0)
        least = angle.copy()
        for middle in range(12):
            least = np.minimum(least, least[:, middle, None] + least[middle])
        path = links.find_shortest_path(0, 11)
        if not np.isfinite(least[0, 11]):
            assert path is None
            continue
        assert path is not None
        assert sum(angle[first, second] for first, second in pairwise(path.tolist())) == pytest.approx(least[0, 11])


def test_a_path_from_a_node_to_itself_is_the_node() -> None:
    links = make_links(np.random.default_rng(0), 5, 0.9)
    for find in (links.find_widest_path, links.find_shortest_path):
        path = find(3, 3)
        assert path is not None
        assert path.tolist() == [3]


def test_what_is_around_is_as_many_steps_away_as_told() -> None:
    links = Links(np.arange(6), np.array([0, 1, 2, 4]), np.array([1, 2, 3, 5]), np.full(4, 0.5, np.float32))
    around, steps = links.find_around(np.array([0]), 2)
    assert dict(zip(around.tolist(), steps.tolist(), strict=True)) == {0: 0, 1: 1, 2: 2}
    around, _ = links.find_around(np.array([0, 4]), 9)
    assert around.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_walk_is_more_often_where_links_are_strong_and_ends_in_itself() -> None:
    links = Links(np.arange(4), np.array([0, 0, 1]), np.array([1, 2, 3]), np.array([0.9, 0.1, 0.5], np.float32))
    around, _ = links.find_around(np.array([0]), 3)
    share = links.rank_by_walk(np.array([0]), around)
    assert share.sum() == pytest.approx(1)
    assert share[1] > share[3] > share[2] > 0
    # as the equations of the walk say, which is solved here at once
    weight = np.zeros((4, 4))
    weight[[0, 0, 1], [1, 2, 3]] = weight[[1, 2, 3], [0, 0, 1]] = links.similarity
    step = (weight / weight.sum(1, keepdims=True)).T
    exact = np.linalg.solve(np.eye(4) - 0.8 * step, 0.2 * np.array([1, 0, 0, 0]))
    assert share == pytest.approx(exact, abs=1e-3)


def test_a_walk_with_nowhere_to_go_stays() -> None:
    links = Links(np.arange(3), np.array([1]), np.array([2]), np.array([0.5], np.float32))
    assert links.rank_by_walk(np.array([0]), np.array([0])).tolist() == [1.0]
