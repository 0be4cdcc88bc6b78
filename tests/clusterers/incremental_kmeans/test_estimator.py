from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.clusterers import IncrementalKMeans
from tests.clusterers.incremental_kmeans.streams import blobs, fit_stream, inertia


@parametrize_with_checks([IncrementalKMeans(), IncrementalKMeans(n_clusters=3, random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator: IncrementalKMeans, check: object) -> None:
    check(estimator)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("count", "order", "limit"),
    [
        (20, "random", 1.03),
        (60, "random", 1.03),
        (40, "sorted", 1.03),
        (60, "sorted", 1.03),
        (20, "sorted", 1.03),
        (30, "sorted", 1.03),
    ],
)
def test_a_stream_is_close_to_a_fit_from_scratch(count: int, order: str, limit: float) -> None:
    rows, label = blobs(12_000, 40)
    if order == "sorted":
        rows = rows[np.argsort(label, kind="stable")]
    scratch = [MiniBatchKMeans(count, n_init=3, random_state=seed).fit(rows).inertia_ for seed in range(3)]
    estimator = fit_stream(rows, n_clusters=count)
    assert inertia(rows, estimator.cluster_centers_) <= limit * float(np.median(scratch))


def test_a_fit_is_at_least_as_close_as_that_of_scikit_learn() -> None:
    rows, _ = blobs(6000, 30)
    ours = IncrementalKMeans(30, random_state=0).fit(rows)
    theirs = MiniBatchKMeans(30, n_init=3, random_state=0).fit(rows)
    assert ours.inertia_ <= 1.01 * theirs.inertia_
    assert ours.inertia_ == pytest.approx(inertia(rows, ours.cluster_centers_), rel=1e-3)
    np.testing.assert_array_equal(ours.labels_, ours.predict(rows))


def test_ids_are_distinct_never_given_again_and_stay_where_nothing_moves() -> None:
    rows, label = blobs(8000, 20)
    rows = rows[np.argsort(label, kind="stable")]
    estimator, highest = IncrementalKMeans(20, random_state=0), -1
    for start in range(0, len(rows), 400):
        before = set(getattr(estimator, "cluster_ids_", np.empty(0)).tolist())
        estimator.partial_fit(rows[start : start + 400])
        ids = set(estimator.cluster_ids_.tolist())
        assert len(ids) == len(estimator.cluster_centers_) == 20
        assert all(item > highest for item in ids - before)
        highest = max(highest, *ids)
    settled = estimator.cluster_ids_.copy(), estimator.predict(rows)
    for start in range(0, 2000, 400):
        estimator.partial_fit(rows[np.random.default_rng(start).choice(len(rows), 400)])
    stays = np.isin(settled[0], estimator.cluster_ids_)
    assert stays.mean() >= 0.9
    kept = stays[settled[1]]
    same = settled[0][settled[1]] == estimator.cluster_ids_[estimator.predict(rows)]
    assert same[kept].mean() > 0.9


def test_the_number_of_clusters_is_chosen_and_grows_with_the_rows() -> None:
    rows, _ = blobs(4000, 60)
    estimator, counts = IncrementalKMeans(random_state=0), []
    for start in range(0, 4000, 200):
        counts.append(len(estimator.partial_fit(rows[start : start + 200]).cluster_centers_))
    assert counts == sorted(counts)
    assert counts[0] == 10
    assert 30 <= counts[-1] <= round(2000**0.5)


def test_stored_rows_are_replayed_through_a_callable() -> None:
    rows, label = blobs(6000, 12)
    rows = rows[np.argsort(label, kind="stable")]
    requests: list[int] = []
    seen = 0

    def stored(count: int) -> np.ndarray:
        requests.append(count)
        return rows[np.random.default_rng(len(requests)).integers(0, seen, count)] * 3

    estimator = IncrementalKMeans(12, replay=stored, random_state=0, sample_size=2000)
    for seen in range(0, 6000, 500):
        estimator.partial_fit(rows[seen : seen + 500])
    assert len(requests) == 8  # as long as the sample has everything, nothing is asked for
    assert min(requests) > 0
    assert (
        inertia(rows, estimator.cluster_centers_)
        <= 1.03 * MiniBatchKMeans(12, n_init=3, random_state=0).fit(rows).inertia_
    )


def test_what_is_read_in_between_changes_little_and_a_copy_goes_on_alike() -> None:
    rows, label = blobs(6000, 30)
    rows = rows[np.argsort(label, kind="stable")]
    quiet, read = (IncrementalKMeans(30, random_state=0, sample_size=3000) for _ in range(2))
    for start in range(0, 6000, 500):
        quiet.partial_fit(rows[start : start + 500])
        read.partial_fit(rows[start : start + 500])
        np.testing.assert_array_equal(read.labels_, read.predict(rows[start : start + 500]))
        if start == 2000:
            quiet = pickle.loads(pickle.dumps(quiet))
    for estimator in (quiet, read):
        assert inertia(rows, estimator.cluster_centers_) <= 1.03 * estimator.fit(rows).inertia_


def test_the_sample_is_uniform_over_the_stream() -> None:
    rows = np.eye(40, dtype=np.float32)[np.repeat(np.arange(40), 200)]
    estimator = fit_stream(rows, 100, n_clusters=4, sample_size=1000)
    held = np.bincount(estimator._reservoir.rows.argmax(1), minlength=40)
    assert held.sum() == 1000
    assert held.min() > 8
    assert held.max() < 50
    assert estimator.counts_.sum() == pytest.approx(8000)


def test_few_rows_copies_and_rows_without_a_direction() -> None:
    estimator = IncrementalKMeans(5, random_state=0)
    estimator.partial_fit(np.ones((1, 3)))
    estimator.partial_fit(np.ones((4, 3)))
    with pytest.warns(ConvergenceWarning, match="only 1 of n_clusters=5"):
        assert len(estimator.cluster_centers_) == 1
    rows, _ = blobs(400, 8, 3)
    estimator.partial_fit(np.concatenate([rows, np.zeros((2, 3))]))
    assert 1 <= len(estimator.cluster_centers_) <= 5
    assert np.isfinite(estimator.cluster_centers_).all()
    with pytest.raises(ValueError, match="n_samples=2"):
        IncrementalKMeans(3).fit(rows[:2])


def test_the_first_batch_may_be_larger_than_the_sample() -> None:
    rows = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    means = IncrementalKMeans(n_clusters=5, sample_size=100, random_state=0).partial_fit(rows)
    assert means.cluster_centers_.shape == (5, 4)
    assert len(np.unique(means.predict(rows))) == 5


@pytest.mark.parametrize("sample_size", [150, 800])
def test_as_many_clusters_as_were_asked_for_have_rows(sample_size: int) -> None:
    """More than can be found by splits, which take eight rows each."""
    rows = np.random.default_rng(0).standard_normal((600, 5)).astype(np.float32)
    fitted = IncrementalKMeans(140, sample_size=sample_size, random_state=0).fit(rows)
    assert len(fitted.cluster_ids_) == len(np.unique(fitted.labels_)) == 140
    learnt = fit_stream(rows, 60, n_clusters=140, sample_size=sample_size)
    assert len(set(learnt.cluster_ids_.tolist())) == len(learnt.cluster_centers_) == 140
    assert np.count_nonzero(learnt.counts_) == 140
    assert learnt.counts_.sum() == pytest.approx(600)
    assert len(np.unique(learnt.predict(rows))) == 140


def test_too_few_different_rows_for_the_clusters_are_told() -> None:
    rows = np.repeat(np.eye(7, dtype=np.float32), 5, axis=0)
    with pytest.warns(ConvergenceWarning, match="only 7 of n_clusters=20 clusters have rows"):
        fitted = IncrementalKMeans(20, random_state=0).fit(rows)
    assert len(np.unique(fitted.labels_)) == 7
    with pytest.warns(ConvergenceWarning, match=r"only 7 of n_clusters=20 .* among 35 rows"):
        assert len(fit_stream(rows, 5, n_clusters=20).cluster_centers_) <= 20
    with pytest.warns(ConvergenceWarning, match=r"only 10 of n_clusters=20 .* \(sample_size=10\)"):
        fit_stream(np.random.default_rng(0).standard_normal((60, 3)), 20, n_clusters=20, sample_size=10).labels_  # noqa: B018
