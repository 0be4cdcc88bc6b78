"""Mini-batch k-means that learns from a stream in whatever order it comes, and keeps the ids of its clusters."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from numbers import Integral
from threading import Lock
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import MiniBatchKMeans, kmeans_plusplus
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from indexers.arrays import NONE, Ints
from indexers.clusterers.incremental_kmeans.centres import Centres, Reservoir, Rows
from indexers.clusterers.incremental_kmeans.relocation import Relocation
from indexers.clusterers.steps.neighbours import unit

LATE = 0.02
"""Clusters settle when they are asked for and such a share of the rows is new."""
ROUNDS, LATER = 10, 5
"""In which they settle, at most: as long as the sample has every row that came, and later."""
ENOUGH = 0.998
"""They have settled when nothing moves and a round leaves as much of the squared distances."""
SETTLING = Lock()
"""Two readers don't settle the same clusters at the same time. It is no estimator's own: those can be copied."""
REPLAYED = 0.4
"""Rows replayed for each that is new."""
REPLAYED_MOVING = 0.5
"""The same after a batch in which clusters moved: the others have to find their places again."""


class IncrementalKMeans(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Mini-batch k-means (Sculley 2010) for cosine, learnt batch by batch.

    Rows are brought to unit length; a centre is the mean of its rows. Clusters move to where they are needed: when the
    split of one takes away more of the squared distances than the merge of the two nearest adds, both are done. A split
    is judged by rows that it was not made from, so that noise is not split.

    A uniform sample of all rows that came is kept (Vitter's reservoir). As long as it has every one of them, a batch
    costs no more than to find its nearest centres. Later each batch is learnt together with some rows of the sample, or
    with what `replay` brings, so that a stream may be sorted, and some clusters move. All others *settle* when somebody
    asks for them (k-means of the sample, with moves): who reads an attribute, or predicts, after many new rows waits
    for as long as some passes over the sample take. Several threads may do so, as long as none learns; and when it is
    done has a part in what comes out.

    Parameters
    ----------
    n_clusters: or None, for the square root of half the rows that came, growing with them.
    batch_size: of the mini-batches of `fit`.
    sample_size: rows of the uniform sample, kept in memory.
    replay: a callable that takes a count and returns so many stored rows, (count, d), drawn at random from all that
        came; half of what is replayed comes from there.
    random_state: as everywhere in scikit-learn.

    Attributes
    ----------
    cluster_centers_: float32 (k, d). cluster_ids_: int64 (k,), the id of each; an id stays with a cluster that moves,
    with the larger half of one that is split and with the larger of two that merge, and is never given again.
    labels_: int64, of the rows of the last call. counts_: float64 (k,), rows, estimated from the sample.
    inertia_: sum of squared distances of the rows of the last call. n_seen_: rows that came.
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
        """Forget everything and learn from all rows of X, (n, d): scikit-learn's MiniBatchKMeans, then moves."""
        self._validate_params()
        rows = unit(validate_data(self, X, dtype=[np.float64, np.float32]))
        if self.n_clusters is not None and self.n_clusters > len(rows):
            raise ValueError(f"n_samples={len(rows)} should be >= n_clusters={self.n_clusters}")
        self._begin(rows.shape[1])
        self.n_seen_ = len(rows)
        drawn = rows[self._random.permutation(len(rows))[: self.sample_size]]
        wanted = min(self._wanted(), len(np.unique(drawn, axis=0)))
        start = MiniBatchKMeans(wanted, batch_size=self.batch_size, n_init=3, random_state=self._seed()).fit(rows)
        self._centres.add(np.asarray(start.cluster_centers_, np.float32))
        self._sample.keep(drawn, self._centres.assign(drawn), 0)
        if len(rows) <= self.sample_size:
            self._settle()
        else:
            self._relocation.thoroughly(self._wanted())
        self._told(rows)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> IncrementalKMeans:  # noqa: N803
        """Learn from one more batch."""
        self._validate_params()
        first = not hasattr(self, "_centres")
        given = validate_data(self, X, dtype=[np.float64, np.float32], reset=first)
        if first:
            self._begin(given.shape[1])
        rows = unit(given)
        if self.n_seen_ <= self.sample_size < self.n_seen_ + len(rows):
            self._settle()  # the last time that the sample has everything
        if not len(self._centres):
            wanted = min(self._wanted(len(rows)), len(np.unique(rows, axis=0)))
            self._centres.add(kmeans_plusplus(rows, wanted, random_state=self._seed())[0])
        self._learn(rows)
        return self

    def predict(self, X: Any) -> Ints:  # noqa: N803
        """The nearest centre of each row, int64 (n,)."""
        check_is_fitted(self, "_centres")
        rows = unit(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        return self.settled.assign(rows)

    # ---- what can be read -------------------------------------------------------------------------------------------

    @property
    def cluster_centers_(self) -> Rows:
        return self.settled.rows

    @property
    def cluster_ids_(self) -> Ints:
        return self.settled.ids

    @property
    def labels_(self) -> Ints:
        self._tell()
        return self._labels

    @property
    def inertia_(self) -> float:
        self._tell()
        return self._inertia

    @property
    def counts_(self) -> NDArray[np.float64]:
        share = self._sample.counts(len(self.settled)) / max(len(self._sample), 1)
        found: NDArray[np.float64] = share * self.n_seen_
        return found

    @property
    def settled(self) -> Centres:
        """The centres, up to date."""
        self._bring_up_to_date()
        return self._centres

    def _bring_up_to_date(self) -> None:
        with SETTLING:
            if self._late > LATE * self.n_seen_:
                self._settle()

    def _tell(self) -> None:
        """Labels and inertia of the rows of the last call, once somebody asks."""
        self._bring_up_to_date()
        if self._last is not None:
            self._told(self._last)

    def _told(self, rows: Rows) -> None:
        self._labels, distance = self._centres.find_nearest(rows)
        self._inertia = float(distance.sum(dtype=np.float64))
        self._last: Rows | None = None

    # ---- learning ---------------------------------------------------------------------------------------------------

    def _begin(self, dimension: int) -> None:
        self._random = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        self._centres = Centres(dimension)
        self._sample = Reservoir(dimension, self.sample_size, self._random)
        self._relocation = Relocation(self._centres, self._sample)
        self.n_seen_ = self._late = 0

    def _seed(self) -> int:
        return int(self._random.integers(2**31))

    def _wanted(self, more: int = 0) -> int:
        if self.n_clusters is not None:
            return self.n_clusters
        return max(round(sqrt((self.n_seen_ + more) / 2)), 1)

    def _learn(self, rows: Rows) -> None:
        """Rows are learnt; and where the sample no longer has everything, together with some that came before."""
        count, sample, centres = len(rows), self._sample, self._centres
        drawn, stored = self._replayed(count)
        parts = [rows, sample.rows[drawn], *stored]
        both = np.concatenate(parts) if len(drawn) or stored else rows
        label = centres.assign(both)
        centres.learn(both, label)
        sample.label[drawn] = label[count : count + len(drawn)]
        whole = self.n_seen_ + count <= self.sample_size
        if not whole:
            self._relocation.notice(label[:count])
        sample.keep(rows, label[:count], self.n_seen_)
        self.n_seen_, self._late, self._last = self.n_seen_ + count, self._late + count, rows
        if not whole:
            self._relocation.run(self._wanted(), count)

    def _replayed(self, count: int) -> tuple[Ints, list[Rows]]:
        """Which rows of the sample to look at again, beside `count` new ones; and stored ones."""
        if self.n_seen_ + count <= self.sample_size:
            return NONE, []
        wanted = round((REPLAYED_MOVING if self._relocation.moved else REPLAYED) * count) if len(self._sample) else 0
        # What `replay` brings is learnt from; the sample's own labels have to be looked at as well.
        stored = wanted // 2 if self.replay is not None else 0
        drawn = self._random.integers(0, max(len(self._sample), 1), wanted - stored)
        return drawn, [unit(np.asarray(self.replay(stored)))] if self.replay is not None and stored else []

    def _settle(self) -> None:
        """k-means (Lloyd 1982) of the sample, with moves between the rounds. What a centre was the mean of before is
        forgotten if the sample has every row that came."""
        centres, sample, before = self._centres, self._sample, np.inf
        rows = sample.rows[: len(sample)]
        whole = self.n_seen_ <= self.sample_size
        self._relocation.resting[:] = 0
        for _ in range(ROUNDS if whole else LATER):
            sample.label, distance = centres.find_nearest(rows)
            after = float(distance.sum(dtype=np.float64))
            if whole:
                centres.weight[:] = 0
            centres.learn(rows, sample.label)
            self._relocation.thoroughly(self._wanted())
            if not self._relocation.moved and after > ENOUGH * before:
                break
            before = after
        self._late = 0
