"""Learn, suggest, accept and reject: over vectors whose classes are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import BadQuery, BadSetting, LessonNotFound, UnknownPlugin, UsageError
from retrieval import Collection

KINDS = ["cat", "dog", "boat"]


def make_vectors(count: int, seed: int = 0, noise: float = 0.12) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.float32(np.eye(8)[np.arange(count) % 3] + noise * random.standard_normal((count, 8)))


@pytest.fixture
def pets(tmp_path: Path) -> Iterator[Collection]:
    """Return 60 vectors of three kinds in turn, of which the first 12 say their kind."""
    with Collection.open(tmp_path / "pets", create=True) as collection:
        metadata = [{"place": place} | ({"kind": KINDS[place % 3]} if place < 12 else {}) for place in range(60)]
        collection.add_vectors(make_vectors(60), keys=[f"k{place}" for place in range(60)], metadata=metadata)
        yield collection


def kind_of(key: str) -> str:
    return KINDS[int(key[1:]) % 3]


def test_the_values_of_a_key_are_told_apart(pets: Collection) -> None:
    lesson = pets.learn("kinds", labels="kind")
    assert lesson.classes == {"boat": 4, "cat": 4, "dog": 4}
    assert (lesson.accuracy, lesson.chosen, lesson.note) == (1.0, "logistic", "")
    assert set(lesson.tried) == {"logistic", "centroid", "knn", "svm"}
    answer = pets.suggest("kinds", 100)
    assert len(answer) == answer.total == 48
    assert all(row.value == kind_of(row.hit.key) for row in answer)
    assert [row.confidence for row in answer] == sorted((row.confidence for row in answer), reverse=True)
    assert {row.value for row in pets.suggest("kinds", 5, value="dog")} == {"dog"}
    assert {row.hit.metadata["place"] for row in pets.suggest("kinds", where={"place": {"$gt": 57}})} == {58, 59}
    assert pets.lessons() == (pets.learn("kinds", labels="kind"),)


@pytest.mark.parametrize("method", ["tree", "svm", "forest", "logistic", "knn", "centroid"])
def test_every_method_can_be_asked_for(pets: Collection, method: str) -> None:
    assert pets.learn("kinds", labels="kind", method=method).chosen == method
    right = [row.value == kind_of(row.hit.key) for row in pets.suggest("kinds", 100)]
    assert np.mean(right) > 0.6


def test_one_thing_is_learned_from_yes_and_no(pets: Collection) -> None:
    decisions = [pets.accept("cats", ["k0", "k3"]), pets.reject("cats", ["k1", "k2", "k4"])]
    answer = pets.suggest("cats", 18)
    assert {kind_of(row.hit.key) for row in answer} == {"cat"}
    assert {row.value for row in answer} == {"yes"}
    assert not {row.hit.key for row in answer} & {"k0", "k3"}
    lesson = pets.learn("cats")
    assert lesson.classes == {"no": 3, "yes": 2}
    pets.undo(decisions[1])
    assert pets.learn("cats").note.startswith("no picture was rejected yet: 20 pictures drawn at random")
    pets.undo(decisions[0])
    with pytest.raises(UsageError, match="there are no labels for 'cats'"):
        pets.suggest("cats")


def test_what_comes_later_is_suggested_and_labels_outlive_the_space(pets: Collection) -> None:
    pets.accept("cats", ["k0", "k3", "k6"])
    pets.reject("cats", ["k1", "k2", "k4"])
    pets.learn("cats", method="centroid")
    pets.suggest("cats")
    pets.add_vectors(make_vectors(3, 5), keys=["k60", "k61", "k62"])
    assert "k60" in {row.hit.key for row in pets.suggest("cats", 30)}
    path = pets.path
    pets.close()
    with Collection.open(path) as again:
        assert again.lessons()[0].method == "centroid"
        assert "k60" in {row.hit.key for row in again.suggest("cats", 30)}


def test_a_cluster_of_that_name_is_its_label(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(make_vectors(90, noise=0.02), keys=[f"k{place}" for place in range(90)])
        for cluster, name in zip(collection.clusters("coarse"), ("pets", "boats", "rest"), strict=False):
            collection.rename(cluster.id, name)
        members = set(collection.cluster("pets").members)
        lesson = collection.learn("pets")
        assert lesson.classes["yes"] == len(members)
        by_level = collection.learn("all", labels="coarse")
        assert set(by_level.classes) == {cluster.name for cluster in collection.clusters("coarse")}


def test_folders_are_labels(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        uris = [f"/pictures/{KINDS[place % 3]}s/{place}.jpg" for place in range(30)]
        collection.add_vectors(make_vectors(30), keys=[f"k{place}" for place in range(30)], uris=uris)
        assert collection.learn("folders", labels="folder").classes == {"boats": 10, "cats": 10, "dogs": 10}


def test_what_somebody_rejects_is_not_suggested_again(pets: Collection) -> None:
    pets.learn("kinds", labels="kind")
    first = pets.suggest("kinds", 1, value="dog")[0]
    pets.reject("kinds", first.hit.item, value="dog")
    assert first.hit.item not in {row.hit.item for row in pets.suggest("kinds", 10, value="dog")}


def test_at_most_so_many_wrong_is_tested_or_refused(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        count = 600
        metadata = [{"kind": KINDS[place % 3]} if place < 180 else {} for place in range(count)]
        keys = [f"k{place}" for place in range(count)]
        collection.add_vectors(make_vectors(count, noise=0.3), keys=keys, metadata=metadata)
        collection.learn("kinds", labels="kind", method="logistic")
        answer = collection.suggest("kinds", count, at_most_wrong=0.05)
        assert (answer.tested, answer.at_most_wrong) == (180, 0.05)
        assert 100 < answer.total == len(answer) < 420
        assert answer.threshold == pytest.approx(min(row.confidence for row in answer), abs=1e-6)
        assert np.mean([row.value != kind_of(row.hit.key) for row in answer]) <= 0.06
        none = collection.suggest("kinds", at_most_wrong=0.0001)
        assert (len(none), none.total, none.threshold) == (0, 0, None)
    with Collection.open(tmp_path / "d", create=True) as few:
        few.add_vectors(make_vectors(30), keys=keys[:30], metadata=metadata[:30])
        few.learn("kinds", labels="kind")
        with pytest.raises(UsageError, match="150 labels or more; 'kinds' has 30: accept or reject 120 more"):
            few.suggest("kinds", at_most_wrong=0.02)


def test_questions_are_what_lies_between(pets: Collection) -> None:
    pets.add_vectors(np.float32([[1, 1, 0, 0, 0, 0, 0, 0]]), keys=["between"])
    pets.learn("kinds", labels="kind")
    assert pets.suggest("kinds", 3).questions[0].hit.key == "between"


def test_bad_labels_are_told_in_a_sentence(pets: Collection) -> None:
    pets.accept("pets", "k0", value="cat")
    with pytest.raises(UsageError, match="has the label 'cat' in 'pets' already"):
        pets.accept("pets", "k0", value="dog")
    with pytest.raises(UsageError, match="the class 'cat' of 'pets' has one label; two or more"):
        pets.learn("pets")
    pets.accept("pets", "k3", value="cat")
    with pytest.raises(UsageError, match="all 2 labels of 'pets' are 'cat'"):
        pets.learn("pets")
    pets.update_all({"both": ["a", "b"]}, where={"place": 5})
    with pytest.raises(UsageError, match="has two labels, 'a' and 'b'"):
        pets.learn("both", labels="both")
    with pytest.raises(UsageError, match="there are no labels for 'none'"):
        pets.learn("none", labels="nothing")
    with pytest.raises(UnknownPlugin, match="no classifier 'magic'"):
        pets.learn("kinds", labels="kind", method="magic")
    with pytest.raises(BadSetting, match="does not take these settings"):
        pets.learn("kinds", labels="kind", method="svm", settings={"depth": 3})
    with pytest.raises(BadSetting, match="settings are those of one method"):
        pets.learn("kinds", labels="kind", settings={"C": 3})
    with pytest.raises(LessonNotFound, match="nothing is learned under 'x'"):
        pets.suggest("x")
    pets.learn("kinds", labels="kind")
    with pytest.raises(BadQuery, match="no class 'cow'; there are: boat, cat, dog"):
        pets.suggest("kinds", value="cow")
    with pytest.raises(BadQuery, match="at_most_wrong is a share"):
        pets.suggest("kinds", at_most_wrong=2)


def test_a_class_of_one_label_is_left_out_and_told(pets: Collection) -> None:
    pets.update("k20", {"kind": "rare"})
    lesson = pets.learn("kinds", labels="kind")
    assert "rare" not in lesson.classes
    assert lesson.note == "the class 'rare' has one label and is left out"


def test_an_empty_collection_says_so(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection, pytest.raises(UsageError, match="is empty"):
        collection.learn("kinds", labels="kind")


def test_labels_that_are_likely_wrong_are_told(pets: Collection) -> None:
    pets.update("k12", {"kind": "boat"})  # it is a cat
    doubtful = pets.learn("kinds", labels="kind") and pets.doubtful_labels("kinds")
    assert [(row.hit.key, row.label, row.value) for row in doubtful] == [("k12", "boat", "cat")]
    pets.accept("cats", ["k0", "k3"])
    assert pets.doubtful_labels("cats") == ()
