"""The classifier of a lesson over the stored vectors, as it is at one moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.catalogue.lessons import LessonRow
from indexers.classifiers.base import Scores
from indexers.classifiers.choice import Choice, HeldOut, choose_classifier, hold_out
from indexers.classifiers.confidence import apply_temperature
from indexers.classifiers.smoothing import smooth_rows
from indexers.errors import BadSetting, UsageError
from indexers.types import Ids, Vectors
from retrieval.clusters.browse import Moment
from retrieval.learning.labels import NO, YES, Labels, gather_labels

BLOCK = 16384


@dataclass(frozen=True, slots=True)
class Taught:
    """What a lesson's classifier says at one moment.

    - items: int64 (n,), all that have a vector, sorted;
    - vectors: float32 (n, d), of length 1, averaged with those of neighbours;
    - probabilities: float64 (n, c) of `classes`; what people said that an item is not has none;
    - held_out: answers to labelled items by classifiers that had not learned from them, with probabilities that hold.
    """

    labels: Labels
    choice: Choice
    items: Ids
    vectors: Vectors
    classes: list[str]
    probabilities: Scores
    held_out: HeldOut

    @property
    def is_about_one(self) -> bool:
        """Whether it is about one thing: the classes are yes and no."""
        return set(self.classes) <= {YES, NO}

    @property
    def is_unlabelled(self) -> np.ndarray:
        """Whether each item has no label, (n,)."""
        return ~np.isin(self.items, self.labels.items)


def read_vectors(moment: Moment) -> tuple[Ids, Vectors]:
    """Return all items of the space, and their vectors averaged with those of their neighbours in the stored graph."""
    view = moment.view
    items = view.flat.index.ids()
    rows = scale_to_unit(view.flat.index.take(items))
    if view.tree is None:
        return items, rows
    return items, smooth_rows(rows, view.tree.graph.list_neighbours(items))


def teach(moment: Moment, lesson: LessonRow, items: Ids, vectors: Vectors) -> Taught:
    """Learn a lesson from its labels. Raises UsageError, BadSetting, UnknownPlugin, MissingPackage."""
    labels = gather_labels(moment, lesson)
    learned = np.concatenate([labels.items, labels.drawn])
    rows = vectors[np.searchsorted(items, learned)]
    values = labels.values + [NO] * len(labels.drawn)
    method = lesson.chosen or lesson.method
    try:
        choice = choose_classifier(rows, values, method, lesson.settings)
    except TypeError as error:
        raise BadSetting(f"the method {method!r} does not take these settings: {error}") from error
    except ValueError as error:
        raise UsageError(f"{method} can't learn {lesson.name!r}: {error}") from error
    classes = [str(value) for value in choice.classifier.classes_]
    blocks = [choice.classifier.predict_proba(vectors[i : i + BLOCK]) for i in range(0, len(vectors), BLOCK)]
    probabilities = apply_temperature(np.concatenate(blocks), choice.temperature)
    for item_id, excluded in labels.excluded.items():
        place = np.searchsorted(items, item_id)
        if place < len(items) and items[place] == item_id:
            probabilities[place, [classes.index(value) for value in excluded if value in classes]] = 0
    held_out = choice.held_out._replace(
        probabilities=apply_temperature(choice.held_out.probabilities, choice.temperature)
    )
    return Taught(labels, choice, items, vectors, classes, probabilities, held_out)


def answer_labels(taught: Taught, lesson: LessonRow) -> HeldOut:
    """Return the answers to all labelled items, then those that were drawn, by classifiers that had not seen them."""
    learned = np.concatenate([taught.labels.items, taught.labels.drawn])
    values = taught.labels.values + [NO] * len(taught.labels.drawn)
    places = np.searchsorted(np.array(taught.classes), np.array(values))
    rows = taught.vectors[np.searchsorted(taught.items, learned)]
    held_out = hold_out(rows, places, taught.choice.method, lesson.settings)
    return held_out._replace(probabilities=apply_temperature(held_out.probabilities, taught.choice.temperature))
