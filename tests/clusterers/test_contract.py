"""The contract refuses clusterers that break one of its promises each."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from indexers.clusterers import KMeans
from indexers.clusterers.base import Clusterer, Ints, Rows
from indexers.clusterers.contract import ClustererContract

FAILURES = (AssertionError, pytest.fail.Exception, TypeError, AttributeError)
CALLS = count()


class WithNarrowLabels(KMeans):
    def fit(self, X: Any, y: Any = None, **more: Any) -> Self:  # noqa: N803
        super().fit(X, y, **more)
        self.labels_ = self.labels_.astype(np.int32)
        return self


class WithGaps(KMeans):
    def fit(self, X: Any, y: Any = None, **more: Any) -> Self:  # noqa: N803
        super().fit(X, y, **more)
        self.labels_ *= 2
        return self


class OfChance(KMeans):
    """Another numbering with each fit."""

    def fit(self, X: Any, y: Any = None, **more: Any) -> Self:  # noqa: N803
        super().fit(X, y, **more)
        self.labels_ = (self.labels_ + next(CALLS)) % 6
        return self


class WithoutNaN(KMeans):
    """Silently mends what it can't read."""

    def fit(self, X: Any, y: Any = None, **more: Any) -> Self:  # noqa: N803
        return super().fit(np.nan_to_num(X, posinf=0), y, **more)


class Forgetful(KMeans):
    learned = ("inertia_",)


class OfUnknownClusters(KMeans):
    def _predict(self, rows: Rows) -> Ints:
        return super()._predict(rows) + 6


class Blind(KMeans):
    """All in one cluster."""

    def fit(self, X: Any, y: Any = None, **more: Any) -> Self:  # noqa: N803
        super().fit(X, y, **more)
        self.labels_ = np.zeros_like(self.labels_)
        return self


class OfSingleRows(KMeans):
    def fit(self, X: Any, y: Any = None, **more: Any) -> Self:  # noqa: N803
        super().fit(X, y, **more)
        self.labels_ = np.arange(len(self.labels_))
        return self


class WithObjects(KMeans):
    def __init__(self, n_clusters: int = 8, *, random_state: Any = None, start: Any = Path("centres")) -> None:
        super().__init__(n_clusters, random_state=random_state)
        self.start = start


class Contract(ClustererContract):
    def __init__(self, kind: type[KMeans]) -> None:
        self.kind = kind

    def clusterer(self, **more: object) -> Clusterer:
        return self.kind(**{"n_clusters": 6, "random_state": 0} | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (WithNarrowLabels, "test_groups_that_lie_apart_are_found"),
        (WithGaps, "test_groups_that_lie_apart_are_found"),
        (Blind, "test_groups_that_lie_apart_are_found"),
        (OfUnknownClusters, "test_new_rows_are_predicted_into_them"),
        (OfChance, "test_the_same_seed_gives_the_same_labels"),
        (WithObjects, "test_parameters_are_json"),
        (OfSingleRows, "test_identical_rows_lie_together"),
    ],
)
def test_a_broken_promise_is_noticed(kind: type[KMeans], promise: str) -> None:
    getattr(Contract(KMeans), promise)()
    with pytest.raises(FAILURES):
        getattr(Contract(kind), promise)()


def test_state_that_is_not_saved_is_noticed(tmp_path: Path) -> None:
    Contract(KMeans).test_a_saved_one_predicts_the_same(tmp_path)
    with pytest.raises(FAILURES):
        Contract(Forgetful).test_a_saved_one_predicts_the_same(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_passed_over_are_noticed(bad: float) -> None:
    Contract(KMeans).test_rows_that_are_not_finite_are_refused(bad)
    with pytest.raises(FAILURES, match="DID NOT RAISE"):
        Contract(WithoutNaN).test_rows_that_are_not_finite_are_refused(bad)


def test_the_rows_are_six_groups_of_unit_vectors_and_always_the_same() -> None:
    rows, groups = ClustererContract().rows(60, dimension=8)
    assert (rows.shape, rows.dtype) == ((60, 8), np.float32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
    assert np.bincount(groups).tolist() == [10] * 6
    cosine = rows @ rows.T
    same = groups[:, None] == groups
    assert cosine[same].min() > cosine[~same].max()
    np.testing.assert_array_equal(ClustererContract().rows(60, dimension=8)[0], rows)


def test_it_has_to_be_overridden() -> None:
    with pytest.raises(NotImplementedError, match="override `clusterer`"):
        ClustererContract().clusterer()


def test_it_lies_among_the_contracts() -> None:
    from indexers import testing

    assert testing.ClustererContract is ClustererContract
