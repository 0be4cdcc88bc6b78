"""What the catalogue remembers of clusters: written and read back, per space, also of many items."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.types import ClusterEventRow, ClusterRow, TreeLevels

pytestmark = pytest.mark.databases


@pytest.fixture
def space(catalogue: Catalogue) -> int:
    with catalogue.transaction() as writing:
        return writing.add_space("s", None, {}, "", 8, "cosine").id


def test_nothing_is_remembered_of_a_new_space(catalogue: Catalogue, space: int) -> None:
    with catalogue.snapshot() as snapshot:
        assert snapshot.clusters.tree_levels(space) is None
        assert snapshot.clusters.clustered_space_ids() == []
        item_clusters = snapshot.clusters.item_clusters(space)
        assert [len(column) for column in item_clusters] == [0, 0, 0]
        assert item_clusters.cluster_ids.shape == (0, 3)
        assert snapshot.clusters.events(0, space) == []
        assert snapshot.clusters.partitions(space) is None
        assert snapshot.clusters.cluster_ids(space, [1, 2]) == {}
        assert snapshot.clusters_position(space) is None


def test_members_come_back_sorted_and_can_be_moved_and_taken_out(catalogue: Catalogue, space: int) -> None:
    items = np.random.default_rng(0).permutation(3000).astype(np.int64)
    labels = np.stack([items % 3, items % 7, items % 50], axis=1)
    with catalogue.transaction() as writing:
        writing.clusters.assign(space, items, labels, items * 0 + 5)
        writing.clusters.assign(space, items[:10], labels[:10] + 1, items[:10] * 0 + 6)
        writing.clusters.unassign(space, items[10:20])
    with catalogue.snapshot() as snapshot:
        item_clusters = snapshot.clusters.item_clusters(space)
        remaining = np.sort(np.delete(items, np.arange(10, 20)))
        np.testing.assert_array_equal(item_clusters.item_ids, remaining)
        moved = np.isin(remaining, items[:10])
        np.testing.assert_array_equal(item_clusters.cluster_ids[:, 2], remaining % 50 + moved)
        np.testing.assert_array_equal(item_clusters.since, 5 + moved)
        by_item = snapshot.clusters.cluster_ids(space, remaining.tolist())
        assert by_item[int(remaining[5])] == tuple(item_clusters.cluster_ids[5].tolist())


def test_ids_names_events_and_levels(catalogue: Catalogue, space: int) -> None:
    with catalogue.transaction() as writing:
        assert writing.clusters.next_id() == 1
        writing.clusters.add([ClusterRow(1, "fine", None, False, 3), ClusterRow(2, "coarse", "boats", False, 3)])
        writing.clusters.set_name(1, "ships", True)
        writing.clusters.set_tree_levels(space, TreeLevels(3, (0.1, 0.2, 1 / 3), 10, 2))
        writing.clusters.set_tree_levels(space, TreeLevels(4, (0.1, 0.2, 1 / 3), 12, 2))
        writing.clusters.add_events(space, [ClusterEventRow(1, "fine", "born", (2,), 5, 0, 5, 3)])
        writing.clusters.add_events(space, [ClusterEventRow(None, None, "levels changed", change=4)])
        writing.clusters.set_partitions(space, 4, b"state")
        writing.clusters.set_partitions(space, 5, b"later")
    with catalogue.snapshot() as snapshot:
        assert snapshot.clusters.rows([1, 2, 9]) == {
            1: ClusterRow(1, "fine", "ships", True, 3),
            2: ClusterRow(2, "coarse", "boats", False, 3),
        }
        assert snapshot.clusters.tree_levels(space) == TreeLevels(4, (0.1, 0.2, 1 / 3), 12, 2)
        assert snapshot.clusters.events(3, space) == [ClusterEventRow(None, None, "levels changed", change=4)]
        assert snapshot.clusters.events(0, space)[0] == ClusterEventRow(1, "fine", "born", (2,), 5, 0, 5, 3)
        assert snapshot.clusters.partitions(space) == (5, b"later")
    with catalogue.transaction() as writing:
        assert writing.clusters.next_id() == 3


def test_what_a_dropped_space_had_is_forgotten(catalogue: Catalogue, space: int) -> None:
    with catalogue.transaction() as writing:
        writing.clusters.assign(space, np.array([1]), np.array([[1, 2, 3]]), np.array([1]))
        writing.clusters.set_tree_levels(space, TreeLevels(3, (0.1, 0.2, 0.3), 10, 2))
        writing.clusters.add_events(space, [ClusterEventRow(1, "fine", "born")])
        writing.drop_space(space)
        assert len(writing.clusters.item_clusters(space).item_ids) == 0
        assert writing.clusters.tree_levels(space) is None
        assert writing.clusters.events(0, space) == []
