from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexers.arrays import scale_to_unit
from indexers.clusterers.steps.neighbours import find_neighbours
from indexers.clusterers.steps.sampling import (
    allocate_counts,
    assign_regions,
    choose_rows,
    compute_similarities,
    draw_stratified,
)


def normal(count: int, dimension: int = 32, seed: int = 0) -> np.ndarray:
    return scale_to_unit(np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32))


def near(row: np.ndarray, count: int, spread: float, seed: int = 1) -> np.ndarray:
    """Rows around one, at cosines of about 1 - spread^2 / 2."""
    noise = np.random.default_rng(seed).standard_normal((count, len(row))) / len(row) ** 0.5
    return scale_to_unit((row + spread * noise).astype(np.float32))


@pytest.fixture(scope="module")
def planted() -> np.ndarray:
    """A group of 200; rows 0 to 4 have 20 near copies each, rows 200 to 299; the last ten lie anywhere."""
    group = near(normal(1)[0], 200, 0.8)
    copies = np.concatenate([near(group[row], 20, 0.1, seed=row) for row in range(5)])
    return np.concatenate([group, copies, normal(10, seed=5)])


def test_near_copies_count_once(planted: np.ndarray) -> None:
    found = choose_rows(planted, find_neighbours(planted, 15))
    assert not found.is_outlier.any()
    assert len(found.rows) == 210
    for row in range(5):
        family = [row, *range(200 + 20 * row, 220 + 20 * row)]
        assert len(set(found.representative[family])) == 1
        assert found.representative[row] in family
    alone = np.r_[5:200, 300:310]
    np.testing.assert_array_equal(found.representative[alone], alone)
    np.testing.assert_array_equal(found.rows, np.unique(found.representative))


def test_outliers_are_left_out(planted: np.ndarray) -> None:
    found = choose_rows(planted, outliers=10 / 210)
    assert np.flatnonzero(found.is_outlier).tolist() == list(range(300, 310))
    assert set(found.rows.tolist()).isdisjoint(range(300, 310))
    assert len(found.rows) == 200


def test_a_copied_outlier_is_still_one(planted: np.ndarray) -> None:
    """Its copies lie near, but they are the same picture."""
    rows = np.concatenate([planted, near(planted[305], 4, 0.1)])
    assert np.flatnonzero(choose_rows(rows, outliers=10 / 210).is_outlier).tolist() == list(range(300, 314))


def test_without_copies_all_rows_count(planted: np.ndarray) -> None:
    found = choose_rows(planted, copies=None)
    np.testing.assert_array_equal(found.rows, np.arange(310))
    np.testing.assert_array_equal(found.representative, np.arange(310))


def test_labels_spread_over_all_rows(planted: np.ndarray) -> None:
    found = choose_rows(planted, outliers=10 / 210)
    label = np.arange(310)
    spread = found.spread_labels(label)
    np.testing.assert_array_equal(spread, found.representative)
    assert np.flatnonzero(found.spread_labels(label, outliers=False) < 0).tolist() == list(range(300, 310))
    np.testing.assert_array_equal(label, np.arange(310))


def test_rows_all_of_whose_neighbours_are_copies_are_no_outliers() -> None:
    rows = np.concatenate([np.repeat(normal(1), 30, axis=0), normal(30, seed=3)])
    assert not choose_rows(rows, find_neighbours(rows, 5), outliers=0.2).is_outlier[:30].any()


def test_missing_neighbours_are_passed_over(planted: np.ndarray) -> None:
    table = find_neighbours(planted, 15)
    table = np.take_along_axis(table, np.argsort(-compute_similarities(planted, table), axis=1), 1)
    wide = np.concatenate([table, np.full((len(table), 3), -1)], 1)
    wide[-1] = -1
    one, other = choose_rows(planted, table, outliers=0.04), choose_rows(planted, wide, outliers=0.04)
    np.testing.assert_array_equal(one.representative, other.representative)
    assert set(np.flatnonzero(other.is_outlier)) < set(range(300, 309))


