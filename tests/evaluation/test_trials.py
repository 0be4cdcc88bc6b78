"""Methods tried in processes of their own: good ones, wrong ones, and those that take the process with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexers import plugins
from indexers.clusterers import KMeans
from retrieval.evaluation.metrics import draw_subsets
from retrieval.evaluation.trials import TrialFailed, run_trial
from tests.evaluation.test_metrics import blobs

CODE = '''
import os, signal
import numpy as np
from indexers.clusterers.base import Clusterer

class Halves(Clusterer):
    """Two clusters by the sign of a coordinate; rows near zero are loose."""
    _parameter_constraints = {}
    def __init__(self, column=0, least=0.0):
        self.column, self.least = column, least
    def _fit(self, rows, neighbours, progress):
        print("halving")
        self.labels_ = self._predict(rows)
    def _predict(self, rows):
        value = rows[:, self.column]
        return np.where(np.abs(value) >= self.least, value > 0, -1).astype(np.int64)

class Greedy(Halves):
    def _fit(self, rows, neighbours, progress):
        self.held = np.ones(64 * 2**20 // 8)
        if len(rows) < 90:
            raise ValueError(f"{len(rows)} rows are too few")
        super()._fit(rows, neighbours, progress)

class Killed(Halves):
    def _fit(self, rows, neighbours, progress):
        os.kill(os.getpid(), signal.SIGKILL)

class Crashing(Halves):
    def _fit(self, rows, neighbours, progress):
        os.abort()

class Short(Halves):
    def _fit(self, rows, neighbours, progress):
        self.labels_ = np.zeros(3)
'''
NAMES = ("halves", "greedy", "killed", "crashing", "short")


@pytest.fixture
def foreign_clusterers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install another distribution with clusterers, as pip leaves it on disk; `broken` lacks a package."""
    place = tmp_path / "site"
    facts = place / "their_groups-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: their-groups\nVersion: 1.0\n")
    lines = [f"{name} = their_groups:{name.title()}" for name in NAMES]
    (facts / "entry_points.txt").write_text("\n".join(["[nearkin.clusterers]", *lines, "broken = their_lack:Broken"]))
    (place / "their_groups.py").write_text(CODE)
    (place / "their_lack.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(str(place))
    plugins.find_members.cache_clear()
    yield
    plugins.find_members.cache_clear()
    sys.modules.pop("their_groups", None)


def test_a_trial_is_the_fit_itself() -> None:
    rows, _ = blobs()
    steps: list[int] = []
    parts = draw_subsets(len(rows), 2)
    trial = run_trial(
        "kmeans", {"n_init": 2}, {"n_clusters": 6, "random_state": 3}, rows, parts, lambda: steps.append(1)
    )
    kmeans = KMeans(6, n_init=2, random_state=3)
    np.testing.assert_array_equal(trial.labels, kmeans.fit(rows).labels_)
    for part, again in zip(parts, trial.draw_labels, strict=True):
        np.testing.assert_array_equal(again, kmeans.fit(rows[part]).labels_)
    assert trial.parameters == {"n_clusters": 6, "random_state": 3, "n_init": 2}
    assert trial.draw_failure is None
    assert trial.seconds > 0
    assert len(steps) == 3


@pytest.mark.usefixtures("foreign_clusterers")
def test_one_of_another_distribution_gets_only_parameters_that_it_has() -> None:
    rows, _ = blobs()
    trial = run_trial("halves", {"column": 2}, {"n_clusters": 6, "random_state": 0, "least": 0.1}, rows)
    expected = np.where(np.abs(rows[:, 2]) >= 0.1, rows[:, 2] > 0, -1)
    np.testing.assert_array_equal(trial.labels, expected)
    assert trial.parameters == {"column": 2, "least": 0.1}


@pytest.mark.usefixtures("foreign_clusterers")
def test_memory_is_measured_and_a_draw_may_fail() -> None:
    rows, _ = blobs(100)
    trial = run_trial("greedy", {}, {}, rows, draw_subsets(100, 2))
    assert trial.draw_labels == ()
    assert trial.draw_failure == "a fit of 80 of the rows failed: 80 rows are too few"
    if Path("/proc/self/status").exists():
        assert trial.memory is not None
        assert 60 * 2**20 < trial.memory < 90 * 2**20
    else:
        assert trial.memory is None


@pytest.mark.usefixtures("foreign_clusterers")
@pytest.mark.parametrize(
    ("name", "parameters", "reason"),
    [
        ("kmeans", {"n_clusters": 500}, "n_clusters=500 clusters can't be made of n_samples=120 rows"),
        ("kmeans", {"colour": "red"}, "unexpected keyword argument 'colour'"),
        ("broken", {}, "needs the package 'no_such_package_at_all', which is not installed"),
        ("killed", {}, "its process was killed; perhaps it needed more memory than there is"),
        ("crashing", {}, r"its process crashed \(SIGABRT\)"),
        ("short", {}, r"its labels_ are float64 \(3,\), not one whole number for each of 120"),
    ],
)
def test_what_goes_wrong_is_told(name: str, parameters: dict[str, object], reason: str) -> None:
    with pytest.raises(TrialFailed, match=reason):
        run_trial(name, parameters, {}, blobs()[0])
