"""The bound of a sketch is never below the inner product, whatever the vectors and the axes are."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from indexers.vectors.sketch import Sketch, fit_axes

DIMENSION = 6
NUMBERS = st.floats(-(2.0**62), 2.0**62, width=32) | st.sampled_from([0.0, 1.0, -1.0, 2.0**-149, 2.0**-126, 2.0**62])
VECTORS = arrays(np.float32, (2, DIMENSION), elements=NUMBERS)


def turn_axes(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dimension, dimension)))[0][:count].copy()


def exceeds_bound(sketch: Sketch, row: np.ndarray, query: np.ndarray) -> bool:
    """Compare without rounding: vectors are whole multiples of powers of two."""
    a, b = sketch.describe(np.stack([row, query]))
    product = sum(Fraction(float(x)) * Fraction(float(y)) for x, y in zip(row, query, strict=True))
    sizes = [float(np.linalg.norm(vector.astype(float))) for vector in (row, query)]
    error = Fraction(sketch.error) * Fraction(sizes[0]) * Fraction(sizes[1])
    return product > Fraction(float(a @ b)) + error + Fraction(sketch.tiny) * Fraction(1 + sum(sizes))


@settings(deadline=None)
@given(VECTORS, st.integers(0, DIMENSION), st.integers(0, 50))
def test_no_inner_product_is_above_its_bound(vectors: np.ndarray, count: int, seed: int) -> None:
    assert not exceeds_bound(Sketch(turn_axes(count, DIMENSION, seed)), *vectors)


@settings(deadline=None)
@given(VECTORS, arrays(np.float64, (2, DIMENSION), elements=st.floats(-0.01, 0.01)))
def test_axes_that_are_hardly_orthonormal_give_true_bounds_too(vectors: np.ndarray, noise: np.ndarray) -> None:
    assert not exceeds_bound(Sketch(turn_axes(2, DIMENSION) + noise), *vectors)


@pytest.mark.parametrize("dimension", [16, 512])
@pytest.mark.parametrize("spread", [0.0, 1e-7, 1e-3])
def test_parallel_vectors_within_the_axes_are_bounded_closely(dimension: int, spread: float) -> None:
    """Where the bound is an equality, nothing but the error of rounding is between it and the product."""
    axes, random = turn_axes(4, dimension), np.random.default_rng(1)
    sketch = Sketch(axes)
    for _ in range(200):
        row = (random.standard_normal(4) @ axes + spread * random.standard_normal(dimension)).astype(np.float32)
        query = (row * np.float32(random.uniform(0.5, 2))).astype(np.float32)
        assert not exceeds_bound(sketch, row, query)
        a, b = sketch.describe(np.stack([row, query])).astype(float)
        assert a @ b < (row.astype(float) @ query) * (1 + 1e-5)


def test_the_error_is_small_beside_scores() -> None:
    for count, dimension in ((31, 512), (127, 1280)):
        sketch = Sketch(turn_axes(count, dimension))
        assert (count + 11) * 2.0**-24 < sketch.error < 1.1 * (count + 11) * 2.0**-24
        assert sketch.slack < 1e-9
        assert sketch.width == count + 1


def test_principal_axes_are_found_and_orthonormal() -> None:
    random = np.random.default_rng(0)
    hidden = turn_axes(5, 40)
    rows = (random.standard_normal((500, 5)) * [9, 7, 5, 4, 3] @ hidden).astype(np.float32)
    rows += 0.05 * random.standard_normal(rows.shape).astype(np.float32)
    axes = fit_axes(rows, 5)
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(np.linalg.svd(axes @ hidden.T)[1], 1, atol=1e-2)
    assert (np.diff(np.linalg.norm(rows @ axes.T, axis=0)) < 0).all()
    assert fit_axes(rows[:3], 60).shape == (40, 40)
    assert np.isfinite(fit_axes(np.zeros((4, 8), np.float32), 2)).all()
