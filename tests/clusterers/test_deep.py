from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.clusterers import Deep, Hvae
from indexers.clusterers.steps.dendrogram import apply_merges
from indexers.testing import ClustererContract

pytest.importorskip("torch", reason="training needs torch")


class TestDeep(ClustererContract):
    def clusterer(self, **more: object) -> Deep:
        return Deep(**{"n_clusters": 6, "random_state": 0, "device": "cpu"} | more)  # type: ignore[arg-type]


@parametrize_with_checks([Deep(3, epochs=10, device="cpu", random_state=0)])
def test_it_passes_the_checks_of_scikit_learn(estimator: Deep, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_it_sees_more_than_k_means_in_handwritten_digits() -> None:
    rows, label = (part[:900] for part in load_digits(return_X_y=True))
    means = KMeans(10, n_init=3, random_state=0).fit_predict(rows)
    deep = Deep(10, device="cpu", random_state=0).fit(rows)
    assert adjusted_mutual_info_score(label, deep.labels_) > adjusted_mutual_info_score(label, means) + 0.05
    assert (deep.predict(rows) == deep.labels_).all()
    assert deep.transform(rows).shape == (len(rows), 10)
    assert deep.children_.shape == (len(rows) - 1, 2)
    assert (np.diff(deep.distances_) >= 0).all()
    check_tree(deep, rows)


def check_tree(fitted: Deep | Hvae, rows: np.ndarray) -> None:
    """Assert that the labels are what k-means ends with when it starts from the cut of the tree, as is said."""
    codes, count = fitted.transform(rows), len(fitted.cluster_centers_)
    cut = apply_merges(fitted.children_[: len(fitted.children_) + 1 - count], len(rows))[fitted.leaves_]
    start = np.stack([codes[cut == cluster].mean(0) for cluster in range(count)])
    assert adjusted_rand_score(cut, fitted.labels_) > 0.6
    end = KMeans(count, init=start, n_init=1).fit_predict(codes)
    assert adjusted_rand_score(end, fitted.labels_) == 1


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from indexers.errors import MissingPackage

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackage, match=r"pip install 'nearkin\[models\]'"):
        Deep(2).fit([[0.0], [1.0], [2.0]])
