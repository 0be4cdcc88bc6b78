"""Words that ask twice: the pictures that are nearest to them ask with them.

A word of a classifier is a direction that tells a class from a thousand others, and no more: trousers that are found by
it find others better than the word does. So the nearest pictures are added to it, and what is nearest to the sum is the
answer (query expansion, after Chum et al., Total Recall, ICCV 2007). Some pictures are near to every word, such as a
photograph among drawings; so those ask most that stand out for this word among other words, too (T-norm: Auckenthaler,
Carey and Lloyd-Thomas, Digital Signal Processing 10, 2000), and both sides count by how far their scores spread.

The numbers were chosen by OpenMoji, gcompris and parts of samples of scikit-image, with a look at stamps and
Fashion-MNIST; `python -m tests.bench queries` measures these and others. Where nothing of the kind is there, wrong
pictures ask too; so how unusual a hit is goes by the words alone.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.catalogue.snapshot import Snapshot
from indexers.types import Ids, Metric, Vectors
from indexers.vectors.chance import ChanceModel
from retrieval.search.certainty import find_model
from retrieval.search.query import Query
from retrieval.spaces.view import View

POOL, SHARPNESS, WEIGHT = 32, 0.6, 3.0
"""The nearest pictures that may ask, how fast what they count falls, and what many of them weigh together beside 1 for
the words, all in standard deviations of scores. The fewer ask, the less they weigh: one photograph among drawings would
find all photographs."""
LEAST = 1e-9
"""Scores that spread less are all the same."""


def is_expanded(query: Query, metric: Metric) -> bool:
    """Return whether a query is expanded: words of an embedder for which it is better, where directions count."""
    return query.expands and metric == "cosine"


def expand(view: View, snapshot: Snapshot, vector: Vectors) -> Vectors:
    """Return the vector of words, float32 (1, d), with the nearest pictures added to it; as it is where there are too
    few pictures to compare with."""
    model, word = find_model(view, snapshot, "cosine", of_texts=True), scale_to_unit(vector)[0]
    if model is None or model.words is None:
        return vector
    pool = min(POOL, len(view.flat.index))
    ids = view.searcher.search(vector, pool, metric="cosine", quick=True).ids[0]
    rows = view.flat.index.take_for_metric(ids[ids >= 0], "cosine")
    centre, spread = _measure(model, word)
    weights = _weigh(model, rows, (rows @ word - centre) / max(spread, LEAST))
    seeds = scale_to_unit((weights @ rows)[None])[0]
    spread_of_seeds = _measure(model, seeds)[1]
    if min(spread, spread_of_seeds) < LEAST:
        return vector
    weight = WEIGHT * (1 - float(weights @ weights)) * spread / spread_of_seeds
    return np.asarray((word + weight * seeds)[None], np.float32)


def _measure(model: ChanceModel, direction: Vectors) -> tuple[float, float]:
    """Return mean and standard deviation of the scores of a unit vector (d,) with the cohort."""
    scores = model.cohort @ direction
    return float(scores.mean()), float(scores.std())


def _weigh(model: ChanceModel, rows: Vectors, scores: Vectors) -> Vectors:
    """Return what each of the rows (n, d) counts, float32 (n,) of sum 1, by how far its score (n,) stands out among
    pictures and among the words of the model."""
    centres, spreads = model.spreads_of_words
    others = (rows @ model.words.T - centres) / np.maximum(spreads, LEAST)  # type: ignore[union-attr]
    values = scores + (scores - others.mean(axis=1)) / np.maximum(others.std(axis=1), LEAST)
    shares = np.exp((values - values.max()) / SHARPNESS)
    return np.asarray(shares / shares.sum(), np.float32)


def score_words(view: View, vector: Vectors, ids: Ids) -> Vectors:
    """Return the cosines, float32 (n,), of words (d,) with these items."""
    return cast(Vectors, view.flat.index.take_for_metric(ids, "cosine") @ scale_to_unit(vector[None])[0])
