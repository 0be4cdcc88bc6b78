"""Searching with clusters: within, exclude, so many of each, grouped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from indexers.errors import BadQuery, ClusterNotFound
from retrieval import Collection
from tests.clusters.test_browse import SIZES, families, family, of

__all__ = ["families"]


def best(query: np.ndarray, rows: np.ndarray, count: int) -> list[int]:
    scores = (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ query
    return np.argsort(-scores, kind="stable")[:count].tolist()


def test_within_a_cluster_the_answer_is_that_of_brute_force(families: Collection) -> None:
    one = of(families, "f1-0")
    for number in (1, 3):  # inside it, and far outside
        query = family(number, 1, seed=4)[0]
        hits = families.search(vector=query, k=5, within=one)
        assert [hit.key for hit in hits] == [f"f1-{place}" for place in best(query, family(1, 50), 5)]
        assert all(one in hit.clusters for hit in hits)
    assert len(families.search(vector=query, k=99, within=one)) == 50
    assert len(families.search(vector=query, k=99, within=families.cluster(one))) == 50
    assert len(families.search(vector=query, k=99, within=[one, of(families, "f2-0")])) == 90
    assert len(families.search(vector=query, k=99, within=one, where={"key": {"$in": ["f1-3", "f2-1"]}})) == 1
    assert len(families.search(vector=query, radius=-1, within=one)) == 50
    assert len(families.search(vector=query, k=99, within=one, diversify=0.5)) == 50


def test_what_is_excluded_does_not_answer(families: Collection) -> None:
    one, two = of(families, "f0-0"), of(families, "f1-0")
    hits = families.search(vector=family(0, 1)[0], k=999, exclude=[one, two])
    assert len(hits) == sum(SIZES) + 4 - 110
    assert not {"f0", "f1"} & {hit.key.split("-")[0] for hit in hits}
    coarse = families.cluster(one).parent
    assert coarse is not None
    rest = families.search(vector=family(0, 1)[0], k=999, within=coarse, exclude=one)
    assert len(rest) == families.cluster(coarse).size - 60


def test_an_ad_hoc_cluster_is_as_good_as_a_public_one(families: Collection) -> None:
    loosely = families.cut(threshold=0.99)
    some = loosely[0] if len(loosely) else families.cut(count=3)[0]
    hits = families.search(vector=family(4, 1)[0], k=999, within=some)
    assert sorted(hit.item for hit in hits) == list(some.members)


def test_a_restriction_follows_the_clusters(families: Collection) -> None:
    one, query = of(families, "f1-0"), family(1, 1)[0]
    assert len(families.search(vector=query, k=99, within=one)) == 50
    families.add_vectors(family(1, 7, seed=8))
    assert len(families.search(vector=query, k=99, within=one)) == 57
    families.remove("f1-0")
    assert len(families.search(vector=query, k=99, within=one)) == 56


def test_words_can_be_restricted_too(families: Collection) -> None:
    families.update("f1-0", text="a red boat")
    families.update("f2-0", text="a boat")
    assert [hit.key for hit in families.search(query="boat", within=of(families, "f2-0"))] == ["f2-0"]


def test_hits_come_by_clusters(families: Collection) -> None:
    found = families.search(vector=family(2, 1, seed=5)[0], k=3, group=True, per_cluster=4)
    assert len(found.groups) == 3
    first = found.groups[0]
    assert first.cluster
    assert first.cluster.id == of(families, "f2-0")
    assert len(first.hits) == 4
    assert [group.hits[0].score for group in found.groups] == sorted(
        (group.hits[0].score for group in found.groups), reverse=True
    )
    words = families.search(query="nothing-says-this", group=True)
    assert words.groups == ()


def test_hits_know_their_clusters_coarse_to_fine(families: Collection) -> None:
    hit = families.search(item="f3-0", k=1)[0]
    levels = [families.cluster(one).level for one in hit.clusters]
    assert levels == [level for level in ("coarse", "medium", "fine") if level in levels]
    assert of(families, "f3-0") in hit.clusters
    assert families.search(item="s0", k=1)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"within": 12345}, ClusterNotFound, "there is no cluster 12345"),
        ({"within": "boats"}, ClusterNotFound, "there is no cluster named 'boats'"),
        ({"within": 1.5}, BadQuery, "within takes clusters"),
        ({"exclude": True}, BadQuery, "exclude takes clusters"),
        ({"per_cluster": 0}, BadQuery, "per_cluster is how many"),
        ({"per_cluster": 2, "radius": 0.5}, BadQuery, "can't be combined with"),
        ({"per_cluster": 2, "level": "x"}, BadQuery, "no level"),
        ({"group": True, "diversify": 0.4}, BadQuery, "diversify"),
    ],
)
def test_bad_restrictions(families: Collection, options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        families.search(vector=family(0, 1)[0], **options)


def test_clusters_are_found_by_name_too(families: Collection) -> None:
    cluster = families.clusters()[0]
    families.rename(cluster.id or 0, "boats")
    try:
        hits = families.search(vector=family(0, 1)[0], within="boats", k=100)
        assert {hit.item for hit in hits} == set(cluster.members)
        assert not {hit.item for hit in families.search(vector=family(0, 1)[0], exclude="boats", k=100)} & set(
            cluster.members
        )
    finally:
        families.rename(cluster.id or 0, None)


def test_a_name_stands_for_the_clusters_that_have_it_now(families: Collection) -> None:
    """Renaming writes no change number, and answers follow it all the same."""
    first, second = families.clusters()[:2]

    def find(**options: Any) -> set[int]:
        return {hit.item for hit in families.search(vector=family(0, 1)[0], k=200, **options)}

    families.rename(first.id or 0, "boats")
    assert find(within="boats") == set(first.members)
    families.rename(second.id or 0, "boats")
    assert find(within="boats") == {*first.members, *second.members}
    families.rename(first.id or 0, None)
    assert find(within="boats") == set(second.members)
    assert not find(exclude="boats") & set(second.members)
    families.rename(second.id or 0, None)
    with pytest.raises(ClusterNotFound, match="named 'boats'"):
        find(within="boats")


def test_clusters_come_in_any_sequence_and_none_of_them_have_no_items(families: Collection) -> None:
    clusters = families.clusters()
    members = {item_id for cluster in clusters for item_id in cluster.members}

    def find(within: Any) -> set[int]:
        return {hit.item for hit in families.search(vector=family(0, 1)[0], k=999, within=within)}

    ids = [cluster.id for cluster in clusters]
    for within in (clusters, clusters[:], iter(clusters), ids, np.array(ids), set(ids), dict.fromkeys(ids).keys()):
        assert find(within) == members
    assert find([]) == find(()) == set()
    assert len(families.search(vector=family(0, 1)[0], exclude=[])) == 20
    assert families.search(query="f0-0", within=[]).hits == ()
    for bad in ({"id": ids[0]}, b"boats", [None], [ids]):
        with pytest.raises(BadQuery, match="within takes clusters by id, by name"):
            find(bad)


@pytest.mark.parametrize("metric", ["manhattan", "minkowski:3", "euclidean"])
def test_clusters_restrict_searches_in_any_metric(families: Collection, metric: str) -> None:
    order = {"manhattan": 1, "euclidean": 2}.get(metric, 3)
    one, query = of(families, "f1-0"), family(3, 1, seed=4)[0]
    distances = np.linalg.norm(family(1, 50) - query, order, axis=1)
    hits = families.search(vector=query, k=5, within=one, metric=metric)
    assert [hit.key for hit in hits] == [f"f1-{place}" for place in np.argsort(distances)[:5]]
    assert [hit.score for hit in hits] == pytest.approx((-np.sort(distances)[:5]).tolist(), rel=1e-5)
    few = families.search(vector=query, k=12, per_cluster=2, level="medium", metric=metric)
    assert sum(hit.key.startswith("f1-") for hit in few) <= 2
    assert [hit.score for hit in few] == sorted((hit.score for hit in few), reverse=True)
    groups = families.search(vector=query, k=3, group=True, metric=metric).groups
    assert len(groups) == 3
    assert len(families.search(vector=query, k=999, exclude=one, metric=metric)) == sum(SIZES) + 4 - 50


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip", "l1"])
def test_the_best_hits_of_each_cluster_are_those_of_brute_force(tmp_path: Path, metric: str) -> None:
    """Clusters of any shape, whose centroids do not tell which holds the nearest item."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((40, 16)) * 2
    rows = (centres[rng.integers(0, 40, 900)] + rng.standard_normal((900, 16)) * 0.6).astype(np.float32)
    with Collection.open(tmp_path / metric, create=True, metric=metric) as collection:
        collection.add_vectors(rows)
        labels = {item: cluster.id for cluster in collection.clusters("fine") for item in cluster.members}
        for most in (1, 3):
            query = rng.standard_normal(16) * 2
            counts: dict[int, int] = {}
            true = []
            for hit in collection.search(vector=query, k=900):
                label = labels.get(hit.item)
                counts[label or 0] = counts.get(label or 0, 0) + 1
                if label is None or counts[label] <= most:
                    true.append(hit.item)
            hits = collection.search(vector=query, k=20, per_cluster=most)
            assert [hit.item for hit in hits] == true[:20]


def test_thousands_of_clusters_are_looked_up_together(families: Collection) -> None:
    ids = [cluster.id for level in ("coarse", "medium", "fine") for cluster in families.clusters(level)]
    query = family(1, 1)[0]
    everything = families.search(vector=query, k=999, within=ids)
    statements: list[str] = []
    with families._catalogue.snapshot() as snapshot:
        engine = snapshot._connection.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    assert len(families.search(vector=query, k=999, within=(ids * 3000)[:10_000])) == len(everything)
    assert len(statements) < 100
    for wrong in (10**9, 2**70, -1):
        with pytest.raises(ClusterNotFound, match=str(wrong)):
            families.search(vector=query, within=[*ids, wrong])
