"""Figures of clusterings and rankings, beside scikit-learn's and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn import metrics

from indexers.arrays import scale_to_unit
from indexers.types import Metric
from indexers.vectors.exact import Exact
from retrieval.evaluation import metrics as judging


def blobs(count: int = 120, groups: int = 6, dimension: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = random.integers(0, groups, count)
    centre = random.standard_normal((groups, dimension))[label]
    return scale_to_unit((centre + 0.8 * random.standard_normal((count, dimension))).astype(np.float32)), label


def test_purity_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    labels = np.array([0, 0, 0, 0, 5, 5, 5, -1])  # three 0 of four; two 2 of three; the last has no cluster
    assert judging.measure_purity(truth, labels) == pytest.approx((3 + 2) / 8)
    assert judging.measure_purity(truth, np.full(8, -1)) == 0
    assert judging.measure_purity(truth, truth) == 1


def test_agreement_is_that_of_scikit_learn() -> None:
    _, truth = blobs()
    labels = np.random.default_rng(1).permutation(truth)
    labels[:60] = truth[:60]
    agreement = judging.measure_agreement(truth, labels)
    assert agreement.ari == pytest.approx(metrics.adjusted_rand_score(truth, labels))
    assert agreement.ami == pytest.approx(metrics.adjusted_mutual_info_score(truth, labels))
    assert agreement.nmi == pytest.approx(metrics.normalized_mutual_info_score(truth, labels))


def test_loose_rows_are_clusters_of_their_own() -> None:
    assert judging.split_loose_rows(np.array([3, -1, 0, -1])).tolist() == [3, 4, 0, 5]
    assert judging.split_loose_rows(np.array([-1, -1])).tolist() == [0, 1]
    truth = np.repeat([0, 1], 10)
    half = np.where(np.arange(20) % 2, truth, -1)
    assert judging.measure_agreement(truth, half).ari < 0.5
    assert judging.measure_agreement(truth, half).purity == 0.5


@pytest.mark.parametrize(("metric", "name"), [("cosine", "cosine"), ("l2", "euclidean"), ("l1", "manhattan")])
def test_silhouette_is_that_of_scikit_learn(metric: Metric, name: str) -> None:
    rows, label = blobs()
    label[0] = 99  # alone in its cluster
    silhouette = judging.measure_silhouette(rows, label, metric)
    assert silhouette == pytest.approx(metrics.silhouette_score(rows, label, metric=name), abs=1e-5)


@pytest.mark.parametrize(("metric", "p"), [("minkowski:3", 3.0), ("minkowski:1.5", 1.5), ("minkowski:inf", np.inf)])
def test_minkowski_distances_are_judged_as_themselves(metric: Metric, p: float) -> None:
    rows, label = blobs()
    apart = cdist(rows, rows, "chebyshev") if p == np.inf else cdist(rows, rows, "minkowski", p=p)
    expected = metrics.silhouette_score(apart, label, metric="precomputed")
    assert judging.measure_silhouette(rows, label, metric) == pytest.approx(expected, abs=1e-5)
    assert judging.measure_silhouette(rows, label, "l2") != pytest.approx(expected, abs=2e-5)


def test_a_sampled_silhouette_is_near_the_whole_one() -> None:
    rows, label = blobs(2000)
    whole = judging.measure_silhouette(rows, label)
    sampled = judging.measure_silhouette(rows, label, sample=400, random_state=3)
    assert sampled != whole
    assert sampled == pytest.approx(whole, abs=0.02)
    assert sampled == judging.measure_silhouette(rows, label, sample=400, random_state=3)


def test_figures_of_rows_in_clusters_leave_loose_ones_out() -> None:
    rows, label = blobs()
    loose = np.where(np.arange(len(rows)) % 3, label, -1)
    inside = loose >= 0
    assert judging.measure_silhouette(rows, loose) == pytest.approx(
        judging.measure_silhouette(rows[inside], label[inside])
    )
    expected = metrics.davies_bouldin_score(rows[inside], label[inside])
    assert judging.measure_davies_bouldin(rows, loose) == pytest.approx(expected)


@pytest.mark.parametrize("labels", [np.zeros(9, int), np.full(9, -1), np.arange(9)])
def test_one_cluster_or_as_many_as_rows_have_no_such_figures(labels: np.ndarray) -> None:
    rows = blobs(9)[0]
    assert judging.measure_silhouette(rows, labels) is None
    assert judging.measure_davies_bouldin(rows, labels) is None


def test_exact_copies_have_a_silhouette() -> None:
    rows = np.repeat(blobs(2)[0], 5, axis=0)
    assert judging.measure_silhouette(rows, np.repeat([0, 1], 5)) == pytest.approx(1)
    assert judging.measure_silhouette(rows[:5].repeat(2, axis=0), np.repeat([0, 1], 5)) == pytest.approx(0, abs=1e-6)


def test_draws_are_four_fifths_and_the_same_again() -> None:
    draws = judging.draw_subsets(50, 3, 7)
    assert [len(np.unique(draw)) for draw in draws] == [40, 40, 40]
    assert all((np.diff(draw) > 0).all() for draw in draws)
    assert not np.array_equal(draws[0], draws[1])
    np.testing.assert_array_equal(draws, judging.draw_subsets(50, 3, 7))
    assert judging.draw_subsets(50, 0) == []


def test_clusterings_that_differ_in_numbers_only_are_alike() -> None:
    labels = np.array([0, 0, 1, 1, -1, 2])
    assert judging.compare_clusterings(labels, np.array([5, 5, 0, 0, 3, 1])) == (pytest.approx(1), pytest.approx(1))
    assert judging.compare_clusterings(labels, np.array([0, 1, 0, 1, 0, 1]))[0] < 0.1


# ---- ranking


def test_a_ranking_by_hand() -> None:
    """On a line: 0 and 1 are of a, 2.5 of b, 3 of a, 9 of b. Asked for 0: a b a b; for 2.5: a a a b ..."""
    rows = np.array([[0.0], [1.0], [2.5], [3.0], [9.0]], np.float32)
    labels = np.array([0, 0, 1, 0, 1])
    ranking = judging.measure_ranking(rows, labels, "l2")
    assert ranking is not None
    # 0: 1 2.5 3 9 -> a b a b; 1: 0 2.5 3 9 -> a b a b; 2.5: 3 1 0 9 -> a a a b; 3: 2.5 1 0 9 -> b a a b
    # 9: 3 2.5 1 0 -> a b a a
    precisions = [(1 + 2 / 3) / 2, (1 + 2 / 3) / 2, 1 / 4, (1 / 2 + 2 / 3) / 2, 1 / 2]
    assert ranking.mean_average_precision == pytest.approx(np.mean(precisions))
    assert ranking.p_at_1 == pytest.approx(2 / 5)
    assert ranking.p_at_10 == pytest.approx(np.mean([2, 2, 1, 2, 1]) / 4)
    assert (ranking.queries, ranking.alone) == (5, 0)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2", "l1", "minkowski:4", "minkowski:inf"])
def test_a_ranking_is_that_of_exact_search(metric: Metric) -> None:
    rows, label = blobs(80)
    index = Exact(rows.shape[1], metric)
    index.add(np.arange(80), rows)
    neighbours = index.search(rows, 80)
    precision, first, ten = [], [], []
    for query in range(80):
        not_itself = neighbours.ids[query] != query
        right = label[neighbours.ids[query][not_itself]] == label[query]
        precision.append(metrics.average_precision_score(right, neighbours.scores[query][not_itself]))
        first.append(right[0])
        ten.append(right[:10].mean())
    ours = judging.measure_ranking(rows, label, metric)
    assert ours is not None
    expected = (np.mean(first), np.mean(ten), np.mean(precision))
    np.testing.assert_allclose(ours[:3], expected, atol=1e-6)


def test_rows_alone_with_their_label_are_no_queries() -> None:
    rows, label = blobs(40, 3)
    label[:4] = [10, 11, 12, 13]
    ranking = judging.measure_ranking(rows, label)
    assert ranking is not None
    assert (ranking.queries, ranking.alone) == (36, 4)
    assert judging.measure_ranking(rows, np.arange(40)) is None


def test_queries_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, label = blobs(600)
    whole, sampled = (
        judging.measure_ranking(rows, label),
        judging.measure_ranking(rows, label, sample=200, random_state=1),
    )
    assert whole is not None
    assert sampled is not None
    assert sampled.queries == 200
    assert sampled.mean_average_precision == pytest.approx(whole.mean_average_precision, abs=0.05)
    monkeypatch.setattr(judging, "CELLS", 1000)  # one query at a time
    np.testing.assert_allclose(judging.measure_ranking(rows, label), whole)


def test_a_tenth_of_the_queries_is_asked_by_minkowski_distances() -> None:
    rows, label = blobs(200)
    asked = [judging.measure_ranking(rows, label, metric, sample=100) for metric in ("l2", "minkowski:3")]
    assert [ranking.queries for ranking in asked if ranking] == [100, 10]
    assert judging.limit_queries(3, "minkowski:3") == 1
