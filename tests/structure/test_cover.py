"""The choice of vectors that stand for all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from retrieval.structure import cover
from retrieval.structure.cover import choose_cover, draw, saturate


def measure(vectors: np.ndarray, chosen: list[int], centre: float) -> float:
    return float(saturate(np.maximum(vectors @ vectors[chosen].T, 0), centre).max(1).sum())


def test_the_choice_is_nearly_the_best_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    random, centres = np.random.default_rng(0), []
    monkeypatch.setattr(
        cover, "saturate", lambda similarity, centre: centres.append(centre) or saturate(similarity, centre)
    )
    for _ in range(20):
        vectors = scale_to_unit(random.standard_normal((14, 3))).astype(np.float32)
        chosen, shares = choose_cover(vectors, 3)
        best = max(measure(vectors, list(places), centres[-1]) for places in combinations(range(14), 3))
        assert measure(vectors, chosen, centres[-1]) >= 0.63 * best
        assert len(set(chosen)) == 3
        assert shares.sum() == pytest.approx(1)


def test_each_step_takes_what_gains_most() -> None:
    worth = np.random.default_rng(3).random((60, 90))
    chosen = cover._choose_greedily(worth, 2, 8)
    assert len(set(chosen)) == 8
    for number in range(8):
        before = [0, 1, *chosen[:number]]
        gains = [worth[[*before, place]].max(0).sum() for place in range(2, 60)]
        assert worth[[*before, chosen[number]]].max(0).sum() == pytest.approx(max(gains))


def test_groups_are_all_shown_whatever_their_sizes() -> None:
    random = np.random.default_rng(1)
    centres = np.eye(5, 16)
    sizes = (400, 200, 60, 40, 20)
    rows = np.concatenate(
        [centre + 0.05 * random.standard_normal((n, 16)) for centre, n in zip(centres, sizes, strict=True)]
    )
    group = np.repeat(np.arange(5), sizes)
    chosen, shares = choose_cover(scale_to_unit(rows).astype(np.float32), 5)
    assert group[chosen].tolist() == [0, 1, 2, 3, 4]
    assert np.allclose(shares, np.array(sizes) / sum(sizes))


def test_what_is_chosen_already_is_not_chosen_again() -> None:
    vectors = np.repeat(np.eye(3, 4, dtype=np.float32), 10, axis=0)
    chosen, shares = choose_cover(vectors, 2, chosen=np.array([0]))
    assert {place // 10 for place in chosen} == {1, 2}
    assert np.allclose(shares, 1 / 3)


def test_time_tells_pictures_apart_that_look_alike() -> None:
    vectors = np.tile(np.eye(1, 4, dtype=np.float32), (20, 1))
    times = np.repeat([0.0, 1e6], 10)
    chosen, _ = choose_cover(vectors, 2, times)
    assert sorted(place // 10 for place in chosen) == [0, 1]


def test_of_a_large_set_some_may_be_chosen() -> None:
    random = np.random.default_rng(2)
    rows = np.repeat(np.eye(4, 8), 1500, axis=0) + 0.05 * random.standard_normal((6000, 8))
    chosen, shares = choose_cover(scale_to_unit(rows).astype(np.float32), 4)
    assert sorted(place // 1500 for place in chosen) == [0, 1, 2, 3]
    assert np.allclose(shares, 0.25, atol=0.001)


def test_what_is_drawn_is_the_same_each_time() -> None:
    values = np.arange(100, 200)
    drawn = draw(values, 10)
    assert drawn.tolist() == draw(values, 10).tolist() == sorted(set(drawn.tolist()))
    assert set(drawn.tolist()) <= set(values.tolist())
    assert draw(values, 100).tolist() == values.tolist()


def test_more_than_there_are_is_all() -> None:
    chosen, _ = choose_cover(np.eye(3, dtype=np.float32), 9)
    assert sorted(chosen) == [0, 1, 2]
