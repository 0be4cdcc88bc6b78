from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import check_estimator

from indexers.clusterers import Evoc
from indexers.errors import MissingPackage
from indexers.testing import ClustererContract

ASKED = "NEARKIN_TEST_EVOC"
WHY = f"evoc compiles for a minute; set {ASKED}=1"
asked = pytest.mark.skipif(ASKED not in os.environ, reason=WHY)


@asked
@pytest.mark.filterwarnings("ignore")  # evoc's and numba's own
class TestEvoc(ClustererContract):
    def clusterer(self, **more: object) -> Evoc:
        pytest.importorskip("evoc")
        return Evoc(**{"min_cluster_size": 20, "random_state": 0} | more)  # type: ignore[arg-type]

    def test_it_passes_the_checks_of_scikit_learn(self) -> None:
        check_estimator(self.clusterer())

    def test_a_count_is_reached_nearly(self) -> None:
        rows, label = self.rows()
        found = self.clusterer(approx_n_clusters=6).fit(rows).labels_
        assert adjusted_rand_score(label, found) > 0.9

    def test_copies_share_a_label_and_rows_are_predicted_into_their_own(self) -> None:
        rows, _ = self.rows()
        fitted = self.clusterer().fit(np.concatenate([rows, rows[:50]]))
        np.testing.assert_array_equal(fitted.labels_[:50], fitted.labels_[240:])
        np.testing.assert_array_equal(fitted.predict(rows), fitted.labels_[:240])
        assert any((layer == fitted.labels_).all() for layer in fitted.layers_)


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evoc", None)
    with pytest.raises(MissingPackage, match="pip install evoc"):
        Evoc().fit(ClustererContract().rows()[0])


def test_too_few_different_rows_are_noise() -> None:
    rows = np.repeat(ClustererContract().rows()[0][:5], 20, axis=0)
    fitted = Evoc().fit(rows)
    assert fitted.labels_.tolist() == fitted.predict(rows).tolist() == [-1] * 100


def test_more_samples_than_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="min_samples is 9"):
        Evoc(n_neighbors=8, min_samples=9).fit(ClustererContract().rows()[0])
