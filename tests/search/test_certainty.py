"""How sure a hit is, in a number and a word: of pictures, texts, restrictions and mixes; and `at_least`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.embedders.base import Embedder
from indexers.errors import BadQuery
from indexers.naming.words import load_vocabulary
from indexers.types import Vectors
from retrieval import Collection
from retrieval.search import certainty
from retrieval.search.certainty import MAX_EXPECTED, find_word, parse_at_least
from retrieval.spaces.spaces import WORDS

DIMENSION = 32


def make_rows(count: int = 1000, classes: int = 100) -> tuple[Vectors, Any]:
    random = np.random.default_rng(5)
    label = np.arange(count) % classes
    centres = random.standard_normal((classes, DIMENSION))
    return (centres[label] + 0.25 * random.standard_normal((count, DIMENSION))).astype(np.float32), label


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    rows, label = make_rows()
    with Collection.open(tmp_path_factory.mktemp("sure"), create=True, clusters=0) as collection:
        collection.add_vectors(
            rows, texts=[f"class{n}" for n in label], metadata=[{"label": int(n), "half": int(n % 2)} for n in label]
        )
        yield collection


def test_hits_of_a_class_are_certain_and_all_others_are_not(labelled: Collection) -> None:
    hits = labelled.search(item=1, k=1000)
    label = labelled.get(1).metadata["label"]
    words = {True: set[str](), False: set[str]()}
    for hit in hits:
        assert hit.chance is not None
        words[hit.metadata["label"] == label].add(hit.certainty)
    assert "certain" in words[True]
    assert words[False] & {"certain"} == set()
    assert [hit.chance for hit in hits] == sorted(hit.chance for hit in hits)
    assert hits[0].describe_chance().startswith("certain, ")


def test_at_least_cuts_by_the_word_and_by_the_number(labelled: Collection) -> None:
    everything = labelled.search(item=1, k=1000)
    order = ["certain", "likely", "possible", "unsure"]
    for word in MAX_EXPECTED:
        kept = labelled.search(item=1, k=1000, at_least=word)
        expected = [hit.item for hit in everything if order.index(hit.certainty) <= order.index(word)]
        assert [hit.item for hit in kept] == expected
    kept = labelled.search(item=1, k=1000, at_least=500)
    assert [hit.item for hit in kept] == [hit.item for hit in everything if hit.chance <= 1 / 500]
    assert len(labelled.search(vector=-np.ones(DIMENSION), at_least="certain")) == 0


def test_fewer_items_that_were_looked_through_make_a_hit_surer(labelled: Collection) -> None:
    whole = {hit.item: hit for hit in labelled.search(item=1, k=200)}
    half = labelled.search(item=1, k=200, where={"label": labelled.get(1).metadata["label"]})
    order = ["certain", "likely", "possible", "unsure"]
    for hit in half:
        assert hit.chance == pytest.approx(whole[hit.item].chance, rel=1e-3)
        assert order.index(hit.certainty) <= order.index(whole[hit.item].certainty)
    assert find_word(1e-3, 5) == "certain"
    assert find_word(1e-3, 1000) == "likely"
    assert find_word(1e-3, 5000) == "possible"
    assert find_word(1e-3, 10**6) == "unsure"


def test_with_words_only_the_hits_by_vector_have_a_chance(labelled: Collection) -> None:
    hits = labelled.search(item=1, query="class7", k=100)
    found = {hit.item for hit in hits if hit.chance is not None}
    assert len(found) == len(hits) - 10, "ten hold the word, and are not among the hundred nearest"
    assert all(hit.chance is None and hit.certainty is None for hit in labelled.search(query="class7"))
    with pytest.raises(BadQuery, match="query= alone has none"):
        labelled.search(query="class7", at_least="likely")


@pytest.mark.parametrize("metric", ["l2", "l1"])
def test_another_metric_has_a_null_of_its_own(labelled: Collection, metric: str) -> None:
    best = labelled.search(item=1, k=3, metric=metric)
    assert all(hit.certainty in ("certain", "likely") for hit in best)


def test_a_small_collection_says_nothing(tmp_path: Any) -> None:
    rows, _ = make_rows(40)
    with Collection.open(tmp_path / "small", create=True) as collection:
        collection.add_vectors(rows)
        assert all(hit.chance is None for hit in collection.search(item=1))
        with pytest.raises(BadQuery, match="has 40 items; it takes 50"):
            collection.search(item=1, at_least="likely")


@pytest.mark.parametrize("value", ["sure", 0.5, -1, True, float("nan"), [], ""])
def test_what_means_nothing_is_refused(labelled: Collection, value: Any) -> None:
    with pytest.raises(BadQuery, match="at_least is one of 'certain', 'likely', 'possible', or a number"):
        labelled.search(item=1, at_least=value)
    assert parse_at_least(None) is None


class Wordy(Embedder):
    """Reads a word as a direction of its own."""

    name = "wordy"
    dimension = DIMENSION
    supports_text = True

    def forward(self, batch: Sequence[Any]) -> Vectors:
        return np.ones((len(batch), DIMENSION), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        seeds = [sum(map(ord, text)) for text in texts]
        return np.stack([np.random.default_rng(seed).standard_normal(DIMENSION) for seed in seeds]).astype(np.float32)


def test_a_text_is_judged_beside_other_words(tmp_path: Any) -> None:
    rows, _ = make_rows(400)
    embedder = Wordy()
    rows[:5] = embedder.embed_texts(["a dog"])[0] + 0.1 * rows[:5]
    with Collection.open(tmp_path / "words", create=True, embedder=embedder, clusters=0) as collection:
        collection.add_vectors(rows)
        hits = collection.search(text="a dog", k=10)
        assert [hit.certainty for hit in hits[:5]] == ["certain"] * 5
        assert "certain" not in [hit.certainty for hit in hits[5:]]
        view = collection._spaces.current
        assert view is not None
        words = view.load_words()
        assert words is not None
        assert len(words) == WORDS < len(load_vocabulary())
        assert set(view.chance_models) == {("cosine", True)}


def test_however_many_metrics_are_asked_for_few_distributions_are_kept(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((80, 8), dtype=np.float32)
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(rows)
        for number in range(2, 12):
            assert collection.search(vector=rows[0], metric=f"minkowski:{number}")[0].item == 1
        view = collection._spaces.view()
        assert view
        assert len(view.chance_models) == certainty.MAX_MODELS
