"""Mini-batch k-means that learns from a stream in any order, and keeps the ids of its clusters."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import sqrt
from numbers import Integral
from threading import Lock
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import MiniBatchKMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from indexers.arrays import NO_INTS, Ints, scale_to_unit
from indexers.clusterers.incremental_kmeans.centres import Centres, Reservoir, Rows
from indexers.clusterers.incremental_kmeans.relocation import Relocation

UNSETTLED_SHARE = 0.02
"""Clusters settle when they are read and more than this share of the rows is new."""
ROUNDS, LATER_ROUNDS = 10, 5
"""The largest number of rounds of settling: while the sample holds every row that arrived, and later."""
ENOUGH = 0.998
"""Clusters have settled when nothing moves and a round leaves this share of the squared distances."""
PLACEMENTS = 50
"""The largest number of times that clusters without rows are placed anew: each leaves a few to the next."""
ROUNDING = 1e-6
"""Smaller squared distances of unit rows in float32 are rounding errors."""
SETTLING = Lock()
"""Keeps two readers from settling the same clusters at once. One for all estimators, since these can be copied."""
REPLAY_SHARE = 0.4
"""The number of rows replayed for each new row."""
REPLAY_SHARE_MOVING = 0.5
"""The same after a batch in which clusters moved: the others have to find their places again."""


class IncrementalKMeans(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Mini-batch k-means (Sculley 2010) for the cosine, learnt batch by batch.

    Rows are scaled to unit length; a centre is the mean of its rows. Clusters move to where they are needed: if the
    split of a cluster saves more of the squared distances than the merge of the two nearest adds, both happen. A split
    is judged by rows that it was not made from, so that noise is not split.

    A uniform sample of all rows that arrived is kept (Vitter's reservoir). While it holds all of them, learning a batch
    costs no more than finding the nearest centres. Later each batch is learnt together with some rows of the sample,
    and with those that `replay` returns, so that a stream may be sorted, and some clusters move. The others *settle*
    when they are read (k-means of the sample, with moves): reading an attribute or predicting after many new rows takes
    as long as a few passes over the sample. Several threads may read at once while none learns. The result depends on
    when clusters were read.

    Parameters
    ----------
    n_clusters: the number of clusters. As clusters settle, those without a row of the sample are placed on the rows
        that are farthest from their centres; a ConvergenceWarning says if there are too few different rows for that.
        None: the square root of half the rows that arrived, growing with them.
    batch_size: of the mini-batches of `fit`.
    sample_size: the number of rows of the uniform sample, kept in memory.
    replay: a callable that takes a count and returns that many stored rows, (count, d), drawn at random from all that
        arrived; half of the replayed rows come from it.
    random_state: as everywhere in scikit-learn.

    Attributes
    ----------
    cluster_centers_: float32 (k, d).
    cluster_ids_: int64 (k,), the id of each cluster. An id stays with a cluster that moves, with the larger half of a
        cluster that is split and with the larger of two that merge; it is never used for another cluster.
    labels_: int64 (n,), the places in `cluster_ids_` of the rows of the last call.
    counts_: float64 (k,), rows of each cluster, estimated from the sample.
    inertia_: the sum of squared distances of the rows of the last call.
    n_seen_: the number of rows that arrived.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "sample_size": [Interval(Integral, 1, None, closed="left")],
        "replay": [callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        batch_size: int = 1024,
        sample_size: int = 10_000,
        replay: Callable[[int], NDArray[np.floating]] | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.batch_size = batch_size
        self.sample_size = sample_size
        self.replay = replay
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> IncrementalKMeans:  # noqa: N803
        """Forget everything and learn from all rows of X, (n, d): scikit-learn's MiniBatchKMeans, then moves.

        Raises ValueError (NaN, more clusters than rows, parameters out of range).
        """
        self._validate_params()
        rows = scale_to_unit(validate_data(self, X, dtype=[np.float64, np.float32]))
        if self.n_clusters is not None and self.n_clusters > len(rows):
            raise ValueError(f"n_samples={len(rows)} should be >= n_clusters={self.n_clusters}")
        self._start(rows.shape[1])
        self.n_seen_ = len(rows)
        drawn = rows[self._random.permutation(len(rows))[: self.sample_size]]
        n_clusters = min(self._get_target(), len(np.unique(drawn, axis=0)))
        kmeans = MiniBatchKMeans(n_clusters, batch_size=self.batch_size, n_init=3, random_state=self._draw_seed()).fit(
            rows
        )
        self._centres.add(np.asarray(kmeans.cluster_centers_, np.float32))
        self._reservoir.add(drawn, self._centres.assign(drawn), 0)
        if len(rows) <= self.sample_size:
            self._settle()
        else:
            self._relocation.run_thoroughly(self._get_target())
            self._complete_clusters(rows)
        self._label_rows(rows)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> IncrementalKMeans:  # noqa: N803
        """Learn from one more batch, X, (n, d)."""
        self._validate_params()
        is_first = not hasattr(self, "_centres")
        batch = validate_data(self, X, dtype=[np.float64, np.float32], reset=is_first)
        if is_first:
            self._start(batch.shape[1])
        rows = scale_to_unit(batch)
        if not is_first and self.n_seen_ <= self.sample_size < self.n_seen_ + len(rows):
            self._settle()  # for the last time that the sample holds everything
        if not len(self._centres):
            n_clusters = min(self._get_target(len(rows)), len(np.unique(rows, axis=0)))
            self._centres.add(kmeans_plusplus(rows, n_clusters, random_state=self._draw_seed())[0])
        self._learn(rows)
        return self

    def predict(self, X: Any) -> Ints:  # noqa: N803
        """Return the nearest centre of each row, int64 (n,)."""
        check_is_fitted(self, "_centres")
        rows = scale_to_unit(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        return self.settled_centres.assign(rows)

    # ---- reading ----------------------------------------------------------------------------------------------------

    @property
    def cluster_centers_(self) -> Rows:
        return self.settled_centres.rows

    @property
    def cluster_ids_(self) -> Ints:
        return self.settled_centres.ids

    @property
    def labels_(self) -> Ints:
        self._refresh_labels()
        return self._labels

    @property
    def inertia_(self) -> float:
        self._refresh_labels()
        return self._inertia

    @property
    def counts_(self) -> NDArray[np.float64]:
        share = self._reservoir.count_members(len(self.settled_centres)) / max(len(self._reservoir), 1)
        counts: NDArray[np.float64] = share * self.n_seen_
        return counts

    @property
    def settled_centres(self) -> Centres:
        """The centres, after settling if that is due."""
        self._settle_if_due()
        return self._centres

    def _settle_if_due(self) -> None:
        with SETTLING:
            if self._n_unsettled > UNSETTLED_SHARE * self.n_seen_:
                self._settle()

    def _refresh_labels(self) -> None:
        """Label the rows of the last call, unless that has been done."""
        self._settle_if_due()
        if self._unlabelled is not None:
            self._label_rows(self._unlabelled)

    def _label_rows(self, rows: Rows) -> None:
        """Set labels and inertia."""
        self._labels, distance = self._centres.find_nearest(rows)
        self._inertia = float(distance.sum(dtype=np.float64))
        self._unlabelled: Rows | None = None

    # ---- learning ---------------------------------------------------------------------------------------------------

    def _start(self, dimension: int) -> None:
        self._random = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        self._centres = Centres(dimension)
        self._reservoir = Reservoir(dimension, self.sample_size, self._random)
        self._relocation = Relocation(self._centres, self._reservoir)
        self.n_seen_ = self._n_unsettled = 0

    def _draw_seed(self) -> int:
        return int(self._random.integers(2**31))

    def _get_target(self, n_new: int = 0) -> int:
        """Return the number of clusters to have after `n_new` more rows."""
        if self.n_clusters is not None:
            return self.n_clusters
        return max(round(sqrt((self.n_seen_ + n_new) / 2)), 1)

    def _learn(self, rows: Rows) -> None:
        """Learn rows, together with some of those that arrived before if the sample no longer holds all of them."""
        count, reservoir, centres = len(rows), self._reservoir, self._centres
        drawn, stored = self._draw_replay(count)
        learnt = np.concatenate([rows, reservoir.rows[drawn], *stored]) if len(drawn) or stored else rows
        labels = centres.assign(learnt)
        centres.learn(learnt, labels)
        reservoir.label[drawn] = labels[count : count + len(drawn)]
        is_complete = self.n_seen_ + count <= self.sample_size
        if not is_complete:
            self._relocation.notice_arrivals(labels[:count])
        reservoir.add(rows, labels[:count], self.n_seen_)
        self.n_seen_, self._n_unsettled, self._unlabelled = self.n_seen_ + count, self._n_unsettled + count, rows
        if not is_complete:
            self._relocation.run(self._get_target(), count)

    def _draw_replay(self, count: int) -> tuple[Ints, list[Rows]]:
        """Draw rows to replay beside `count` new ones: places in the sample, and a list with stored rows, if any."""
        if self.n_seen_ + count <= self.sample_size:
            return NO_INTS, []
        share = REPLAY_SHARE_MOVING if self._relocation.n_moved else REPLAY_SHARE
        n_replayed = round(share * count) if len(self._reservoir) else 0
        # Rows from `replay` are learnt too, but the labels of the sample need refreshing as well.
        n_stored = n_replayed // 2 if self.replay is not None else 0
        drawn = self._random.integers(0, max(len(self._reservoir), 1), n_replayed - n_stored)
        return drawn, [scale_to_unit(np.asarray(self.replay(n_stored)))] if self.replay is not None and n_stored else []

    def _settle(self) -> None:
        """Run k-means (Lloyd 1982) on the sample, with moves between the rounds. If the sample holds every row that
        arrived, the former means are forgotten."""
        centres, reservoir, before = self._centres, self._reservoir, np.inf
        rows = reservoir.rows[: len(reservoir)]
        is_complete = self.n_seen_ <= self.sample_size
        self._relocation.resting[:] = 0
        if self.n_clusters is not None:
            self._fill_clusters(rows, self.n_clusters)
        for _ in range(ROUNDS if is_complete else LATER_ROUNDS):
            reservoir.label, distance = centres.find_nearest(rows)
            after = float(distance.sum(dtype=np.float64))
            if is_complete:
                centres.weight[:] = 0
            centres.learn(rows, reservoir.label)
            self._relocation.run_thoroughly(self._get_target())
            if not self._relocation.n_moved and after > ENOUGH * before:
                break
            before = after
        self._complete_clusters(rows)
        self._n_unsettled = 0

    def _complete_clusters(self, rows: Rows) -> None:
        """Fill the clusters from these rows, label the sample, and warn if there are fewer than `n_clusters`."""
        if self.n_clusters is None:
            return
        self._fill_clusters(rows, self.n_clusters)
        count = len(np.unique(self._centres.assign(rows)))
        self._reservoir.label = self._centres.assign(self._reservoir.rows[: len(self._reservoir)])
        if count < self.n_clusters <= self.n_seen_:
            warnings.warn(
                f"only {count} of n_clusters={self.n_clusters} clusters have rows: there are too few different ones "
                f"among {len(rows)} rows (sample_size={self.sample_size})",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _fill_clusters(self, rows: Rows, target: int) -> None:
        """Place clusters that have none of the rows, and those missing from the `target` number, on the rows that are
        farthest from their centres, as scikit-learn's KMeans does."""
        centres = self._centres
        for _ in range(PLACEMENTS):
            labels, distance = centres.find_nearest(rows)
            empty = np.flatnonzero(np.bincount(labels, minlength=len(centres)) == 0)
            far = np.argsort(-distance, kind="stable")[: max(len(empty) + target - len(centres), 0)]
            far = far[distance[far] > ROUNDING]
            if not len(far):
                break
            empty = empty[: len(far)]
            centres.replace(empty, rows[far[: len(empty)]])
            centres.add(rows[far[len(empty) :]])
