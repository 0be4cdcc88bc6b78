"""The contract of a vector index: ids and float32 vectors in, nearest ids out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from indexers.arrays import scale_to_unit
from indexers.errors import BadQuery, BadSetting, BadVector
from indexers.types import Ids, Metric, Neighbours, Rebuild, Vectors
from indexers.vectors.metrics import parse_metric


class VectorIndex(ABC):
    """Nearest-neighbour search over vectors, each of which has an item id.

    Ownership: the follower that drives an index calls its writing methods (`add`, `remove`, `load`) from one thread at
    a time and never beside a search; searches may run beside each other. `position` is the catalogue's change number
    that the index has reached; the follower sets it. Scores are similarities: larger is nearer (cosine and inner
    product as they are, distances negated).

    A member takes vectors as the embedder gave them and prepares them for its metric itself (`prepare`).
    """

    metrics: ClassVar[frozenset[Metric]]
    """The metrics it supports; "minkowski" stands for those of every order."""
    exact_scores: ClassVar[bool] = True
    """False if it stores rounded vectors; the shared layer then scores its candidates again."""
    answers_alone: ClassVar[bool] = False
    """True if it takes `allowed`, returns as many as exist, and finds what lies between clusters as well: the shared
    layer then adds nothing."""
    is_remote: ClassVar[bool] = False
    """True if it lies on a server, one for all machines: `attach` says where, and it has the methods of `Remote`."""
    candidate_share: ClassVar[float] = 1.0
    """The cost of one more candidate of a search, as a share of that in a graph."""

    def __init__(self, dimension: int, metric: Metric = "cosine", **settings: Any) -> None:
        metric = parse_metric(metric)
        if not self.supports_metric(metric):
            names = ", ".join(sorted(self.metrics))
            raise BadSetting(f"{type(self).__name__} does not support the metric {metric!r}; it supports: {names}")
        if dimension < 1:
            raise BadSetting(f"dimension is {dimension}; a vector has at least one coordinate")
        self.dimension, self.metric = dimension, metric
        self.position = 0
        self.generation = 0

    @classmethod
    def supports_metric(cls, metric: Metric) -> bool:
        """Return True if an index can be made for `metric`."""
        return metric.partition(":")[0] in cls.metrics

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of vectors."""

    @abstractmethod
    def ids(self) -> Ids:
        """Return all ids, sorted; a copy."""

    @abstractmethod
    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add vectors, float32 (n, dimension), or replace those of known ids."""

    @abstractmethod
    def remove(self, ids: Ids) -> None:
        """Remove the vectors of these ids; unknown ids are ignored."""

    def erase_removed(self) -> None:  # noqa: B027  most members keep nothing of what is removed
        """Overwrite what is left of removed vectors, in memory and in what `save` will write."""

    @abstractmethod
    def search(self, queries: Vectors, k: int, allowed: Any = None) -> Neighbours:
        """Return the k nearest of each query, float32 (n, dimension), nearest first; equal scores by smaller id.

        allowed: the ids that may answer, or an `Allowed`; None for all.
        The shared layer (`Searcher`) passes it to members that say so (`answers_alone`); one that can't restrict
        its answers raises BadQuery.
        """

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write everything to a new file."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """Replace the content with that of a file that `save` wrote and that has been verified."""

    def flush(self) -> None:
        """Return once everything added can be found; only members that are slow to show it need to wait."""
        return

    def bind(self, find_flat: Callable[[], Any]) -> None:  # noqa: B027  most members keep their vectors
        """Note what returns the flat vector file, an `Exact` with the same items: a member that keeps no vectors reads
        them there, and follows it in every change."""

    def attach(self, url: str, table: str) -> None:  # noqa: B027  most members lie in the memory of a process
        """Note the server on which a remote member lies, and what it is called there."""

    @property
    def serving(self) -> VectorIndex | None:
        """The index that answers at present; None if a scan of the flat vector file does."""
        return self

    def plan_rebuild(self) -> Rebuild | None:
        """Return how the index is built anew, if its content has outgrown the way it was built; else None.

        Called while nothing is written; then the long part may run beside searches and changes, and the short part runs
        while nobody searches.
        """
        return None

    def rebuild(self) -> None:
        """Build the index anew, if that is due."""
        plan = self.plan_rebuild()
        if plan:
            plan()()

    def prepare(self, vectors: ArrayLike) -> Vectors:
        """Return vectors as `prepare_vectors` does, for this index's dimension and metric. Raises BadVector."""
        return prepare_vectors(vectors, self.dimension, self.metric)


