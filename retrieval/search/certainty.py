"""What the scores of hits mean, in one number and one word that say the same in every space.

The number is the chance: the share of unrelated items that would be as near (see `indexers.vectors.chance`). The word
goes by how many unrelated hits so near are to be expected among all items that were looked through, chance times items:
the E-value, by which hits in databases of sequences are judged (Karlin and Altschul, PNAS 87, 1990). Among a hundred
items a chance of 1 in 1,000 is much, among a million it is nothing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from indexers.arrays import NO_INTS, scale_to_unit
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery
from indexers.types import Ids, Metric, Vectors
from indexers.vectors.chance import MIN_ITEMS, ChanceModel, count_sampled, draw_cohort, unpack_nulls
from indexers.vectors.metrics import Float64s
from retrieval.checks import is_number
from retrieval.records.search import UNSURE
from retrieval.spaces.view import View

MAX_EXPECTED = {"certain": 0.01, "likely": 1.0, "possible": 10.0}
"""The most unrelated hits so near that are expected, by word: in "likely" hits one, in "certain" ones one in a hundred
searches."""
MAX_MODELS = 6
"""Null distributions of a space that are kept: each holds the vectors of its cohort."""


class Threshold(NamedTuple):
    """What `at_least` asks for: the most that may be expected by chance, and the largest chance."""

    expected: float
    chance: float


def parse_at_least(value: Any) -> Threshold | None:
    """Return what a word, or a number N for "1 in N", asks of hits; None if nothing is asked. Raises BadQuery."""
    if value is None:
        return None
    if isinstance(value, str) and value in MAX_EXPECTED:
        return Threshold(MAX_EXPECTED[value], 1.0)
    if is_number(value) and value >= 1:
        return Threshold(np.inf, 1 / float(value))
    words = ", ".join(map(repr, MAX_EXPECTED))
    raise BadQuery(
        f"at_least is one of {words}, or a number from 1 on, such as 1000 for hits that are nearer than all but 1 in "
        f"1,000 unrelated items; got {value!r}"
    )


def find_word(chance: float, count: int) -> str:
    """Return the word for a chance among `count` items that were looked through."""
    return next((word for word, most in MAX_EXPECTED.items() if chance * count <= most), UNSURE)


def compute_chances(
    view: View,
    snapshot: Snapshot,
    metric: Metric,
    query: Vectors,
    ids: Ids,
    scores: Vectors,
    *,
    of_texts: bool = False,
    among_words: bool = True,
) -> Float64s | None:
    """Return the chance of each score (n,) of a query (d,) with these items; None where the space has too few items to
    tell.

    among_words: whether of texts both sides are looked at; else only how the item stands out among items.
    """
    model = find_model(view, snapshot, metric, of_texts)
    if model is None:
        return None
    is_two_sided = model.words is not None and among_words
    vectors = view.flat.index.take_for_metric(ids, metric) if is_two_sided else None
    chances = model.compute_chances(scale_to_unit(query[None])[0] if metric == "cosine" else query, scores, vectors)
    return None if np.isnan(chances).any() else chances


def find_model(view: View, snapshot: Snapshot, metric: Metric, of_texts: bool = False) -> ChanceModel | None:
    """Return the null distributions of a space at the moment of a snapshot, the same in every process; None where there
    are too few items."""
    key, moment = (metric, of_texts), (snapshot.number, snapshot.last_chance)
    known_moment, model = view.chance_models.get(key, (None, None))
    if known_moment == moment:
        return model
    with view.making_chance_model:  # of many that ask at once, one makes it
        known_moment, known = view.chance_models.get(key, (None, None))
        if known_moment != moment:
            known = _make_model(view, snapshot, metric, of_texts, known)
            while len(view.chance_models) >= MAX_MODELS:  # there is no end of metrics: minkowski:P
                view.chance_models.pop(next(iter(view.chance_models)), None)
            view.chance_models[key] = moment, known
        return known


def _make_model(
    view: View, snapshot: Snapshot, metric: Metric, of_texts: bool, known: ChanceModel | None
) -> ChanceModel | None:
    """Return the model of a moment: that of the catalogue, or made here where it has none, as for other metrics."""
    flat = view.flat.index
    if not (count := count_sampled(len(flat))):
        return None
    stored = snapshot.chances.find(view.space.id, of_texts)
    cohort = np.unique(stored.cohort[flat.has(stored.cohort)]) if stored else NO_INTS
    if len(cohort) < MIN_ITEMS / 2:
        stored, cohort = None, draw_cohort(flat.ids()[:count])
    rows = flat.take_for_metric(cohort, metric)
    words = view.load_words() if of_texts else None  # where the embedder is gone, pictures ask in their place
    if stored is not None and metric == view.space.metric and (words is not None) == of_texts:
        with suppress(ValueError):  # whoever wrote the catalogue may have written anything
            return ChanceModel(rows, metric, words, unpack_nulls(stored.nulls))
    if known is not None and np.array_equal(known.cohort, rows):
        return known
    return ChanceModel(rows, metric, words)
