from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from indexers.arrays import scale_to_unit
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours
from indexers.errors import BadVector, UsageError
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import SCALE, UNIT, compute_fingerprints, hash_contents, round_vectors
from indexers.tree.linkage import average_linkage
from indexers.tree.storage import SlotLists, Sums
from tests.machines.test_tree import at_once, clean, described
from tests.machines.test_tree import nearest as graph


def angles(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane: the cosine of the angle between two is their similarity."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], 1)


def blobs(count: int, groups: int, dimension: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = random.integers(0, groups, count)
    return random.standard_normal((groups, dimension))[label] + 0.3 * random.standard_normal((count, dimension)), label


def test_a_tiny_tree_is_as_computed_by_hand() -> None:
    tree = ClusterTree(2)
    tree.update([7, 8, 9], angles(0, 10, 50))
    near = tree.merges()
    assert tree.sizes(near).tolist() == [2, 3]
    assert tree.members(int(near[0])).tolist() == [7, 8]
    assert tree.parent(int(near[0])) == near[1]
    assert tree.parent(int(near[1])) is None
    assert set(tree.children(int(near[1])) or ()) == {near[0], tree.items.leaf[9]}
    expected = [np.cos(np.radians(10)), np.cos(np.radians([50, 40])).mean()]
    np.testing.assert_allclose(tree.heights(near), expected, atol=1e-3)
    np.testing.assert_allclose(tree.sums(near[1:])[0], angles(0, 10, 50).sum(0), atol=1e-3)
    assert tree.roots().tolist() == [near[1]]


def test_cuts_by_threshold_and_count() -> None:
    tree = ClusterTree(2)
    tree.update([1, 2, 3, 4, 5], angles(0, 5, 40, 44, 100))
    for cut in (tree.cut(count=3), tree.cut(threshold=0.9)):
        assert cut.items.tolist() == [1, 2, 3, 4, 5]
        assert cut.nodes[0] == cut.nodes[1] != cut.nodes[2] == cut.nodes[3] != cut.nodes[4]
    assert len(set(tree.cut(count=99).nodes.tolist())) == 5
    assert len(set(tree.cut(threshold=-1).nodes.tolist())) == 1
    with pytest.raises(UsageError, match="one of the two"):
        tree.cut()
    with pytest.raises(UsageError, match="at least one"):
        tree.cut(count=0)


def test_links_follow_edges_only_beyond_the_limit() -> None:
    """Items 0 and 1 are nearest, but no edge joins them."""
    edges = [(0, 2), (1, 3)]
    bounded, whole = ClusterTree(2, limit=1), ClusterTree(2, limit=4)
    for tree in (bounded, whole):
        tree.update([0, 1, 2, 3], angles(0, 1, -20, 21), new_pairs=edges)
    assert len(bounded.roots()) == 2
    assert sorted(bounded.members(int(root)).tolist() for root in bounded.roots()) == [[0, 2], [1, 3]]
    assert whole.members(int(whole.merges()[0])).tolist() == [0, 1]


def test_exact_copies_share_a_leaf_and_weigh_as_many() -> None:
    tree = ClusterTree(2)
    tree.update([0, 1, 2], np.concatenate([angles(0, 30) * 5, angles(0)]))
    assert tree.items.leaf[0] == tree.items.leaf[2]
    root = tree.merges()
    assert tree.sizes(root).tolist() == [3]
    assert tree.members(int(tree.items.leaf[0])).tolist() == [0, 2]
    tree.update(removed=[0])
    assert tree.members(int(tree.items.leaf[2])).tolist() == [2]
    assert tree.sizes(tree.merges()).tolist() == [2]


def test_what_changed_is_named_and_nothing_else() -> None:
    tree = ClusterTree(2)
    tree.update([0, 1, 2, 3], angles(0, 2, 90, 93))
    before = {int(content) for content in tree.contents(np.flatnonzero(tree.nodes.size))}
    changed = tree.update([4], angles(94))
    assert sorted(tree.sizes(changed.born).tolist()) == [1, 2, 3, 5]
    assert set(changed.died.tolist()) <= before
    assert len(changed.died) == 2
    back = tree.update(removed=[4])
    assert len(back.born) == 2
    assert {int(content) for content in tree.contents(np.flatnonzero(tree.nodes.size))} == before
    nothing = tree.update()
    assert len(nothing.born) == len(nothing.died) == 0


def test_any_order_of_the_same_additions_gives_the_same_tree() -> None:
    rows, _ = blobs(90, 7, 5)
    vectors = dict(enumerate(rows))
    edges = graph(vectors, 3)
    whole = described(at_once(vectors, edges, 5, 12))
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(90)
        tree, known = ClusterTree(5, 12), set[int]()
        for part in np.split(order, [1, 3, 30, 31, 80]):
            known |= set(part.tolist())
            new = sorted(edge for edge in edges if set(edge) <= known and set(edge) & set(part.tolist()))
            tree.update(part, rows[part], new_pairs=new)
        assert described(tree) == whole


def test_all_pairs_as_edges_give_the_average_linkage_of_scipy_up_to_the_limit() -> None:
    rows, _ = blobs(120, 9, 6)
    fixed = round_vectors(rows).astype(np.float64)
    distance = 1 - fixed @ fixed.T / UNIT
    np.fill_diagonal(distance, 0)
    expected = linkage(squareform(distance, checks=False), "average")
    tree = ClusterTree(6)
    tree.update(np.arange(120), rows, new_pairs=list(itertools.combinations(range(120), 2)))
    merges = tree.merges()
    np.testing.assert_allclose(1 - tree.heights(merges), expected[:, 2], rtol=1e-9)
    assert tree.sizes(merges).tolist() == expected[:, 3].astype(int).tolist()


def test_heights_fall_towards_the_root_beyond_the_limit_too() -> None:
    rows, _ = blobs(600, 10, 8)
    tree = at_once(dict(enumerate(rows)), graph(dict(enumerate(rows)), 3), 8, 10)
    merges = tree.merges()
    for side in (tree.nodes.left, tree.nodes.right):
        assert (tree.heights(side[merges]) >= tree.heights(merges)).all()
    assert len(merges) == 599


def test_levels_find_the_groups_and_are_nested() -> None:
    rows, label = blobs(800, 20, 16)
    table = find_neighbours(scale_to_unit(rows), 8)
    tree = ClusterTree(16, 100)
    tree.update(np.arange(800), rows, new_pairs=build_edges(table))
    levels = tree.choose_levels()
    assert levels.coarse <= levels.medium <= levels.fine
    found = tree.cut(threshold=levels.medium).nodes
    assert len(np.unique(found * 20 + label)) <= 24
    empty = ClusterTree(2)
    assert empty.choose_levels() == empty.choose_levels()
    empty.update([3], angles(1))
    assert empty.cut(threshold=empty.choose_levels().fine).items.tolist() == [3]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"added": [5], "vectors": np.ones((1, 3))}, BadVector, "shape"),
        ({"added": [5], "vectors": np.full((1, 2), np.nan)}, BadVector, "NaN"),
        ({"added": [-1], "vectors": np.ones((1, 2))}, UsageError, "-1"),
        ({"added": [5, 5], "vectors": np.ones((2, 2))}, UsageError, "twice"),
        ({"removed": [9]}, UsageError, "item 9 is to be removed"),
        ({"new_pairs": [(0, 9)]}, UsageError, "names item 9"),
        ({"removed": [2], "gone_pairs": [(1, 2)], "new_pairs": [(0, 2)]}, UsageError, "names item 2"),
        ({"gone_pairs": [(0, 2)]}, UsageError, "does not have"),
        ({"gone_pairs": [(0, 1), (1, 0)]}, UsageError, "does not have"),
        ({"removed": [2]}, UsageError, "not all of its pairs"),
        ({"added": [2], "vectors": angles(77)}, UsageError, "not all of its pairs"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(
    arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    tree = ClusterTree(2, limit=2)
    tree.update([0, 1, 2], angles(0, 10, 50), new_pairs=[(0, 1), (1, 2)])
    before = described(tree)
    with pytest.raises(error, match=words):
        tree.update(**arguments)  # type: ignore[arg-type]
    assert described(tree) == before
    assert clean(tree)


def test_a_kept_tree_is_taken_up_and_goes_on() -> None:
    rows, _ = blobs(200, 9, 6)
    vectors = dict(enumerate(rows))
    tree = at_once(vectors, graph(vectors, 3), 6, 20)
    again = ClusterTree.from_arrays(tree.to_arrays())
    assert {**described(again), "steps": None} == {**described(tree), "steps": None}
    gone = sorted(edge for edge in graph(vectors, 3) if 0 in edge)
    for kept in (tree, again):
        kept.update(removed=[0], gone_pairs=gone)
    assert described(again) == described(tree)
    state = tree.to_arrays()
    state["about"][0] = 99
    with pytest.raises(UsageError, match="format is 99"):
        ClusterTree.from_arrays(state)


def test_large_sums_stay_exact() -> None:
    """Copies by the hundred thousand bring products beyond what float64 holds."""
    random = np.random.default_rng(0)
    rows = round_vectors(random.standard_normal((4, 8)))
    copies = np.array([1, 3, 200_000, 300_000])
    sums = Sums(8)
    number = sums.add(rows.astype(np.int64) * copies[:, None])
    a, b = np.array([0, 1, 2, 2]), np.array([1, 2, 3, 2])
    found = sums.multiply_pairs(number[a], number[b], copies[a] * copies[b])
    for place, (i, j) in enumerate(zip(a, b, strict=True)):
        expected = sum(int(x) * int(y) for x, y in zip(rows[i], rows[j], strict=True)) * int(copies[i]) * int(copies[j])
        assert found[place] == expected
    crossed = sums.multiply_all(number, number, copies, copies)
    assert [crossed[i, j] for i, j in zip(a, b, strict=True)] == found.tolist()


def test_rounded_vectors_have_the_length_of_the_scale_and_one_fingerprint_per_direction() -> None:
    rows = np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32)
    fixed = round_vectors(rows)
    np.testing.assert_allclose(np.linalg.norm(fixed.astype(float), axis=1), SCALE, rtol=2e-3)
    np.testing.assert_array_equal(fixed, round_vectors(rows * 17))
    prints = compute_fingerprints(fixed)
    assert len(set(prints.tolist())) == 300
    ones = np.ones(300, np.int64)
    np.testing.assert_array_equal(
        hash_contents(prints, 2 * ones), hash_contents(prints, ones) + hash_contents(prints, ones)
    )


def test_lists_grow_move_and_are_packed() -> None:
    random = np.random.default_rng(0)
    lists, expected = SlotLists(20), {slot: [] for slot in range(20)}  # type: ignore[var-annotated]
    for _ in range(300):
        slots = random.choice(20, 5, replace=False)
        lengths = random.integers(0, 60, 5)
        values = random.integers(0, 1000, lengths.sum())
        lists.write(slots, lengths, values)
        for slot, part in zip(slots.tolist(), np.split(values, np.cumsum(lengths)[:-1]), strict=True):
            expected[slot] = part.tolist()
    owner, value = lists.get(np.arange(20))
    assert [value[owner == slot].tolist() for slot in range(20)] == list(expected.values())
    assert len(lists.data) < 10_000  # of 45,000 that were put


def test_linkage_stops_at_the_threshold_and_takes_groups_of_several_sizes() -> None:
    rows = angles(0, 3, 60, 62, 150).round(6)
    fixed = round_vectors(rows).astype(np.int64)
    dots = np.stack([fixed @ fixed.T, fixed @ fixed.T])
    sizes = np.ones((2, 5), np.int64)
    sizes[1, 2:] = 0
    found = average_linkage(dots, sizes, 0.9 * UNIT)
    assert sorted(zip(found.group.tolist(), found.left.tolist(), found.right.tolist(), strict=True)) == [
        (0, 0, 1),
        (0, 2, 3),
        (1, 0, 1),
    ]


def test_neighbours_by_brute_force() -> None:
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
