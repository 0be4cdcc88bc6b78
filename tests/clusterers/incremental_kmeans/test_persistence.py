from __future__ import annotations

import io

import numpy as np

from indexers.clusterers.incremental_kmeans.persistence import export_arrays, restore_from_arrays
from tests.clusterers.incremental_kmeans.streams import blobs, fit_stream


def test_what_was_kept_goes_on() -> None:
    rows, _ = blobs(3000, 30)
    before = fit_stream(rows[:2000], n_clusters=20, sample_size=1000)
    arrays = {name: array.copy() for name, array in export_arrays(before).items()}
    after = restore_from_arrays(arrays, rows[:1000] * 2, n_clusters=20, sample_size=1000, random_state=0)
    np.testing.assert_array_equal(after.predict(rows), before.predict(rows))
    np.testing.assert_array_equal(after.cluster_ids_, before.cluster_ids_)
    highest = int(before.cluster_ids_.max())
    after.partial_fit(rows[2000:])
    assert after.n_seen_ == 3000
    assert all(item > highest for item in set(after.cluster_ids_.tolist()) - set(before.cluster_ids_.tolist()))


def test_the_state_is_plain_arrays_that_a_file_can_hold() -> None:
    rows, _ = blobs(400, 5)
    arrays = export_arrays(fit_stream(rows, batch=100, n_clusters=4, sample_size=100))
    assert {name: array.shape for name, array in arrays.items()} == {
        "centres": (4, 24),
        "ids": (4,),
        "weight": (4,),
        "resting": (4,),
        "numbers": (5,),
    }
    assert arrays["numbers"][-1] == 400
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    file.seek(0)
    again = dict(np.load(file, allow_pickle=False))
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)


def test_exporting_what_was_restored_gives_the_same_arrays() -> None:
    rows, _ = blobs(1500, 30)
    arrays = export_arrays(fit_stream(rows, batch=100, n_clusters=20, sample_size=300))
    restored = restore_from_arrays(arrays, rows[:300], n_clusters=20, sample_size=300, random_state=0)
    for name, array in export_arrays(restored).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_what_was_restored_shares_no_memory_with_its_arrays() -> None:
    rows, _ = blobs(600, 8)
    arrays = export_arrays(fit_stream(rows, n_clusters=4))
    before = {name: array.copy() for name, array in arrays.items()}
    restore_from_arrays(arrays, rows, n_clusters=4, random_state=0).partial_fit(rows[::-1])
    for name, array in before.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_a_longer_sample_is_cut_to_the_size_of_the_sample() -> None:
    rows, _ = blobs(600, 8)
    arrays = export_arrays(fit_stream(rows, batch=100, n_clusters=4, sample_size=100))
    restored = restore_from_arrays(arrays, rows, n_clusters=4, sample_size=100, random_state=0)
    assert restored.counts_.sum() == 600
    assert len(restored._reservoir) == 100
