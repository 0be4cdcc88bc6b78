"""Rows in groups, and estimators that learn them batch by batch."""

from __future__ import annotations

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.clusterers import IncrementalKMeans


def blobs(count: int, groups: int, dimension: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors, float32, and their groups."""
    random = np.random.default_rng(seed)
    label = random.integers(0, groups, count)
    rows = random.standard_normal((groups, dimension))[label] + 0.5 * random.standard_normal((count, dimension))
    return scale_to_unit(rows), label


def inertia(rows: np.ndarray, centres: np.ndarray) -> float:
    """Return the sum of squared distances to the nearest centre."""
    squares = (rows**2).sum(1)[:, None] - 2 * rows @ centres.T + (centres**2).sum(1)
    return float(squares.min(1).sum())


def fit_stream(rows: np.ndarray, batch: int = 500, **settings: object) -> IncrementalKMeans:
    """Return an estimator that has learnt the rows in batches."""
    estimator = IncrementalKMeans(random_state=0, **settings)  # type: ignore[arg-type]
    for start in range(0, len(rows), batch):
        estimator.partial_fit(rows[start : start + batch])
    return estimator
