"""Clusterings by name, as a caller makes, browses, follows and refreshes them."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pytest

from indexers import plugins
from indexers.errors import (
    BadQuery,
    BadSetting,
    ClusteringNotFound,
    ClusterNotFound,
    MissingPackage,
    UnknownPlugin,
    UsageError,
)
from retrieval import Collection
from tests.clusters.test_browse import SIZES, families, family, names

__all__ = ["families"]


@pytest.fixture
def themed(families: Collection) -> Collection:
    """The six families and four strangers, in six clusters by k-means."""
    families.make_clustering("themes", k=6)
    return families


def of(collection: Collection, key: str) -> int:
    """The theme of an item."""
    item = collection.get(key).id
    return next(one.id or 0 for one in collection.clusters("themes") if item in one.members)


def test_it_is_made_and_says_what_it_is(families: Collection) -> None:
    made = families.make_clustering("themes", k=6)
    assert (made.name, made.method, made.clusters, made.items, made.loose) == ("themes", "kmeans", 6, 228, 0)
    assert made.parameters == {"n_clusters": 6, "n_init": 3, "max_iter": 300, "random_state": 0}
    assert made.change == made.as_of == families.info().change
    assert made.drift.to_dict() == {"new": 0, "gone": 0, "shift": 0, "strange": None}
    assert families.clusterings() == (made,) == (families.clustering("themes"),)


def test_its_clusters_are_browsed_like_the_trees(themed: Collection) -> None:
    found = themed.clusters("themes")
    assert sum(one.size for one in found) == 228
    assert found.loose == 0
    for number, size in enumerate(SIZES):
        inside = themed.cluster(of(themed, f"f{number}-0"))
        assert {f"f{number}"} <= names(themed, inside.members)
        assert inside.size >= size
        assert (inside.level, inside.parent, inside.children) == ("themes", None, ())
        assert inside.medoid in inside.members
    assert themed.loose("themes") == ()
    renamed = themed.rename(found[0].id or 0, "boats")
    assert themed.clusters("themes")[0].name == renamed.name == "boats"
    assert {one.what for one in themed.cluster_events() if one.level == "themes"} == {"born"}


def test_searches_go_within_beside_and_by_it(themed: Collection) -> None:
    one = of(themed, "f2-0")
    inside = set(themed.cluster(one).members)
    assert {hit.item for hit in themed.search(item="f0-0", within=one, k=99)} == inside
    assert not inside & {hit.item for hit in themed.search(item="f2-0", exclude=one, k=300)}
    hits = themed.search(item="f0-0", per_cluster=2, level="themes", k=10)
    labels = {item: cluster.id for cluster in themed.clusters("themes") for item in cluster.members}
    assert len(hits) == 10
    assert max(np.unique([labels[hit.item] for hit in hits], return_counts=True)[1]) == 2  # type: ignore[type-var]
    groups = themed.search(item="f1-0", group=True, level="themes", k=3).groups
    assert next(group.cluster.id for group in groups if group.cluster) == of(themed, "f1-1")


def test_exports_have_a_column_of_its_name(themed: Collection, tmp_path: Path) -> None:
    themed.export(tmp_path / "items.csv")
    with open(tmp_path / "items.csv", newline="") as file:
        rows = {row["key"]: row["themes"] for row in csv.DictReader(file)}
    assert rows["f3-0"] == str(of(themed, "f3-0"))
    assert len(rows) == 228


def test_new_items_are_put_where_the_model_sees_them(themed: Collection) -> None:
    before = of(themed, "f4-0")
    report = themed.add_vectors(family(4, 30, seed=5), keys=[f"n{one}" for one in range(30)])
    assert of(themed, "n7") == before
    assert themed.cluster(before).new == 30
    [event] = [one for one in themed.cluster_events(report.change - 1) if one.level == "themes"]
    assert (event.cluster, event.what, event.gained, event.lost, event.size) == (before, "grew", 30, 0, 54)
    drift = themed.clustering("themes").drift
    assert drift.new == pytest.approx(30 / 258)
    assert 0 < drift.shift < 0.3
    assert drift.strange is not None
    assert drift.strange < 0.3


def test_what_changes_moves_and_what_goes_leaves(themed: Collection) -> None:
    one, other = of(themed, "f0-0"), of(themed, "f5-0")
    themed.add_vectors(family(5, 1, seed=9), keys=["f0-0"])
    assert of(themed, "f0-0") == other
    themed.remove([f"f5-{number}" for number in range(20)])
    assert names(themed, themed.cluster(other).members) >= {"f0"}
    assert themed.cluster(one).size == 59
    assert themed.clustering("themes").drift.gone == pytest.approx(21 / 228)
    themed.remove(themed.cluster(other).members)
    with pytest.raises(ClusterNotFound, match=f"the cluster {other} was removed at change"):
        themed.cluster(other)


def test_a_refresh_keeps_ids_and_names_where_clusters_stay(themed: Collection) -> None:
    before = {number: of(themed, f"f{number}-0") for number in range(6)}
    themed.rename(before[1], "boats")
    themed.add_vectors(np.concatenate([family(number, 10, seed=3) for number in range(6)]))
    made = themed.refresh_clustering("themes")
    assert made.drift.new == 0
    assert made.items == 288
    kept = sum(of(themed, f"f{number}-0") == one for number, one in before.items())
    assert kept >= 5
    assert themed.cluster(of(themed, "f1-0")).name == "boats"


def test_another_method_under_the_name_takes_its_place(themed: Collection) -> None:
    before = of(themed, "f0-0")
    made = themed.make_clustering("themes", k=6, settings={"n_init": 5})
    assert (made.clusters, made.parameters["n_init"]) == (6, 5)
    assert of(themed, "f0-0") == before
    assert len(themed.clusterings()) == 1


def test_it_is_there_after_opening_again_and_in_another_process_view(themed: Collection) -> None:
    before = {one.id: one.members for one in themed.clusters("themes")}
    with Collection.open(themed.path) as again:
        assert {one.id: one.members for one in again.clusters("themes")} == before
        again.add_vectors(family(0, 3, seed=8), keys=["a", "b", "c"])
        assert of(again, "a") == of(again, "f0-0")
    assert of(themed, "a") == of(themed, "f0-0")  # the reader that was open all the while sees it too
    assert themed.search(item="f0-1", within=of(themed, "a"), k=99).hits


def test_it_stays_while_another_space_is_searched(tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(folder)
        made = collection.make_clustering("kinds", k=2)
        collection.fill("classic")
        collection.use("classic")
        found = collection.clusters("kinds")
        assert sum(one.size for one in found) == made.items
        assert collection.search(item=1, within=found[0].id, k=3, space="classic") is not None
        with pytest.raises(UsageError, match="'kinds' belongs to another space"):
            collection.make_clustering("kinds", k=2)
        collection.drop_space("tiny")
        assert collection.clusterings() == ()


def test_a_dropped_one_is_gone(themed: Collection) -> None:
    one = of(themed, "f0-0")
    themed.drop_clustering("themes")
    assert themed.clusterings() == ()
    with pytest.raises(BadQuery, match=r"no level 'themes'; there are: coarse, medium, fine$"):
        themed.clusters("themes")
    with pytest.raises(ClusterNotFound):
        themed.cluster(one)
    with pytest.raises(ClusterNotFound):
        themed.search(item="f0-0", within=one)
    with pytest.raises(ClusteringNotFound, match="there are: none"):
        themed.drop_clustering("themes")
    again = themed.make_clustering("themes", k=3)
    assert again.clusters == 3
    assert one not in {found.id for found in themed.clusters("themes")}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"name": "2 b"}, BadQuery, "a clustering's name is a letter and up to 63"),
        ({"name": "fine"}, BadQuery, "is already used for something else"),
        ({"name": "uri"}, BadQuery, "is already used for something else"),
        ({"name": 7}, BadQuery, "got 7"),
        ({"method": "nope"}, UnknownPlugin, "'nope'"),
        ({"method": "partitions"}, BadSetting, "can't be kept by name; methods that can: .*kmeans"),
        ({"k": None}, BadQuery, "needs the number of clusters"),
        ({"k": 0}, BadQuery, "of at least 1; got 0"),
        ({"k": 229}, UsageError, "n_clusters=229 clusters can't be made of n_samples=228"),
        ({"threshold": 0.5}, BadSetting, "takes no 'threshold'; it takes: n_clusters"),
        ({"threshold": -1}, BadQuery, "at least 0; got -1"),
        ({"settings": {"colour": 1}}, BadSetting, "takes no 'colour'"),
        ({"settings": {"max_iter": 0}}, UsageError, "'max_iter' parameter"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    families: Collection, arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        families.make_clustering(**({"name": "themes", "k": 3} | arguments))  # type: ignore[arg-type]
    assert families.clusterings() == ()


def test_an_empty_collection_has_nothing_to_cluster(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        assert collection.clusterings() == ()
        with pytest.raises(UsageError, match="is empty"):
            collection.make_clustering("themes", k=2)
        with pytest.raises(ClusteringNotFound):
            collection.refresh_clustering("themes")
        collection.add_vectors(family(0, 2))
        collection.remove(where={})
        with pytest.raises(UsageError, match="no vectors to cluster yet"):
            collection.make_clustering("themes", k=2)


def test_without_a_tree_it_works_as_well(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, clusters=0) as collection:
        collection.add_vectors(np.concatenate([family(number, 20) for number in range(3)]))
        collection.make_clustering("themes", k=3)
        assert [one.size for one in collection.clusters("themes")] == [20, 20, 20]
        collection.add_vectors(family(1, 5, seed=4))
        assert [one.size for one in collection.clusters("themes")] == [25, 20, 20]


def test_a_method_that_is_missing_stops_nothing(
    themed: Collection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is then behind, says so, and follows when the method is there again."""
    with Collection.open(themed.path) as collection:
        with monkeypatch.context() as patched:
            patched.setitem(plugins.BUILT_IN["nearkin.clusterers"], "kmeans", "no_such_module:KMeans")
            with caplog.at_level(logging.WARNING, "nearkin"):
                collection.add_vectors(family(2, 4, seed=6), keys=["a", "b", "c", "d"])
            assert "the clustering 'themes' stays as of change" in caplog.text
            assert collection.clustering("themes").as_of < collection.info().change
            with pytest.raises(MissingPackage, match="no_such_module"):
                collection.refresh_clustering("themes")
        collection.catch_up()
        assert of(collection, "a") == of(collection, "f2-0")


