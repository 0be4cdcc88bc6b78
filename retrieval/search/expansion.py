"""Words that ask twice: the pictures that are nearest to them ask with them.

A word of a classifier is a direction that tells a class from a thousand others, and no more: trousers that are found by
it find others better than the word does. So the nearest pictures are added to it, and what is nearest to the sum is the
answer (query expansion, after Chum et al., Total Recall, ICCV 2007). `python -m tests.bench queries` measures it. Both
numbers were chosen by OpenMoji, gcompris and parts of samples of scikit-image; to let those ask that stand out for this
word among other words found no more. Where nothing of the kind is there, wrong pictures ask too; so how unusual a hit
is goes by the words alone.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.types import Ids, Metric, Vectors
from retrieval.search.query import Query
from retrieval.spaces.view import View

SEEDS, WEIGHT = 2, 0.3
"""The nearest pictures that are added, and what they weigh together beside 1 for the words."""


def is_expanded(query: Query, metric: Metric) -> bool:
    """Return whether a query is expanded: words of an embedder for which it is better, where directions count."""
    return query.expands and metric == "cosine"


def expand(view: View, vector: Vectors) -> Vectors:
    """Return the vector of words, float32 (1, d), with the nearest pictures added to it."""
    count = min(SEEDS, max(1, len(view.flat.index)))
    seeds = view.searcher.search(vector, count, metric="cosine", quick=True).ids[0]
    if not (seeds >= 0).any():
        return vector
    rows = view.flat.index.take_for_metric(seeds[seeds >= 0], "cosine")
    return np.asarray(scale_to_unit(vector) + WEIGHT * scale_to_unit(rows.mean(axis=0)[None]), np.float32)


def score_words(view: View, vector: Vectors, ids: Ids) -> Vectors:
    """Return the cosines, float32 (n,), of words (d,) with these items."""
    return cast(Vectors, view.flat.index.take_for_metric(ids, "cosine") @ scale_to_unit(vector[None])[0])
