"""Mini-batch k-means that learns from a stream in whatever order it comes, and keeps the ids of its clusters."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import MiniBatchKMeans, kmeans_plusplus
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from indexers.clusterers.moves import Move, cheapest_merge, halves
from indexers.clusterers.neighbours import unit
from indexers.clusterers.pools import Ints

Rows = NDArray[np.float32]

MEMORY = 400
"""Rows that a centre is the running mean of at most: it errs by a 400th of the spread, and can still move."""
MOVES = 32
"""Splits that are tried in one batch at most. One that succeeds allows two in the next batch."""
QUIET = 4
"""Where nothing moved, a split is tried in every fourth batch."""
REST = 8
"""Rounds of moves for which a cluster that could not be split is left alone."""
REPLAYED = 0.4
"""Rows replayed for each that is new."""
REPLAYED_MOVING = 2.0
"""The same after a batch in which clusters moved: the others have to find their places again."""


class IncrementalKMeans(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Mini-batch k-means (Sculley 2010) for cosine, learnt batch by batch.

    Rows are brought to unit length; a centre is the mean of its rows. To learn from a stream that is sorted, each batch
    is learnt together with some from a uniform sample of all that came before (Vitter's reservoir), or with what
    `replay` brings. And clusters move to where they are needed: when the split of one takes away more of the
    squared distances than the merge of the two nearest adds, both are done. A split is judged by rows that it was not
    made from, so that noise is not split.

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
        self._sample = rows[self._random.permutation(len(rows))[: self.sample_size]]
        wanted = min(self._wanted(), len(np.unique(self._sample, axis=0)))
        start = MiniBatchKMeans(wanted, batch_size=self.batch_size, n_init=3, random_state=self._seed()).fit(rows)
        self._add_centres(np.asarray(start.cluster_centers_, np.float32))
        self._label = self._nearest(self._sample)[0]
        self._move()
        self.labels_, distance = self._nearest(rows)
        self.inertia_ = float(distance.sum(dtype=np.float64))
        return self

    def partial_fit(self, X: Any, y: Any = None) -> IncrementalKMeans:  # noqa: N803
        """Learn from one more batch."""
        self._validate_params()
        first = not hasattr(self, "cluster_centers_")
        rows = unit(validate_data(self, X, dtype=[np.float64, np.float32], reset=first))
        if first:
            self._begin(rows.shape[1])
        if len(self.cluster_centers_) == 0:
            count = min(self._wanted(len(rows)), len(np.unique(rows, axis=0)))
            self._add_centres(kmeans_plusplus(rows, count, random_state=self._seed())[0])
        wanted = round((REPLAYED_MOVING if self._moved else REPLAYED) * len(rows)) if len(self._label) else 0
        # What `replay` brings is learnt from; the sample's own labels have to be looked at as well.
        stored = wanted // 2 if self.replay is not None else 0
        drawn = self._random.integers(0, max(len(self._label), 1), wanted - stored)
        again = self._sample[drawn]
        if self.replay is not None and stored:
            again = np.concatenate([again, unit(np.asarray(self.replay(stored)))])
        both = np.concatenate([rows, again])
        label, distance = self._nearest(both)
        self._notice(label[: len(rows)])
        self._learn(both, label)
        self._label[drawn] = label[len(rows) :][: len(drawn)]
        self._keep(rows, label[: len(rows)])
        self._move()
        self.labels_ = self._nearest(rows)[0] if self._moved else label[: len(rows)]
        self.inertia_ = float(distance[: len(rows)].sum(dtype=np.float64))
        return self

    def predict(self, X: Any) -> Ints:  # noqa: N803
        """The nearest centre of each row, int64 (n,)."""
        check_is_fitted(self, "cluster_centers_")
        rows = unit(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        return self._nearest(rows)[0]

    # ---- learning ---------------------------------------------------------------------------------------------------

    def _begin(self, dimension: int) -> None:
        self._random = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        self.cluster_centers_ = np.empty((0, dimension), np.float32)
        self.cluster_ids_: Ints = np.empty(0, np.int64)
        self._weight = np.empty(0)  # rows that each centre is the mean of, at most MEMORY
        self._resting = np.empty(0, np.int64)
        self._next_id = 0
        self._sample = np.empty((0, dimension), np.float32)
        self._label = np.empty(0, np.int64)  # of the sample, as of when a row was last looked at
        self._tries = MOVES
        self._batches = self._moved = 0
        self.n_seen_ = 0

    def _seed(self) -> int:
        return int(self._random.integers(2**31))

    def _wanted(self, more: int = 0) -> int:
        if self.n_clusters is not None:
            return self.n_clusters
        return max(round(sqrt((self.n_seen_ + more) / 2)), 1)

    def _add_centres(self, centres: Rows) -> None:
        count = len(centres)
        self.cluster_centers_ = np.concatenate([self.cluster_centers_, centres])
        self.cluster_ids_ = np.concatenate([self.cluster_ids_, self._next_id + np.arange(count)])
        self._weight = np.concatenate([self._weight, np.ones(count)])
        self._resting = np.concatenate([self._resting, np.zeros(count, np.int64)])
        self._next_id += count

    def _nearest(self, rows: Rows) -> tuple[Ints, Rows]:
        """The nearest centre and the squared distance to it."""
        centres = self.cluster_centers_
        length = np.einsum("ij,ij->i", centres, centres)
        twice = -2 * centres.T
        label, distance = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
        step = max(1, 500_000 // len(centres))
        for start in range(0, len(rows), step):
            product = rows[start : start + step] @ twice
            product += length
            found = product.argmin(1)
            label[start : start + step] = found
            distance[start : start + step] = product[np.arange(len(found)), found]
        distance += rows.any(1)  # the square of a unit row's own length
        return label, np.maximum(distance, 0)

    def _notice(self, label: Ints) -> None:
        """A cluster that takes far more of a batch than its share of the sample is where something new arrives."""
        if not len(self._label):
            return
        came = np.bincount(label, minlength=len(self._weight))
        share = np.bincount(self._label, minlength=len(self._weight)) * (len(label) / len(self._label))
        flooded = np.flatnonzero(came > 3 * share + 8)
        self._resting[flooded] = 0
        self._tries = min(max(self._tries, 2 * len(flooded)), MOVES)

    def _learn(self, rows: Rows, label: Ints) -> None:
        """Centres go to the mean of what they were the mean of and their rows."""
        count = np.bincount(label, minlength=len(self._weight))
        met = np.flatnonzero(count)
        one = csr_matrix((np.ones(len(rows), np.float32), label, np.arange(len(rows) + 1)), (len(rows), len(count)))
        sums = (one.T @ rows)[met]
        weight = self._weight[met] + count[met]
        rate = (1 / weight).astype(np.float32)[:, None]
        centres = self.cluster_centers_[met]
        self.cluster_centers_[met] = centres + (sums - count[met, None].astype(np.float32) * centres) * rate
        self._weight[met] = np.minimum(weight, MEMORY)

    def _keep(self, rows: Rows, label: Ints) -> None:
        """Every row that ever came is in the sample with the same probability."""
        held = len(self._label)
        room = min(self.sample_size - held, len(rows))
        if room:
            if held + room > len(self._sample):
                capacity = min(max(2 * len(self._sample), held + room), self.sample_size)
                self._sample = np.concatenate(
                    [self._sample, np.empty((capacity - len(self._sample), rows.shape[1]), np.float32)]
                )
            self._sample[held : held + room] = rows[:room]
            self._label = np.concatenate([self._label, label[:room]])
        rest = np.arange(room, len(rows))
        place = self._random.integers(0, self.n_seen_ + rest + 1) if len(rest) else rest
        kept = place < self.sample_size
        self._sample[place[kept]], self._label[place[kept]] = rows[rest[kept]], label[rest[kept]]
        self.n_seen_ += len(rows)

    # ---- moving -----------------------------------------------------------------------------------------------------

    @property
    def counts_(self) -> NDArray[np.float64]:
        share = np.bincount(self._label, minlength=len(self._weight)) / max(len(self._label), 1)
        found: NDArray[np.float64] = share * self.n_seen_
        return found

    def _move(self) -> None:
        """Split what is too large or too loose; for each split, unless clusters are wanted, merge the cheapest two."""
        self._moved = tried = 0
        self._batches += 1
        if not self._tries and self._batches % QUIET == 0:
            self._tries = 1
        if not self._tries and len(self._weight) >= self._wanted():
            return
        self._resting = np.maximum(self._resting - 1, 0)
        count = np.bincount(self._label, minlength=len(self._weight))
        merge = cheapest_merge(self.cluster_centers_, count)
        while tried < max(self._tries, self._wanted() - len(self._weight)):
            # The squared distances of unit rows to their mean: 1 - |mean|^2 each.
            loose = np.maximum(1 - np.einsum("ij,ij->i", self.cluster_centers_, self.cluster_centers_), 0) * count
            loose[self._resting > 0] = 0
            grow = len(self._weight) < self._wanted()
            if not grow:
                loose[[merge.keep, merge.drop]] = 0
            place = int(loose.argmax())
            if loose[place] <= (0 if grow else merge.cost):
                break
            tried += 1
            split = halves(self._sample, np.flatnonzero(self._label == place), self._random)
            if split is None or split.gain <= (0 if grow else 1.1 * merge.cost):
                self._resting[place] = REST
                continue
            self._split(place, split, None if grow else merge)
            self._moved += 1
            count = np.bincount(self._label, minlength=len(self._weight))
            merge = cheapest_merge(self.cluster_centers_, count)
        self._tries = min(2 * self._moved, MOVES)

    def _split(self, place: int, split: Any, merge: Move | None) -> None:
        if merge is None:
            self._add_centres(split.centres[1:])
            new = len(self._weight) - 1
        else:
            new, keep = merge.drop, merge.keep
            self.cluster_centers_[keep] = merge.centre
            self._weight[keep] = min(self._weight[keep] + self._weight[new], MEMORY)
            self._label[self._label == new] = keep
            self.cluster_ids_[new], self._next_id = self._next_id, self._next_id + 1
        self.cluster_centers_[place], self.cluster_centers_[new] = split.centres
        self._weight[place], self._weight[new] = split.counts
        self._label[split.members[split.second]] = new
