from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from indexers.clusterers.base import (
    Clusterer,
    Ints,
    ProgressCallback,
    Rows,
    find_nearest_centre,
    ignore_progress,
    renumber_labels,
)
from indexers.errors import BadSetting, StoredFileDamaged

ROWS = [[1.0, 5.0], [9.0, 5.0], [2.0, 5.0], [8.0, 5.0]]


class Halves(Clusterer):
    """Rows below and above the middle of their first column, which lies `shift` above the mean."""

    learned = ("middle_", "range_")
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"n_clusters": [int], "shift": [float]}

    def __init__(self, n_clusters: int = 2, *, shift: float = 0.0) -> None:
        self.n_clusters = n_clusters
        self.shift = shift

    def _fit(self, rows: Rows, neighbours: Ints | None, progress: ProgressCallback) -> None:
        self.middle_ = float(rows[:, 0].mean()) + self.shift
        self.range_ = np.array([rows[:, 0].min(), rows[:, 0].max()])
        self.neighbours_, self.progress_ = neighbours, progress
        self.labels_ = self._predict(rows)
        progress(1, 1, "halving")

    def _predict(self, rows: Rows) -> Ints:
        return (rows[:, 0] > self.middle_).astype(np.int64)


class Thirds(Halves):
    pass


def test_fit_labels_rows_and_predict_labels_new_ones() -> None:
    fitted = Halves().fit(ROWS)
    assert fitted.labels_.tolist() == [0, 1, 0, 1]
    assert fitted.predict([[4.0, 0.0], [6.0, 0.0]]).tolist() == [0, 1]
    assert Halves().fit_predict(ROWS).tolist() == [0, 1, 0, 1]


def test_neighbours_and_progress_reach_the_member() -> None:
    steps: list[tuple[int, int, str]] = []
    table = np.array([[2], [3], [0], [1]])
    fitted = Halves().fit(ROWS, neighbours=table, progress=lambda *step: steps.append(step))
    assert fitted.neighbours_ is table
    assert steps == [(1, 1, "halving")]
    assert Halves().fit(ROWS).progress_ is ignore_progress


@pytest.mark.parametrize(
    ("rows", "more", "message"),
    [
        (ROWS[:1], {}, "n_clusters=2 clusters can't be made of n_samples=1 rows"),
        (ROWS, {"neighbours": np.zeros((3, 1), np.int64)}, "neighbours has 3 rows, but X has n_samples=4"),
        ([[np.nan, 1.0]] * 2, {}, "NaN"),
        ([1.0, 2.0], {}, "1D array"),
        ([["a", "b"]] * 2, {}, "convert"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Halves().fit(rows, **more)


def test_parameters_are_checked_when_fitting() -> None:
    with pytest.raises(ValueError, match="n_clusters"):
        Halves("two").fit(ROWS)  # type: ignore[arg-type]


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="expecting 2 features"):
        Halves().fit(ROWS).predict([[1.0]])


@pytest.mark.parametrize("method", ["get_state", "to_bytes"])
def test_what_is_not_fitted_has_no_state(method: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(Halves(), method)()


def test_the_state_is_what_was_learned() -> None:
    state = Halves().fit(ROWS).get_state()
    assert {name: array.ravel().tolist() for name, array in state.items()} == {
        "middle_": [5],
        "range_": [1, 9],
        "n_features_in_": [2],
    }


def test_a_file_brings_back_parameters_and_state_but_no_labels(tmp_path: Path) -> None:
    Halves(shift=0.5).fit(ROWS).save(str(tmp_path / "halves"))
    loaded = Halves.load(tmp_path / "halves")
    assert loaded.get_params() == {"n_clusters": 2, "shift": 0.5}
    assert loaded.middle_ == 5.5
    assert loaded.range_.tolist() == [1, 9]
    assert loaded.n_features_in_ == 2
    assert loaded.predict([[5.4, 0.0], [5.6, 0.0]]).tolist() == [0, 1]
    assert not hasattr(loaded, "labels_")


def test_a_file_of_another_clusterer_is_refused_by_name() -> None:
    with pytest.raises(BadSetting, match="is a Halves; load it with Halves, not with Thirds"):
        Thirds.from_bytes(Halves().fit(ROWS).to_bytes())


@pytest.mark.parametrize("content", [b"", b"no safetensors at all", b"\x08" + bytes(7) + b"{}      "])
def test_a_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(StoredFileDamaged, match="not a saved clusterer"):
        Halves.from_bytes(content)


def test_safetensors_of_something_else_are_refused() -> None:
    from safetensors.numpy import save

    with pytest.raises(StoredFileDamaged, match="not a saved clusterer"):
        Halves.from_bytes(save({"weights": np.zeros(3)}))


def test_labels_are_numbered_in_the_order_of_their_first_rows() -> None:
    assert renumber_labels(np.array([7, -5, 3, 7, -1, 9, 3])).tolist() == [0, -1, 1, 0, -1, 2, 1]
    assert renumber_labels(np.array([-2, -1])).tolist() == [-1, -1]
    assert renumber_labels(np.empty(0, np.int64)).tolist() == []


def test_the_nearest_centre_is_by_euclidean_distance() -> None:
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 3.0]])
    rows = np.array([[4.0, 0.0], [6.0, 0.0], [0.0, 2.0], [-9.0, -9.0]])
    assert find_nearest_centre(rows, centres).tolist() == [0, 1, 2, 0]


def test_the_nearest_centre_is_found_for_more_rows_than_one_block() -> None:
    rows = np.arange(10_000.0)[:, None]
    labels = find_nearest_centre(rows, np.array([[0.0], [9000.0]]))
    assert np.flatnonzero(labels)[0] == 4501  # 4500 lies in the middle; the first centre has it
    assert labels[4501:].all()
