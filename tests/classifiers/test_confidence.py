from __future__ import annotations

import math

import numpy as np
import pytest

from indexers.classifiers.confidence import (
    apply_temperature,
    find_temperature,
    find_threshold,
    measure_calibration_error,
)


def test_the_temperature_of_probabilities_that_hold_is_one() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([1, 1, 1], 4000)
    places = (probabilities.cumsum(1) < random.random((4000, 1))).sum(1)
    assert find_temperature(probabilities, places) == pytest.approx(1, abs=0.15)
    too_sure = apply_temperature(probabilities, 0.5)
    assert find_temperature(too_sure, places) == pytest.approx(2, abs=0.3)
    sure = too_sure.max(1)
    is_right = too_sure.argmax(1) == places
    assert measure_calibration_error(sure, is_right) > 0.05
    assert measure_calibration_error(probabilities.max(1), is_right) < 0.03


def test_a_temperature_keeps_the_order_and_the_sum() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1]])
    for temperature in (0.5, 2.0):
        changed = apply_temperature(probabilities, temperature)
        assert changed.sum() == pytest.approx(1)
        assert changed[0].argsort().tolist() == [2, 1, 0]


def test_the_promise_is_kept_on_average() -> None:
    shares, counts = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        confidence = random.random(1200)
        is_right = random.random(1200) < confidence**0.3
        threshold = find_threshold(confidence[200:], confidence[:200], is_right[:200], 0.1)
        kept = confidence[200:] >= threshold
        counts.append(kept.mean())
        shares.append(1 - is_right[200:][kept].mean() if kept.any() else 0)
    assert np.mean(shares) <= 0.1
    assert np.mean(counts) > 0.3


def test_few_tests_promise_nothing() -> None:
    assert find_threshold(np.ones(50), np.ones(10), np.ones(10, bool), 0.02) == math.inf
    assert find_threshold(np.empty(0), np.ones(200), np.ones(200, bool), 0.02) == math.inf
    assert find_threshold(np.ones(50), np.ones(200), np.ones(200, bool), 0.02) == 1
