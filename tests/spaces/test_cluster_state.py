"""Clusters in memory: who is in which, worked out by hand."""

from __future__ import annotations

import numpy as np

from indexers.types import ItemClusters
from indexers.vectors.exact import Exact
from retrieval.spaces.cluster_state import Assignment, ClusterState, describe_items


def test_members_labels_and_sizes() -> None:
    grouping = Assignment(np.array([2, 3, 5, 9, 11]), np.array([7, 0, 7, 4, 0]))
    assert grouping.members(7).tolist() == [2, 5]
    assert grouping.members(0).tolist() == [3, 11]
    assert grouping.members(8).tolist() == []
    assert grouping.find_labels(np.array([5, 3, 4, 99])).tolist() == [7, 0, 0, 0]
    assert grouping.clusters == [(7, 2), (4, 1)]
    empty = Assignment(np.empty(0, np.int64), np.empty(0, np.int64))
    assert empty.clusters == []
    assert empty.find_labels(np.array([1])).tolist() == [0]


def made() -> ClusterState:
    labels = np.array([[1, 3, 6], [1, 3, 6], [1, 4, 0], [1, 4, 7], [2, 5, 8], [0, 0, 0]])
    member = ItemClusters(np.arange(10, 16), labels, np.array([1, 1, 1, 9, 8, 9]))
    return ClusterState(member, 9, 1)


def test_clusters_know_those_above_and_below() -> None:
    found = made()
    assert [found.find_level(one) for one in (1, 4, 8, 99, 0)] == ["coarse", "medium", "fine", None, None]
    assert found.find_parent(6, "fine") == 3
    assert found.find_parent(3, "medium") == 1
    assert found.find_parent(1, "coarse") is None
    assert found.find_children(1, "coarse") == (3, 4)
    assert found.find_children(4, "medium") == (7,)
    assert found.find_children(8, "fine") == ()


def test_new_is_what_came_last_or_after_a_change() -> None:
    found = made()
    items = np.arange(10, 16)
    assert found.count_new(items, None) == 2
    assert found.count_new(items, 7) == 3
    assert found.count_new(items, 0) == 6


def test_a_set_is_described_by_its_middle_and_what_covers_it() -> None:
    flat = Exact(2)
    angles = np.radians([0, 1, 2, 40, 41, 80])
    flat.add(np.arange(6), np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    facts = describe_items(np.arange(6), flat)
    assert facts.medoid == 2 or facts.medoid == 3
    assert facts.representatives[0] == facts.medoid
    assert {5} <= set(facts.representatives)
    assert len(facts.representatives) == 3
    one = describe_items(np.array([4]), flat)
    assert (one.medoid, one.representatives, one.tightness) == (4, (4,), 1.0)
    assert describe_items(np.empty(0, np.int64), flat).representatives == ()


def test_what_stays_the_same_is_not_described_again() -> None:
    flat = Exact(2)
    flat.add(np.arange(10, 16), np.eye(2, dtype=np.float32)[[0, 0, 1, 1, 0, 1]])
    first = made()
    facts = first.describe(np.array([10, 11]), flat)
    assert ClusterState(first._item_clusters, 9, previous=first).describe(np.array([10, 11]), flat) is facts
