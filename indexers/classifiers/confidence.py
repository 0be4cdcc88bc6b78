"""Scores as probabilities that hold, and the answers of which few are wrong.

Both are learned from held-out answers: those that a classifier gave to labelled rows it had not learned from.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from indexers.classifiers.base import LEAST, Scores

HELD_OUT = 150
"""Held-out answers that a promise needs, at least: from fewer, none could promise 2 % and answer for a third."""
TEMPERATURES = np.geomspace(0.1, 10, 41)


def find_temperature(probabilities: Scores, places: NDArray[np.int64]) -> float:
    """Return the temperature at which held-out probabilities, (n, c), are most like the truth (Guo et al., ICML 2017).

    places: int64 (n,), the place of the true class of each row.
    """
    logs = np.log(np.maximum(probabilities, LEAST))
    losses = [_measure_loss(logs / temperature, places) for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def _measure_loss(logs: Scores, places: NDArray[np.int64]) -> float:
    highest = logs.max(1)
    sums = highest + np.log(np.exp(logs - highest[:, None]).sum(1))
    return float(np.mean(sums - logs[np.arange(len(logs)), places]))


def apply_temperature(probabilities: Scores, temperature: float) -> Scores:
    """Return probabilities, (n, c), that are the less extreme the higher the temperature is."""
    logs = np.log(np.maximum(probabilities, LEAST)) / temperature
    powers = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def measure_calibration_error(confidence: Scores, is_right: NDArray[np.bool_], bins: int = 10) -> float:
    """Return the mean distance between confidence and the share that is right, over bins of equal width."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    distances = [
        abs(float(confidence[place == number].sum() - is_right[place == number].sum())) for number in range(bins)
    ]
    return float(sum(distances) / max(len(confidence), 1))


def find_threshold(confidence: Scores, held_out: Scores, is_right: NDArray[np.bool_], at_most_wrong: float) -> float:
    """Return the lowest confidence from which on, of these answers, at most that share is wrong on average.

    This is conformal selection (Jin and Candès, JMLR 2023): each answer is tested against the held-out ones that were
    wrong, and Benjamini and Hochberg's procedure keeps the share of wrong ones among those selected. It holds if
    the labelled rows are a random part of all. inf: no answer can be promised.

    confidence: (m,), of the answers. held_out: (n,), of held-out answers, and whether each is right.
    """
    if not len(confidence):
        return math.inf
    wrong = np.sort(held_out[~is_right])
    candidates = np.unique(confidence)
    n_selected = len(confidence) - np.searchsorted(np.sort(confidence), candidates)
    n_wrong = len(wrong) - np.searchsorted(wrong, candidates)
    expected = len(confidence) * (1 + n_wrong) / (len(held_out) + 1)
    holds = np.flatnonzero(expected <= at_most_wrong * n_selected)
    return float(candidates[holds[0]]) if len(holds) else math.inf
