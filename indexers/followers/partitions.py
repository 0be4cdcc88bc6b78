"""The second clustering: mini-batch k-means over a space, which learns from each batch of vectors that comes.

Centroids are remembered in the catalogue, since they can't be made again from vectors in another order. Which partition
an item lies in follows from them, and is not kept.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.followers.base import Follower
from indexers.followers.stored import FlatFollower
from indexers.types import Change, Ids, Space, Vectors

if TYPE_CHECKING:
    from indexers.clusterers.incremental_kmeans.estimator import IncrementalKMeans

BATCH = 1024
SAMPLE = 10_000
KMEANS_SETTINGS: dict[str, Any] = {"sample_size": SAMPLE, "random_state": 0}
WORTH = 1000
"""Changes that are learnt at once; fewer wait until somebody asks."""
DUE = 0.02
"""The centroids are written again when so much more was learnt."""


class PartitionFollower(Follower):
    """`means`: the estimator; None as long as there is no vector."""

    name: ClassVar[str] = "partitions"

    def __init__(self, space: Space, flat: FlatFollower) -> None:
        super().__init__(space)
        self._flat = flat
        self.reset()

    def reset(self) -> None:
        self.position = 0
        self.means: IncrementalKMeans | None = None
        self._written = -1
        self._labels: tuple[int, Ids, Ids] | None = None

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        there = np.array([one.item_id for one in changes if one.kind == "vector set"], np.int64)
        there = there[self._flat.index.has(there)]
        if self.means is None and len(there):
            self.means = _fresh()
        for start in range(0, len(there), BATCH):
            assert self.means is not None
            self.means.partial_fit(self._flat.index.take(there[start : start + BATCH]))

    def load(self, snapshot: Snapshot) -> str | None:
        self.reset()
        kept = snapshot.clusters.partitions(self.space.id)
        if kept is None or kept[0] > snapshot.number:
            return None
        with np.load(io.BytesIO(kept[1]), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if len(self._flat.index):
            ids = np.random.default_rng(int(arrays["numbers"][-1])).permutation(self._flat.index.ids())[:SAMPLE]
            self.means = _restored(arrays, self._flat.index.take(np.sort(ids)))
            self._written = self.means.n_seen_
            self.position = kept[0]
        return None

    def may_wait(self, snapshot: Snapshot) -> bool:
        there = self.position or snapshot.clusters.partitioned(self.space.id)
        return snapshot.count_changes(there, self.space.id, WORTH) < WORTH

    def needs_record(self, snapshot: Snapshot) -> bool:
        return self.means is not None and self.means.n_seen_ - self._written > DUE * max(self._written, 0)

    def record(self, writing: Transaction) -> None:
        kept = writing.clusters.partitions(self.space.id)
        if self.means is None or (kept and kept[0] > self.position):
            return
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **_kept(self.means))
        writing.clusters.set_partitions(self.space.id, self.position, stream.getvalue())
        self._written = self.means.n_seen_

    def labels(self) -> tuple[Ids, Ids]:
        """All items, sorted, and the id of the partition of each."""
        if self._labels is None or self._labels[0] != self.position:
            items = self._flat.index.ids()
            found = [np.empty(0, np.int64)]
            for start in range(0, len(items) if self.means else 0, BATCH * 8):
                assert self.means is not None
                rows = self._flat.index.take(items[start : start + BATCH * 8])
                found.append(self.means.cluster_ids_[self.means.predict(rows)])
            self._labels = self.position, items, np.concatenate(found)
        return self._labels[1], self._labels[2]


def _fresh() -> IncrementalKMeans:
    from indexers.clusterers.incremental_kmeans.estimator import IncrementalKMeans  # brings scikit-learn with it

    return IncrementalKMeans(**KMEANS_SETTINGS)


def _kept(means: IncrementalKMeans) -> dict[str, Any]:
    from indexers.clusterers.incremental_kmeans.persistence import export_arrays

    return export_arrays(means)


def _restored(arrays: dict[str, Any], sample: Vectors) -> IncrementalKMeans:
    from indexers.clusterers.incremental_kmeans.persistence import restore_from_arrays

    return restore_from_arrays(arrays, sample, **KMEANS_SETTINGS)
