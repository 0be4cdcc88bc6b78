"""Vectors averaged with those of their neighbours: pictures without labels say where the classes lie, too.

With 2, 5 and 11 labels a class, logistic regression on such vectors was right .020, .002 and .004 more often than on
the vectors themselves (gcompris and Fashion-MNIST, lite0; simple graph convolution, Wu et al., ICML 2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from indexers.arrays import scale_to_unit

NEIGHBOURS, SHARE = 5, 0.5
"""How many of the nearest of each count, and their share in its vector."""
BLOCK = 8192


def smooth_rows(rows: NDArray[np.floating], neighbours: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return unit vectors, float32 (n, d), each averaged with those that name it as a neighbour or that it names.

    neighbours: int64 (n, k), the places of the rows nearest to each, nearest first, padded with -1.
    """
    near = neighbours[:, :NEIGHBOURS]
    source, column = np.nonzero(near >= 0)
    target = near[source, column]
    links = csr_matrix((np.ones(len(source), np.float32), (source, target)), shape=(len(rows), len(rows)))
    links = links + links.T
    counts = np.asarray(links.sum(1)).ravel()
    links = diags(SHARE / np.maximum(counts, 1)).astype(np.float32) @ links
    smooth = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        smooth[block] = scale_to_unit((1 - SHARE) * rows[block] + links[block] @ rows)
    return smooth
