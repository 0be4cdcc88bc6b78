"""The maintained neighbour graph beside one made by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexers.arrays import scale_to_unit
from indexers.tree import neighbour_graph
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import compute_fingerprints, round_vectors
from indexers.tree.neighbour_graph import NeighbourGraph, _find_least
from indexers.tree.neighbour_search import FindNeighbours
from indexers.tree.rounded_vectors import RoundedVectors
from indexers.vectors.exact import Exact


class World:
    """Vectors by item, an exact index over them, and the graph and tree that follow."""

    def __init__(self, k: int = 4, dimension: int = 6) -> None:
        self.vectors: dict[int, np.ndarray] = {}
        self.dimension, self.index = dimension, Exact(dimension)
        self.graph, self.tree = NeighbourGraph(k), ClusterTree(dimension)
        self.edges: set[tuple[bytes, bytes]] = set()

    def find(self, items: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        neighbours = self.index.search(self.index.take(items), count)
        return neighbours.ids, neighbours.scores

    def change(self, removed: list[int], added: dict[int, np.ndarray], find: FindNeighbours | None = None) -> None:
        before = self.prints()
        gone = np.array([item for item in removed if item in self.vectors], np.int64)
        ids = np.array(list(added), np.int64)
        rows = np.array(list(added.values()), np.float32).reshape(-1, self.dimension)
        for item in gone.tolist():
            del self.vectors[item]
        self.vectors |= dict(zip(ids.tolist(), rows, strict=True))
        self.index.remove(gone)
        if len(ids):
            self.index.add(ids, rows)
        pairs = self.graph.update(gone, RoundedVectors(self.tree, ids, rows), find)
        self.tree.update(ids, rows, gone, pairs.new, pairs.gone)
        after = self.prints()
        lost = {name_edge(before, pair) for pair in pairs.gone.tolist()}
        won = {name_edge(after, pair) for pair in pairs.new.tolist()}
        assert lost <= self.edges
        self.edges = self.edges - lost
        assert not won & self.edges
        self.edges |= won

    def prints(self) -> dict[int, bytes]:
        return {item: round_vectors(row[None])[0].tobytes() for item, row in self.vectors.items()}

    def check(self) -> None:
        """Edges followed from differences are those of the lists; lists are those of brute force."""
        prints = self.prints()
        assert {name_edge(prints, pair) for pair in self.graph.edges().tolist()} == self.edges
        assert self.graph.items().tolist() == sorted(self.vectors)
        assert len(self.graph) == len(set(prints.values()))
        assert self.find_lists() == rank_all(self.vectors, self.graph.k)

    def find_lists(self) -> dict[int, list[tuple[int, int]]]:
        """Return the neighbours of each vector by fingerprint, and the products with them."""
        graph = self.graph
        nodes = np.unique(graph.slot[list(self.vectors)]) if self.vectors else []
        return {
            int(graph.fingerprints[slot]): [
                (int(graph.fingerprints[near]), int(similarity))
                for near, similarity in zip(graph.near[slot], graph.lists.similarity[slot], strict=False)
                if near >= 0
            ]
            for slot in nodes
        }

    def measure_recall(self) -> float:
        """Return the share of list places that are right."""
        right = rank_all(self.vectors, self.graph.k)
        lists = self.find_lists()
        return float(np.mean([len(set(lists[key]) & set(best)) / len(best) for key, best in right.items()]))


def rank_all(vectors: dict[int, np.ndarray], k: int) -> dict[int, list[tuple[int, int]]]:
    """Return the k nearest others of each distinct vector, with whole numbers; equally near ones by fingerprint."""
    if not vectors:
        return {}
    rounded = np.unique(round_vectors(np.array(list(vectors.values()))), axis=0)
    prints = compute_fingerprints(rounded)
    products = rounded.astype(np.int64) @ rounded.astype(np.int64).T
    np.fill_diagonal(products, -(2**40))
    lists = {}
    for place, key in enumerate(prints.tolist()):
        order = np.lexsort((prints, -products[place]))[: min(k, len(rounded) - 1)]
        lists[key] = list(zip(prints[order].tolist(), products[place, order].tolist(), strict=True))
    return lists


def name_edge(prints: dict[int, bytes], pair: list[int]) -> tuple[bytes, bytes]:
    a, b = sorted((prints[pair[0]], prints[pair[1]]))
    return a, b


def vector(number: int) -> np.ndarray:
    """One of few, so that exact copies are frequent; some are equally near."""
    if number % 3 == 0:
        return np.eye(6, dtype=np.float32)[number % 6] + np.eye(6, dtype=np.float32)[number % 5]
    return np.random.default_rng(number).standard_normal(6).astype(np.float32)


numbers = st.integers(0, 40)
batches = st.lists(
    st.tuples(
        st.lists(st.integers(0, 30), max_size=12, unique=True),
        st.dictionaries(st.integers(0, 30), numbers, max_size=12),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=80)
@given(batches)
def test_it_is_the_exact_graph_after_any_changes(changes: list[tuple[list[int], dict[int, int]]]) -> None:
    world = World()
    for removed, added in changes:
        world.change([item for item in removed if item not in added], {item: vector(at) for item, at in added.items()})
        world.check()


def test_it_does_not_depend_on_the_order_in_which_vectors_came_and_went() -> None:
    random = np.random.default_rng(0)
    rows = np.concatenate([random.standard_normal((120, 6)), random.standard_normal(6) + 0.1 * random.random((120, 6))])
    at_once, grown, churned = World(k=15), World(k=15), World(k=15)
    at_once.change([], dict(enumerate(rows)))
    for start in range(0, 240, 40):  # the sparse half first, then the dense one
        grown.change([], {item: rows[item] for item in range(start, start + 40)})
    order = random.permutation(240).tolist()
    for start in range(0, 240, 8):
        others = {240 + start + place: random.standard_normal(6) for place in range(8)}
        added = {item: rows[item] for item in order[start : start + 8]}
        churned.change([item for item in churned.vectors if item >= 240], added | others)
    churned.change([item for item in churned.vectors if item >= 240], {})
    for world in (at_once, grown, churned):
        world.check()
    assert at_once.edges == grown.edges == churned.edges


def test_it_can_be_kept_and_taken_up() -> None:
    world = World()
    world.change([], {number: vector(number % 17) for number in range(40)})
    world.change([3, 5, 20], {})
    kept = {name: array.copy() for name, array in world.graph.to_arrays().items()}
    world.graph = NeighbourGraph.from_arrays(kept)
    world.check()
    world.change([0, 17, 34, 7], {50: vector(100), 51: vector(1)})
    world.check()


def test_many_copies_do_not_hide_the_neighbours_of_a_node() -> None:
    world = World()
    world.change([], {number: vector(number % 3) for number in range(300)} | {400: vector(7), 401: vector(8)})
    world.check()
    assert len(world.graph) == 5


@pytest.fixture
def in_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let graphs of more than 100 nodes search in an index."""
    monkeypatch.setattr(neighbour_graph, "EXACT", 100)


