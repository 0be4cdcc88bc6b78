"""Whatever metric is asked, a row is left out only if its score is below the one that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from indexers.vectors.base import prepare_vectors
from indexers.vectors.bounds import Bounds, Target
from indexers.vectors.exact import Exact

DIMENSION = 5
METRICS = ("cosine", "ip", "l2", "l1", "minkowski:1.5", "minkowski:4", "minkowski:inf")
OWN = ("cosine", "ip", "l2", "l1")
PRODUCT_ERROR = 1.01 * 2.0**-24 * (DIMENSION + 8)
NUMBERS = (
    st.floats(-8, 8, width=32)
    | st.floats(-(2.0**60), 2.0**60, width=32)
    | st.sampled_from([0.0, 1.0, -1.0, 2.0**-149, 2.0**-126, 2.0**-60])
)


def bound_rows(rows: np.ndarray, own: str, query: np.ndarray, metric: str) -> tuple[Bounds, np.ndarray]:
    """Return bounds from the inner products themselves, and the exact scores, of rows as they were added."""
    index = Exact(DIMENSION, own)
    index.add(np.arange(len(rows)), rows)
    target = Target(prepare_vectors(query, DIMENSION, metric)[0], metric)
    products = index.take(index.ids()) @ target.query
    bounds = Bounds(products, index.rows.lengths, own, target, PRODUCT_ERROR, DIMENSION * 2.0**-125)
    return bounds, index._score_exactly(target, index.rows.row_numbers)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("own", OWN)
@settings(deadline=None)
@given(rows=arrays(np.float32, (6, DIMENSION), elements=NUMBERS))
def test_no_row_is_left_out_that_reaches_a_score(own: str, metric: str, rows: np.ndarray) -> None:
    if "cosine" in (own, metric):  # these have no direction
        rows[np.einsum("ij,ij->i", rows, rows) == 0, 0] = 1
    bounds, scores = bound_rows(rows[:-1], own, rows[-1], metric)
    for score in scores.tolist():
        assert bounds.could_reach(score)[scores >= score].all()


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("own", OWN)
def test_bounds_of_exact_products_leave_hardly_any_other_row(own: str, metric: str) -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((3000, DIMENSION)).astype(np.float32) * np.float32(3)
    bounds, scores = bound_rows(rows, own, random.standard_normal(DIMENSION), metric)
    for place in (0, 9, 1500):
        score = float(np.sort(scores)[-1 - place])
        assert place + 1 <= bounds.could_reach(score).sum() <= place + 3


def test_norms_bound_the_other_distances() -> None:
    random = np.random.default_rng(0)
    rows = np.concatenate([random.standard_normal((50, DIMENSION)), 30 + random.standard_normal((950, DIMENSION))])
    for metric in METRICS[3:]:
        bounds, scores = bound_rows(rows.astype(np.float32), "l2", rows[0], metric)
        assert bounds.could_reach(float(np.sort(scores)[-10])).sum() <= 50


@pytest.mark.parametrize(("count", "rows"), [(8, 20), (8, 5000), (64, 5000), (64, 40)])
def test_the_highest_bounds_are_found_or_nearly(count: int, rows: int) -> None:
    random = np.random.default_rng(2)
    bounds, scores = bound_rows(random.standard_normal((rows, DIMENSION)).astype(np.float32), "l2", np.ones(5), "l2")
    places = bounds.find_highest(count)
    assert len(places) == len(set(places.tolist())) == min(count, rows)
    assert scores[places].min() >= np.sort(scores)[-min(2 * count, rows)]
    assert scores[places].max() == scores.max()


def test_rows_that_are_left_out_are_never_among_the_highest() -> None:
    target = Target(np.ones(DIMENSION, np.float32), "l2")
    products = np.full(40, -np.inf, np.float32)
    products[7] = -3
    bounds = Bounds(products, np.ones(40, np.float32), "cosine", target, PRODUCT_ERROR, 0.0)
    assert bounds.find_highest(8).tolist() == [7]


def test_a_bound_that_is_no_number_keeps_its_row() -> None:
    products, lengths = np.array([np.nan, np.inf, -1], np.float32), np.ones(3, np.float32)
    for own in OWN:
        for metric in METRICS:
            target = Target(np.ones(DIMENSION, np.float32), metric)
            bounds = Bounds(products, lengths, own, target, PRODUCT_ERROR, 0.0)
            assert bounds.could_reach(0.9 if metric in ("cosine", "ip") else -0.1).tolist() == [True, True, False]
