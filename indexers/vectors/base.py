"""The contract of a vector index: ids and float32 vectors in, nearest ids out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from indexers.arrays import scale_to_unit
from indexers.errors import BadQuery, BadSetting, BadVector
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.metrics import parse_metric


class VectorIndex(ABC):
    """Nearest-neighbour search over vectors that are named by item ids.

    Ownership: the follower that drives an index calls its writing methods (`add`, `remove`, `load`) from one thread at
    a time and never beside a search; searches may run beside each other. `position` is the catalogue's change number
    that the index has reached; the follower sets it. Scores are similarities: larger is nearer (cosine and inner
    product as they are, distances negated).

    A member takes vectors as the embedder gave them and does for its metric what has to be done (`prepare`).
    """

    metrics: ClassVar[frozenset[Metric]]
    """Those it takes; "minkowski" stands for that of every order."""
    persistent: ClassVar[bool] = True
    """`save` writes a file. A remote member keeps its vectors elsewhere."""
    exact_scores: ClassVar[bool] = True
    """Otherwise it keeps vectors rounded, and the shared layer scores what it finds anew."""

    def __init__(self, dimension: int, metric: Metric = "cosine", **settings: Any) -> None:
        metric = parse_metric(metric)
        if not self.supports_metric(metric):
            able = ", ".join(sorted(self.metrics))
            raise BadSetting(f"{type(self).__name__} does not know the metric {metric!r}; it knows: {able}")
        if dimension < 1:
            raise BadSetting(f"dimension is {dimension}; a vector has at least one coordinate")
        self.dimension, self.metric = dimension, metric
        self.position = 0
        self.generation = 0

    @classmethod
    def supports_metric(cls, metric: Metric) -> bool:
        """Whether it can be made for that metric."""
        return metric.partition(":")[0] in cls.metrics

    @abstractmethod
    def __len__(self) -> int:
        """How many vectors can be found."""

    @abstractmethod
    def ids(self) -> Ids:
        """All ids, sorted; a copy."""

    @abstractmethod
    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add, or replace where the id is known. `vectors` float32 (n, dimension)."""

    @abstractmethod
    def remove(self, ids: Ids) -> None:
        """Forget these; ids that are not there are passed over."""

    @abstractmethod
    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> Neighbours:
        """The k nearest of each query, float32 (n, dimension), nearest first; equal scores by smaller id.

        The shared layer (`Searcher`) never passes `allowed`: a member that can't restrict its answers raises BadQuery.
        """

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write everything to a new file."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """Replace the content by that of a file that `save` wrote and that has been verified."""

    def flush(self) -> None:
        """Return when all that was added can be found (for members that show it later)."""
        return

    def prepare(self, vectors: ArrayLike) -> Vectors:
        """float32, C order, (n, dimension); unit length for cosine. Raises BadVector."""
        return prepare_vectors(vectors, self.dimension, self.metric)


def prepare_vectors(vectors: ArrayLike, dimension: int, metric: Metric) -> Vectors:
    """What a metric compares: vectors float32 (n, dimension), of unit length for cosine. Raises BadVector."""
    array = check_vectors(vectors, dimension, metric)
    return scale_to_unit(array) if metric == "cosine" else array


def check_vectors(vectors: ArrayLike, dimension: int | None = None, metric: Metric = "cosine") -> Vectors:
    """Vectors as float32 (n, dimension); a single one becomes one row.

    Raises BadVector and names the first row that is of another length, not finite, or zero where cosine is asked for.
    """
    try:
        with np.errstate(over="ignore"):  # too large for float32: infinite
            array = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise BadVector(f"vectors must be numbers in rows of one length: {error}") from error
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim != 2:
        raise BadVector(f"vectors must be one row or a table of rows; got {array.ndim} axes, shape {array.shape}")
    if dimension is not None and array.shape[1] != dimension:
        raise BadVector(f"the vectors have {array.shape[1]} coordinates; this collection's have {dimension}")
    if array.shape[1] == 0:
        raise BadVector("the vectors have no coordinates")
    # one pass: a row's squared length is NaN or infinite if any coordinate is (or if it would overflow, no better)
    squares = np.einsum("ij,ij->i", array, array)
    if not np.isfinite(squares).all():
        row = int(np.flatnonzero(~np.isfinite(squares))[0])
        values = array[row][~np.isfinite(array[row])]
        what = f"holds {values[0]}" if len(values) else "is too long for float32"
        raise BadVector(f"vector {row} {what}; only finite numbers can be indexed")
    if metric == "cosine" and not squares.all():
        row = int(np.flatnonzero(squares == 0)[0])
        raise BadVector(f"vector {row} is all zeros; it has no direction, so cosine similarity is undefined")
    return array


def pair_with_ids(ids: ArrayLike, vectors: Vectors) -> tuple[Ids, Vectors]:
    """Ids int64 (n,) beside their vectors (n, dimension); where an id comes twice its last vector counts.

    Raises BadVector if the counts differ or an id is negative (-1 means "nothing" in answers).
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
    """The number of neighbours asked for. Raises BadQuery below 1."""
    if k < 1:
        raise BadQuery(f"k is {k}; ask for at least 1 neighbour")
    return int(k)


def make_empty_answer(queries: int, k: int) -> tuple[Ids, Vectors]:
    """An answer without neighbours: ids (queries, k) all -1, scores all -inf."""
    return np.full((queries, k), -1, dtype=np.int64), np.full((queries, k), -np.inf, dtype=np.float32)


def break_ties(ids: Ids, scores: Vectors) -> tuple[Ids, Vectors]:
    """Rows sorted by score descending that may hold equal scores in any order: those by smaller id."""
    tied_rows = np.flatnonzero((scores[:, 1:] == scores[:, :-1]).any(axis=1))
    for row in tied_rows:
        order = np.lexsort((ids[row], -scores[row]))
        ids[row], scores[row] = ids[row][order], scores[row][order]
    return ids, scores
