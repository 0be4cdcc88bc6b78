"""Stored clusterings made anew: of all items, they are what the collection has."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import adjusted_rand_score

from indexers.types import LEVELS
from retrieval import Collection
from retrieval.evaluation.refits import TreeRefit, make_partition_refit
from tests.clusters.test_browse import families

__all__ = ["families"]


def test_levels_of_all_items_are_the_collections_own(families: Collection) -> None:
    view = families._spaces.current
    assert view is not None
    families.clusters()
    with families._catalogue.snapshot() as snapshot:
        clustering = snapshot.clusters.tree_levels(view.space.id)
    assert clustering is not None
    again, items = TreeRefit(view.space, clustering.levels), view.flat.index.ids()
    rows = view.flat.index.take(items)
    for place, level in enumerate(LEVELS):
        labels = again.make_level_refit(place)(rows)
        stored = families.clusters(level)
        expected = np.full(len(items), -1)
        for number, cluster in enumerate(stored):
            expected[np.isin(items, cluster.members)] = number
        assert np.array_equal(labels < 0, expected < 0)
        assert adjusted_rand_score(labels, expected) == 1
    assert len(again._cuts) == 1


def test_partitions_are_as_many(families: Collection) -> None:
    view = families._spaces.current
    assert view is not None
    rows = view.flat.index.take(view.flat.index.ids())
    assert len(np.unique(make_partition_refit(6)(rows))) == 6
    assert len(make_partition_refit(500)(rows[:20])) == 20
