"""Browsing families of pictures, as a caller does: levels, members, names, cuts, events, outliers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import BadQuery, ClusterNotFound
from indexers.types import LEVELS
from retrieval import Collection
from retrieval.records.clusters import Clusters

SIZES = (60, 50, 40, 30, 24, 20)


def family(number: int, count: int, seed: int = 0) -> np.ndarray:
    """Vectors around one of some directions that have nothing to do with each other, float32 (count, 64)."""
    noise = np.random.default_rng(seed * 100 + number).standard_normal((count, 64))
    return (8 * np.eye(64)[number] + 0.5 * noise).astype(np.float32)


@pytest.fixture
def families(tmp_path: Path) -> Iterator[Collection]:
    """Six families, f0 with sixty items to f5 with twenty, and four strangers."""
    with Collection.open(tmp_path / "families", create=True) as made:
        rows = [family(number, size) for number, size in enumerate(SIZES)]
        keys = [f"f{number}-{one}" for number, size in enumerate(SIZES) for one in range(size)]
        made.add_vectors(np.concatenate(rows), keys=keys)
        strangers = np.concatenate([family(60 + one, 1) for one in range(4)])
        made.add_vectors(strangers, keys=[f"s{one}" for one in range(4)])
        yield made


def of(collection: Collection, key: str, level: str = "medium") -> int:
    """The cluster of an item."""
    item = collection.get(key).id
    found = [one.id for one in collection.clusters(level) if item in one.members]
    assert len(found) == 1
    assert found[0] is not None
    return found[0]


def names(collection: Collection, items: tuple[int, ...]) -> set[str]:
    return {item.key.split("-")[0] for item in collection.get(items)}


def test_families_are_found_and_strangers_are_loose(families: Collection) -> None:
    found = families.clusters("medium")
    assert [one.size for one in found] == list(SIZES)
    assert [names(families, one.members) for one in found] == [{f"f{number}"} for number in range(6)]
    assert found.loose == 4
    assert {one.key for one in families.loose()} == {"s0", "s1", "s2", "s3"}
    assert all(one.nearest in {cluster.id for cluster in found} and one.similarity < 0.5 for one in families.loose())
    assert families.loose(page=2) == ()
    assert found.as_of == families.info().change
    assert found.level == "medium"
    assert all(0.6 < one.tightness <= 1 for one in found)


def test_levels_are_nested_and_know_each_other(families: Collection) -> None:
    levels = {level: {one.id: one for one in families.clusters(level)} for level in LEVELS}
    for finer, coarser in (("fine", "medium"), ("medium", "coarse")):
        for one in levels[finer].values():
            assert one.level == finer
            if one.parent is not None:
                parent = levels[coarser][one.parent]
                assert set(one.members) <= set(parent.members)
                assert one.id in parent.children
    for one in levels["coarse"].values():
        assert one.parent is None
        assert all(child in levels["medium"] for child in one.children)
    assert all(one.children == () for one in levels["fine"].values())


def test_the_medoid_is_the_member_nearest_to_all_and_representatives_cover(families: Collection) -> None:
    one = families.clusters()[0]
    rows = family(0, 60)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    best = int(np.argmax((unit @ unit.T).sum(1)))
    assert families.get(one.medoid).key == f"f0-{best}"
    assert one.representatives[0] == one.medoid
    assert len(set(one.representatives)) == len(one.representatives) <= 9
    assert set(one.representatives) <= set(one.members)
    pairs = unit @ unit.T
    assert one.tightness == pytest.approx((pairs.sum() - 60) / (60 * 59), abs=1e-4)


def test_representatives_are_not_copies_of_one(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        rows = np.concatenate([np.repeat(family(1, 1), 30, axis=0), family(1, 3, seed=7), family(2, 20)])
        collection.add_vectors(rows)
        one = next(one for one in collection.clusters() if 1 in one.members)
        assert len(set(one.representatives) & set(range(1, 31))) == 1


def test_items_of_a_cluster_come_page_by_page_from_its_middle_outwards(families: Collection) -> None:
    one = families.clusters()[0]
    first = one.items(page=1, size=15)
    rest = [one.items(page=page, size=size) for page, size in ((2, 15), (2, 30))]
    assert [len(page.items) for page in (first, *rest)] == [15, 15, 30]
    assert [first.cursor, rest[0].cursor, rest[1].cursor] == [2, 3, None]
    assert sorted(item.id for page in (first, *rest) for item in page.items) == list(one.members)
    assert first.items[0].id == one.medoid
    assert one.items(page=9).items == ()
    with pytest.raises(BadQuery, match="page is a whole number of at least 1; got 0"):
        one.items(page=0)


def test_what_happened_is_told_since_a_change(families: Collection) -> None:
    before = families.info().change
    one = of(families, "f2-0")
    families.remove([f"f2-{number}" for number in range(4)])
    report = families.add_vectors(family(2, 9, seed=3))
    events = [event for event in families.cluster_events(since=before) if event.level == "medium"]
    assert {(event.cluster, event.what) for event in events} == {(one, "shrank"), (one, "grew")}
    assert [event.size for event in events] == [36, 45]
    assert [event.gained for event in events] == [0, 9]
    assert events[-1].change == report.change
    assert families.cluster_events(since=report.change) == ()
    assert families.cluster(one, since=before).new == 9
    assert families.cluster(one).new == 9
    assert families.cluster(one, since=report.change).new == 0
    with pytest.raises(BadQuery, match="since is a change number"):
        families.cluster_events(since=-1)


def test_a_new_family_is_born_and_one_that_goes_dies(families: Collection) -> None:
    before, gone = families.info().change, of(families, "f5-0")
    families.add_vectors(family(40, 22), keys=[f"new-{one}" for one in range(22)])
    families.remove([f"f5-{number}" for number in range(20)])
    events = {(event.cluster, event.what) for event in families.cluster_events(before) if event.level == "medium"}
    assert (of(families, "new-0"), "born") in events
    assert (gone, "died") in events
    with pytest.raises(ClusterNotFound, match=rf"the cluster {gone} was removed at change \d+"):
        families.cluster(gone)


def test_a_cut_anywhere(families: Collection) -> None:
    six = families.cut(count=6)
    assert [one.size for one in six] == list(SIZES)
    assert {one.id for one in six} <= {one.id for level in LEVELS for one in families.clusters(level)}
    for count in (1, 2, 5, 9):
        assert len(families.cut(count=count)) == count
        assert families.cut(count=count).note == ""
    most = families.cut(count=1000)
    assert most.note == f"1000 clusters were asked for; there are at most {len(most)} of five items or more"
    assert most.note in repr(most)
    tight = families.cut(threshold=0.99)
    assert isinstance(tight, Clusters)
    assert tight.loose + sum(one.size for one in tight) == families.count()
    assert six[0].items(size=5).items
    for bad in ({}, {"count": 3, "threshold": 0.5}, {"count": 0}, {"threshold": 2}, {"count": True}):
        with pytest.raises(BadQuery):
            families.cut(**bad)  # type: ignore[arg-type]


def test_loose_items_join_the_nearest_when_asked(families: Collection) -> None:
    joined = families.clusters(loose="nearest")
    assert joined.loose == 0
    assert sum(one.size for one in joined) == families.count()
    with pytest.raises(BadQuery, match="loose"):
        families.clusters(loose="away")


def test_outliers_are_the_strangers_and_say_why(families: Collection) -> None:
    found = families.outliers(4)
    assert {one.key for one in found} == {"s0", "s1", "s2", "s3"}
    assert all("it is in no cluster" in one.reason for one in found)
    assert [one.score for one in found] == sorted(one.score for one in found)
    with pytest.raises(BadQuery, match="outliers takes the number"):
        families.outliers(0)


def test_what_is_no_level_or_cluster_is_refused(families: Collection) -> None:
    with pytest.raises(BadQuery, match="there is no level 'huge'; there are: coarse, medium, fine"):
        families.clusters("huge")
    with pytest.raises(ClusterNotFound, match="there is no cluster 12345"):
        families.cluster(12345)
    with pytest.raises(ClusterNotFound, match="there is no cluster named 'boats'"):
        families.cluster("boats")
    with pytest.raises(ClusterNotFound, match="named by its id"):
        families.cluster(("boats",))  # type: ignore[arg-type]


def test_a_second_space_takes_over_the_ids_by_shared_items(tmp_path: Path) -> None:
    from indexers.embedders.tiny import Tiny
    from tests.support import pictures

    class Other(Tiny):
        name = "other"

    place = tmp_path / "pictures"
    place.mkdir()
    for number in range(24):
        side = 10 * number if number < 12 else 250 - number
        pictures.disc((side, 20 + 200 * (number < 12), 200 * (number >= 12))).save(place / f"{number}.png")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(place)
        before = {one.id: one.members for one in collection.clusters("coarse")}
        names = {one.id: collection.rename(one.id, f"n{one.id}").name for one in collection.clusters() if one.id}
        assert names
        collection.fill(Other())
        collection.use("other")
        assert {one.id: one.members for one in collection.clusters("coarse")} == before
        assert {one.id: one.name for one in collection.clusters()} == names


def test_records_say_what_they_are(families: Collection) -> None:
    found = families.clusters()
    assert repr(found).startswith(f"<6 clusters, 4 loose items, as of change {found.as_of}\n       60  unnamed (id ")
    said = found[0].to_dict()
    assert said["size"] == 60
    assert not [name for name in said if name.startswith("_")]
    assert found[0:2] == (found[0], found[1])
    assert families.cluster_events()[0].to_dict()["what"] == "born"


def test_items_tell_their_clusters_coarse_to_fine(families: Collection) -> None:
    levels = [families.clusters(level) for level in LEVELS]
    item = families.get("f0-0")
    expected = tuple(cluster.id for level in levels for cluster in level if item.id in cluster.members)
    assert len(expected) == 3
    assert item.clusters == expected == families.items(limit=1).items[0].clusters
    assert item.clusters == families.search(item=2, where={"id": item.id}, k=1)[0].clusters
    assert levels[1][0].items(1, 1).items[0].clusters == next(levels[1][0].walk()).clusters != ()
    assert not {cluster.id for cluster in levels[1]} & set(families.get("s0").clusters)


@pytest.mark.parametrize("metric", ["cosine", "l2", "minkowski:3"])
def test_levels_of_a_space_where_length_counts_say_that_they_go_by_direction(tmp_path: Path, metric: str) -> None:
    random = np.random.default_rng(0)
    rows = np.repeat([[1.0, 0], [9, 0], [0, 1]], 8, axis=0) + random.normal(0, 0.02, (24, 2))
    with Collection.open(tmp_path / "c", create=True, metric=metric) as collection:
        collection.add_vectors(rows)
        cuts = [*map(collection.clusters, LEVELS), collection.cut(count=2)]
        collection.make_clustering("distance", "kmeans", k=3)
        named = collection.clusters("distance")
    assert {"direction of vectors alone" in cut.note for cut in cuts} == {metric != "cosine"}
    assert sorted(cluster.size for cluster in cuts[-1]) == [8, 16]
    if metric != "cosine":
        assert f"the space's metric is {metric}" in cuts[-1].note
        assert (sorted(cluster.size for cluster in named), named.note) == ([8, 8, 8], "")
