"""The contract of a clusterer as a class to inherit in tests; `indexers.testing` has it among the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from indexers.clusterers.base import Clusterer
from indexers.clusterers.steps.neighbours import unit
from indexers.errors import StoredFileDamaged
from indexers.types import Ids, Vectors


class ClustererContract:
    """What every Clusterer promises. Override `clusterer` to make yours, for a few hundred rows, with a fixed
    `random_state` if it has one; with `**more` over its settings.

    `least_agreement`: the adjusted Rand index to reach on six groups that lie well apart.
    """

    least_agreement = 0.95

    def clusterer(self, **more: object) -> Clusterer:
        raise NotImplementedError("return a new clusterer")

    def rows(self, count: int = 240, dimension: int = 12, seed: int = 0) -> tuple[Vectors, Ids]:
        """Six groups of unit vectors, float32 (count, dimension), and the group of each."""
        random = np.random.default_rng(seed)
        label = np.arange(count) % 6
        centre = np.linalg.qr(random.standard_normal((dimension, dimension)))[0][label]
        noise = 0.08 * random.standard_normal((count, dimension))
        return unit((centre + noise).astype(np.float32)), label

    def check_labels(self, labels: Ids, count: int) -> None:
        """One label a row, 0, 1, 2 ... without gaps, or -1."""
        assert labels.shape == (count,)
        assert labels.dtype == np.int64
        inside = np.unique(labels[labels >= 0])
        assert inside.tolist() == list(range(len(inside)))
        assert labels.min(initial=0) >= -1

    def test_groups_that_lie_apart_are_found(self) -> None:
        rows, label = self.rows()
        found = self.clusterer().fit(rows).labels_
        self.check_labels(found, len(rows))
        assert adjusted_rand_score(label, found) >= self.least_agreement

    def test_new_rows_are_predicted_into_them(self) -> None:
        rows, label = self.rows(360)
        fitted = self.clusterer().fit(rows[:240])
        found = fitted.predict(rows[240:])
        assert found.dtype == np.int64
        assert set(found.tolist()) <= set(fitted.labels_.tolist()) | {-1}
        assert adjusted_rand_score(np.append(label[:240], label[240:]), np.append(fitted.labels_, found)) >= (
            self.least_agreement - 0.05
        )

    def test_the_same_seed_gives_the_same_labels(self) -> None:
        rows, _ = self.rows()
        np.testing.assert_array_equal(self.clusterer().fit(rows).labels_, self.clusterer().fit(rows).labels_)

    def test_a_saved_one_predicts_the_same(self, tmp_path: Path) -> None:
        rows, _ = self.rows(300)
        fitted = self.clusterer().fit(rows[:240])
        fitted.save(tmp_path / "kept.safetensors")
        loaded = type(fitted).load(tmp_path / "kept.safetensors")
        assert loaded.get_params() == fitted.get_params()
        np.testing.assert_array_equal(loaded.predict(rows), fitted.predict(rows))

    def test_a_damaged_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "kept").write_bytes(self.clusterer().fit(self.rows()[0]).to_bytes()[:-7])
        with pytest.raises(StoredFileDamaged, match="no saved clusterer"):
            type(self.clusterer()).load(tmp_path / "kept")

    def test_parameters_are_json(self) -> None:
        parameters = self.clusterer().get_params()
        assert json.loads(json.dumps(parameters)) == parameters

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_numbers_that_are_none_are_refused(self, bad: float) -> None:
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
            pytest.skip("it decides for itself how many there are")
        with pytest.raises(ValueError, match="n_clusters=7"):
            self.clusterer(n_clusters=7).fit(self.rows()[0][:6])

    def test_one_row_is_a_cluster_or_clearly_refused(self) -> None:
        one = self.clusterer()
        if "n_clusters" in one.get_params():
            one.set_params(n_clusters=1)
        rows = self.rows()[0][:1]
        try:
            found = one.fit(rows).labels_
        except ValueError as error:
            assert "1 sample" in str(error) or "n_samples=1" in str(error)  # noqa: PT017
        else:
            assert found.tolist() in ([0], [-1])

    def test_identical_rows_lie_together(self) -> None:
        rows = np.repeat(self.rows()[0][:1], 60, axis=0)
        assert len(set(self.clusterer().fit(rows).labels_.tolist())) == 1
