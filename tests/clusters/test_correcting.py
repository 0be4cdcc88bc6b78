"""What people say of clusters holds, whatever comes later, and can be taken back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import ClusterNotFound, CollectionReadOnly, ItemNotFound, UsageError
from indexers.types import LEVELS
from retrieval import Collection
from tests.clusters.test_browse import families, family, names, of

__all__ = ["families"]


def test_two_clusters_are_one_until_it_is_undone(families: Collection) -> None:
    first, second, before = of(families, "f0-0"), of(families, "f1-0"), families.clusters()
    families.rename(second, "ships")
    number = families.info().change
    decision = families.merge_clusters(first, second)
    assert of(families, "f0-0") == of(families, "f1-0") == first  # the larger one goes on
    assert len(families.clusters()) == len(before) - 1
    events = {(event.what, event.cluster) for event in families.cluster_events(number) if event.level == "medium"}
    assert events == {("died", second), ("merged", first)}
    assert families.verify().ok
    families.rename(first, "boats")
    families.undo(decision)
    assert [(cluster.id, cluster.size) for cluster in families.clusters()] == [(one.id, one.size) for one in before]
    assert (families.cluster(first).name, families.cluster(second).name) == ("boats", "ships")
    assert families.corrections() == ()
    assert families.verify().ok
    with pytest.raises(UsageError, match="no decision"):
        families.undo(decision)


def test_a_merge_outlives_new_pictures_recluster_lost_files_and_another_model(families: Collection) -> None:
    families.merge_clusters(of(families, "f0-0"), of(families, "f1-0"))
    families.add_vectors(np.concatenate([family(0, 40, 5), family(1, 90, 5)]), keys=[f"n{one}" for one in range(130)])
    assert of(families, "f0-0") == of(families, "f1-0") == of(families, "n0") == of(families, "n100")
    families.recluster()
    assert of(families, "f0-0") == of(families, "f1-0") == of(families, "n0") == of(families, "n100")
    cluster, path = of(families, "n100"), families.path
    families.close()
    shutil.rmtree(path / "spaces")
    with Collection.open(path) as again:
        again.catch_up()
        assert of(again, "f0-0") == of(again, "n100") == cluster
        assert again.verify().ok
        assert [row.exception for row in again.corrections()] == [""]


def test_a_process_that_has_the_collection_open_sees_it(families: Collection) -> None:
    with Collection.open(families.path) as other:
        assert of(other, "f0-0") != of(other, "f1-0")
        families.merge_clusters(of(families, "f0-0"), of(families, "f1-0"))
        assert of(other, "f0-0") == of(other, "f1-0")


def test_a_cluster_is_taken_apart_and_all_its_items_go_somewhere(families: Collection) -> None:
    joined = of(families, "f0-0")
    families.merge_clusters(joined, of(families, "f2-0"))
    families.split_cluster(joined, [["f0-1", "f0-2", "f0-3"], ["f2-1"]])
    assert names(families, families.cluster(of(families, "f0-0")).members) == {"f0"}
    assert names(families, families.cluster(of(families, "f2-30")).members) == {"f2"}


def test_odd_ones_are_taken_out_of_a_cluster(families: Collection) -> None:
    odd = [f"f0-{number}" for number in range(8)]
    families.split_cluster(of(families, "f0-20"), [odd])
    assert families.cluster(of(families, "f0-0")).size == 8
    assert families.cluster(of(families, "f0-20")).size == 52


def test_items_are_moved_and_kept_together(families: Collection) -> None:
    target = of(families, "f3-0")
    families.move_to_cluster(["f0-0", "s1"], target)
    assert of(families, "f0-0") == of(families, "s1") == of(families, "f3-0")
    families.keep_together(["s0", "s2", "f4-0"])
    assert of(families, "s0") == of(families, "s2") == of(families, "f4-0") == of(families, "f4-1")
    for level in LEVELS[:2]:
        assert of(families, "s1", level) == of(families, "f3-0", level)


def test_two_items_are_in_different_clusters_of_every_level(families: Collection) -> None:
    families.keep_apart("f0-0", "f0-1")
    a, b = families.get("f0-0").id, families.get("f0-1").id
    for level in LEVELS:
        assert not any({a, b} <= set(cluster.members) for cluster in families.clusters(level))
    assert families.corrections()[0].exception == ""


def test_a_hidden_cluster_is_left_out_but_there(families: Collection) -> None:
    hidden = of(families, "f5-0")
    decision = families.hide(hidden)
    assert hidden not in {cluster.id for cluster in families.clusters()}
    assert next(cluster for cluster in families.clusters(hidden=True) if cluster.id == hidden).hidden
    assert families.cluster(hidden).hidden
    assert families.search(item="f5-0", k=1)[0].key.startswith("f5")
    families.undo(decision)
    assert hidden in {cluster.id for cluster in families.clusters()}


def test_what_a_later_correction_contradicts_is_told(families: Collection) -> None:
    families.keep_together(["f0-0", "f1-0"])
    families.keep_apart("f0-0", "f1-0")
    together, apart = families.corrections()
    assert together.exception == "1 of 2 items are elsewhere by a later correction"
    assert apart.exception == ""


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda c: c.merge_clusters(1, 1), UsageError, "the same cluster"),
        (lambda c: c.merge_clusters(c.clusters("fine")[0].id, c.clusters()[0].id), UsageError, "name two of a level"),
        (lambda c: c.merge_clusters(10**9, 1), ClusterNotFound, "no cluster 1000000000"),
        (lambda c: c.split_cluster(c.clusters()[0].id, []), UsageError, "none of them empty"),
        (lambda c: c.split_cluster(c.clusters()[0].id, [["f0-0"], ["f0-0"]]), UsageError, "in several groups"),
        (lambda c: c.split_cluster(c.clusters()[0].id, [["f1-0"]]), UsageError, "is not in cluster"),
        (lambda c: c.split_cluster(c.clusters()[0].id, [c.clusters()[0].members]), UsageError, "leave some out"),
        (lambda c: c.move_to_cluster([], c.clusters()[0].id), UsageError, "nothing to move"),
        (lambda c: c.move_to_cluster(["nobody"], c.clusters()[0].id), ItemNotFound, "nobody"),
        (lambda c: c.keep_together(["f0-0"]), UsageError, "two items or more"),
        (lambda c: c.keep_apart("f0-0", "f0-0"), UsageError, "the same item"),
        (lambda c: c.hide("no such name"), ClusterNotFound, "no such name"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    families: Collection, wrong: Callable[[Collection], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        wrong(families)
    assert families.corrections() == ()


def test_clusters_of_a_clustering_of_ones_own_are_not_corrected(families: Collection) -> None:
    families.make_clustering("kinds", k=3)
    with pytest.raises(UsageError, match="belongs to the clustering 'kinds'"):
        families.hide(families.clusters("kinds")[0].id)


def test_a_collection_that_may_only_be_read_is_not_corrected(families: Collection, tmp_path: Path) -> None:
    path = families.path
    families.close()
    for file in (path, *path.rglob("*")):
        file.chmod(0o555 if file.is_dir() else 0o444)
    with Collection.open(path) as reading:
        if not reading._catalogue.is_read_only:
            pytest.skip("this user may write everything")
        with pytest.raises(CollectionReadOnly):
            reading.hide(1)


def test_undone_in_any_order_clusters_have_their_ids_and_names_again(families: Collection) -> None:
    ids = [of(families, f"f{number}-0") for number in range(4)]
    for cluster, name in zip(ids, "abcd", strict=True):
        families.rename(cluster, name)
    coarse = of(families, "f1-0", "coarse")
    made = [families.merge_clusters(ids[0], ids[1]), families.merge_clusters(ids[0], ids[2])]
    for decision in made:
        families.undo(decision)
    assert [of(families, f"f{number}-0") for number in range(4)] == ids
    assert [families.cluster(cluster).name for cluster in ids] == list("abcd")
    moved = families.move_to_cluster(families.cluster(ids[3]).members, ids[0])
    families.undo(moved)
    assert [of(families, f"f{number}-0") for number in range(4)] == ids
    assert families.cluster(ids[3]).name == "d"
    assert of(families, "f1-0", "coarse") == coarse
    assert families.verify().ok


def test_undoing_leaves_clusters_that_came_since_alone(families: Collection) -> None:
    first, second = of(families, "f0-0"), of(families, "f1-0")
    merged = families.merge_clusters(first, second)
    families.split_cluster(first, [[f"f1-{number}" for number in range(50)]])
    part = of(families, "f1-0")
    families.rename(part, "kept")
    families.undo(merged)
    assert families.cluster(of(families, "f1-0")).name == "kept"


def test_what_is_left_of_a_cluster_takes_no_other_along(families: Collection) -> None:
    families.merge_clusters(of(families, "f0-0"), of(families, "f5-0"))
    families.remove([f"f5-{number}" for number in range(1, 20)])
    families.add_vectors(family(2, 1, seed=9), keys=["f5-0"], replace=True)
    assert of(families, "f2-0") != of(families, "f0-0")
    assert of(families, "f5-0") == of(families, "f0-0")


def test_parts_of_a_hidden_cluster_are_hidden_on_every_level(families: Collection) -> None:
    hidden = of(families, "f2-0")
    members = set(families.cluster(hidden).members)
    families.hide(hidden)
    for level in LEVELS:
        assert not any(set(cluster.members) <= members for cluster in families.clusters(level))
    families.split_cluster(hidden, [[f"f2-{number}" for number in range(15)]])
    assert not any(set(cluster.members) <= members for cluster in families.clusters())
    assert families.corrections()[0].exception == ""
    families.merge_clusters(of(families, "f0-0"), of(families, "f5-0"))
    second = of(families, "f4-0")
    families.hide(second)
    families.merge_clusters(second, of(families, "f0-0"))
    exception = families.corrections()[-2].exception
    assert exception.startswith("24 of 24 pictures are in clusters that are shown")


def test_without_clusters_nothing_is_corrected(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, clusters=0) as collection:
        collection.add_vectors(family(0, 6), keys=[f"k{number}" for number in range(6)])
        with pytest.raises(UsageError, match="keeps no clusters"):
            collection.keep_apart("k0", "k1")