def test_it_is_judged_beside_the_others(themed: Collection) -> None:
    found = {one.name: one for one in themed.evaluate(methods=[], draws=1).clusterings}
    assert (found["themes"].kind, found["themes"].clusters, found["themes"].loose) == ("by name", 6, 0)
    assert found["themes"].stability is not None


def test_it_learns_from_chosen_items_and_places_the_others(families: Collection) -> None:
    made = families.make_clustering("themes", k=6, sample=100, once_per_copy=True, without_outliers=0.02)
    assert (made.method, made.items, made.loose, made.clusters) == ("kmeans", 228, 4, 6)
    assert {name: made.choice[name] for name in ("count", "copies", "outliers")} == {
        "count": 100,
        "copies": 0.98,
        "outliers": 0.02,
    }
    strangers = {families.get(f"s{number}").id for number in range(4)}
    assert strangers <= {one.item for one in families.loose("themes")}
    for number, size in enumerate(SIZES):
        assert families.cluster(of(families, f"f{number}-3")).size >= size - 1
    with Collection.open(families.path) as again:
        again.add_vectors(family(4, 2, seed=5), keys=["a", "b"])
        assert of(again, "b") == of(again, "f4-3")
        assert again.refresh_clustering("themes").choice == made.choice
        judged = next(one for one in again.evaluate(methods=[], draws=1).clusterings if one.name == "themes")
        assert "no stability: it was made of chosen items" in judged.notes


@pytest.mark.parametrize(
    ("arguments", "words"), [({"sample": 0}, "of at least 1; got 0"), ({"without_outliers": 1}, "below 1; got 1")]
)
def test_a_choice_that_cannot_be_is_named(families: Collection, arguments: dict[str, int], words: str) -> None:
    with pytest.raises(BadQuery, match=words):
        families.make_clustering("themes", k=3, **arguments)  # type: ignore[arg-type]
