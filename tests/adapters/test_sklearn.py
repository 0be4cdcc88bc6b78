"""Pictures and neighbour graphs in scikit-learn's pipelines, beside its own KNeighborsTransformer."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.cluster import DBSCAN, SpectralClustering
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE, Isomap
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from indexers.embedders.tiny import Tiny
from indexers.errors import UnknownPlugin
from retrieval.adapters.sklearn import ImageEmbedder, NearkinTransformer
from tests.support import pictures

ROWS, GROUP = make_blobs(2400, 16, centers=6, cluster_std=1.0, random_state=0)  # above what is scanned
METRICS = ("euclidean", "cosine")


# ---- pictures


CHECKS = """cloneable estimator_tags_renamed valid_tag_types estimator_repr no_attributes_set_in_init mixin_order
    parameters_default_constructible get_params_invariance set_params estimators_overwrite_params fit_check_is_fitted
    dont_overwrite_parameters estimators_fit_returns_self do_not_raise_errors_in_init_or_set_params estimators_unfitted
    transformer_get_feature_names_out set_output_transform positive_only_tag_during_fit"""


@pytest.mark.parametrize("name", CHECKS.split())
def test_pictures_pass_the_checks_that_apply(name: str) -> None:
    """Run the checks that transform no rows of numbers; `parametrize_with_checks` skips most, by its tag."""
    known = {f"check_{name}", f"check_estimator_{name}"} & set(dir(estimator_checks))
    if not known:
        pytest.skip(f"this scikit-learn has no check of {name}")
    getattr(estimator_checks, known.pop())("ImageEmbedder", ImageEmbedder("tiny"))


def make_pictures() -> list[Image.Image]:
    return [pictures.noise(seed, (40, 30)) for seed in range(6)]


@pytest.fixture
def same(tmp_path: Path) -> dict[str, Any]:
    """Return the same six pictures in every accepted form."""
    inputs = make_pictures()
    paths = [tmp_path / f"{place}.png" for place in range(6)]
    for picture, path in zip(inputs, paths, strict=True):
        picture.save(path)
    texts = [str(path) for path in paths]
    return {
        "paths": paths,
        "texts": texts,
        "bytes": [path.read_bytes() for path in paths],
        "pictures": inputs,
        "arrays": [np.asarray(picture) for picture in inputs],
        "one array": np.stack([np.asarray(picture) for picture in inputs]),
        "array of texts": np.array(texts),
        "a column": np.array(texts, object)[:, None],
    }


def test_every_way_to_give_pictures(same: dict[str, Any]) -> None:
    expected = Tiny().embed(make_pictures())
    for name, picture_list in same.items():
        rows = ImageEmbedder("tiny").fit(picture_list).transform(picture_list)
        assert (rows.dtype, rows.shape) == (np.float32, (6, 13)), name
        np.testing.assert_array_equal(rows, expected, name)


def test_a_table_of_one_column(same: dict[str, Any]) -> None:
    pandas = pytest.importorskip("pandas", reason="tables need pandas")
    table = pandas.DataFrame({"picture": same["texts"]}, index=list("abcdef"))
    embedder = ImageEmbedder("tiny").set_output(transform="pandas")
    rows = embedder.fit_transform(table)
    assert rows.columns.tolist() == [f"imageembedder{place}" for place in range(13)]
    assert rows.columns.tolist() == embedder.get_feature_names_out().tolist()
    assert rows.index.tolist() == list("abcdef")
    np.testing.assert_array_equal(embedder.transform(table["picture"]).to_numpy(), rows.to_numpy())


def test_threads_give_the_same() -> None:
    many = make_pictures() * 20
    np.testing.assert_array_equal(
        ImageEmbedder("tiny", n_jobs=3).fit_transform(many), ImageEmbedder("tiny").fit_transform(many)
    )
    assert ImageEmbedder("tiny").fit_transform([]).shape == (0, 13)


def test_in_a_pipeline_that_is_searched_cloned_and_pickled() -> None:
    bright = [pictures.disc(colour) for colour in ("red", "yellow")] * 6
    dark = [pictures.disc(colour) for colour in ("black", "blue")] * 6
    label = [1] * 12 + [0] * 12
    pipeline = make_pipeline(ImageEmbedder("tiny"), LogisticRegression())
    search = GridSearchCV(pipeline, {"imageembedder__embedder": ["tiny", Tiny()]}, cv=3).fit(bright + dark, label)
    assert search.best_score_ == 1
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert again.predict(bright).tolist() == [1] * 12
    assert clone(again).get_params()["imageembedder__embedder"] == "tiny"


def test_settings_go_to_the_embedder() -> None:
    with pytest.raises(ValueError, match="has no setting 'colours'"):
        ImageEmbedder("tiny", settings={"colours": 3}).fit([])
    with pytest.raises(UnknownPlugin, match="no embedder 'tinny'"):
        ImageEmbedder("tinny").fit([])


def test_other_weights_after_unpickling_are_refused() -> None:
    fitted = ImageEmbedder("tiny").fit([])
    fitted.fingerprint_ = "of then"
    with pytest.raises(ValueError, match="other weights here"):
        pickle.loads(pickle.dumps(fitted)).transform(make_pictures())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["no such file.png"], "picture 0 can't be used.*no such file.png"),
        ([pictures.disc("red"), b"not a picture"], "picture 1 can't be used"),
        ([pictures.disc("red"), None], "picture 1 can't be used"),
        ([1.5, 2.5], "picture 0 can't be used"),
        ("one.png", "a list of pictures; got a single str"),
        (b"one", "a list of pictures; got a single bytes"),
        (7, "a list of pictures; got a single int"),
    ],
)
def test_what_is_no_picture_is_named(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageEmbedder("tiny").fit_transform(value)


# ---- neighbours


@parametrize_with_checks([NearkinTransformer(), NearkinTransformer(mode="connectivity", index="exact")])
def test_neighbours_pass_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def build_their_graph(**settings: Any) -> csr_matrix:
    return KNeighborsTransformer(algorithm="brute", **settings).fit_transform(ROWS)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("index", ["hnsw", "exact"])
def test_the_graph_is_the_one_of_scikit_learn(metric: str, mode: str, index: str) -> None:
    settings = {"n_neighbors": 7, "mode": mode, "metric": metric}
    ours, graph = NearkinTransformer(index=index, **settings).fit_transform(ROWS), build_their_graph(**settings)  # type: ignore[arg-type]
    assert ours.format == "csr"
    assert (ours.shape, ours.nnz, ours.dtype) == (graph.shape, graph.nnz, graph.dtype)
    np.testing.assert_array_equal(ours.indptr, graph.indptr)
    same = [
        len(set(a) & set(b))
        for a, b in zip(*(matrix.indices.reshape(2400, -1) for matrix in (ours, graph)), strict=True)
    ]
    assert np.sum(same) >= (1.0 if index == "exact" else 0.99) * graph.nnz
    if mode == "distance":
        distances = ours.data.reshape(2400, 8)
        assert (np.diff(distances, axis=1) >= 0).all()
        assert (ours.indices[::8] == np.arange(2400)).all()
        assert (distances[:, 0] == 0).all()
        close = np.isclose(distances, graph.data.reshape(2400, 8), rtol=1e-4, atol=1e-6)
        assert close.mean() >= 0.98


def test_new_rows_have_neighbours_among_those_fitted() -> None:
    ours = NearkinTransformer(4).fit(ROWS[:2100])
    graph = ours.transform(ROWS[2100:])
    expected = KNeighborsTransformer(n_neighbors=4).fit(ROWS[:2100]).transform(ROWS[2100:])
    assert graph.shape == (300, 2100)
    np.testing.assert_allclose(graph.data, expected.data, rtol=1e-4)
    assert ours.get_feature_names_out().shape == (2100,)
    assert ours.get_feature_names_out()[1] == "nearkintransformer1"


@pytest.mark.parametrize("index", ["hnsw", "exact"])
def test_it_can_be_pickled_whatever_the_index(index: str) -> None:
    fitted = NearkinTransformer(3, index=index).fit(ROWS)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(again.transform(ROWS[:50]).data, fitted.transform(ROWS[:50]).data, rtol=1e-5)


def test_isomap_unrolls_the_same() -> None:
    rows = ROWS[GROUP == 0]
    ours = make_pipeline(NearkinTransformer(10), Isomap(n_neighbors=10, metric="precomputed")).fit_transform(rows)
    np.testing.assert_allclose(np.abs(ours), np.abs(Isomap(n_neighbors=10).fit_transform(rows)), rtol=1e-3, atol=1e-3)


def test_spectral_clustering_finds_the_groups() -> None:
    spectral = SpectralClustering(6, affinity="precomputed_nearest_neighbors", n_neighbors=15, random_state=0)
    with pytest.warns(UserWarning, match="not fully connected"):
        labels = make_pipeline(NearkinTransformer(15), spectral).fit_predict(ROWS)
    assert adjusted_rand_score(GROUP, labels) > 0.95


def test_dbscan_finds_the_same() -> None:
    ours = make_pipeline(NearkinTransformer(40), DBSCAN(eps=4.5, min_samples=10, metric="precomputed"))
    coordinates = ours.fit_predict(ROWS)
    peer = DBSCAN(eps=4.5, min_samples=10, metric="precomputed").fit_predict(build_their_graph(n_neighbors=40))
    assert adjusted_rand_score(peer, coordinates) > 0.99
    assert adjusted_rand_score(GROUP, coordinates) > 0.8


def test_tsne_keeps_neighbours_together() -> None:
    rows, group = ROWS[:400], GROUP[:400]
    tsne = TSNE(metric="precomputed", init="random", perplexity=10, max_iter=300, random_state=0)
    flat = make_pipeline(NearkinTransformer(31), tsne).fit_transform(rows)
    near = KNeighborsTransformer(mode="connectivity", n_neighbors=5).fit_transform(flat).indices.reshape(400, 5)
    assert (group[near] == group[:, None]).mean() > 0.95


def test_a_classifier_takes_the_graph() -> None:
    pipeline = make_pipeline(NearkinTransformer(9), KNeighborsClassifier(5, metric="precomputed"))
    assert pipeline.fit(ROWS[:2100], GROUP[:2100]).score(ROWS[2100:], GROUP[2100:]) > 0.99


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_neighbors": 0}, "n_neighbors is 0"),
        ({"n_neighbors": 2.5}, "n_neighbors is 2.5"),
        ({"mode": "weights"}, "mode is 'weights'; it can be: distance, connectivity"),
        ({"metric": "manhattan"}, "metric is 'manhattan'; it can be: cosine, euclidean"),
        ({"index": "flat"}, "there is no vector 'flat'"),
        ({"settings": {"trees": 3}}, "hnsw has no setting 'trees'"),
        ({"n_neighbors": 50}, "n_neighbors = 51, n_samples_fit = 50"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NearkinTransformer(**settings).fit_transform(ROWS[:50])


def test_a_row_without_a_direction_has_no_cosine() -> None:
    with pytest.raises(ValueError, match="vector 3 is all zeros"):
        NearkinTransformer(metric="cosine").fit(np.vstack([ROWS[:3], np.zeros((1, 16))]))
