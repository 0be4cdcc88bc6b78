from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.arrays import scale_to_unit
from indexers.clusterers import IncrementalKMeans
from indexers.clusterers.incremental_kmeans.persistence import export_arrays, restore_from_arrays
from indexers.clusterers.incremental_kmeans.split_merge import find_cheapest_merges, split_in_halves


def blobs(count: int, groups: int, dimension: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, float32, and their groups."""
    random = np.random.default_rng(seed)
    label = random.integers(0, groups, count)
    rows = random.standard_normal((groups, dimension))[label] + 0.5 * random.standard_normal((count, dimension))
    return scale_to_unit(rows), label


def inertia(rows: np.ndarray, centres: np.ndarray) -> float:
    squares = (rows**2).sum(1)[:, None] - 2 * rows @ centres.T + (centres**2).sum(1)
    return float(squares.min(1).sum())


def streamed(rows: np.ndarray, batch: int = 500, **settings: object) -> IncrementalKMeans:
    found = IncrementalKMeans(random_state=0, **settings)  # type: ignore[arg-type]
    for start in range(0, len(rows), batch):
        found.partial_fit(rows[start : start + batch])
    return found


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
    found = streamed(rows, n_clusters=count)
    assert inertia(rows, found.cluster_centers_) <= limit * float(np.median(scratch))


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
    found, highest = IncrementalKMeans(20, random_state=0), -1
    for start in range(0, len(rows), 400):
        before = set(getattr(found, "cluster_ids_", np.empty(0)).tolist())
        found.partial_fit(rows[start : start + 400])
        ids = set(found.cluster_ids_.tolist())
        assert len(ids) == len(found.cluster_centers_) == 20
        assert all(item > highest for item in ids - before)
        highest = max(highest, *ids)
    settled = found.cluster_ids_.copy(), found.predict(rows)
    for start in range(0, 2000, 400):
        found.partial_fit(rows[np.random.default_rng(start).choice(len(rows), 400)])
    stays = np.isin(settled[0], found.cluster_ids_)
    assert stays.mean() >= 0.9
    kept = stays[settled[1]]
    same = settled[0][settled[1]] == found.cluster_ids_[found.predict(rows)]
    assert same[kept].mean() > 0.9


def test_the_number_of_clusters_is_chosen_and_grows_with_the_rows() -> None:
    rows, _ = blobs(4000, 60)
    found, counts = IncrementalKMeans(random_state=0), []
    for start in range(0, 4000, 200):
        counts.append(len(found.partial_fit(rows[start : start + 200]).cluster_centers_))
    assert counts == sorted(counts)
    assert counts[0] == 10
    assert 30 <= counts[-1] <= round(2000**0.5)


def test_stored_rows_are_replayed_through_a_callable() -> None:
    rows, label = blobs(6000, 12)
    rows = rows[np.argsort(label, kind="stable")]
    asked: list[int] = []
    seen = 0

    def stored(count: int) -> np.ndarray:
        asked.append(count)
        return rows[np.random.default_rng(len(asked)).integers(0, seen, count)] * 3

    found = IncrementalKMeans(12, replay=stored, random_state=0, sample_size=2000)
    for seen in range(0, 6000, 500):
        found.partial_fit(rows[seen : seen + 500])
    assert len(asked) == 8  # as long as the sample has everything, nothing is asked for
    assert min(asked) > 0
    assert (
        inertia(rows, found.cluster_centers_) <= 1.03 * MiniBatchKMeans(12, n_init=3, random_state=0).fit(rows).inertia_
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
    for found in (quiet, read):
        assert inertia(rows, found.cluster_centers_) <= 1.03 * found.fit(rows).inertia_


def test_what_was_kept_goes_on() -> None:
    rows, _ = blobs(3000, 30)
    before = streamed(rows[:2000], n_clusters=20, sample_size=1000)
    arrays = {name: array.copy() for name, array in export_arrays(before).items()}
    after = restore_from_arrays(arrays, rows[:1000] * 2, n_clusters=20, sample_size=1000, random_state=0)
    np.testing.assert_array_equal(after.predict(rows), before.predict(rows))
    np.testing.assert_array_equal(after.cluster_ids_, before.cluster_ids_)
    highest = int(before.cluster_ids_.max())
    after.partial_fit(rows[2000:])
    assert after.n_seen_ == 3000
    assert all(item > highest for item in set(after.cluster_ids_.tolist()) - set(before.cluster_ids_.tolist()))


def test_the_sample_is_uniform_over_the_stream() -> None:
    rows = np.eye(40, dtype=np.float32)[np.repeat(np.arange(40), 200)]
    found = streamed(rows, 100, n_clusters=4, sample_size=1000)
    held = np.bincount(found._reservoir.rows.argmax(1), minlength=40)
    assert held.sum() == 1000
    assert held.min() > 8
    assert held.max() < 50
    assert found.counts_.sum() == pytest.approx(8000)


def test_few_rows_copies_and_rows_without_a_direction() -> None:
    found = IncrementalKMeans(5, random_state=0)
    found.partial_fit(np.ones((1, 3)))
    found.partial_fit(np.ones((4, 3)))
    assert len(found.cluster_centers_) == 1
    rows, _ = blobs(400, 8, 3)
    found.partial_fit(np.concatenate([rows, np.zeros((2, 3))]))
    assert 1 <= len(found.cluster_centers_) <= 5
    assert np.isfinite(found.cluster_centers_).all()
    with pytest.raises(ValueError, match="n_samples=2"):
        IncrementalKMeans(3).fit(rows[:2])


def test_noise_is_not_split_and_two_groups_are() -> None:
    random = np.random.default_rng(0)
    noise = scale_to_unit(np.ones(64) * 3 + random.standard_normal((400, 64)))
    two = scale_to_unit(
        np.ones(64) * 3
        + random.standard_normal((400, 64))
        + np.sign(np.arange(400) % 2 - 0.5)[:, None] * np.arange(64) / 16
    )
    order = random.permutation(400)
    rows = np.stack([noise, two[order]])
    found = split_in_halves(rows, np.ones((2, 400), bool))
    assert found.gain[1] > 0.02
    assert found.gain[0] < 0.1 * found.gain[1]
    near = rows[1] @ found.centres[1].T - (found.centres[1] ** 2).sum(1) / 2
    assert (near.argmax(1) == order % 2).mean() in (0, 1)
    few = np.zeros((2, 400), bool)
    few[:, :7] = True
    assert split_in_halves(rows, few).gain.tolist() == [0, 0]
    assert split_in_halves(np.ones((1, 20, 3), np.float32), np.ones((1, 20), bool)).gain.tolist() == [0]


def test_the_cheapest_merges_are_those_of_ward_and_apart() -> None:
    centres = np.array([[0, 0], [1, 0], [0, 3], [0, 5]], np.float32)
    none, every = np.empty(0, np.int64), np.arange(4)
    found = find_cheapest_merges(centres, np.array([2, 6, 1, 1]), every, none, 9)
    assert (found.keep.tolist(), found.drop.tolist()) == ([1, 2], [0, 3])
    np.testing.assert_allclose(found.cost, [2 * 6 / 8, 2], rtol=1e-6)
    assert len(find_cheapest_merges(centres, np.array([2, 6, 1, 1]), every, none, 1).cost) == 1
    assert find_cheapest_merges(centres, np.array([2, 6, 0, 1]), every, none, 1).cost.tolist() == [0]
    # Many small ones may go to the same, what has nothing costs nothing, and none goes to where there is nothing.
    lines = np.array([[0], [1], [2], [9]], np.float32)
    found = find_cheapest_merges(lines, np.array([1, 50, 1, 0]), every, none, 9)
    assert (found.keep.tolist(), found.drop.tolist()) == ([2, 1], [3, 0])
    left = find_cheapest_merges(centres, np.array([2, 6, 1, 1]), np.array([0, 2, 3]), np.array([1]), 9)
    assert 1 not in {*left.keep.tolist(), *left.drop.tolist()}
    assert len(find_cheapest_merges(centres[:1], np.array([2]), np.array([0]), none, 1).cost) == 0
