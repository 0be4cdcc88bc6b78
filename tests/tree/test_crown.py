from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from indexers.tree.crown import Crown
from indexers.tree.fixed_point import UNIT, compute_fingerprints, hash_contents, round_vectors
from indexers.tree.nodes import Nodes
from tests.support.trees import angles


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def leaves(vectors: np.ndarray) -> Nodes:
    """Return nodes of one item each, in slots 0, 1, 2 ..."""
    fixed = round_vectors(vectors)
    nodes = Nodes(vectors.shape[1])
    slots, prints = nodes.allocate(len(vectors)), compute_fingerprints(fixed)
    nodes.size[slots], nodes.key[slots], nodes.least[slots] = 1, prints, slots
    nodes.content[slots] = hash_contents(prints, np.ones(len(slots), np.int64))
    nodes.row[slots] = nodes.sums.add(fixed)
    return nodes


def describe(nodes: Nodes, crown: Crown) -> list[tuple[int, int, float]]:
    """Return content, size and height of every merge."""
    seams = crown.seams
    return sorted(
        zip(nodes.content[seams].tolist(), nodes.size[seams].tolist(), nodes.height[seams].tolist(), strict=True)
    )


def test_three_nodes_merge_as_computed_by_hand() -> None:
    nodes, crown = leaves(angles(0, 10, 50)), Crown()
    created, gone = crown.update(nodes, ints(), ints(0, 1, 2), cap=1)
    assert (len(created), len(gone)) == (2, 0)
    low, root = created[np.argsort(nodes.size[created])].tolist()
    assert {int(nodes.left[low]), int(nodes.right[low])} == {0, 1}
    assert {int(nodes.left[root]), int(nodes.right[root])} == {low, 2}
    expected = [np.cos(np.radians(10)), np.cos(np.radians([50, 40])).mean()]
    assert nodes.height[[low, root]] == pytest.approx(expected, abs=1e-3)
    assert nodes.parent[[0, 1, 2, low, root]].tolist() == [low, low, root, root, -1]
    assert [step.nodes.tolist() for step in crown.steps][-1] == [root]


def test_it_is_average_linkage_over_all_pairs() -> None:
    rows = np.random.default_rng(0).standard_normal((40, 5))
    nodes, crown = leaves(rows), Crown()
    crown.update(nodes, ints(), np.arange(40), cap=1)
    fixed = round_vectors(rows).astype(np.float64)
    distance = 1 - fixed @ fixed.T / UNIT
    np.fill_diagonal(distance, 0)
    expected = linkage(squareform(distance, checks=False), "average")
    np.testing.assert_allclose(np.sort(1 - nodes.height[crown.seams]), expected[:, 2], rtol=1e-9)


def test_after_any_changes_of_its_base_it_is_that_of_a_new_one() -> None:
    random = np.random.default_rng(1)
    nodes, crown = leaves(random.standard_normal((60, 4))), Crown()
    base: set[int] = set()
    for _ in range(30):
        gone = {slot for slot in base if random.random() < 0.1}
        fresh = {slot for slot in range(60) if slot not in base and random.random() < 0.3}
        before = set(nodes.content[crown.seams].tolist())
        created, dead = crown.update(nodes, ints(*sorted(gone)), ints(*sorted(fresh)), cap=1)
        base = base - gone | fresh
        assert {*nodes.content[created].tolist()} == set(nodes.content[crown.seams].tolist()) - before
        assert set(nodes.content[dead].tolist()) == before - set(nodes.content[crown.seams].tolist())
        nodes.release(dead)
        copy = leaves(np.zeros((60, 4)))
        for name in ("size", "key", "content", "least"):
            getattr(copy, name)[:60] = getattr(nodes, name)[:60]
        copy.row[:60] = copy.sums.add(nodes.sums.get(nodes.row[:60], "i8"))
        whole = Crown()
        whole.update(copy, ints(), ints(*sorted(base)), cap=1)
        assert describe(nodes, crown) == describe(copy, whole)


def test_no_merge_is_higher_than_the_cap_and_another_cap_counts_for_all() -> None:
    nodes, crown = leaves(angles(0, 10, 50)), Crown()
    for cap in (0.9, 0.5):
        crown.update(nodes, ints(), ints(0, 1, 2) if cap == 0.9 else ints(), cap)
        assert nodes.height[crown.seams].max() == cap


def test_a_restored_crown_finds_the_merges_that_it_had() -> None:
    nodes, crown = leaves(angles(0, 10, 50, 80)), Crown()
    crown.update(nodes, ints(), ints(0, 1, 2), cap=1)
    restored = Crown()
    restored.restore(nodes, crown.base, crown.seams)
    created, dead = restored.update(nodes, ints(), ints(), cap=1)
    assert (len(created), len(dead)) == (0, 0)
    assert sorted(restored.seams.tolist()) == sorted(crown.seams.tolist())
    restored.clear()
    assert (len(restored.base), len(restored.seams), restored.steps) == (0, 0, [])


def test_one_node_is_a_root_and_none_is_nothing() -> None:
    nodes, crown = leaves(angles(7)), Crown()
    nodes.parent[0] = 5
    assert [part.tolist() for part in crown.update(nodes, ints(), ints(0), cap=1)] == [[], []]
    assert nodes.parent[0] == -1
    assert [part.tolist() for part in crown.update(nodes, ints(0), ints(), cap=1)] == [[], []]
    assert len(crown.base) == 0
