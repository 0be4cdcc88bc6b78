"""Questions become one vector: weights, directions, what cancels out."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.errors import BadQuery, BadVector, ItemNotFound
from retrieval import Collection, item, text
from retrieval.checks import is_number
from retrieval.search.query import Query


def asked(collection: Collection, **given: object) -> np.ndarray:
    view = collection._spaces.view()
    assert view
    question = Query(view, **given)  # type: ignore[arg-type]
    with view.followers.current_snapshot() as snapshot:
        return question.to_vector(snapshot)[0]


def test_a_vector_is_taken_as_it_is(ready_made: Collection) -> None:
    row = np.arange(1, 9, dtype=np.float32)
    np.testing.assert_array_equal(asked(ready_made, vector=row), row)


def test_directions_are_mixed_by_their_weights_whatever_their_lengths(ready_made: Collection) -> None:
    one, two = np.eye(8, dtype=np.float32)[0] * 100, np.eye(8, dtype=np.float32)[1] * 0.01
    mixed = asked(ready_made, mix=[(one, 1), (two, -0.5)])
    np.testing.assert_allclose(mixed, [1, -0.5, 0, 0, 0, 0, 0, 0], atol=1e-6)


def test_items_are_looked_up_and_do_not_answer(ready_made: Collection) -> None:
    view = ready_made._spaces.view()
    assert view
    question = Query(view, mix=[(item("n3"), 1), (item(5), 2)])
    with view.followers.current_snapshot() as snapshot:
        assert question.find_items(snapshot) == [4, 5]
    with pytest.raises(ItemNotFound):
        asked(ready_made, item="nobody")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"vector": [1.0] * 8, "item": 1},
        {"mix": []},
        {"mix": [([1.0] * 8, 0)]},
        {"mix": [([1.0] * 8, True)]},
        {"mix": [([1.0] * 8, float("nan"))]},
        {"mix": [([1.0] * 8, 1), ([1.0] * 8, -1)]},
        {"mix": [(text(" "), 1)]},
        {"mix": [1, 2]},
    ],
)
def test_what_is_no_question(ready_made: Collection, given: dict[str, object]) -> None:
    with pytest.raises(BadQuery):
        asked(ready_made, **given)


def test_a_vector_of_another_shape(ready_made: Collection) -> None:
    with pytest.raises(BadVector):
        asked(ready_made, vector=[1.0, 2.0])
    with pytest.raises(BadVector, match="search takes one vector, got 2"):
        asked(ready_made, vector=np.ones((2, 8)))


def test_numbers_are_neither_truth_values_nor_endless() -> None:
    assert [is_number(one) for one in (1, 0.5, np.float32(2), True, float("inf"), "1", None)] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]
