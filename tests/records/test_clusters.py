"""The records about families of pictures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose
from retrieval.records.items import Page


def cluster(number: int, size: int) -> Cluster:
    members = np.arange(size, dtype=np.int64)

    def pages(items: np.ndarray, page: int, count: int) -> Page:
        return Page((), None, int(items.sum()) + page + count)

    about = (size, "medium", None, (), 0, (0,), 0.5)
    return Cluster(number, f"c{number}" if number % 2 else None, *about, _members=members, _pager=pages)


def test_clusters_are_a_sequence_that_shows_the_largest() -> None:
    found = Clusters(tuple(cluster(number, 9 - number) for number in range(7)), "medium", 3, 42)
    assert len(found) == 7
    assert found[1].name == "c1"
    assert [one.id for one in found[2:4]] == [2, 3]
    assert repr(found) == (
        "<7 clusters, 3 loose items, as of change 42\n        9  unnamed (id 0)\n        8  c1 (id 1)\n"
        "        7  unnamed (id 2)\n        6  c3 (id 3)\n        5  unnamed (id 4)\n  ... 2 more>"
    )


def test_a_cluster_hands_out_its_items_and_keeps_that_out_of_its_dictionary() -> None:
    one = cluster(3, 4)
    assert one.members == (0, 1, 2, 3)
    assert one.items(page=2, size=5).as_of == 6 + 2 + 5
    assert "_members" not in one.to_dict()
    assert one.to_dict()["representatives"] == [0]
    assert one == cluster(3, 4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "x"  # type: ignore[misc]


def test_the_others_are_plain() -> None:
    assert ClusterEvent(3, 1, "split", (2,), "fine", 0, 5, 9, None).to_dict()["others"] == [2]
    assert Loose(1, "k", None, 4, 0.5).to_dict() == {
        "item": 1,
        "key": "k",
        "uri": None,
        "nearest": 4,
        "similarity": 0.5,
    }
