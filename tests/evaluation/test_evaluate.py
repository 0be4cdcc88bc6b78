"""Judging a collection: planted groups are found, figures are those of the arrays, what fails is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from indexers.clusterers import KMeans
from indexers.errors import BadQuery, SpaceNotFound, UnknownPlugin, UsageError
from indexers.types import Space
from retrieval import Collection
from retrieval.evaluation import evaluate
from retrieval.records.evaluation import Evaluation, JudgedClustering
from tests.clusters.test_browse import SIZES, families
from tests.evaluation.test_trials import foreign_clusterers
from tests.support import pictures

__all__ = ["families", "foreign_clusterers"]

GROUPS = ("red", "green", "blue")


@pytest.fixture
def colour_groups(collection: Collection, tmp_path: Path) -> Collection:
    """Return twelve shades of each of three colours, seen by `tiny`; six more pictures have no group."""
    random = np.random.default_rng(0)
    shades = np.concatenate([np.eye(3)[[n]] * 200 + random.integers(0, 40, (12, 3)) for n in range(3)])
    shades = np.concatenate([shades, random.integers(100, 140, (6, 3))]).astype(np.uint8)
    places = [tmp_path / f"{n}.png" for n in range(42)]
    for place, shade in zip(places, shades, strict=True):
        Image.fromarray(np.full((16, 16, 3), shade, np.uint8)).save(place)
    metadata: list[dict[str, Any]] = [{"group": GROUPS[n // 12], "n": n} if n < 36 else {} for n in range(42)]
    collection.add(places, keys=[f"p{n}" for n in range(42)], metadata=metadata)
    return collection


def find_clustering(evaluation: Evaluation, name: str) -> JudgedClustering:
    return next(clustering for clustering in evaluation.clusterings if clustering.name == name)


def label_by_family(collection: Collection) -> None:
    """Store the name of each item's family as metadata."""
    view, items = collection._spaces.current, collection.items(limit=500).items
    assert view is not None
    rows = view.flat.index.take(np.array([item.id for item in items]))
    metadata = [{"family": item.key.split("-")[0]} for item in items]
    collection.add_vectors(rows, keys=[item.key for item in items], metadata=metadata)


def test_planted_groups_are_found(colour_groups: Collection) -> None:
    steps: list[tuple[int, int, str]] = []
    evaluation = colour_groups.evaluate(labels="group", draws=2, progress=lambda *step: steps.append(step))
    assert [clustering.name for clustering in evaluation.clusterings] == [
        "coarse",
        "medium",
        "fine",
        "partitions",
        "kmeans",
    ]
    assert (evaluation.items, evaluation.judged, evaluation.labelled, evaluation.classes) == (42, 42, 36, 3)
    assert evaluation.notes == ("6 items have no text or number under 'group' and are left out of figures with labels",)
    kmeans = find_clustering(evaluation, "kmeans")
    assert kmeans.parameters == {"n_clusters": 3, "random_state": 0}
    assert (kmeans.ari, kmeans.ami, kmeans.nmi, kmeans.purity) == tuple([pytest.approx(1)] * 4)
    assert kmeans.stability is not None
    assert kmeans.stability > 0.8
    assert kmeans.stability_error is not None
    assert 0 <= kmeans.stability_error < 0.2
    assert [clustering.name for clustering in evaluation.clusterings if clustering.given_count] == ["kmeans"]
    assert kmeans.notes == ("it was given the true number of clusters, that of the labels: 3",)
    assert kmeans.seconds is not None
    assert kmeans.error is None
    [space] = evaluation.spaces
    assert (space.space, space.p_at_1, space.p_at_10) == ("tiny", 1, 1)
    assert space.mean_average_precision == pytest.approx(1)
    assert (space.queries, space.alone) == (36, 0)
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert steps[-1][:2] == (5, 5)
    assert steps[0] == (0, 5, "tiny: reading")


