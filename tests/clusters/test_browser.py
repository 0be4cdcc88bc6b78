"""Browsing clusters that are brought up to date first, beside writers too: answers belong to one moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import ClusterNotFound, UsageError
from retrieval import Collection
from tests.clusters.test_browse import families, family, of

__all__ = ["families"]


def test_a_name_that_a_person_gave_stays(families: Collection) -> None:
    one = of(families, "f1-0")
    assert families.rename(one, " boats ").name == "boats"
    families.remove([f"f1-{number}" for number in range(3)])
    families.add_vectors(family(1, 5, seed=9))
    found = families.cluster(one)
    assert (found.name, found.given, found.size) == ("boats", True, 52)
    assert families.recluster()
    assert families.cluster(one).name == "boats"
    assert families.rename(one, None).given is False
    with pytest.raises(UsageError, match="a name is a text that is not empty"):
        families.rename(one, "  ")
    with pytest.raises(ClusterNotFound):
        families.rename(99_999, "x")


def test_an_empty_collection_has_no_families(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        assert len(collection.clusters()) == 0
        assert collection.outliers() == ()
        assert collection.cluster_events() == ()
        assert len(collection.cut(count=3)) == 0
        assert collection.loose() == ()
        with pytest.raises(ClusterNotFound):
            collection.cluster(1)
        collection.add_vectors(np.eye(3, dtype=np.float32))
        assert (len(collection.clusters()), collection.clusters().loose) == (0, 3)
        collection.remove(where={})
        assert (len(collection.clusters()), collection.clusters().loose) == (0, 0)


def test_clusters_catch_up_with_what_was_added_without_them(families: Collection) -> None:
    families.add_vectors(family(50, 22), catch_up=False)
    assert families.clusters().as_of == families.info().change
    assert 22 in [one.size for one in families.clusters()]


def test_a_collection_can_do_without(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, clusters=0) as collection:
        collection.add_vectors(family(0, 20))
        assert len(collection.clusters()) == 0
        with pytest.raises(UsageError, match="the setting clusters is 0"):
            collection.cut(count=2)
        with pytest.raises(UsageError, match="the setting clusters is 0"):
            collection.outliers()
        assert collection.search(vector=family(0, 1)[0], k=3)[0].clusters == ()


def test_clusters_are_browsed_while_pictures_come(tmp_path: Path) -> None:
    """Another thread adds and removes; every answer is whole: members that exist, sizes that fit, nested levels."""
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(np.concatenate([family(number, 30) for number in range(4)]))
        stop, failed = threading.Event(), []

        def write() -> None:
            try:
                for step in range(12):
                    collection.add_vectors(family(step % 6, 9, seed=step + 1), keys=[f"k{step}-{n}" for n in range(9)])
                    if step % 3 == 2:
                        collection.remove([f"k{step - 1}-{n}" for n in range(9)])
            except Exception as error:
                failed.append(error)
            finally:
                stop.set()

        thread = threading.Thread(target=write)
        thread.start()
        asked = 0
        while not stop.is_set() or not asked:
            found = collection.clusters()
            assert all(one.size == len(one.members) for one in found)
            assert all(one.medoid in one.members for one in found)
            hits = collection.search(vector=family(1, 1)[0], k=10, per_cluster=2, level="medium")
            assert len(hits) >= 4
            collection.outliers(3)
            asked += 1
        thread.join()
        assert failed == []
        assert collection.clusters().as_of == collection.info().change


def test_a_reader_sees_what_a_writer_without_clusters_has_added(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as writer, Collection.open(tmp_path / "c") as reader:
        writer.add_vectors(family(0, 20), catch_up=False)
        assert reader.count() == 20
        with writer._catalogue.transaction():
            busy = Collection.open(tmp_path / "c", wait=60)
            started = time.monotonic()
            assert busy.clusters().as_of < busy.info().change  # nobody may write: it says how far it is
            assert time.monotonic() - started < 10  # and does not wait for the writer
            busy._opened.catalogue.lock.wait = 0.05  # closing would
            busy.close()
        assert reader.clusters("coarse").as_of == reader.info().change


def test_a_cluster_is_walked_from_its_middle_outwards_whatever_the_page(families: Collection) -> None:
    cluster = families.clusters()[0]
    ids = [item.id for item in cluster.walk()]
    assert sorted(ids) == list(cluster.members)
    assert ids[0] == cluster.medoid
    assert [item.id for item in cluster.walk(size=7)] == ids
    walked = [item.id for partition in families.partitions() for item in partition.walk()]
    assert sorted(walked) == [item.id for item in families.walk()]
    families.remove(ids[:3])
    assert {item.id for item in cluster.walk(size=20)} == set(ids[3:])


def test_a_walk_misses_no_item_of_a_cluster_from_which_others_go(families: Collection) -> None:
    cluster = families.clusters()[0]
    ids = [item.id for item in cluster.walk()]
    walk = cluster.walk(size=10)
    walked = [next(walk).id for _ in range(10)]
    families.remove([*ids[:5], ids[15]])
    walked += [item.id for item in walk]
    assert sorted(walked) == sorted({*ids} - {ids[15]})


def test_names_are_cut_of_spaces_and_need_letters(families: Collection) -> None:
    cluster_id = of(families, "f0-0")
    assert families.rename(cluster_id, "  sailing boats ").name == "sailing boats"
    for bad in ("", " ", "a\0b", "\ud800"):
        with pytest.raises(UsageError, match="a name is a text that is not empty"):
            families.rename(cluster_id, bad)
    assert families.cluster(cluster_id).name == "sailing boats"


def test_another_space_has_its_own_clusters(families: Collection) -> None:
    with pytest.raises(LookupError, match="there is no space 'x'"):
        families._browser.read_clusters(lambda moment: moment.snapshot.number, 0, "x")
    assert families._browser.read_clusters(lambda moment: moment.view.space.name, "", "vectors") == "vectors"
    assert families._browser.read_tree(lambda moment: moment.snapshot.number, 0) == families.change()


@pytest.fixture
def living(tmp_path: Path) -> Iterator[tuple[Collection, Collection, np.random.Generator]]:
    """A collection that has grown, as this process and as another one has it open."""
    rng = np.random.default_rng(0)
    with Collection.open(tmp_path / "living", create=True, wait=0.2) as writer:
        centres = rng.standard_normal((12, 16)) * 2
        for count in (200, 140):
            writer.add_vectors(centres[rng.integers(0, 12, count)] + rng.standard_normal((count, 16)) * 0.7)
        with Collection.open(writer.path) as reader:
            yield writer, reader, rng


def read_members(collection: Collection, cluster_ids: list[int]) -> dict[int, list[int] | str]:
    members: dict[int, list[int] | str] = {}
    for cluster_id in cluster_ids:
        try:
            hits = collection.search(vector=np.ones(16), within=cluster_id, k=999)
            members[cluster_id] = sorted(hit.item for hit in hits)
        except ClusterNotFound as error:
            members[cluster_id] = type(error).__name__
    return members


def test_clusters_made_again_at_the_same_change_are_seen_by_everybody(
    living: tuple[Collection, Collection, np.random.Generator],
) -> None:
    writer, reader, _ = living
    cluster_ids = [cluster.id or 0 for level in ("coarse", "medium", "fine") for cluster in writer.clusters(level)]
    for collection in (writer, reader):
        read_members(collection, cluster_ids)
        collection.clusters("medium")
    change = writer.change()
    writer.recluster()
    assert writer.change() == change
    with Collection.open(writer.path) as fresh:
        true, sizes = read_members(fresh, cluster_ids), [(c.id, c.size) for c in fresh.clusters("medium")]
        for collection in (writer, reader):
            assert read_members(collection, cluster_ids) == true
            assert [(c.id, c.size) for c in collection.clusters("medium")] == sizes


def test_a_cut_beside_a_writer_counts_what_the_public_clusters_lack_as_new(
    living: tuple[Collection, Collection, np.random.Generator],
) -> None:
    writer, reader, rng = living
    before = sum(cluster.size for cluster in writer.cut(count=5)) + writer.cut(count=5).loose
    writer.add_vectors(rng.standard_normal((40, 16)) * 3, catch_up=False)
    with reader._catalogue.lock.hold():
        clusters = writer.cut(count=5)
    assert sum(cluster.size for cluster in clusters) + clusters.loose == before + 40
    assert all(0 <= cluster.new <= cluster.size for cluster in clusters)


def test_clusters_are_made_again_right_after_opening(families: Collection) -> None:
    with Collection.open(families.path) as collection:
        with collection._catalogue.snapshot() as snapshot:
            before = snapshot.clusters.tree_levels(1)
        collection.remove(collection.items(limit=3).items[0].id)
    with Collection.open(families.path) as collection:
        collection.recluster()
        with collection._catalogue.snapshot() as snapshot:
            after = snapshot.clusters.tree_levels(1)
        assert before is not None
        assert after is not None
        assert after.since > before.since  # the levels were chosen again
        assert after.item_count == collection.info().vectors
