"""Levels that are kept up to date, beside those of a cut anew of the same tree and of one built at once."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.level_cut import LevelCut
from indexers.tree.level_parameters import LARGE, SMALL, LevelParameters
from indexers.tree.neighbour_graph import NeighbourGraph
from indexers.tree.rounded_vectors import RoundedVectors
from tests.tree.test_levels import are_same_partition

SOAK = bool(os.environ.get("SOAK"))


class Collected:
    """Vectors that come and go, their graph and tree, and a cut that is kept."""

    def __init__(self, seed: int, dimension: int, limit: int, spread: float, levels: LevelParameters) -> None:
        self.random = np.random.default_rng(seed)
        self.dimension, self.spread = dimension, spread
        self.centres = self.random.standard_normal((int(self.random.integers(1, 30)), dimension))
        self.vectors: dict[int, np.ndarray] = {}
        self.tree, self.graph = ClusterTree(dimension, limit), NeighbourGraph()
        self.cut = LevelCut(levels)
        self.next = 0

    def draw_vector(self) -> np.ndarray:
        """Return a vector near a centre, that of another item, or nearly so."""
        kind = self.random.random()
        if kind < 0.3 and self.vectors:
            near = 0.0 if kind < 0.2 else 1e-3
            return self.vectors[self.choose_items(1)[0]] + near * self.random.standard_normal(self.dimension)
        centre = self.centres[self.random.integers(len(self.centres))]
        return centre + self.spread * self.random.standard_normal(self.dimension) ** 3

    def choose_items(self, count: int) -> list[int]:
        items = list(self.vectors)
        return self.random.choice(items, min(count, len(items)), replace=False).tolist() if items else []

    def change(self, new: int, replaced: int, removed: int) -> None:
        added = {self.next + place: self.draw_vector() for place in range(new)}
        self.next += new
        added |= {item: self.draw_vector() for item in self.choose_items(replaced)}
        gone = [item for item in self.choose_items(removed) if item not in added]
        items = np.array(sorted(added), np.int64)
        rows = np.array([added[item] for item in items.tolist()], np.float32).reshape(-1, self.dimension)
        edges = self.graph.update(np.array(gone, np.int64), RoundedVectors(self.tree, items, rows))
        self.tree.update(items, rows, gone, edges.new, edges.gone)
        self.vectors = {item: vector for item, vector in self.vectors.items() if item not in gone} | added

    def check(self, *, at_once: bool) -> None:
        """The cut that is kept is that of the same tree, and of one built at once."""
        levels, link = self.cut.levels, self.graph.link_items
        kept = self.tree.cut_levels(levels, link, self.cut)
        for ours, anew in zip(kept, self.tree.cut_levels(levels, link), strict=True):
            np.testing.assert_array_equal(ours, anew)
        if at_once:
            items = np.array(sorted(self.vectors), np.int64)
            tree, graph = ClusterTree(self.dimension, self.tree.limit), NeighbourGraph()
            rows = np.array([self.vectors[item] for item in items.tolist()], np.float32).reshape(-1, self.dimension)
            edges = graph.update(np.empty(0, np.int64), RoundedVectors(tree, items, rows))
            tree.update(items, rows, new_pairs=edges.new)
            for ours, anew in zip(kept, tree.cut_levels(levels, graph.link_items), strict=True):
                assert are_same_partition(ours, anew)
                np.testing.assert_array_equal(ours == 0, anew == 0)


RULES = st.sampled_from([SMALL, LARGE])


class Kept(RuleBasedStateMachine):
    """Items come, go and change in batches of any size; the levels are kept."""

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        dimension=st.integers(2, 6),
        limit=st.sampled_from([1, 5, 30, 1000]),
        spread=st.sampled_from([0.02, 0.1, 0.4]),
        rule_name=RULES,
        multiplier=st.floats(-12, 2),
        coarse=st.integers(2, 12),
        count=st.integers(1, 500),
    )
    def begin(self, seed, dimension, limit, spread, rule_name, multiplier, coarse, count) -> None:  # type: ignore[no-untyped-def]
        levels = LevelParameters(coarse, multiplier, rule_name.fine)
        self.kept = Collected(seed, dimension, limit, spread, levels)
        self.kept.change(count, 0, 0)

    @rule(new=st.integers(0, 4), replaced=st.integers(0, 2), removed=st.integers(0, 4))
    def change_few(self, new: int, replaced: int, removed: int) -> None:
        self.kept.change(new, replaced, removed)

    @rule(new=st.integers(0, 60), replaced=st.integers(0, 20), removed=st.integers(0, 60))
    def change_many(self, new: int, replaced: int, removed: int) -> None:
        self.kept.change(new, replaced, removed)

    @rule()
    def remove_all(self) -> None:
        self.kept.change(0, 0, len(self.kept.vectors))

    @rule()
    def choose_again(self) -> None:
        self.kept.cut = LevelCut(self.kept.tree.choose_levels(self.kept.graph.link_items))

    @rule()
    def keep_and_take_up(self) -> None:
        self.kept.tree = ClusterTree.from_arrays(self.kept.tree.to_arrays())

    @invariant()
    def equal(self) -> None:
        if hasattr(self, "kept"):
            self.kept.check(at_once=bool(self.kept.random.random() < 0.3))


TestKept = Kept.TestCase
TestKept.settings = settings(
    max_examples=200 if SOAK else 6, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("seed", range(2))
def test_the_levels_of_more_nodes_than_are_compared_stay_those_of_a_full_cut(seed: int) -> None:
    kept = Collected(seed, 8, 1000, 0.3, LevelParameters(2, 0, 0))
    kept.change(1500, 0, 0)
    kept.cut = LevelCut(kept.tree.choose_levels(kept.graph.link_items))
    for turn in range(12):
        size = [1, 3, 20, 100][turn % 4]
        kept.change(size, size // 3, size // 2)
        kept.check(at_once=turn == 11)


def test_of_many_items_fewer_are_left_than_a_leaf_has_links() -> None:
    kept = Collected(0, 4, 30, 0.3, LevelParameters(3, -1, LARGE.fine))
    kept.change(40, 0, 0)
    for removed in (30, 6, 2, 1, 1):
        kept.check(at_once=True)
        kept.change(0, 0, removed)
        kept.check(at_once=True)
        kept.change(1, 0, 1)
