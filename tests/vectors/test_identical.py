"""Of equal vectors only one enters a graph, and the others are found through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexers.errors import StoredFileDamaged
from indexers.vectors.identical import IdenticalVectors, compute_fingerprints


def add(identical: IdenticalVectors, **fingerprints: int) -> list[str]:
    """Add ids, written as i5=17, with their fingerprints; return those that become representatives."""
    ids = np.array([int(name[1:]) for name in fingerprints], np.int64)
    represents = identical.add(ids, np.array(list(fingerprints.values()), np.uint64))
    return [name for name, is_representative in zip(fingerprints, represents, strict=True) if is_representative]


def include(identical: IdenticalVectors, ids: list[int], scores: list[float], k: int) -> list[tuple[int, float]]:
    """Return one answer with its hidden ids."""
    wide_ids, wide_scores = identical.include_hidden(np.array([ids]), np.array([scores], np.float32), k)
    return list(zip(wide_ids[0].tolist(), wide_scores[0].tolist(), strict=True))


@pytest.fixture
def identical() -> IdenticalVectors:
    """Ids 3, 5 and 8 are equal, and so are 4 and 9; 7 is alone."""
    identical = IdenticalVectors()
    add(identical, i5=100, i3=100, i4=50, i7=70, i8=100, i9=50)
    return identical


def test_fingerprints_are_equal_where_vectors_are() -> None:
    vectors = np.array([[1, 0], [1, -0.0], [-1, 0], [1, 1e-30]], np.float32)
    first, zero, negative, tiny = compute_fingerprints(vectors).tolist()
    assert first == zero
    assert len({first, negative, tiny}) == 3
    assert compute_fingerprints(vectors[:0]).tolist() == []


def test_the_first_id_of_a_fingerprint_represents_the_others() -> None:
    identical = IdenticalVectors()
    assert add(identical, i5=100, i3=100, i4=50) == ["i5", "i4"]
    assert add(identical, i1=100, i2=9) == ["i2"]
    assert identical.ids.tolist() == [1, 2, 3, 4, 5]
    assert sorted(identical.representatives.tolist()) == [2, 4, 5]
    assert len(identical) == 5


def test_known_ids_are_selected(identical: IdenticalVectors) -> None:
    assert identical.select_known(np.array([1, 3, 9, 10])).tolist() == [3, 9]
    assert IdenticalVectors().select_known(np.array([1])).tolist() == []


def test_a_hidden_id_goes_without_a_trace_in_the_graph(identical: IdenticalVectors) -> None:
    assert identical.remove(np.array([3, 8])) == []
    assert identical.ids.tolist() == [4, 5, 7, 9]
    assert include(identical, [5], [0.5], 3) == [(5, 0.5), (-1, -np.inf), (-1, -np.inf)]


def test_the_smallest_hidden_id_is_heir(identical: IdenticalVectors) -> None:
    assert identical.remove(np.array([5, 7])) == [(5, 3), (7, None)]
    assert sorted(identical.representatives.tolist()) == [3, 4]
    assert include(identical, [3], [0.5], 3)[:2] == [(3, 0.5), (8, 0.5)]
    assert add(identical, i6=100, i7=70) == ["i7"]  # the group goes on; the one that ended begins again


def test_a_representative_and_its_hidden_ids_go_together(identical: IdenticalVectors) -> None:
    assert identical.remove(np.array([3, 5, 8])) == [(5, None)]
    assert sorted(identical.representatives.tolist()) == [4, 7]


def test_hidden_ids_come_by_score_and_id(identical: IdenticalVectors) -> None:
    assert include(identical, [7, 5, 4], [0.9, 0.8, 0.8], 6) == [
        (7, pytest.approx(0.9)),
        *((item_id, pytest.approx(0.8)) for item_id in (3, 4, 5, 8, 9)),
    ]
    assert [item_id for item_id, _ in include(identical, [7, 5], [0.9, 0.8], 2)] == [7, 3]


def test_an_answer_without_hidden_ids_is_left_alone() -> None:
    identical = IdenticalVectors()
    add(identical, i1=1, i2=2)
    ids, scores = np.array([[1, 2]]), np.array([[0.5, 0.4]], np.float32)
    assert identical.include_hidden(ids, scores, 5)[0] is ids


def test_a_file_brings_everything_back(identical: IdenticalVectors, tmp_path: Path) -> None:
    identical.save(tmp_path / "ids")
    numbers = np.fromfile(tmp_path / "ids", np.int64).tolist()
    assert numbers[:8] == [6, 3, 3, 4, 5, 7, 8, 9]
    assert numbers[8:14] == [100, 50, 100, 70, 100, 50]
    assert numbers[14:] == [3, 5, 8, 5, 9, 4]
    loaded = IdenticalVectors()
    loaded.load(tmp_path / "ids")
    assert loaded.ids.tolist() == identical.ids.tolist()
    assert loaded.representatives.tolist() == identical.representatives.tolist()
    assert loaded.remove(np.array([5])) == [(5, 3)]
    assert add(loaded, i1=70) == []


def test_an_empty_table_comes_back(tmp_path: Path) -> None:
    IdenticalVectors().save(tmp_path / "ids")
    loaded = IdenticalVectors()
    loaded.load(tmp_path / "ids")
    assert len(loaded) == len(loaded.representatives) == 0


@pytest.mark.parametrize("numbers", [[], [1], [-1, 0], [1, 0, 5], [1, 1, 5, 9, 3], [0, -1]])
def test_numbers_that_do_not_fit_are_refused(numbers: list[int], tmp_path: Path) -> None:
    np.array(numbers, np.int64).tofile(tmp_path / "ids")
    with pytest.raises(StoredFileDamaged, match="ids"):
        IdenticalVectors().load(tmp_path / "ids")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(1, 4)), max_size=40))
def test_each_group_has_one_representative_whatever_comes_and_goes(steps: list[tuple[bool, int, int]]) -> None:
    identical, expected = IdenticalVectors(), dict[int, int]()
    for is_added, item_id, fingerprint in steps:
        if item_id in expected:
            identical.remove(np.array([item_id]))
            del expected[item_id]
        if is_added:
            identical.add(np.array([item_id]), np.array([fingerprint], np.uint64))
            expected[item_id] = fingerprint
    assert identical.ids.tolist() == sorted(expected)
    representatives = identical.representatives.tolist()
    assert [expected[item_id] for item_id in representatives] == sorted(set(expected.values()))
    if representatives:  # an answer with equal scores, ordered by id
        ids, _ = identical.include_hidden(
            np.array([sorted(representatives)]), np.zeros((1, len(representatives)), "f4"), 20
        )
        assert [item_id for item_id in ids[0].tolist() if item_id >= 0] == sorted(expected)