def test_figures_are_those_of_the_arrays(families: Collection) -> None:
    """Ready-made vectors, compared with scikit-learn's figures."""
    label_by_family(families)
    evaluation = families.evaluate(labels="family", k=4, draws=0)
    items = families.items(limit=500).items
    view = families._spaces.current
    assert view is not None
    rows = view.flat.index.take(np.array([item.id for item in items]))
    truth = [item.metadata["family"] for item in items]
    labels = KMeans(4, random_state=0).fit(rows).labels_
    kmeans = find_clustering(evaluation, "kmeans")
    assert kmeans.clusters == 4
    assert kmeans.ari == pytest.approx(metrics.adjusted_rand_score(truth, labels))
    assert kmeans.ami == pytest.approx(metrics.adjusted_mutual_info_score(truth, labels))
    assert kmeans.silhouette == pytest.approx(metrics.silhouette_score(rows, labels, metric="cosine"), abs=1e-5)
    assert kmeans.davies_bouldin == pytest.approx(metrics.davies_bouldin_score(rows, labels), abs=1e-5)
    assert kmeans.stability is None
    medium = find_clustering(evaluation, "medium")
    assert (medium.clusters, medium.loose) == (6, pytest.approx(4 / 228))
    assert medium.purity == pytest.approx(sum(SIZES) / 228)  # strangers are in no cluster
    assert medium.seconds is None
    assert medium.ami == pytest.approx(1)
    assert evaluation.spaces[0].alone == 4


def test_without_labels_medium_says_how_many(families: Collection) -> None:
    evaluation = families.evaluate(draws=1)
    assert find_clustering(evaluation, "kmeans").clusters == 6
    assert not find_clustering(evaluation, "kmeans").given_count
    assert find_clustering(evaluation, "medium").stability_error is None  # of one draw
    assert (find_clustering(evaluation, "kmeans").ami, evaluation.spaces[0].p_at_1) == (None, None)
    assert find_clustering(evaluation, "medium").stability == pytest.approx(1, abs=0.05)
    assert find_clustering(evaluation, "partitions").stability is not None
    assert (evaluation.labels, evaluation.classes, evaluation.labelled) == (None, 0, 0)
    assert evaluation == families.evaluate(draws=1)  # but for time and memory


@pytest.mark.usefixtures("foreign_clusterers")
def test_what_fails_is_a_row_with_its_reason(families: Collection) -> None:
    evaluation = families.evaluate(methods=["broken", ("halves", {"column": 1, "least": 0.5})], k=2, draws=0)
    assert [clustering.name for clustering in evaluation.failed] == ["broken"]
    assert "needs the package 'no_such_package_at_all'" in str(evaluation.failed[0].error)
    halves = find_clustering(evaluation, "halves column=1 least=0.5")
    assert halves.error is None
    assert halves.loose is not None
    assert halves.loose > 0.5
    assert halves.parameters == {"column": 1, "least": 0.5}


@pytest.mark.usefixtures("foreign_clusterers")
def test_figures_that_are_not_to_be_had_say_why(families: Collection) -> None:
    families.remove([f"f0-{n}" for n in range(60)])
    families.remove([f"f1-{n}" for n in range(50)])
    families.remove([f"f2-{n}" for n in range(8)])  # 110 are left, of which a draw has 88
    clustering = find_clustering(families.evaluate(methods=[("greedy", {"least": 2})], draws=1), "greedy least=2")
    assert (clustering.clusters, clustering.loose, clustering.silhouette, clustering.davies_bouldin) == (
        0,
        1,
        None,
        None,
    )
    assert clustering.notes == (
        "silhouette and Davies-Bouldin need two clusters or more",
        "stability of 0 draws: a fit of 88 of the rows failed: 88 rows are too few",
    )


def test_above_the_sample_some_are_judged(families: Collection) -> None:
    evaluation = families.evaluate(methods=[], sample=100, draws=1)
    assert (evaluation.items, evaluation.judged) == (228, 100)
    assert evaluation.notes == ("100 of the 228 items, drawn at random, are clustered and judged",)
    medium = find_clustering(evaluation, "medium")
    assert medium.clusters == 6
    assert medium.stability is None
    assert medium.notes[0].startswith("no stability: only some of its items")


def test_retrieval_ranks_no_more_than_so_many(colour_groups: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "MAX_RANKED", 30)
    evaluation = colour_groups.evaluate(labels="group", methods=[], draws=0)
    assert evaluation.spaces[0].queries < 31
    assert (evaluation.items, evaluation.judged) == (42, 30)
    assert evaluation.notes[0] == "retrieval ranks 30 of the 42 items, drawn at random"


