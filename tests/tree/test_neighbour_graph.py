"""The maintained neighbour graph beside the exact one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexers.arrays import scale_to_unit
from indexers.tree.fixed_point import compute_fingerprints, round_vectors
from indexers.tree.neighbour_graph import FindNeighbours, NeighbourGraph
from indexers.vectors.exact import Exact


class World:
    """Vectors by item, an exact index over them, and the graph that follows."""

    def __init__(self, k: int = 4, dimension: int = 6) -> None:
        self.vectors: dict[int, np.ndarray] = {}
        self.index, self.graph = Exact(dimension), NeighbourGraph(k)
        self.edges: set[tuple[bytes, bytes]] = set()

    @property
    def find(self) -> FindNeighbours:
        def find(items: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
            neighbours = self.index.search(self.index.take(items), count)
            return neighbours.ids, neighbours.scores

        return find

    def change(self, removed: list[int], added: dict[int, np.ndarray]) -> None:
        before = self.prints()
        gone = np.array([item for item in removed if item in self.vectors], np.int64)
        ids = np.array(list(added), np.int64)
        rows = np.stack(list(added.values())).astype(np.float32) if added else np.empty((0, 6), np.float32)
        for item in gone.tolist():
            del self.vectors[item]
        self.vectors |= dict(zip(ids.tolist(), rows, strict=True))
        self.index.remove(gone)
        if len(ids):
            self.index.add(ids, rows)
        pairs = self.graph.update(gone, ids, compute_fingerprints(round_vectors(rows)), self.find)
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
        for item in self.vectors:
            slot = int(self.graph.slot[item])
            mine = [float(value) for value in self.graph.similarity[slot] if value > -np.inf]
            nearby = {prints[near]: near for near in self.vectors if prints[near] != prints[item]}
            best = sorted(
                (
                    float(scale_to_unit(self.vectors[item][None])[0] @ scale_to_unit(self.vectors[near][None])[0])
                    for near in nearby.values()
                ),
                reverse=True,
            )
            assert mine == pytest.approx(best[: self.graph.k], abs=1e-5)
            assert len({int(near) for near in self.graph.near[slot] if near >= 0}) == len(mine)


def name_edge(prints: dict[int, bytes], pair: list[int]) -> tuple[bytes, bytes]:
    a, b = sorted((prints[pair[0]], prints[pair[1]]))
    return a, b


def vector(number: int) -> np.ndarray:
    """One of few, so that exact copies are frequent."""
    return np.random.default_rng(number).standard_normal(6).astype(np.float32)


numbers = st.integers(0, 40)
batches = st.lists(
    st.tuples(
        st.lists(st.integers(0, 30), max_size=8, unique=True), st.dictionaries(st.integers(0, 30), numbers, max_size=12)
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(batches)
def test_it_is_the_exact_graph_after_any_changes(changes: list[tuple[list[int], dict[int, int]]]) -> None:
    world = World()
    for removed, added in changes:
        world.change([item for item in removed if item not in added], {item: vector(at) for item, at in added.items()})
        world.check()


def test_it_can_be_kept_and_taken_up() -> None:
    world = World()
    world.change([], {number: vector(number % 17) for number in range(40)})
    world.change([3, 5, 20], {})
    kept = {name: array.copy() for name, array in world.graph.to_arrays().items()}
    world.graph = NeighbourGraph.from_arrays(kept)
    world.check()
    world.change([0, 17, 34, 7], {50: vector(99), 51: vector(1)})
    world.check()


def test_many_copies_do_not_hide_the_neighbours_of_a_node() -> None:
    world = World()
    world.change([], {number: vector(number % 3) for number in range(300)} | {400: vector(7), 401: vector(8)})
    world.check()
    assert len(world.graph) == 5


def test_most_neighbours_are_right_although_the_index_finds_only_some() -> None:
    world, random = World(k=10), np.random.default_rng(0)
    rows = random.standard_normal((600, 6)).astype(np.float32)
    exact = World.find.fget(world)  # type: ignore[attr-defined]

    def forgetful(items: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        ids, scores = exact(items, count)
        return np.where(random.random(ids.shape) < 0.2, -1, ids), scores

    ids = np.arange(600)
    world.index.add(ids, rows)
    world.graph.update(np.empty(0, np.int64), ids, compute_fingerprints(round_vectors(rows)), forgetful)
    near = world.index.search(rows, 11).ids[:, 1:]
    listed = world.graph.item[world.graph.near[world.graph.slot[ids]]]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near.tolist(), listed.tolist(), strict=True)])
    assert recall > 0.93
