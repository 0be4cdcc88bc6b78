"""The places of many vectors at once: t-SNE over their nearest neighbours (openTSNE), from principal axes on.

The same vectors get the same places, since chance has a seed and one thread computes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from indexers.errors import MissingPackage
from indexers.types import Vectors

Places = NDArray[np.float32]
"""float32 (n, 2)."""
Indices = NDArray[np.int64]
NEIGHBOURS = 45
"""Neighbours of each vector that it is drawn to."""
EARLY, STEPS, EARLY_FORCE = 250, 500, 12
"""Steps with stronger attraction at first, and after them, as t-SNE's authors chose."""
FEW = 16
"""So many vectors are laid along their principal axes alone."""
EDGE = 0.99
"""The share of all places that lies within the square from -1 to 1, in each direction."""
REPORTS = 25
"""Steps between two reports of progress."""
Report = Callable[[int, int], object]


def lay_out(vectors: Vectors, neighbours: Indices, similarity: Vectors, report: Report = lambda *_: None) -> Places:
    """Return a place for each vector.

    vectors: float32 (n, d), of length 1. neighbours: int64 (n, k), rows of the nearest others. similarity: float32
    (n, k), their cosines. Raises MissingPackage.
    """
    first = find_axes(vectors)
    if len(vectors) < FEW:
        return fit_square(first)
    try:
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PerplexityBasedNN
        from openTSNE.initialization import rescale
        from openTSNE.nearest_neighbors import PrecomputedNeighbors
    except ImportError as error:
        raise MissingPackage("the map needs the package openTSNE: pip install 'nearkin[map]'") from error
    distance = np.sqrt(np.maximum(2 - 2 * similarity, 0)).astype(np.float64)
    index = PrecomputedNeighbors(neighbours.astype(np.int32), distance)
    affinities = PerplexityBasedNN(
        knn_index=index, perplexity=max(neighbours.shape[1] / 3, 1.5), n_jobs=1, random_state=0
    )
    done, total = 0, EARLY + STEPS

    def tell(step: int, *_: object) -> None:
        report(min(done + step, total), total)

    options = {"negative_gradient_method": "bh" if len(vectors) < 5000 else "fft", "random_state": 0, "n_jobs": 1}
    embedding = TSNEEmbedding(rescale(first), affinities, **options)
    watch = {"callbacks": [tell], "callbacks_every_iters": REPORTS}
    embedding.optimize(EARLY, inplace=True, exaggeration=EARLY_FORCE, momentum=0.5, **watch)
    done = EARLY
    embedding.optimize(STEPS, inplace=True, momentum=0.8, **watch)
    return fit_square(np.asarray(embedding))


def find_axes(vectors: Vectors) -> NDArray[np.float64]:
    """Return the vectors along their two principal axes, each turned so that the farthest lies at its positive end."""
    centred = vectors.astype(np.float64) - vectors.mean(0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    columns = centred @ axes[:, ::-1][:, :2]
    if columns.shape[1] < 2:
        columns = np.column_stack([columns, np.zeros(len(columns))])
    ends = columns[np.abs(columns).argmax(0), [0, 1]] if len(columns) else np.ones(2)
    turned: NDArray[np.float64] = columns * np.where(ends < 0, -1, 1)
    return turned


def fit_square(places: NDArray[np.float64]) -> Places:
    """Return places such that nearly all lie within -1 to 1, in the same proportions."""
    if not len(places):
        return np.zeros((0, 2), np.float32)
    centred = places - (places.min(0) + places.max(0)) / 2
    reach = float(np.quantile(np.abs(centred).max(1), EDGE))
    scaled: Places = (centred / (reach or 1)).astype(np.float32)
    return scaled
