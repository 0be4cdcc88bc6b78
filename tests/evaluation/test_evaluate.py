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
from retrieval import Collection
from retrieval.evaluation import evaluate
from retrieval.records.evaluation import Evaluation, JudgedClustering
from tests.clusters.test_browse import SIZES, families
from tests.evaluation.test_trials import installed
from tests.support import pictures

__all__ = ["families", "installed"]

GROUPS = ("red", "green", "blue")


@pytest.fixture
def planted(collection: Collection, tmp_path: Path) -> Collection:
    """Twelve shades of each of three colours, seen by `tiny`; six more pictures have no group."""
    random = np.random.default_rng(0)
    shades = np.concatenate([np.eye(3)[[n]] * 200 + random.integers(0, 40, (12, 3)) for n in range(3)])
    shades = np.concatenate([shades, random.integers(100, 140, (6, 3))]).astype(np.uint8)
    places = [tmp_path / f"{n}.png" for n in range(42)]
    for place, shade in zip(places, shades, strict=True):
        Image.fromarray(np.full((16, 16, 3), shade, np.uint8)).save(place)
    metadata: list[dict[str, Any]] = [{"group": GROUPS[n // 12], "n": n} if n < 36 else {} for n in range(42)]
    collection.add(places, keys=[f"p{n}" for n in range(42)], metadata=metadata)
    return collection


def of(found: Evaluation, name: str) -> JudgedClustering:
    return next(one for one in found.clusterings if one.name == name)


def labelled(collection: Collection) -> None:
    """The name of each item's family as metadata."""
    view, items = collection._spaces.current, collection.items(limit=500).items
    assert view is not None
    rows = view.flat.index.take(np.array([item.id for item in items]))
    metadata = [{"family": item.key.split("-")[0]} for item in items]
    collection.add_vectors(rows, keys=[item.key for item in items], metadata=metadata)


def test_planted_groups_are_found(planted: Collection) -> None:
    steps: list[tuple[int, int, str]] = []
    found = planted.evaluate(labels="group", draws=2, progress=lambda *step: steps.append(step))
    assert [one.name for one in found.clusterings] == ["coarse", "medium", "fine", "partitions", "kmeans"]
    assert (found.items, found.judged, found.labelled, found.classes) == (42, 42, 36, 3)
    assert found.notes == ("6 items have no text or number under 'group' and are left out of figures with labels",)
    kmeans = of(found, "kmeans")
    assert kmeans.parameters == {"n_clusters": 3, "random_state": 0}
    assert (kmeans.ari, kmeans.ami, kmeans.nmi, kmeans.purity) == tuple([pytest.approx(1)] * 4)
    assert kmeans.stability is not None
    assert kmeans.stability > 0.8
    assert kmeans.seconds is not None
    assert kmeans.error is None
    [space] = found.spaces
    assert (space.space, space.p_at_1, space.p_at_10) == ("tiny", 1, 1)
    assert space.mean_average_precision == pytest.approx(1)
    assert (space.queries, space.alone) == (36, 0)
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert steps[-1][:2] == (5, 5)
    assert steps[0] == (0, 5, "tiny: reading")


def test_figures_are_those_of_the_arrays(families: Collection) -> None:
    """Of ready-made vectors, beside scikit-learn's."""
    labelled(families)
    found = families.evaluate(labels="family", k=4, draws=0)
    items = families.items(limit=500).items
    view = families._spaces.current
    assert view is not None
    rows = view.flat.index.take(np.array([item.id for item in items]))
    truth = [item.metadata["family"] for item in items]
    labels = KMeans(4, random_state=0).fit(rows).labels_
    kmeans = of(found, "kmeans")
    assert kmeans.clusters == 4
    assert kmeans.ari == pytest.approx(metrics.adjusted_rand_score(truth, labels))
    assert kmeans.ami == pytest.approx(metrics.adjusted_mutual_info_score(truth, labels))
    assert kmeans.silhouette == pytest.approx(metrics.silhouette_score(rows, labels, metric="cosine"), abs=1e-5)
    assert kmeans.davies_bouldin == pytest.approx(metrics.davies_bouldin_score(rows, labels), abs=1e-5)
    assert kmeans.stability is None
    medium = of(found, "medium")
    assert (medium.clusters, medium.loose) == (6, pytest.approx(4 / 228))
    assert medium.purity == pytest.approx(sum(SIZES) / 228)  # strangers are in no cluster
    assert medium.seconds is None
    assert medium.ami == pytest.approx(1)
    assert found.spaces[0].alone == 4


def test_without_labels_medium_says_how_many(families: Collection) -> None:
    found = families.evaluate(draws=1)
    assert of(found, "kmeans").clusters == 6
    assert (of(found, "kmeans").ami, found.spaces[0].p_at_1) == (None, None)
    assert of(found, "medium").stability == pytest.approx(1, abs=0.05)
    assert of(found, "partitions").stability is not None
    assert (found.labels, found.classes, found.labelled) == (None, 0, 0)
    assert found == families.evaluate(draws=1)  # but for time and memory


@pytest.mark.usefixtures("installed")
def test_what_fails_is_a_row_with_its_reason(families: Collection) -> None:
    found = families.evaluate(methods=["broken", ("halves", {"column": 1, "least": 0.5})], k=2, draws=0)
    assert [one.name for one in found.failed] == ["broken"]
    assert "needs the package 'no_such_package_at_all'" in str(found.failed[0].error)
    halves = of(found, "halves column=1 least=0.5")
    assert halves.error is None
    assert halves.loose is not None
    assert halves.loose > 0.5
    assert halves.parameters == {"column": 1, "least": 0.5}


@pytest.mark.usefixtures("installed")
def test_figures_that_are_not_to_be_had_say_why(families: Collection) -> None:
    families.remove([f"f0-{n}" for n in range(60)])
    families.remove([f"f1-{n}" for n in range(50)])
    families.remove([f"f2-{n}" for n in range(8)])  # 110 are left, of which a draw has 88
    found = of(families.evaluate(methods=[("greedy", {"least": 2})], draws=1), "greedy least=2")
    assert (found.clusters, found.loose, found.silhouette, found.davies_bouldin) == (0, 1, None, None)
    assert found.notes == (
        "silhouette and Davies-Bouldin need two clusters or more",
        "stability of 0 draws: a fit of 88 of the rows failed: 88 rows are too few",
    )


def test_above_the_sample_some_are_judged(families: Collection) -> None:
    found = families.evaluate(methods=[], sample=100, draws=1)
    assert (found.items, found.judged) == (228, 100)
    assert found.notes == ("100 of the 228 items, drawn at random, are clustered and judged",)
    medium = of(found, "medium")
    assert medium.clusters == 6
    assert medium.stability is None
    assert medium.notes[0].startswith("no stability: only some of its items")


def test_retrieval_ranks_no_more_than_so_many(planted: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "MAX_RANKED", 30)
    found = planted.evaluate(labels="group", methods=[], draws=0)
    assert found.spaces[0].queries < 31
    assert (found.items, found.judged) == (42, 30)
    assert found.notes[0] == "retrieval ranks 30 of the 42 items, drawn at random"


def test_spaces_are_judged_on_the_items_that_all_have(planted: Collection) -> None:
    planted.fill("classic")
    planted.remove("p41")
    found = planted.evaluate(labels="group", spaces=["tiny", "classic"], methods=[], draws=0)
    assert [one.space for one in found.spaces] == ["tiny", "classic"]
    assert {one.space for one in found.clusterings} == {"tiny", "classic"}
    assert found.items == 41
    assert all(one.p_at_1 == 1 for one in found.spaces)
    alone = planted.evaluate(spaces="classic", methods=[], draws=0)
    assert [one.space for one in alone.spaces] == ["classic"]


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
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
def test_what_can_not_be_judged(planted: Collection, wrong: dict[str, Any], error: type[Exception], said: str) -> None:
    if wrong.get("labels") == "one":
        planted.update("p0", {"one": "x"})
        planted.update("p1", {"one": "x"})
    with pytest.raises(error, match=said):
        planted.evaluate(**wrong)


def test_labels_of_any_type_do_not_coerce(planted: Collection) -> None:
    for n, value in enumerate([1, 1, "1", "1", True, True, 1.0, [1], None]):
        planted.update(f"p{n}", {"mixed": value})
    found = planted.evaluate(labels="mixed", methods=[], draws=0)
    assert (found.classes, found.labelled) == (3, 7)


def test_nothing_to_judge(collection: Collection) -> None:
    with pytest.raises(UsageError, match="the collection is empty"):
        collection.evaluate()
    collection.add([pictures.disc("red")], keys=["red"])
    with pytest.raises(UsageError, match="items in the space 'tiny': 1; two or more"):
        collection.evaluate()


def test_a_collection_without_clusters(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "plain", create=True, clusters=0) as made:
        made.add_vectors(np.random.default_rng(0).standard_normal((30, 4)))
        found = made.evaluate(draws=0)
    assert [one.name for one in found.clusterings] == ["kmeans"]
    assert found.clusterings[0].clusters == 8  # its own default


@pytest.fixture
def euclidean(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "l2", create=True, metric="l2") as made:
        random = np.random.default_rng(0)
        rows = np.repeat([[1.0, 0], [5, 0], [9, 0]], 20, axis=0) + random.normal(0, 0.2, (60, 2))
        made.add_vectors(rows, metadata=[{"at": n // 20} for n in range(60)])
        yield made


def test_another_metric(euclidean: Collection) -> None:
    """In one direction from the origin, so that cosine could not tell them apart."""
    found = euclidean.evaluate(labels="at", draws=0)
    assert found.spaces[0].p_at_10 == 1
    assert of(found, "kmeans").ari == pytest.approx(1)
    silhouette = of(found, "kmeans").silhouette
    assert silhouette is not None
    assert silhouette > 0.8
