"""Which classifier serves some labels best, and how sure its answers are, by cross-validation over the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers import plugins
from indexers.classifiers.base import Classifier, Rows, Scores, allow_many_classes
from indexers.classifiers.confidence import find_temperature

GROUP = "nearkin.classifiers"
DEFAULT = "logistic"
CANDIDATES = ("centroid", "knn", "svm")
"""What is tried beside DEFAULT: it gives way to one that is better by more than the standard error of the difference.
A tree was never among the best, and a forest takes a hundred times as long."""
FOLDS, LIMIT = 5, 2000
"""Folds, and the labels that are drawn of more to compare methods by."""


class HeldOut(NamedTuple):
    """Answers to labelled rows by classifiers that had not learned from them.

    probabilities: float64 (n, c). places: int64 (n,), the true class of each.
    """

    probabilities: Scores
    places: NDArray[np.int64]

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each answer is right, (n,)."""
        return np.asarray(self.probabilities.argmax(1) == self.places)

    @property
    def accuracy(self) -> float:
        """The share of the answers that is right."""
        return float(self.is_right.mean())

    @property
    def macro_f1(self) -> float:
        """The mean of the classes' F1."""
        from sklearn.metrics import f1_score

        return float(f1_score(self.places, self.probabilities.argmax(1), average="macro", zero_division=0))


class Choice(NamedTuple):
    """A fitted classifier, its name, held-out answers, and the temperature at which its probabilities hold.

    tried: the share of right held-out answers by method, of those that were compared.
    """

    classifier: Classifier
    method: str
    held_out: HeldOut
    temperature: float
    tried: Mapping[str, float]


def make_classifier(method: str, settings: Mapping[str, Any] | None = None) -> Classifier:
    """Return a new classifier by name, with a fixed seed. Raises UnknownPlugin, MissingPackage, TypeError."""
    kind = plugins.load_member(GROUP, method)
    classifier: Classifier = kind(**(settings or {}))
    if "random_state" in classifier.get_params() and classifier.get_params()["random_state"] is None:
        classifier.set_params(random_state=0)
    return classifier


def choose_classifier(
    rows: Rows, labels: Sequence[str], method: str = "auto", settings: Mapping[str, Any] | None = None
) -> Choice:
    """Return the classifier of that method, or with "auto" the one that cross-validation favours, fitted to all rows.

    rows: (n, d). labels: n, two or more of each class. Raises ValueError, UnknownPlugin, MissingPackage.
    """
    classes, places = np.unique(np.asarray(labels), return_inverse=True)
    held_out, tried = {}, {}
    some = np.sort(np.random.default_rng(0).permutation(len(rows))[:LIMIT])
    if len(np.unique(places[some])) < len(classes) or np.bincount(places[some]).min() < 2:
        some = np.arange(len(rows))
    chosen = DEFAULT if method == "auto" else method
    for name in (chosen, *CANDIDATES) if method == "auto" else (chosen,):
        held_out[name] = hold_out(rows[some], places[some], name, settings)
        tried[name] = held_out[name].accuracy
        difference = held_out[name].is_right.astype(float) - held_out[chosen].is_right
        if difference.mean() > difference.std() / np.sqrt(len(difference)):
            chosen = name
    classifier = make_classifier(chosen, settings).fit(rows, np.asarray(labels))
    temperature = find_temperature(held_out[chosen].probabilities, held_out[chosen].places)
    return Choice(classifier, chosen, held_out[chosen], temperature, tried)


def hold_out(rows: Rows, places: NDArray[np.int64], method: str, settings: Mapping[str, Any] | None = None) -> HeldOut:
    """Return the answers to each row of classifiers that learned from the others, in folds with each class in each."""
    from sklearn.model_selection import StratifiedKFold

    n_folds = int(min(FOLDS, np.bincount(places).min()))
    probabilities = np.empty((len(rows), int(places.max()) + 1))
    with allow_many_classes():
        folds = list(StratifiedKFold(n_folds, shuffle=True, random_state=0).split(rows, places))
    for train, test in folds:
        fold = make_classifier(method, settings).fit(rows[train], places[train])
        probabilities[test] = fold.predict_proba(rows[test])
    return HeldOut(probabilities, places)
