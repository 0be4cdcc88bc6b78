"""How far a collection has drifted from what a clustering was fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval import Collection
from retrieval.clusters.drift import measure_shift
from tests.clusters.test_browse import families, family
from tests.clusters.test_named import themed

__all__ = ["families", "themed"]


def test_strangers_are_noticed(themed: Collection) -> None:
    themed.add_vectors(np.concatenate([family(40, 20), family(41, 20)]))
    drift = themed.clustering("themes").drift
    assert drift.strange is not None
    assert drift.strange > 0.9


@pytest.mark.parametrize(
    ("before", "after", "shift"),
    [
        ([3, 5], [6, 10], 0.0),
        ([4, 0], [0, 9], 1.0),
        ([1, 1], [1, 0], 0.5579),  # sqrt(H(3/4, 1/4) - 1/2 bit) = sqrt(.8113 - .5)
        ([0, 0], [0, 0], 0.0),
        ([2, 2], [0, 0], 1.0),
    ],
)
def test_a_shift_is_the_jensen_shannon_distance_of_two_distributions(
    before: list[float], after: list[float], shift: float
) -> None:
    assert measure_shift(np.array(before, np.float64), np.array(after, np.float64)) == pytest.approx(shift, abs=1e-4)


def test_what_is_new_and_gone_is_a_share_of_now_and_of_then(themed: Collection) -> None:
    themed.remove([f"f0-{number}" for number in range(57)])
    themed.add_vectors(family(0, 29, seed=2))
    drift = themed.clustering("themes").drift
    assert drift.gone == pytest.approx(57 / 228)
    assert drift.new == pytest.approx(29 / 200)
