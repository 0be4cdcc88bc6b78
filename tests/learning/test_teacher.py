"""What a lesson's classifier says at one moment is what its labels, vectors and neighbours make of it."""

from __future__ import annotations

import numpy as np

from indexers.catalogue.lessons import LessonRow
from retrieval import Collection
from retrieval.learning.teacher import read_vectors, teach
from tests.learning.test_lessons import pets

__all__ = ["pets"]


def test_vectors_are_averaged_where_there_is_a_graph(pets: Collection) -> None:
    items, vectors = pets._browser.read_tree(read_vectors, None)
    assert len(items) == 60
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    raw = pets._spaces.view().flat.index.take(items)
    same_kind = [vectors[place] @ np.eye(8)[place % 3] for place in range(60)]
    assert np.mean(same_kind) > np.mean([raw[place] @ np.eye(8)[place % 3] for place in range(60)])


def test_what_somebody_said_it_is_not_has_no_probability(pets: Collection) -> None:
    pets.reject("kinds", "k30", value="cat")
    row = LessonRow("kinds", "centroid", {}, "kind")
    taught = pets._browser.read_tree(lambda moment: teach(moment, row, *read_vectors(moment)), None)
    place = int(np.searchsorted(taught.items, pets.get("k30").id))
    assert taught.probabilities[place, taught.classes.index("cat")] == 0
    assert taught.probabilities[place - 3, taught.classes.index("cat")] > 0.5
    assert not taught.is_about_one
    assert int(taught.is_unlabelled.sum()) == 48
