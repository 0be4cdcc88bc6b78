"""The chance of a score: calibrated on pairs that are known to be unrelated, in every metric, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.vectors.chance import (
    COHORT,
    LEAST_CHANCE,
    MIN_ITEMS,
    ChanceModel,
    Tail,
    _fit_tail,
    count_sampled,
    draw_cohort,
    pack_nulls,
    unpack_nulls,
)
from indexers.vectors.exact import Exact
from indexers.vectors.metrics import compute_similarities


def make_classes(count: int, classes: int, dimension: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors around the centres of classes, float32 (count, dimension), and the class of each."""
    random = np.random.default_rng(seed)
    label = random.integers(0, classes, count)
    centres = random.standard_normal((classes, dimension))
    return (centres[label] + 0.4 * random.standard_normal((count, dimension))).astype(np.float32), label


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2", "l1", "minkowski:3"])
def test_of_unrelated_pairs_so_many_are_as_near_as_the_chance_says(metric: str) -> None:
    rows, label = make_classes(4000, 1500)
    rows = scale_to_unit(rows) if metric == "cosine" else rows
    model = ChanceModel(rows[:COHORT], metric)
    reached = {0.01: 0, 0.001: 0}
    pairs = 0
    for place in range(COHORT, COHORT + 150):
        unrelated = rows[label != label[place]]
        chances = model.compute_chances(rows[place], compute_similarities(rows[place], unrelated, metric))
        pairs += len(chances)
        reached = {chance: count + int((chances <= chance).sum()) for chance, count in reached.items()}
    for chance, count in reached.items():
        assert chance / 2 <= count / pairs <= chance * 2, (chance, count / pairs)


def test_a_nearer_score_has_a_smaller_chance_and_equals_of_a_class_have_a_small_one() -> None:
    rows, label = make_classes(1000, 100)
    rows = scale_to_unit(rows)
    model = ChanceModel(rows[:COHORT], "cosine")
    scores = np.sort(rows @ rows[700])
    chances = model.compute_chances(rows[700], scores)
    assert (np.diff(chances) <= 0).all()
    assert LEAST_CHANCE <= chances.min() <= chances.max() <= 1
    same = np.delete(np.flatnonzero(label == label[700]), 0)
    assert np.median(model.compute_chances(rows[700], rows[same] @ rows[700])) < 1e-3


def test_words_are_judged_by_a_null_of_words() -> None:
    random = np.random.default_rng(3)
    rows = scale_to_unit(random.standard_normal((600, 32)).astype(np.float32) + 2 * np.eye(32, dtype=np.float32)[0])
    words = scale_to_unit(random.standard_normal((300, 32)).astype(np.float32) - 2 * np.eye(32, dtype=np.float32)[0])
    model = ChanceModel(rows[:COHORT], "cosine", words[:200])
    chances = np.concatenate([model.compute_chances(word, rows[COHORT:] @ word) for word in words[200:]])
    assert 0.005 <= (chances <= 0.01).mean() <= 0.02


@pytest.mark.parametrize("classes", [10, 30, 100])
def test_a_collection_of_few_classes_is_judged_as_one_of_many(classes: int) -> None:
    rows, label = make_classes(2000, classes)
    rows = scale_to_unit(rows)
    model = ChanceModel(rows[:COHORT], "cosine")
    chances = np.array([model.compute_chances(row, rows @ row) for row in rows[-200:]])
    is_same = label == label[-200:, None]
    assert np.median(chances[is_same]) < 1e-3
    assert 0.3 < (chances[~is_same] <= 0.01).mean() / 0.01 < 3


def test_a_picture_that_every_word_finds_is_nothing_unusual() -> None:
    random = np.random.default_rng(4)
    rows = random.standard_normal((600, 32)).astype(np.float32)
    words = random.standard_normal((80, 32)).astype(np.float32) + 2
    rows[:3] = random.standard_normal((3, 32)) + 3  # nearer to all words than the others
    rows[3] = words[79] - words[:79].mean(axis=0) + 0.1 * rows[3]  # near to one word
    rows, words = scale_to_unit(rows), scale_to_unit(words)
    model = ChanceModel(rows[4 : 4 + COHORT], "cosine", words[:64])
    scores = rows @ words[79]
    one_sided, chances = model.compute_chances(words[79], scores), model.compute_chances(words[79], scores, rows)
    assert one_sided[:3].max() < 1e-3
    assert chances[:3].min() > 1e-2
    assert chances[3] < 2e-3
    assert (chances >= one_sided).all()


def test_null_distributions_are_kept_as_bytes() -> None:
    rows = scale_to_unit(make_classes(300, 100)[0])
    for words in (None, scale_to_unit(make_classes(40, 40, seed=1)[0])):
        model = ChanceModel(rows, "cosine", words)
        again = ChanceModel(rows, "cosine", words, unpack_nulls(pack_nulls(model.nulls)))
        scores = rows @ rows[0]
        chances = [each.compute_chances(rows[0], scores, rows) for each in (model, again)]
        np.testing.assert_array_equal(*chances)
        assert len(model.nulls) == (1 if words is None else 2)
    assert unpack_nulls(b"") == ()
    whole = pack_nulls(model.nulls)
    for damaged in (whole[:20], whole[:-1], whole[:40], whole + whole, b"\xff" * 64):
        with pytest.raises(ValueError, match=r"null distribution|buffer|element"):
            unpack_nulls(damaged)


def test_of_equal_vectors_nothing_is_said() -> None:
    rows = np.tile(scale_to_unit(np.ones((1, 8), np.float32)), (100, 1))
    assert np.isnan(ChanceModel(rows, "cosine").compute_chances(rows[0], np.ones(3))).all()


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_a_tail_is_fitted_and_goes_on_beyond_what_was_seen(shape: float) -> None:
    shares = (np.arange(5000) + 0.5) / 5000
    excess = -np.log(shares) * 2 if not shape else 2 * (shares**-shape - 1) / shape
    tail = _fit_tail(np.sort(np.concatenate([np.linspace(-1, -1e-9, 99 * 5000), excess])))
    assert tail is not None
    assert tail.shape == pytest.approx(shape, abs=0.03)
    assert tail.scale == pytest.approx(2, rel=0.05)
    beyond = 2 * (1e-5**-shape - 1) / shape if shape else -np.log(1e-5) * 2
    assert float(tail.compute_shares(np.array([beyond]))[0]) == pytest.approx(1e-5, rel=0.5)
    assert Tail(0.0, 1.0, -0.5).compute_shares(np.array([3.0])).tolist() == [0.0]


def test_the_cohort_is_the_same_in_every_order_and_stays_while_the_collection_grows_a_little() -> None:
    rows, _ = make_classes(2000, 20)
    ids = np.arange(1, 2001)
    first, second = Exact(48), Exact(48)
    first.add(ids, rows)
    order = np.random.default_rng(1).permutation(2000)
    second.add(ids[order], rows[order])
    cohorts = [draw_cohort(flat.ids()[: count_sampled(2000)]) for flat in (first, second)]
    np.testing.assert_array_equal(*cohorts)
    assert cohorts[0].shape == (COHORT,)
    assert count_sampled(MIN_ITEMS - 1) == 0
    assert count_sampled(MIN_ITEMS) == MIN_ITEMS
    counts = [count_sampled(size) for size in range(MIN_ITEMS, 5000)]
    assert counts == sorted(counts)
    assert all(size / 2 <= count <= size for size, count in enumerate(counts, MIN_ITEMS))
    assert len(set(counts)) == 7