@pytest.fixture(scope="module")
def unbalanced() -> tuple[np.ndarray, np.ndarray]:
    """A group of 4,000 and twenty of 25, orthogonal."""
    size = np.array([4000] + [25] * 20)
    label = np.repeat(np.arange(21), size)
    noise = np.random.default_rng(0).standard_normal((len(label), 32))
    return scale_to_unit((np.eye(32)[label] + 0.1 * noise).astype(np.float32)), label


@pytest.mark.parametrize(("even", "most"), [(0.0, 178), (0.5, 78), (1.0, 10)])
def test_strata_share_by_their_size(unbalanced: tuple[np.ndarray, np.ndarray], even: float, most: int) -> None:
    rows, label = unbalanced
    found = choose_rows(rows, copies=None, count=200, strata=label, even=even, random_state=0)
    kept = np.bincount(label[found.rows], minlength=21)
    assert kept.sum() == 200
    assert kept.min() >= 1
    assert kept[0] == pytest.approx(most, abs=1)
    assert np.ptp(kept[1:]) <= 1


def test_regions_keep_small_groups_that_chance_loses(unbalanced: tuple[np.ndarray, np.ndarray]) -> None:
    rows, label = unbalanced
    found = choose_rows(rows, copies=None, count=80, random_state=0)
    assert len(np.unique(label[found.rows])) == 21
    by_chance = np.random.default_rng(0).choice(len(rows), 80, replace=False)
    assert len(np.unique(label[by_chance])) < 15


def test_regions_are_of_even_extent(unbalanced: tuple[np.ndarray, np.ndarray]) -> None:
    rows, label = unbalanced
    found = assign_regions(rows, 21, np.random.RandomState(0))
    assert len(np.unique(found * 21 + label)) == 21


def test_all_together(planted: np.ndarray) -> None:
    found = choose_rows(planted, outliers=10 / 210, count=50, random_state=0)
    assert len(found.rows) == 50
    assert not found.is_outlier[found.rows].any()
    np.testing.assert_array_equal(found.representative[found.rows], found.rows)
    again = choose_rows(planted, outliers=10 / 210, count=50, random_state=0)
    np.testing.assert_array_equal(found.rows, again.rows)
    assert choose_rows(planted, count=50, random_state=1).rows.tolist() != found.rows.tolist()


def test_more_than_there_are_gives_all(planted: np.ndarray) -> None:
    assert len(choose_rows(planted, count=10_000).rows) == 210


@settings(deadline=None)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=30), st.floats(0, 1), st.data())
def test_shares_add_up_and_no_stratum_gives_more_than_it_has(size: list[int], even: float, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, sum(size)))
    found = allocate_counts(np.array(size), count, even)
    assert found.sum() == count
    assert (found >= (count >= len(size))).all()
    assert (found <= size).all()


def test_a_stratum_is_drawn_from_at_random() -> None:
    strata = np.array([7, 3] * 50)
    drawn = [draw_stratified(strata, 10, np.random.RandomState(seed)) for seed in range(20)]
    assert all(np.bincount(strata[rows])[[3, 7]].tolist() == [5, 5] for rows in drawn)
    assert len(np.unique(np.concatenate(drawn))) > 70


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"copies": 0}, "copies is 0"),
        ({"copies": 1.5}, "copies is 1.5"),
        ({"outliers": 1}, "outliers is 1"),
        ({"outliers": -0.1}, "outliers is -0.1"),
        ({"count": 0}, "count is 0"),
        ({"even": 2}, "even is 2"),
        ({"strata": np.zeros(3, np.int64)}, r"strata has the shape \(3,\)"),
        ({"neighbours": np.zeros((3, 2), np.int64)}, r"neighbours has the shape \(3, 2\)"),
        ({"neighbours": np.full((310, 2), 310)}, "row numbers 310 to 310; give -1 to 309"),
    ],
)
def test_what_does_not_fit_is_refused(planted: np.ndarray, bad: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_rows(planted, **bad)  # type: ignore[arg-type]
