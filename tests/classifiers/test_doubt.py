from __future__ import annotations

import numpy as np

from indexers.classifiers.choice import HeldOut, hold_out
from indexers.classifiers.doubt import find_doubtful


def test_wrong_labels_are_found_and_right_ones_are_not() -> None:
    random = np.random.default_rng(0)
    truth = np.arange(300) % 3
    rows = np.float32(np.eye(6)[truth] + 0.25 * random.standard_normal((300, 6)))
    labels = truth.copy()
    wrong = random.permutation(300)[:30]
    labels[wrong] = (truth[wrong] + 1) % 3
    doubtful, likelier = find_doubtful(hold_out(rows, labels, "logistic"))
    assert np.isin(doubtful, wrong).mean() > 0.9
    assert np.isin(wrong, doubtful).mean() >= 0.7
    found = np.isin(doubtful, wrong)
    assert (likelier[found] == truth[doubtful[found]]).mean() > 0.95


def test_what_is_unsure_is_not_doubtful() -> None:
    probabilities = np.array([[0.5, 0.5], [0.9, 0.1], [0.45, 0.55], [0.2, 0.8]])
    doubtful, _ = find_doubtful(HeldOut(probabilities, np.array([0, 0, 0, 1])))
    assert len(doubtful) == 0
