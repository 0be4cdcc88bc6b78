from __future__ import annotations

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.clusterers.incremental_kmeans.centres import Centres, Reservoir
from indexers.clusterers.incremental_kmeans.relocation import MAX_SPLITS, REST, Relocation
from tests.clusterers.incremental_kmeans.streams import inertia

DIMENSION = 16


def groups(sizes: list[int], spread: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors close to one axis for each group, in random order, and their groups."""
    random = np.random.default_rng(0)
    label = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return scale_to_unit(np.eye(DIMENSION)[label] + spread * random.standard_normal((len(label), DIMENSION))), label


def start(rows: np.ndarray, labels: np.ndarray) -> Relocation:
    """Every row in the sample, and centres that are the means of these clusters."""
    centres, reservoir = Centres(rows.shape[1]), Reservoir(rows.shape[1], len(rows), np.random.default_rng(0))
    centres.add(np.stack([rows[labels == cluster].mean(0) for cluster in range(labels.max() + 1)]))
    centres.weight = np.bincount(labels).astype(float)
    reservoir.add(rows, labels, 0)
    return Relocation(centres, reservoir)


def torn() -> tuple[Relocation, np.ndarray]:
    """Four groups; cluster 0 holds the first two of them, 1 and 2 share the third, 3 has the fourth."""
    rows, group = groups([60, 40, 80, 50])
    labels = np.array([0, 0, 1, 3])[group]
    labels[np.flatnonzero(group == 2)[::2]] = 2
    return start(rows, labels), group


def test_a_cluster_of_two_groups_is_split_and_two_of_one_group_are_merged() -> None:
    relocation, group = torn()
    rows = relocation.reservoir.rows
    before = inertia(rows, relocation.centres.rows)
    relocation.run(4, len(rows))
    assert relocation.n_moved == 1
    labels = relocation.reservoir.label
    assert len({(int(own), int(cluster)) for own, cluster in zip(group, labels, strict=True)}) == 4
    assert inertia(rows, relocation.centres.rows) < 0.1 * before
    for cluster in range(4):
        np.testing.assert_allclose(relocation.centres.rows[cluster], rows[labels == cluster].mean(0), atol=1e-5)


def test_the_larger_half_keeps_its_id_and_the_other_gets_a_new_one() -> None:
    relocation, group = torn()
    relocation.run(4, len(group))
    ids = relocation.centres.ids[relocation.reservoir.label]
    assert set(ids[group == 0].tolist()) == {0}
    assert set(ids[group == 1].tolist()) == {4}
    assert set(ids[group == 2].tolist()) <= {1, 2}
    assert set(ids[group == 3].tolist()) == {3}


def test_clusters_that_are_missing_are_added_without_a_merge() -> None:
    rows, group = groups([60, 40, 50])
    relocation = start(rows, np.array([0, 0, 1])[group])
    relocation.run(3, len(rows))
    assert len(relocation.centres) == 3
    assert relocation.centres.ids.tolist() == [0, 1, 2]
    assert len({(int(own), int(label)) for own, label in zip(group, relocation.reservoir.label, strict=True)}) == 3


def test_what_is_one_group_is_left_alone() -> None:
    rows, group = groups([200, 200, 200], spread=0.1)
    relocation = start(rows, group)
    before = relocation.centres.rows.copy()
    relocation.run(3, len(rows))
    assert relocation.n_moved == 0
    np.testing.assert_array_equal(relocation.centres.rows, before)
    assert relocation.centres.ids.tolist() == [0, 1, 2]
    assert relocation.max_splits == 0


def test_a_cluster_that_gains_nothing_by_a_split_rests() -> None:
    """Equal rows, though their centres claim to be loose; a cluster is missing, so that a split would cost nothing."""
    rows = np.repeat(np.eye(2, dtype=np.float32), [30, 20], axis=0)
    relocation = start(rows, np.repeat([0, 1], [30, 20]))
    relocation.centres.rows *= 0.5
    relocation.run(3, 50)
    assert relocation.resting.tolist() == [REST, 0]
    relocation.max_splits = 1
    relocation.run(3, 50)
    assert relocation.resting.tolist() == [REST - 1, REST]
    assert len(relocation.centres) == 2


def test_while_nothing_moves_only_every_fourth_batch_tries_a_split() -> None:
    relocation, group = torn()
    relocation.max_splits = 0
    moved = []
    for _ in range(4):
        relocation.run(4, len(group))
        moved.append(relocation.n_moved)
    assert moved == [0, 0, 0, 1]
    assert relocation.max_splits == 4  # more may follow in the next batch


def test_a_cluster_that_a_batch_floods_wakes() -> None:
    relocation, _ = torn()
    relocation.resting, relocation.max_splits = np.full(4, REST), 0
    relocation.notice_arrivals(np.array([1] * 90 + [0] * 5 + [3] * 5))
    assert relocation.resting.tolist() == [REST, 0, REST, REST]
    assert relocation.max_splits == 2


def test_a_batch_like_the_sample_wakes_nothing() -> None:
    relocation, _ = torn()
    relocation.resting, relocation.max_splits = np.full(4, REST), 0
    relocation.notice_arrivals(relocation.reservoir.label)
    assert relocation.resting.tolist() == [REST] * 4
    assert relocation.max_splits == 0


def test_nothing_arrives_before_there_is_a_sample() -> None:
    relocation = Relocation(Centres(2), Reservoir(2, 5, np.random.default_rng(0)))
    relocation.notice_arrivals(np.zeros(9, np.int64))
    assert relocation.max_splits == MAX_SPLITS
    assert len(relocation.get_resting()) == 0


def test_new_clusters_do_not_rest() -> None:
    relocation, _ = torn()
    relocation.resting = np.array([2, 1])
    assert relocation.get_resting().tolist() == [2, 1, 0, 0]


def test_a_thorough_run_gives_each_of_many_groups_a_cluster() -> None:
    """Twelve groups, equally far apart, in one cluster; and eleven clusters in a thirteenth group."""
    rows, group = groups([30] * 12 + [330])
    labels = np.where(group == 12, 1 + np.arange(len(group)) % 11, 0)
    relocation = start(rows, labels)
    before = inertia(rows, relocation.centres.rows)
    for _ in range(3):
        relocation.run_thoroughly(12)
    assert len(relocation.centres) == 12
    assert inertia(rows, relocation.centres.rows) < 0.2 * before
    assert len(set(relocation.centres.ids.tolist())) == 12