@pytest.mark.usefixtures("in_an_index")
def test_with_an_exact_index_a_large_graph_is_nearly_exact_however_it_came_to_be() -> None:
    random = np.random.default_rng(1)
    world, dense = World(k=10), random.standard_normal(6)
    for _ in range(6):
        rows = [*random.standard_normal((20, 6)), *(dense + 0.05 * random.standard_normal((60, 6)))]
        first = len(world.vectors)
        world.change([], dict(enumerate(rows, first)), world.find)
    world.change(list(range(0, 480, 7)), {}, world.find)
    recall = world.measure_recall()
    assert recall > 0.99
    nothing = RoundedVectors(world.tree, np.empty(0, np.int64), np.empty((0, 6)))
    assert world.graph.measure_recall(nothing, 1000) == pytest.approx(recall)
    assert world.graph.measure_recall(nothing, 50) > 0.98


@pytest.mark.usefixtures("in_an_index")
def test_most_neighbours_are_right_although_the_index_finds_only_some() -> None:
    world, random = World(k=10), np.random.default_rng(0)

    def forgetful(items: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        ids, scores = world.find(items, count)
        return np.where(random.random(ids.shape) < 0.2, -1, ids), scores

    world.change([], dict(enumerate(random.standard_normal((600, 6)))), forgetful)
    assert world.measure_recall() > 0.93
    for start in range(600, 840, 3):
        world.change([], dict(enumerate(random.standard_normal((3, 6)), start)), forgetful)
    assert world.measure_recall() > 0.97  # the lists that were made longest ago are made again in turn


def test_many_at_once_search_in_an_index_and_become_exact_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    world, random = World(k=10), np.random.default_rng(0)
    monkeypatch.setattr(neighbour_graph, "FILL", 100)
    rows = random.standard_normal((600, 6))

    def miss_outliers(items: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        ids, scores = world.find(items, count)
        return np.where((scores < 0.93) & (random.random(ids.shape) < 0.3), -1, ids), scores

    world.change([], dict(enumerate(rows)), miss_outliers)
    assert world.measure_recall() > 0.995
    for _ in range(2):
        world.change([], dict(enumerate(random.standard_normal((50, 6)), 600)), miss_outliers)
    assert world.graph.exact_since > 1
    for _ in range(20):
        world.change([3], {3: rows[3]}, miss_outliers)
        world.change([], dict(enumerate(random.standard_normal((30, 6)), 600)), miss_outliers)
    world.check()


def test_a_graph_that_was_too_large_becomes_exact_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world, random = World(k=4), np.random.default_rng(0)
    monkeypatch.setattr(neighbour_graph, "EXACT", 100)
    world.change([], dict(enumerate(random.standard_normal((150, 6)))), lambda ids, count: world.find(ids, 2))
    monkeypatch.setattr(neighbour_graph, "EXACT", 1000)
    assert world.measure_recall() < 1
    for item in range(80):
        world.change([item], {})
    world.check()


def test_links_name_an_item_of_each_node_and_its_nearest() -> None:
    world = World()
    rows = np.random.default_rng(0).standard_normal((12, 6))
    world.change([], {**dict(enumerate(rows)), 20: rows[3]})
    links = world.graph.link_items(2)
    similarity = scale_to_unit(rows) @ scale_to_unit(rows).T - 9 * np.eye(12)
    for item in range(12):
        near = links.near[links.leaf == item].ravel()
        assert links.leaf[near].tolist() == np.argsort(-similarity[item])[:2].tolist()
    assert np.count_nonzero(links.near >= 0) == 24
    assert (links.changed[links.leaf >= 0] == links.now).all()


def test_links_tell_when_they_were_written_last() -> None:
    world, random = World(k=4), np.random.default_rng(0)
    world.change([], dict(enumerate(random.standard_normal((200, 6)))))
    before = world.graph.link_items(4)
    near = before.near.copy()
    world.change([7], {300: random.standard_normal(6)})
    after = world.graph.link_items(4)
    is_written = after.changed > before.now
    assert 0 < np.count_nonzero(is_written) < 100
    assert is_written[: len(near)][(after.near[: len(near)] != near).any(1)].all()


def test_items_and_nodes_name_each_other() -> None:
    world = World()
    rows = np.random.default_rng(0).standard_normal((6, 6))
    world.change([], {**dict(enumerate(rows)), 20: rows[3], 21: rows[3]})
    slots = world.graph.find_slots(np.array([3, 20, 5, 7, -1, 10**6]))
    assert slots[0] == slots[1] != slots[2]
    assert slots[3:].tolist() == [-1, -1, -1]
    owner, items = world.graph.list_items(slots[[2, 0]])
    assert sorted(zip(owner.tolist(), items.tolist(), strict=True)) == [(0, 5), (1, 3), (1, 20), (1, 21)]


@pytest.mark.parametrize("values", [[7] * 9, [3, 1, 2, 1, 9, 1, 8, 4, 1], [*range(9, 0, -1)]])
def test_the_least_are_found_among_equal_ones_and_others(values: list[int]) -> None:
    for count in (1, 4, 8):
        places = _find_least(np.array(values), count)
        assert len(set(places.tolist())) == count
        assert sorted(values[place] for place in places) == sorted(values)[:count]
