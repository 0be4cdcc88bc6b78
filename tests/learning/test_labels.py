from __future__ import annotations

import numpy as np
import pytest

from indexers.errors import UsageError
from retrieval.learning.labels import Labels, _check_counts, _draw_others, _write


def make(values: list[str]) -> Labels:
    return Labels(np.arange(1, len(values) + 1), values, {}, "", np.empty(0, np.int64))


def test_classes_of_one_label_are_left_out_where_others_remain() -> None:
    labels = _check_counts("pets", make(["a", "b", "a", "c", "b", "d"]))
    assert labels.items.tolist() == [1, 2, 3, 5]
    assert labels.counts == {"a": 2, "b": 2}
    assert labels.note == "the class 'c' and 1 others has one label and is left out"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [([], "there are no labels"), (["a"], "has one label"), (["a", "b", "b"], "has one label"), (["a", "a"], "all 2")],
)
def test_what_can_not_be_learned_is_told(values: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        _check_counts("pets", make(values))


def test_others_are_drawn_of_what_nobody_labelled() -> None:
    drawn = _draw_others(np.arange(100), np.array([3, 4]), {5: {"a"}})
    assert len(drawn) == 20
    assert not {3, 4, 5} & set(drawn.tolist())


def test_values_are_written_as_json_has_them() -> None:
    assert [_write(value) for value in (1.0, 1.5, True, "x")] == ["1", "1.5", "true", "x"]
