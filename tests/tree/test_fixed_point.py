from __future__ import annotations

import numpy as np
import pytest

from indexers.errors import BadSetting
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.fixed_point import (
    BLOCK,
    FLOAT32_DIMENSION,
    FLOAT64_LIMIT,
    INT64_LIMIT,
    MAX_DIMENSION,
    SCALE,
    check_dimension,
    choose_float,
    compute_fingerprints,
    hash_contents,
    restore_products,
    round_vectors,
)


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


def test_a_vector_is_scaled_and_rounded_to_whole_numbers() -> None:
    assert round_vectors(np.array([[3.0, 4.0], [-0.003, 0.004], [0.0, 0.0]])).tolist() == [
        [2400, 3200],
        [-2400, 3200],
        [0, 0],
    ]


def test_a_product_is_restored_from_its_remainder_and_a_rough_one() -> None:
    random = np.random.default_rng(0)
    exact = [int(value) * 2**40 + int(low) for value, low in random.integers(-(2**44), 2**44, (500, 2)).tolist()]
    remainders = np.array([(value + 2**63) % 2**64 - 2**63 for value in exact], np.int64)
    for error in (0, 2.0**61, -(2.0**61)):
        restored = restore_products(remainders, np.array(exact, float) + error)
        assert restored.tolist() == [float(value) for value in exact]


def test_float32_holds_products_up_to_the_dimension_that_is_said() -> None:
    """The worst rounding lengthens every coordinate by a half."""
    longest = SCALE + FLOAT32_DIMENSION**0.5 / 2
    assert longest**2 == 2**24
    assert (choose_float(FLOAT32_DIMENSION), choose_float(FLOAT32_DIMENSION + 1)) == ("f4", "f8")
    longest = SCALE + MAX_DIMENSION**0.5 / 2
    assert longest**2 < 2**25
    assert longest**2 * INT64_LIMIT < 2**62
    assert longest**2 * FLOAT64_LIMIT < 2**53


def test_vectors_too_long_for_exact_products_are_refused() -> None:
    check_dimension(MAX_DIMENSION)
    with pytest.raises(BadSetting, match=r"12,000,001 numbers are too long for clusters; at most 12,000,000"):
        ClusterTree(MAX_DIMENSION + 1)


def test_many_vectors_are_rounded_as_one_by_one() -> None:
    rows = np.random.default_rng(1).standard_normal((2 * BLOCK + 3, 3))
    np.testing.assert_array_equal(round_vectors(rows), np.concatenate([round_vectors(row[None]) for row in rows]))


def test_identical_vectors_share_a_fingerprint_whatever_their_memory_order() -> None:
    rows = np.array([[1, 2, 3], [1, 2, 3], [3, 2, 1]], np.int16)
    first, second, third = compute_fingerprints(rows).tolist()
    assert first == second != third
    assert compute_fingerprints(np.asfortranarray(rows)).tolist() == [first, second, third]


def test_the_content_of_no_items_is_nothing() -> None:
    fingerprints = np.array([1, 2**64 - 1], np.uint64)
    assert hash_contents(fingerprints, np.array([0, 0])).tolist() == [0, 0]
    assert len(set(hash_contents(fingerprints, np.array([1, 1])).tolist())) == 2
