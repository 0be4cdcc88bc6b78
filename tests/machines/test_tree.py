"""A cluster tree that lives, beside one built at once over the same vectors and edges: equal after every step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indexers.tree.cluster_tree import ClusterTree
from tests.support.slow_tree import build_slowly, is_equal
from tests.support.trees import Pairs, build_at_once, describe_tree, is_clean, link_nearest


class Living(RuleBasedStateMachine):
    """Items come, go, return and change, edges as well, in batches of any size; the tree is kept and taken up again."""

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        dimension=st.integers(2, 6),
        limit=st.sampled_from([1, 3, 8, 20, 40]),
        k=st.integers(1, 5),
        spread=st.sampled_from([0.01, 0.1, 0.4, 1.0]),
        torn=st.booleans(),
    )
    def begin(self, seed: int, dimension: int, limit: int, k: int, spread: float, torn: bool) -> None:
        self.random = np.random.default_rng(seed)
        self.dimension, self.limit, self.k, self.spread, self.torn = dimension, limit, k, spread, torn
        self.centres = self.random.standard_normal((8, dimension))
        self.vectors: dict[int, np.ndarray] = {}
        self.former: dict[int, np.ndarray] = {}
        self.pairs: Pairs = set()
        self.next = 0
        self.tree = ClusterTree(dimension, limit)

    def draw_vector(self) -> np.ndarray:
        """Return a vector near a centre, or that of another item, or nearly so."""
        kind = self.random.random()
        if kind < 0.3 and self.vectors:
            near = 0.0 if kind < 0.15 else 1e-3
            return self.vectors[self.choose_item()] + near * self.random.standard_normal(self.dimension)
        centre = self.centres[self.random.integers(len(self.centres))]
        return centre + self.spread * self.random.standard_normal(self.dimension)

    def choose_item(self) -> int:
        """Return any item; often the smallest id."""
        return min(self.vectors) if self.random.random() < 0.2 else int(self.random.choice(list(self.vectors)))

    def change(self, added: dict[int, np.ndarray], removed: set[int], noise: int = 0) -> None:
        after = {item: vector for item, vector in self.vectors.items() if item not in removed} | added
        pairs = link_nearest(after, self.k)
        if self.torn:  # into many parts without an edge between them
            pairs = {pair for pair in pairs if sum(pair) % 5}
        for _ in range(noise if len(after) > 2 else 0):
            a, b = sorted(self.random.choice(list(after), 2, replace=False).tolist())
            pairs.symmetric_difference_update({(a, b)})
        moved = removed | (added.keys() & self.vectors.keys())
        gone = {pair for pair in self.pairs if pair not in pairs or moved & set(pair)}
        new = {pair for pair in pairs if pair not in self.pairs or pair in gone}
        ids = list(added)
        self.random.shuffle(ids)
        vectors = np.array([added[item] for item in ids]).reshape(-1, self.dimension)
        before = {int(value) for value in self.tree.nodes.content[np.flatnonzero(self.tree.nodes.size)]}
        changed = self.tree.update(ids, vectors, sorted(removed), sorted(new), sorted(gone))
        now = {int(value) for value in self.tree.nodes.content[np.flatnonzero(self.tree.nodes.size)]}
        assert {int(value) for value in self.tree.contents(changed.born)} == now - before
        assert {int(value) for value in changed.died} == before - now
        self.former |= {item: self.vectors[item] for item in removed}
        self.vectors, self.pairs = after, pairs

    @rule(count=st.one_of(st.integers(1, 4), st.integers(20, 60)))
    def add(self, count: int) -> None:
        added: dict[int, np.ndarray] = {}
        for _ in range(count):
            added[self.next] = self.draw_vector()
            self.next += 1
        self.change(added, set())

    @rule(count=st.one_of(st.integers(1, 4), st.integers(5, 50)))
    def remove(self, count: int) -> None:
        self.change({}, {self.choose_item() for _ in range(count)} if self.vectors else set())

    @rule()
    def remove_all(self) -> None:
        self.change({}, set(self.vectors))

    @rule(count=st.integers(1, 5))
    def add_again(self, count: int) -> None:
        ids = [item for item in self.former if item not in self.vectors][:count]
        self.change({item: self.former[item] for item in ids}, set())

    @rule(count=st.integers(1, 4))
    def replace(self, count: int) -> None:
        self.change({self.choose_item(): self.draw_vector() for _ in range(count)} if self.vectors else {}, set())

    @rule(noise=st.integers(1, 5))
    def change_edges(self, noise: int) -> None:
        self.change({}, set(), noise)

    @rule(new=st.integers(0, 5), gone=st.integers(0, 5), changed=st.integers(0, 3), noise=st.integers(0, 3))
    def mix(self, new: int, gone: int, changed: int, noise: int) -> None:
        added = {self.next + place: self.draw_vector() for place in range(new)}
        self.next += new
        removed = {self.choose_item() for _ in range(gone)} if self.vectors else set()
        for _ in range(changed if self.vectors else 0):
            item = self.choose_item()
            if item not in removed:
                added[item] = self.draw_vector()
        self.change(added, removed, noise)

    @rule()
    def keep_and_take_up(self) -> None:
        self.tree = ClusterTree.from_arrays(self.tree.to_arrays())
        self.change({}, set())

    def teardown(self) -> None:
        if hasattr(self, "tree") and 0 < len(self.vectors) <= 50:
            assert is_equal(self.tree, *build_slowly(self.vectors, self.pairs, self.limit))

    @invariant()
    def equal(self) -> None:
        if not hasattr(self, "tree"):
            return
        full = build_at_once(self.vectors, self.pairs, self.dimension, self.limit)
        mine, whole = describe_tree(self.tree), describe_tree(full)
        if not self.tree.crown.steps:  # taken up from a file: the steps come with the next change
            whole["steps"] = []
        assert mine == whole
        assert is_clean(self.tree)


TestLiving = Living.TestCase
TestLiving.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("count", [999, 1001])
def test_the_real_limit_is_crossed_in_both_directions(count: int) -> None:
    random = np.random.default_rng(count)
    centres = random.standard_normal((60, 8))
    vectors = {item: centres[item % 60] + 0.3 * random.standard_normal(8) for item in range(count)}
    pairs = link_nearest(vectors, 4)
    tree = build_at_once(vectors, pairs, 8, 1000)
    changed = {item: vector for item, vector in vectors.items() if item >= 3} if count > 1000 else dict(vectors)
    for item in range(count, 1003 if count < 1000 else count):
        changed[item] = random.standard_normal(8)
    for before, after in ((vectors, changed), (changed, vectors)):
        old, new = link_nearest(before, 4), link_nearest(after, 4)
        added = sorted(after.keys() - before.keys())
        tree.update(
            added,
            np.array([after[item] for item in added]).reshape(-1, 8),
            sorted(before.keys() - after.keys()),
            sorted(new - old),
            sorted(old - new),
        )
        assert describe_tree(tree) == describe_tree(build_at_once(after, new, 8, 1000))
