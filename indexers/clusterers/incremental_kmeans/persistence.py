"""The learned state of mini-batch k-means as plain arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import scale_to_unit
from indexers.clusterers.incremental_kmeans.estimator import IncrementalKMeans


def export_arrays(estimator: IncrementalKMeans) -> dict[str, NDArray[Any]]:
    """Return everything but the sample, which can be drawn again from stored rows. The last of `numbers` is n_seen_."""
    centres, relocation = estimator.settled_centres, estimator._relocation
    numbers = [
        centres.next_id,
        relocation.max_splits,
        relocation.n_batches,
        relocation.n_moved,
        estimator.n_seen_,
    ]
    return {
        "centres": centres.rows,
        "ids": centres.ids,
        "weight": centres.weight,
        "resting": relocation.get_resting(),
        "numbers": np.array(numbers, np.int64),
    }


def restore_from_arrays(
    arrays: Mapping[str, NDArray[Any]], sample: NDArray[np.floating], **settings: Any
) -> IncrementalKMeans:
    """Return an estimator that goes on where `export_arrays` left off.

    `sample`: (m, d), a uniform sample of the rows that had arrived. `settings`: the constructor's parameters.
    """
    estimator = IncrementalKMeans(**settings)
    estimator.n_features_in_ = arrays["centres"].shape[1]
    estimator._start(estimator.n_features_in_)
    centres, relocation = estimator._centres, estimator._relocation
    centres.rows, centres.ids, centres.weight = (arrays[name].copy() for name in ("centres", "ids", "weight"))
    relocation.resting = arrays["resting"].copy()
    (
        centres.next_id,
        relocation.max_splits,
        relocation.n_batches,
        relocation.n_moved,
        estimator.n_seen_,
    ) = arrays["numbers"].tolist()
    rows = scale_to_unit(sample[: estimator.sample_size])
    estimator._reservoir.add(rows, centres.assign(rows), 0)
    return estimator
