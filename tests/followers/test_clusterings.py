"""A clustering by name in the catalogue, advanced without a collection around it."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from indexers import plugins
from indexers.catalogue.catalogue import Catalogue
from indexers.clusterers.kmeans import KMeans
from indexers.followers.base import Followers
from indexers.followers.clusterings import (
    ClusteringFollower,
    FittedClustering,
    describe_changes,
    predict_labels,
    read_vectors,
)
from indexers.types import Arrival, ClusterEventRow, Space
from tests.support.followers import make_flat, remove_items

AXES = np.eye(8, dtype=np.float32)


class World:
    """A space whose vectors lie near the axes, and its clustering follower."""

    def __init__(self, catalogue: Catalogue, space: Space) -> None:
        self.catalogue = catalogue
        self.flat = make_flat(catalogue, space)
        self.follower = ClusteringFollower(space, self.flat)
        self.followers = Followers(catalogue, [self.flat, self.follower])
        self.followers.open()

    def put(self, **axis_of: int) -> None:
        """Put items on axes, with a length and a deviation of their own."""
        rows = [(2 + len(key)) * (AXES[axis] + 0.01 * len(key)) for key, axis in axis_of.items()]
        with self.catalogue.transaction() as transaction:
            arrivals = [Arrival(key, vector=row) for key, row in zip(axis_of, rows, strict=True)]
            transaction.put(arrivals, self.follower.space.id)

    def fit(self, k: int) -> None:
        """Cluster all items under the name "themes"."""
        with self.followers.current_snapshot() as snapshot:
            items, position = self.flat.index.ids(), snapshot.number
        model = KMeans(k, random_state=0).fit(read_vectors(self.flat, items))
        fitted = FittedClustering("themes", "kmeans", {}, {}, model, items, model.labels_, 0.9, position)
        with self.catalogue.transaction() as transaction:
            self.follower.record_clustering(transaction, fitted)

    def clusters(self) -> dict[str, int]:
        """Return the public cluster of each item's key, as recorded."""
        with self.catalogue.snapshot() as snapshot:
            [row] = snapshot.clusterings.rows(self.follower.space.id)
            item_clusters = snapshot.clusterings.item_clusters(row.id)
            keys = {item.id: item.key for item in snapshot.items(item_clusters.item_ids.tolist())}
        ids = item_clusters.cluster_ids[:, 0].tolist()
        return {keys[item]: cluster for item, cluster in zip(item_clusters.item_ids.tolist(), ids, strict=True)}

    def needs_record(self) -> bool:
        with self.catalogue.snapshot() as snapshot:
            return self.follower.needs_record(snapshot)


@pytest.fixture
def world(catalogue: Catalogue, space: Space) -> World:
    world = World(catalogue, space)
    world.put(a=0, aa=0, b=1, bb=1)
    world.fit(2)
    return world


def test_items_are_recorded_under_public_ids(world: World) -> None:
    clusters = world.clusters()
    assert clusters["a"] == clusters["aa"] != clusters["b"] == clusters["bb"]
    assert min(clusters.values()) > 0
    assert not world.needs_record()


def test_new_changed_and_removed_items_are_followed(world: World) -> None:
    before = world.clusters()
    world.put(c=0, b=0)
    remove_items(world.catalogue, "aa")
    assert world.needs_record()
    assert world.followers.record()
    assert not world.needs_record()
    assert world.clusters() == {"a": before["a"], "b": before["a"], "c": before["a"], "bb": before["b"]}


def test_clusters_keep_their_ids_when_they_are_fitted_again(world: World) -> None:
    before = world.clusters()
    world.put(d=2)
    world.followers.record()
    world.fit(3)
    after = world.clusters()
    assert {key: after[key] for key in before} == before
    assert after["d"] not in before.values()


def test_a_clustering_whose_method_is_missing_stays_behind_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = world.clusters()
    world.put(c=1)
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "nearkin"):
        patched.setitem(plugins.BUILT_IN["nearkin.clusterers"], "kmeans", "no_such_module:KMeans")
        assert world.followers.record()
    assert "the clustering 'themes' stays as of change" in caplog.text
    assert world.clusters() == before
    assert world.needs_record()
    world.followers.record()
    assert world.clusters() == before | {"c": before["b"]}


def test_a_clusterer_sees_directions_in_a_cosine_space(world: World) -> None:
    items = world.flat.index.ids()
    rows = read_vectors(world.flat, items)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    model = KMeans(2, random_state=0).fit(rows)
    assert predict_labels(model, items, world.flat).tolist() == model.labels_.tolist()
    assert predict_labels(model, items[:0], world.flat).tolist() == []


def test_changes_are_told_by_cluster() -> None:
    """Two items go from cluster 4 to 7, one comes to 7, one of 7 is removed; 9 loses its last one."""
    before, after = np.array([4, 4, -1, 7, 9]), np.array([7, 7, 7, -1, 0])
    assert describe_changes("themes", before, after, {4: 5, 7: 12}, 30) == [
        ClusterEventRow(4, "themes", "shrank", (), 0, 2, 5, 30),
        ClusterEventRow(7, "themes", "grew", (), 3, 1, 12, 30),
        ClusterEventRow(9, "themes", "died", (), 0, 1, 0, 30),
    ]
    exchanged = describe_changes("themes", np.array([1, 2]), np.array([2, 1]), {1: 3, 2: 3}, 8)
    assert [event.kind for event in exchanged] == ["changed", "changed"]
