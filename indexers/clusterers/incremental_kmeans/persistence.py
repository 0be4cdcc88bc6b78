"""What mini-batch k-means has to remember to go on learning, as plain arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.clusterers.incremental_kmeans.estimator import IncrementalKMeans
from indexers.clusterers.steps.neighbours import unit


def kept(means: IncrementalKMeans) -> dict[str, NDArray[Any]]:
    """All but the sample, which can be drawn again from what is stored. The last of the numbers is n_seen_."""
    centres, moves = means.settled, means._relocation
    numbers = [centres.next_id, moves.tries, moves.batches, moves.moved, means.n_seen_]
    return {
        "centres": centres.rows,
        "ids": centres.ids,
        "weight": centres.weight,
        "resting": moves.rested(),
        "numbers": np.array(numbers, np.int64),
    }


def restored(arrays: Mapping[str, NDArray[Any]], sample: NDArray[np.floating], **settings: Any) -> IncrementalKMeans:
    """An estimator that goes on from there, with a uniform sample of the rows that came, (m, d)."""
    means = IncrementalKMeans(**settings)
    means.n_features_in_ = arrays["centres"].shape[1]
    means._begin(means.n_features_in_)
    centres, moves = means._centres, means._relocation
    centres.rows, centres.ids, centres.weight = (arrays[name].copy() for name in ("centres", "ids", "weight"))
    moves.resting = arrays["resting"].copy()
    centres.next_id, moves.tries, moves.batches, moves.moved, means.n_seen_ = arrays["numbers"].tolist()
    rows = unit(sample[: means.sample_size])
    means._sample.keep(rows, centres.assign(rows), 0)
    return means
