from __future__ import annotations

import numpy as np
import pytest

from indexers.tree.rounds import STAGE, STAGE_THRESHOLDS, STAGES, THRESHOLDS, Rounds, height_limit, is_stage_start


def test_thresholds_fall_from_nearly_equal_to_opposite_and_then_let_everything_merge() -> None:
    finite = STAGE_THRESHOLDS[np.isfinite(STAGE_THRESHOLDS)]
    assert finite[0] == pytest.approx(0.998)
    assert finite[-1] == pytest.approx(-1)
    assert (np.diff(finite) < 0).all()
    np.testing.assert_allclose((1 - finite[1:]) / (1 - finite[:-1]), 1.1, atol=0.005)
    assert np.isneginf(STAGE_THRESHOLDS[len(finite) :]).all()


def test_each_stage_begins_with_the_first_threshold_again() -> None:
    assert len(THRESHOLDS) == STAGE * STAGES
    starts = [number for number in range(len(THRESHOLDS)) if is_stage_start(number)]
    assert starts == [STAGE * stage for stage in range(1, STAGES)]
    assert (THRESHOLDS[starts] == THRESHOLDS[0]).all()
    assert [height_limit(number) for number in starts] == [1.0] * len(starts)


def test_heights_of_a_round_are_at_most_the_threshold_of_the_round_before() -> None:
    assert height_limit(0) == 1
    assert height_limit(1) == THRESHOLDS[0]
    assert height_limit(STAGE - 1) == -1  # the least similarity there is, although the threshold is -inf


def test_each_tree_counts_its_own_rounds() -> None:
    first, second = Rounds(), Rounds()
    first.counts[0] = 5
    assert second.counts[0] == 0
    assert len(first.counts) == len(THRESHOLDS) + 1