class Remote(VectorIndex):
    """An index on a server, one for all machines. The follower of whichever machine is first brings it forward."""

    is_remote: ClassVar[bool] = True

    @abstractmethod
    def lead(self) -> AbstractContextManager[tuple[int, int]]:
        """Be the only machine that writes, within a block; yield the position that is stored, and its stamp. What was
        written is stored when the block ends, and undone if it raises."""

    @abstractmethod
    def store_position(self, position: int, stamp: int) -> None:
        """Store the position that the vectors have reached, together with them. stamp: when that change was made, which
        tells two histories apart."""

    @abstractmethod
    def clear(self) -> None:
        """Remove all vectors."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection; the next call opens another one."""


def prepare_vectors(vectors: ArrayLike, dimension: int, metric: Metric) -> Vectors:
    """Return vectors as a metric compares them: float32 (n, dimension), of unit length for cosine. Raises BadVector."""
    array = check_vectors(vectors, dimension, metric)
    return scale_to_unit(array) if metric == "cosine" else array


def check_vectors(vectors: ArrayLike, dimension: int | None = None, metric: Metric = "cosine") -> Vectors:
    """Return vectors as float32 (n, dimension) in C order; a single vector becomes one row.

    Raises BadVector if they are of another dimension, or names the first row that is not finite or, for cosine, zero.
    """
    try:
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
            array = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadVector(f"vectors must be numbers in rows of one length: {error}") from error
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim != 2:
        raise BadVector(f"vectors must be one row or a table of rows; got {array.ndim} axes, shape {array.shape}")
    if dimension is not None and array.shape[1] != dimension:
        raise BadVector(f"the vectors have {array.shape[1]} coordinates; this collection's have {dimension}")
    if array.shape[1] == 0:
        raise BadVector("the vectors have no coordinates")
    # one pass: a row's squared length is NaN or infinite if any coordinate is, or if it overflows, which is as bad
    squares = np.einsum("ij,ij->i", array, array)
    if not np.isfinite(squares).all():
        row = int(np.flatnonzero(~np.isfinite(squares))[0])
        values = array[row][~np.isfinite(array[row])]
        reason = f"holds {values[0]}" if len(values) else "is too long for float32"
        raise BadVector(f"vector {row} {reason}; only finite numbers can be indexed")
    if metric == "cosine" and not squares.all():
        row = int(np.flatnonzero(squares == 0)[0])
        raise BadVector(f"vector {row} is all zeros; it has no direction, so cosine similarity is undefined")
    return array


def pair_with_ids(ids: ArrayLike, vectors: Vectors) -> tuple[Ids, Vectors]:
    """Return ids int64 (n,) with their vectors (n, dimension), each id once; of two vectors of one id the last counts.

    Raises BadVector if the numbers differ or an id is negative (in answers -1 stands for no neighbour).
    """
    array = np.asarray(ids, dtype=np.int64).reshape(-1)
    if len(array) != len(vectors):
        raise BadVector(f"{len(array)} ids came with {len(vectors)} vectors; give one id for each vector")
    if len(array) and array.min() < 0:
        raise BadVector(f"{array.min()} can't be the id of a vector; ids are 0 or larger")
    if len(array) < 2 or (np.diff(array) > 0).all():
        return array, vectors
    _, last = np.unique(array[::-1], return_index=True)
    keep = np.sort(len(array) - 1 - last)
    return array[keep], vectors[keep]


def check_k(k: int) -> int:
    """Return k as an int. Raises BadQuery below 1."""
    if k < 1:
        raise BadQuery(f"k is {k}; ask for at least 1 neighbour")
    return int(k)


def make_empty_answer(queries: int, k: int) -> tuple[Ids, Vectors]:
    """Make an answer without neighbours: ids int64 (queries, k), all -1, and scores float32, all -inf."""
    return np.full((queries, k), -1, dtype=np.int64), np.full((queries, k), -np.inf, dtype=np.float32)


def break_ties(ids: Ids, scores: Vectors) -> tuple[Ids, Vectors]:
    """Order equal scores by id, in place. The rows of `scores` (n, k) are sorted, largest first."""
    tied_rows = np.flatnonzero((scores[:, 1:] == scores[:, :-1]).any(axis=1))
    for row in tied_rows:
        order = np.lexsort((ids[row], -scores[row]))
        ids[row], scores[row] = ids[row][order], scores[row][order]
    return ids, scores
