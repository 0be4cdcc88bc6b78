from __future__ import annotations

import math

import numpy as np
import pytest

from indexers.tree.level_parameters import HEAVIEST, LARGE, SMALL, STEPS, LevelParameters, round_link_bits


def test_a_step_weighs_as_much_more_as_links_have_doubled_but_for_half_a_step() -> None:
    levels = LevelParameters(5, -3.0, LARGE.fine)
    for ends in (1, 16, 1000, 160_000, 10**9):
        assert abs(levels.weigh_steps(ends) - (math.log2(ends) - 3)) <= 1 / (2 * STEPS)
    assert levels.weigh_steps(0) == -3


def test_the_weight_stays_while_a_collection_grows_a_little() -> None:
    weights = [round_link_bits(16 * count) for count in range(100_000, 200_000)]
    assert len(set(weights)) <= STEPS + 1
    assert weights == sorted(weights)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_whatever_a_catalogue_holds_is_a_weight(value: float) -> None:
    assert abs(LevelParameters(5, value, value).weigh_steps(1)) <= HEAVIEST


def test_the_steps_of_fine_tell_the_rule_and_few_clusters_of_coarse_that_all_are_similarities() -> None:
    for rule in (LARGE, SMALL):
        assert LevelParameters(2, 0, rule.fine).rule == rule
    assert not LevelParameters(2, 0, 1).are_similarities
    assert LevelParameters(0.3, 0.5, 0.9).are_similarities
    assert LevelParameters(math.nan, 0.5, 0.9).are_similarities
