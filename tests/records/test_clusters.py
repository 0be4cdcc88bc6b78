"""The records about clusters of pictures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from indexers.errors import UsageError
from retrieval import Collection
from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose
from retrieval.records.items import Page
from tests.records.test_items import build_item
from tests.support import pictures


def build_cluster(number: int, size: int) -> Cluster:
    members = np.arange(size, dtype=np.int64)

    def pages(items: np.ndarray, page: int, count: int) -> Page:
        return Page((), None, int(items.sum()) + page + count)

    about = (size, "medium", None, (), 0, (0,), 0.5)
    return Cluster(number, f"c{number}" if number % 2 else None, *about, _members=members, _pager=pages)


def test_clusters_are_a_sequence_that_shows_the_largest() -> None:
    found = Clusters(tuple(build_cluster(number, 9 - number) for number in range(7)), "medium", 3, 42)
    assert len(found) == 7
    assert found[1].name == "c1"
    assert [one.id for one in found[2:4]] == [2, 3]
    assert repr(found) == (
        "<7 clusters, 3 loose items, as of change 42\n        9  unnamed (id 0)\n        8  c1 (id 1)\n"
        "        7  unnamed (id 2)\n        6  c3 (id 3)\n        5  unnamed (id 4)\n  ... 2 more>"
    )


def test_a_cluster_hands_out_its_items_and_keeps_that_out_of_its_dictionary() -> None:
    one = build_cluster(3, 4)
    assert one.members == (0, 1, 2, 3)
    assert one.items(page=2, size=5).as_of == 6 + 2 + 5
    assert "_members" not in one.to_dict()
    assert one.to_dict()["representatives"] == [0]
    assert one == build_cluster(3, 4)
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
        "part": None,
    }


def test_a_cluster_is_walked_page_by_page() -> None:
    members = np.arange(7, dtype=np.int64)

    def read_page(items: np.ndarray, page: int, size: int) -> Page:
        rows = tuple(build_item(number) for number in items[(page - 1) * size : page * size].tolist())
        return Page(rows, page + 1 if page * size < len(items) else None, 0)

    about = (7, "medium", None, (), 0, (0,), 0.5)
    cluster = Cluster(1, "boats", *about, _members=members, _pager=read_page)
    for size in (1, 3, 7, 500):
        assert [item.id for item in cluster.walk(size)] == list(range(7))


def test_a_cluster_without_a_collection_says_so() -> None:
    cluster = Cluster(1, "boats", 0, "medium", None, (), 0, (), 0.5)
    assert cluster.members == ()
    with pytest.raises(UsageError, match="not connected to an open collection"):
        cluster.items()
    with pytest.raises(UsageError, match="not connected to an open collection"):
        list(cluster.walk())


def test_clusters_show_thumbnails_in_a_notebook(filled: Collection) -> None:
    filled.add([pictures.disc("red", (160 + number, 120)) for number in range(6)], keys=list("abcdef"))
    clusters = filled.clusters()
    assert len(clusters)
    page = clusters[0]._repr_html_()
    assert page.count("<figure") == len(clusters[0].representatives)
    assert f"cluster {clusters[0].id} of medium" in page
    assert f"item {clusters[0].medoid}" in page
    page = clusters._repr_html_()
    assert page.count("<figure") == len(clusters)
    assert f"{len(clusters)} clusters, {clusters.loose} loose items" in page
    page = filled.partitions()[0]._repr_html_()
    assert page.startswith("<p>partition ")


def test_names_of_clusters_are_text_in_a_notebook() -> None:
    cluster = Cluster(1, "<img onerror=alert(1)>", 3, "medium", None, (), 4, (4, 5), 0.5)
    for page in (cluster._repr_html_(), Clusters((cluster,), "medium", 0, 1)._repr_html_()):
        assert "<img" not in page
        assert "&lt;img onerror=alert(1)&gt;" in page
    assert Clusters((), "medium", 2, 1)._repr_html_() == "<p>0 clusters, 2 loose items, as of change 1</p>"
