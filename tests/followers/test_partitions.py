"""Partitions of a living collection: every item in one, ids that last, centroids that are remembered."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import UsageError
from retrieval import Collection
from tests.clusters.test_browse import family


def labels(collection: Collection) -> dict[int, int]:
    return {item: part.id for part in collection.partitions() for item in part.members}


def test_every_item_lies_in_one_partition_and_families_are_not_torn(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        assert collection.partitions() == ()
        collection.add_vectors(np.concatenate([family(number, 60) for number in range(8)]))
        partition_of = labels(collection)
        assert sorted(partition_of) == list(range(1, 481))
        assert 8 <= len(set(partition_of.values())) <= 20
        for number in range(8):
            inside = [partition_of[item] for item in range(60 * number + 1, 60 * number + 61)]
            outside = [part for item, part in partition_of.items() if not 60 * number < item <= 60 * number + 60]
            assert not set(inside) & set(outside)
        part = collection.partitions()[0]
        assert part.medoid in part.members
        assert len(part.items(size=5).items) == 5
        hits = collection.search(vector=family(5, 1)[0], k=99, within=part)
        assert {hit.item for hit in hits} <= set(part.members)


def test_ids_stay_while_more_of_the_same_comes_and_after_opening_again(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(np.concatenate([family(number, 60) for number in range(8)]))
        before = labels(collection)
        collection.add_vectors(np.concatenate([family(number, 4, seed=7) for number in range(8)]))
        after = labels(collection)
        assert np.mean([before[item] == after[item] for item in before]) > 0.8
        assert len(after) == 512
        collection.remove(list(range(1, 30)))
        last = labels(collection)
        assert len(last) == 483
    shutil.rmtree(tmp_path / "c" / "spaces")
    with Collection.open(tmp_path / "c") as collection:
        again = labels(collection)
        assert np.mean([again[item] == part for item, part in last.items()]) > 0.8


def test_a_collection_without_clusters_has_no_partitions(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, clusters=0) as collection:
        collection.add_vectors(family(0, 9))
        with pytest.raises(UsageError, match="the setting clusters is 0"):
            collection.partitions()


def test_few_changes_wait_until_somebody_asks_and_many_are_remembered_at_once(tmp_path: Path) -> None:
    def position(collection: Collection) -> int:
        with collection._catalogue.snapshot() as snapshot:
            return snapshot.clusters.partitions_position(1)

    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(family(0, 100))
        assert position(collection) == 0
        collection.add_vectors(np.concatenate([family(number, 100) for number in range(1, 11)]))
        assert position(collection) == collection.info().change
        collection.add_vectors(family(11, 40))
        assert position(collection) < collection.info().change
        assert sum(part.size for part in collection.partitions()) == 1140
        assert position(collection) == collection.info().change
