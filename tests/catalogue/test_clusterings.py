"""Clusterings by name in the catalogue: written, read back, taken away."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.types import Arrival, ClusteringRow

pytestmark = pytest.mark.databases


@pytest.fixture
def space(catalogue: Catalogue) -> int:
    with catalogue.transaction() as writing:
        writing.put([Arrival(str(number)) for number in range(3000)])
        return writing.add_space("s", None, {}, "", 8, "cosine").id


def make_row(space: int, name: str = "themes", clustering_id: int = 0) -> ClusteringRow:
    about = {"parameters": {"k": 2}, "choice": {}, "labels": [5, 7], "begun": {"items": 3}, "since": 4}
    written = {"method": "kmeans", "made_at": 9, "position": 4, "written": 1}
    return ClusteringRow(id=clustering_id, space=space, name=name, **about, **written)  # type: ignore[arg-type]


def test_it_comes_back_as_it_was_put(catalogue: Catalogue, space: int) -> None:
    with catalogue.transaction() as writing:
        clustering_id = writing.clusterings.put(make_row(space), b"model")
        writing.clusterings.put(make_row(space, "kinds"), b"other")
    with catalogue.snapshot() as snapshot:
        assert snapshot.clusterings.find("themes") == make_row(space, clustering_id=clustering_id)
        assert [stored.name for stored in snapshot.clusterings.rows()] == ["kinds", "themes"]
        assert snapshot.clusterings.rows(space + 1) == []
        assert snapshot.clusterings.find("others") is None
        assert snapshot.clusterings.model(clustering_id) == b"model"
        assert len(snapshot.clusterings.item_clusters(clustering_id).item_ids) == 0


def test_members_are_moved_counted_and_taken_out(catalogue: Catalogue, space: int) -> None:
    items = np.random.default_rng(0).permutation(np.arange(1, 3001))
    with catalogue.transaction() as writing:
        clustering_id = writing.clusterings.put(make_row(space), b"")
        writing.clusterings.assign(clustering_id, items, items % 3, 4)
        writing.clusterings.assign(clustering_id, items[:10], np.full(10, 7), 6)
        writing.clusterings.unassign(clustering_id, items[10:20])
    with catalogue.snapshot() as snapshot:
        item_clusters = snapshot.clusterings.item_clusters(clustering_id)
        remaining = np.sort(np.delete(items, np.arange(10, 20)))
        moved = np.isin(remaining, items[:10])
        np.testing.assert_array_equal(item_clusters.item_ids, remaining)
        np.testing.assert_array_equal(item_clusters.cluster_ids[:, 0], np.where(moved, 7, remaining % 3))
        np.testing.assert_array_equal(item_clusters.since, np.where(moved, 6, 4))
        np.testing.assert_array_equal(
            snapshot.clusterings.cluster_ids(clustering_id, remaining), item_clusters.cluster_ids[:, 0]
        )
        assert snapshot.clusterings.cluster_ids(clustering_id, items[10:20]).tolist() == [-1] * 10
        assert snapshot.clusterings.cluster_sizes(clustering_id)[7] == 10
        assert sum(snapshot.clusterings.cluster_sizes(clustering_id).values()) == 2990


def test_the_stamp_tells_every_change(catalogue: Catalogue, space: int) -> None:
    stamps = []
    with catalogue.transaction() as writing:
        stamps.append(writing.clusterings.versions())
        clustering_id = writing.clusterings.put(make_row(space), b"")
        stamps.append(writing.clusterings.versions())
        writing.clusterings.set_position(clustering_id, 8)
        stamps.append(writing.clusterings.versions())
        assert writing.clusterings.find("themes") == make_row(space, clustering_id=clustering_id)._replace(
            position=8, written=2
        )
        writing.clusterings.assign(clustering_id, np.array([1]), np.array([5]), 8)
        writing.clusterings.drop(clustering_id)
        stamps.append(writing.clusterings.versions())
        assert len(writing.clusterings.item_clusters(clustering_id).item_ids) == 0
        assert writing.clusterings.put(make_row(space), b"") > clustering_id
        stamps.append(writing.clusterings.versions())
    assert len({*stamps}) == 4
    assert stamps[0] == stamps[3] == ()


def test_it_goes_with_its_space(catalogue: Catalogue, space: int) -> None:
    with catalogue.transaction() as writing:
        clustering_id = writing.clusterings.put(make_row(space), b"")
        writing.clusterings.assign(clustering_id, np.array([1]), np.array([5]), 8)
        writing.drop_space(space)
    with catalogue.snapshot() as snapshot:
        assert snapshot.clusterings.rows() == []
        assert len(snapshot.clusterings.item_clusters(clustering_id).item_ids) == 0
