"""Clusters by name: one of now, whatever the case of its letters; several of a name are told with their ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexers.errors import BadQuery, ClusterNotFound
from retrieval import Collection
from tests.clusters.test_browse import families, of

__all__ = ["families"]


def test_a_cluster_is_found_by_its_name(families: Collection) -> None:
    one, two = of(families, "f0-0"), of(families, "f1-0")
    families.rename(one, "Cafe\u0301  au lait")
    for name in ("Caf\u00e9 au lait", "CAFE\u0301 AU LAIT", " caf\u00e9 au  lait"):
        assert families.cluster(name).id == one
    assert families.rename("caf\u00e9 au lait", "STRASSE").id == one
    assert families.cluster("stra\u00dfe").id == one
    families.rename(two, "stra\u00dfe")
    assert (families.cluster("STRASSE").id, families.cluster("stra\u00dfe").id) == (one, two)
    with pytest.raises(BadQuery, match=rf"2 clusters are named 'Strasse'; say which by its id: {one} \(medium, 60"):
        families.cluster("Strasse")
    with pytest.raises(ClusterNotFound, match="there is no cluster named 'nobody'"):
        families.rename("nobody", "x")


def test_a_cluster_of_a_clustering_is_found_by_its_name(families: Collection) -> None:
    families.make_clustering("themes", k=5)
    cluster = families.clusters("themes")[0]
    families.rename(int(cluster.id or 0), "sea")
    assert families.cluster("sea").level == "themes"
    families.drop_clustering("themes")
    with pytest.raises(ClusterNotFound):
        families.cluster("sea")


def test_the_automatic_name_comes_back(tmp_path: Path) -> None:
    bundles = np.repeat(np.eye(3, 13), 12, axis=0) + np.random.default_rng(0).normal(0, 0.01, (36, 13))
    texts = [f"a {word}" for word in ("boat", "dog", "tree") for _ in range(12)]
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(bundles, texts=texts)
        collection.make_clustering("themes", k=3)
        for level in ("medium", "themes"):
            cluster = next(row for row in collection.clusters(level) if row.name == "boat")
            assert collection.rename(int(cluster.id or 0), "mine").name == "mine"
            restored = collection.rename(int(cluster.id or 0), None)
            assert (restored.name, restored.given) == ("boat", False)


def test_numbers_are_ids_whatever_their_size(families: Collection) -> None:
    for number in (0, -1, 2**63, 10**30):
        with pytest.raises(ClusterNotFound, match=f"there is no cluster {number}"):
            families.cluster(number)
    with pytest.raises(ClusterNotFound, match="whole number"):
        families.cluster(1.5)  # type: ignore[arg-type]


def test_of_identical_clusters_the_coarsest_is_meant(tmp_path: Path) -> None:
    bundles = np.repeat(np.eye(3, 13), 12, axis=0) + np.random.default_rng(0).normal(0, 0.01, (36, 13))
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(bundles)
        pairs = [(row, collection.cluster(child)) for row in collection.clusters("coarse") for child in row.children]
        coarse, medium = next((outer, inner) for outer, inner in pairs if outer.size == inner.size)
        for cluster in (medium, coarse):
            collection.rename(int(cluster.id or 0), "same")
        assert collection.cluster("same").id == coarse.id
        collection.rename("same", "other")
        assert collection.cluster("same").id == medium.id
