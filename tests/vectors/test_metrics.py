"""Names of metrics, scores compared with scipy's, and bounds that hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from indexers.errors import BadQuery, BadSetting
from indexers.vectors.metrics import (
    PRODUCT_METRICS,
    bound_scores,
    compute_similarities,
    convert_products,
    parse_metric,
    parse_order,
)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("cosine", "cosine"),
        ("ip", "ip"),
        ("l2", "l2"),
        ("euclidean", "l2"),
        ("l1", "l1"),
        ("manhattan", "l1"),
        ("minkowski:1", "l1"),
        ("minkowski:2.0", "l2"),
        ("minkowski:3", "minkowski:3"),
        ("minkowski:3.0", "minkowski:3"),
        ("minkowski:2.5", "minkowski:2.5"),
        ("minkowski:1e2", "minkowski:100"),
        ("minkowski:inf", "minkowski:inf"),
    ],
)
def test_each_metric_is_stored_under_one_name(name: str, stored: str) -> None:
    assert parse_metric(name) == stored
    assert parse_metric(stored) == stored


@pytest.mark.parametrize("name", ["angle", "", 3, None, "L2", "l3", "minkowski", "minkowski:", "l1:2"])
def test_an_unknown_metric_is_named_with_those_there_are(name: Any) -> None:
    with pytest.raises(BadSetting, match=r"manhattan.*minkowski:P") as caught:
        parse_metric(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("order", ["0.5", "nan", "-3", "0", "three", "-inf"])
def test_an_order_below_one_is_refused(order: str) -> None:
    with pytest.raises(BadQuery, match=f"'minkowski:{order}' has no order P that is a number from 1 on"):
        parse_metric(f"minkowski:{order}", BadQuery)


@pytest.mark.parametrize("p", [1.0, 1.25, 2.0, 2.5, 3.0, 17.0, np.inf])
def test_distances_are_scipys(p: float) -> None:
    random = np.random.default_rng(0)
    rows, query = random.standard_normal((50, 7)).astype(np.float32), random.standard_normal(7).astype(np.float32)
    rows[3] = query
    metric = parse_metric(f"minkowski:{p}")
    assert parse_order(metric) == p
    np.testing.assert_allclose(
        -compute_similarities(query, rows, metric), cdist(query[None], rows, "minkowski", p=p)[0]
    )


def test_large_orders_neither_overflow_nor_vanish() -> None:
    rows = np.array([[1e-3, 0], [1e3, 1], [0, 0]], np.float32)
    near = compute_similarities(np.zeros(2, np.float32), rows, "minkowski:2000")
    np.testing.assert_allclose(near, [-1e-3, -1e3, 0], rtol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.0, 0.1, 2.0]),
    metric=st.sampled_from(["cosine", "l2"]),
    other=st.sampled_from(sorted(PRODUCT_METRICS)),
)
def test_no_row_scores_more_than_its_bound(seed: int, spread: float, metric: str, other: str) -> None:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((60, 5)) * np.exp(spread * random.standard_normal((60, 1)))
    query = random.standard_normal(5)
    size, lengths = float(np.linalg.norm(query)), np.linalg.norm(rows, axis=1).astype(np.float32)
    products = (rows @ query).astype(np.float32)
    scores, other_scores = (convert_products(products, name, size, lengths) for name in (metric, other))
    least = float(np.median(scores))
    bound = bound_scores(least, metric, size, lengths, other)
    below = scores <= least
    room = 1e-3 * (1 + lengths[below] * size)
    assert (other_scores[below] <= bound[below] + room).all()


def test_a_row_without_length_is_at_right_angles_to_all() -> None:
    scores = convert_products(np.zeros(2, np.float32), "cosine", 2.0, np.array([0, 1], np.float32))
    assert scores.tolist() == [0, 0]