def test_spaces_are_judged_on_the_items_that_all_have(colour_groups: Collection) -> None:
    colour_groups.fill("classic")
    colour_groups.remove("p41")
    evaluation = colour_groups.evaluate(labels="group", spaces=["tiny", "classic"], methods=[], draws=0)
    assert [space.space for space in evaluation.spaces] == ["tiny", "classic"]
    assert {clustering.space for clustering in evaluation.clusterings} == {"tiny", "classic"}
    assert evaluation.items == 41
    assert all(space.p_at_1 == 1 for space in evaluation.spaces)
    alone = colour_groups.evaluate(spaces="classic", methods=[], draws=0)
    assert [space.space for space in alone.spaces] == ["classic"]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"labels": "colour"}, BadQuery, "no item has the metadata key 'colour' .* the keys are: group, n"),
        ({"labels": "n"}, BadQuery, "no two items have the same value of 'n'"),
        ({"labels": "one"}, BadQuery, "all items that have 'one' have the same value, 'x'"),
        ({"k": 43}, BadQuery, "k is 43; only 42 items are clustered"),
        ({"k": 11, "sample": 10}, BadQuery, "k is 11; only 10 items are clustered"),
        ({"draws": -1}, BadQuery, "draws is the number"),
        ({"methods": ["foo"]}, UnknownPlugin, "no clusterer 'foo'"),
        ({"spaces": "foo"}, SpaceNotFound, "there is no space 'foo'"),
        ({"spaces": []}, BadQuery, "spaces is an empty list"),
    ],
)
def test_what_can_not_be_judged(
    colour_groups: Collection, wrong: dict[str, Any], error: type[Exception], message: str
) -> None:
    if wrong.get("labels") == "one":
        colour_groups.update("p0", {"one": "x"})
        colour_groups.update("p1", {"one": "x"})
    with pytest.raises(error, match=message):
        colour_groups.evaluate(**wrong)


def test_labels_of_any_type_do_not_coerce(colour_groups: Collection) -> None:
    for n, value in enumerate([1, 1, "1", "1", True, True, 1.0, [1], None]):
        colour_groups.update(f"p{n}", {"mixed": value})
    evaluation = colour_groups.evaluate(labels="mixed", methods=[], draws=0)
    assert (evaluation.classes, evaluation.labelled) == (3, 7)


def test_nothing_to_judge(collection: Collection) -> None:
    with pytest.raises(UsageError, match="the collection is empty"):
        collection.evaluate()
    collection.add([pictures.disc("red")], keys=["red"])
    with pytest.raises(UsageError, match="items in the space 'tiny': 1; an evaluation needs at least two"):
        collection.evaluate()


def test_a_collection_without_clusters(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "plain", create=True, clusters=0) as plain:
        plain.add_vectors(np.random.default_rng(0).standard_normal((30, 4)))
        evaluation = plain.evaluate(draws=0)
    assert [clustering.name for clustering in evaluation.clusterings] == ["kmeans"]
    assert evaluation.clusterings[0].clusters == 8  # its own default


@pytest.fixture
def euclidean(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "l2", create=True, metric="l2") as euclidean_collection:
        random = np.random.default_rng(0)
        rows = np.repeat([[1.0, 0], [5, 0], [9, 0]], 20, axis=0) + random.normal(0, 0.2, (60, 2))
        euclidean_collection.add_vectors(rows, metadata=[{"at": n // 20} for n in range(60)])
        yield euclidean_collection


def test_another_metric(euclidean: Collection) -> None:
    """In one direction from the origin, so that cosine could not tell them apart."""
    evaluation = euclidean.evaluate(labels="at", draws=0)
    assert evaluation.spaces[0].p_at_10 == 1
    assert find_clustering(evaluation, "kmeans").ari == pytest.approx(1)
    silhouette = find_clustering(evaluation, "kmeans").silhouette
    assert silhouette is not None
    assert silhouette > 0.8


def test_the_standard_error_is_that_of_the_mean_over_the_draws() -> None:
    labels = np.repeat([0, 1], 10)
    space = Space(1, "s", None, {}, "", 2, "cosine", True)
    draws = [np.arange(16), np.arange(2, 18), np.arange(4, 20)]
    judge = evaluate.Judge(space, np.zeros((20, 2), np.float32), np.full(20, -1), draws, 0)
    repeated = [labels[draws[0]], labels[draws[1]], np.arange(16) % 2]
    scores = [metrics.adjusted_rand_score(labels[draw], other) for draw, other in zip(draws, repeated, strict=True)]
    figures = judge.measure_stability(labels, repeated)
    assert figures["stability"] == pytest.approx(np.mean(scores))
    assert figures["stability_error"] == pytest.approx(np.std(scores, ddof=1) / 3**0.5)
    assert judge.measure_stability(labels, repeated[:1]).keys() == {"stability", "stability_ami"}
