"""The second clustering: mini-batch k-means over a space, which learns from each batch of vectors that arrives.

Centroids are recorded in the catalogue, since vectors in another order would give others. Which partition an item lies
in follows from them and is not recorded.
"""

from __future__ import annotations

import io
import zipfile
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
"""Vectors that are learnt from at once."""
SAMPLE = 10_000
"""Rows of the uniform sample that the estimator keeps in memory."""
KMEANS_SETTINGS: dict[str, Any] = {"sample_size": SAMPLE, "random_state": 0}
CHANGES_WORTH_LEARNING = 1000
"""Changes that are worth advancing for; fewer wait until partitions are asked for."""
UNREADABLE = (
    *(ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, OSError, MemoryError),
    zipfile.BadZipFile,
)
"""What reading arrays raises that are damaged, or that somebody has forged."""
SHARE_WORTH_RECORDING = 0.02
"""The centroids are recorded again once the vectors learnt since then are more than this share of those before."""


class PartitionFollower(Follower):
    """The k-means partitions of one space. means: the estimator; None as long as there is no vector."""

    name: ClassVar[str] = "partitions"

    def __init__(self, space: Space, flat: FlatFollower) -> None:
        super().__init__(space)
        self._flat = flat
        self.reset()

    def reset(self) -> None:
        self.position = 0
        self.means: IncrementalKMeans | None = None
        self._recorded_count = -1
        """Vectors that the recorded centroids had learnt from; -1: none are recorded."""
        self._labels: tuple[int, Ids, Ids] | None = None

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        item_ids = np.array([change.item_id for change in changes if change.kind == "vector set"], np.int64)
        item_ids = item_ids[self._flat.index.has(item_ids)]
        if self.means is None and len(item_ids):
            self.means = _make_means()
        for start in range(0, len(item_ids), BATCH):
            assert self.means is not None
            self.means.partial_fit(self._flat.index.take(item_ids[start : start + BATCH]))

    def load(self, snapshot: Snapshot) -> str | None:
        self.reset()
        recorded = snapshot.clusters.partitions(self.space.id)
        if recorded is None or recorded[0] > snapshot.number:
            return None
        if not len(self._flat.index):
            return None
        try:
            arrays = _read_arrays(recorded[1])
            ids = np.random.default_rng(int(arrays["numbers"][-1])).permutation(self._flat.index.ids())[:SAMPLE]
            self.means = _restore_means(arrays, self._flat.index.take(np.sort(ids)))
            _check_means(self.means, self.space.dimension)
        except UNREADABLE as error:
            self.reset()
            return f"can't be used: {error}"
        self._recorded_count = self.means.n_seen_
        self.position = recorded[0]
        return None

    def may_wait(self, snapshot: Snapshot) -> bool:
        position = self.position or snapshot.clusters.partitions_position(self.space.id)
        return snapshot.count_changes(position, self.space.id, CHANGES_WORTH_LEARNING) < CHANGES_WORTH_LEARNING

    def needs_record(self, snapshot: Snapshot) -> bool:
        if self.means is None:
            return False
        learnt_since = self.means.n_seen_ - self._recorded_count
        return learnt_since > SHARE_WORTH_RECORDING * max(self._recorded_count, 0)

    def record(self, transaction: Transaction) -> None:
        recorded = transaction.clusters.partitions(self.space.id)
        if self.means is None or (recorded and recorded[0] > self.position):
            return
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **_collect_arrays(self.means))
        transaction.clusters.set_partitions(self.space.id, self.position, stream.getvalue())
        self._recorded_count = self.means.n_seen_

    def labels(self) -> tuple[Ids, Ids]:
        """Return the ids of all items, sorted, and the id of the partition of each, int64 (n,) both."""
        if self._labels is None or self._labels[0] != self.position:
            item_ids = self._flat.index.ids()
            parts = [np.empty(0, np.int64)]
            for start in range(0, len(item_ids) if self.means else 0, BATCH * 8):
                assert self.means is not None
                vectors = self._flat.index.take(item_ids[start : start + BATCH * 8])
                parts.append(self.means.cluster_ids_[self.means.predict(vectors)])
            self._labels = self.position, item_ids, np.concatenate(parts)
        return self._labels[1], self._labels[2]


def _read_arrays(content: bytes) -> dict[str, Any]:
    """Return the recorded arrays. Raises one of UNREADABLE: whoever wrote the catalogue may have written anything."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > 2 * len(content) + 2**20:  # it is not compressed
        raise ValueError(f"{len(content)} bytes would become {size}")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _check_means(means: IncrementalKMeans, dimension: int) -> None:
    """Raise ValueError unless centroids and their ids belong together and fit the space."""
    rows, count = means.settled_centres.rows, len(means.settled_centres.ids)
    if rows.shape != (count, dimension) or not count or not np.isfinite(rows).all() or means.n_seen_ < 1:
        raise ValueError(f"it has centroids of the shape {rows.shape} for {count} partitions")


def _make_means() -> IncrementalKMeans:
    from indexers.clusterers.incremental_kmeans.estimator import IncrementalKMeans  # imports scikit-learn

    return IncrementalKMeans(**KMEANS_SETTINGS)


def _collect_arrays(means: IncrementalKMeans) -> dict[str, Any]:
    from indexers.clusterers.incremental_kmeans.persistence import export_arrays

    return export_arrays(means)


def _restore_means(arrays: dict[str, Any], sample: Vectors) -> IncrementalKMeans:
    from indexers.clusterers.incremental_kmeans.persistence import restore_from_arrays

    return restore_from_arrays(arrays, sample, **KMEANS_SETTINGS)
