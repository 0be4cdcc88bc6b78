from __future__ import annotations

import numpy as np
import pytest

from indexers.classifiers.choice import CANDIDATES, DEFAULT, HeldOut, choose_classifier, hold_out, make_classifier
from indexers.errors import UnknownPlugin


def make_rows(noise: float) -> tuple[np.ndarray, list[str]]:
    random = np.random.default_rng(0)
    places = np.arange(60) % 3
    rows = np.float32(np.eye(6)[places] + noise * random.standard_normal((60, 6)))
    return rows, [f"class {place}" for place in places]


def test_the_default_serves_where_nothing_is_surely_better() -> None:
    choice = choose_classifier(*make_rows(0.1))
    assert choice.method == DEFAULT
    assert set(choice.tried) == {DEFAULT, *CANDIDATES}
    assert choice.held_out.accuracy == choice.tried[DEFAULT] == choice.held_out.macro_f1 == 1
    assert choice.temperature < 1  # answers that are always right may be surer


def test_a_method_that_is_surely_better_is_chosen() -> None:
    random = np.random.default_rng(0)
    angle = random.uniform(0, 2 * np.pi, 200)
    inside = np.arange(200) % 2 == 0  # a ring around a heap, which no line parts
    radius = np.where(inside, 0.2, 1.0)
    rows = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    choice = choose_classifier(rows, np.where(inside, "in", "out").tolist())
    assert choice.method != DEFAULT
    assert choice.tried[choice.method] > choice.tried[DEFAULT] + 0.2


def test_held_out_answers_come_from_those_that_had_not_learned_them() -> None:
    rows, _ = make_rows(0.1)
    labels = np.random.default_rng(1).integers(0, 2, 60)  # nothing can be learned of these
    answers = hold_out(rows, labels, "knn", {"n_neighbors": 1})
    assert 0.2 < answers.accuracy < 0.8
    assert (make_classifier("knn", {"n_neighbors": 1}).fit(rows, labels).predict(rows) == labels).all()


def test_it_is_told_which_method_was_asked_for() -> None:
    rows, labels = make_rows(0.1)
    assert choose_classifier(rows, labels, "tree").tried.keys() == {"tree"}
    with pytest.raises(UnknownPlugin, match="there is no classifier 'none'"):
        choose_classifier(rows, labels, "none")


def test_two_labels_a_class_are_enough() -> None:
    rows, labels = make_rows(0.1)
    assert len(choose_classifier(rows[:6], labels[:6]).held_out.places) == 6


def test_macro_f1_counts_classes_alike() -> None:
    probabilities = np.eye(2)[[0, 0, 0, 0]]
    assert HeldOut(probabilities, np.array([0, 0, 0, 1])).macro_f1 == pytest.approx(0.5 * 6 / 7)


def test_few_labels_of_many_classes_are_no_regression() -> None:
    rows = np.repeat(np.eye(20), 2, axis=0)[:, :20] + 0.01 * np.random.default_rng(0).standard_normal((40, 20))
    choice = choose_classifier(
        rows, [f"class {place}" for place in np.repeat(np.arange(20), 2)]
    )  # a warning is an error
    assert choice.held_out.accuracy == 1
