"""The contract of a clusterer as a test class to inherit; `indexers.testing` exports it beside the other contracts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from indexers.arrays import scale_to_unit
from indexers.clusterers.base import Clusterer
from indexers.errors import StoredFileDamaged
from indexers.types import Ids, Vectors


class ClustererContract:
    """The promises of every Clusterer.

    Override `clusterer` to return yours: with parameters that suit a few hundred rows, with a fixed `random_state` if
    it has one, and with `**more` taking precedence over these.

    `least_agreement`: the adjusted Rand index to reach on six groups that lie well apart.
    """

    least_agreement = 0.95

    def clusterer(self, **more: object) -> Clusterer:
        """Return a new clusterer with the parameters `more`; to be overridden."""
        raise NotImplementedError("override `clusterer` to return a new clusterer")

    def rows(self, count: int = 240, dimension: int = 12, seed: int = 0) -> tuple[Vectors, Ids]:
        """Return six groups of unit vectors, float32 (count, dimension), and the group of each, int64 (count,)."""
        random = np.random.default_rng(seed)
        groups = np.arange(count) % 6
        centres = np.linalg.qr(random.standard_normal((dimension, dimension)))[0][groups]
        noise = 0.08 * random.standard_normal((count, dimension))
        return scale_to_unit((centres + noise).astype(np.float32)), groups

    def check_labels(self, labels: Ids, count: int) -> None:
        """Assert that there is one label per row: 0, 1, 2 ... without gaps, or -1."""
        assert labels.shape == (count,)
        assert labels.dtype == np.int64
        clusters = np.unique(labels[labels >= 0])
        assert clusters.tolist() == list(range(len(clusters)))
        assert labels.min(initial=0) >= -1

    def test_groups_that_lie_apart_are_found(self) -> None:
        rows, groups = self.rows()
        labels = self.clusterer().fit(rows).labels_
        self.check_labels(labels, len(rows))
        assert adjusted_rand_score(groups, labels) >= self.least_agreement

    def test_new_rows_are_predicted_into_them(self) -> None:
        rows, groups = self.rows(360)
        fitted = self.clusterer().fit(rows[:240])
        predicted = fitted.predict(rows[240:])
        assert predicted.dtype == np.int64
        assert set(predicted.tolist()) <= set(fitted.labels_.tolist()) | {-1}
        labels = np.append(fitted.labels_, predicted)
        assert adjusted_rand_score(groups, labels) >= self.least_agreement - 0.05

    def test_the_same_seed_gives_the_same_labels(self) -> None:
        rows, _ = self.rows()
        np.testing.assert_array_equal(self.clusterer().fit(rows).labels_, self.clusterer().fit(rows).labels_)

    def test_a_saved_one_predicts_the_same(self, tmp_path: Path) -> None:
        rows, _ = self.rows(300)
        fitted = self.clusterer().fit(rows[:240])
        fitted.save(tmp_path / "saved.safetensors")
        loaded = type(fitted).load(tmp_path / "saved.safetensors")
        assert loaded.get_params() == fitted.get_params()
        np.testing.assert_array_equal(loaded.predict(rows), fitted.predict(rows))

    def test_a_damaged_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "damaged").write_bytes(self.clusterer().fit(self.rows()[0]).to_bytes()[:-7])
        with pytest.raises(StoredFileDamaged, match="not a saved clusterer"):
            type(self.clusterer()).load(tmp_path / "damaged")

    def test_parameters_are_json(self) -> None:
        parameters = self.clusterer().get_params()
        assert json.loads(json.dumps(parameters)) == parameters

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_rows_that_are_not_finite_are_refused(self, bad: float) -> None:
        rows, _ = self.rows()
        rows[3, 4] = bad
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            self.clusterer().fit(rows)

    def test_another_dimension_is_refused(self) -> None:
        rows, _ = self.rows()
        with pytest.raises(ValueError, match="features"):
            self.clusterer().fit(rows).predict(rows[:, :-1])

    def test_nothing_is_predicted_before_it_is_fitted(self) -> None:
        with pytest.raises(ValueError, match="not fitted"):
            self.clusterer().predict(self.rows()[0])

    def test_more_clusters_than_rows_are_refused(self) -> None:
        if "n_clusters" not in self.clusterer().get_params():
            pytest.skip("this clusterer chooses the number of clusters itself")
        with pytest.raises(ValueError, match="n_clusters=7"):
            self.clusterer(n_clusters=7).fit(self.rows()[0][:6])

    def test_one_row_is_a_cluster_or_clearly_refused(self) -> None:
        clusterer = self.clusterer()
        if "n_clusters" in clusterer.get_params():
            clusterer.set_params(n_clusters=1)
        rows = self.rows()[0][:1]
        try:
            labels = clusterer.fit(rows).labels_
        except ValueError as error:
            assert "1 sample" in str(error) or "n_samples=1" in str(error)  # noqa: PT017
        else:
            assert labels.tolist() in ([0], [-1])

    def test_identical_rows_lie_together(self) -> None:
        rows = np.repeat(self.rows()[0][:1], 60, axis=0)
        assert len(set(self.clusterer().fit(rows).labels_.tolist())) == 1
