"""Words of a rough embedder ask with the pictures that are nearest to them; how unusual a hit is goes by them alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.types import Vectors
from retrieval import Collection, text
from retrieval.search.expansion import SEEDS, WEIGHT
from tests.search.test_certainty import DIMENSION, Wordy, make_rows

KIND = 40


class Rough(Wordy):
    """Reads a word as a direction that few pictures of its kind have."""

    name = "rough"
    expands_words = True


def make_kind(embedder: Wordy) -> Vectors:
    """Return 400 vectors, of which the first KIND are alike, and only the first few of them are near the word dog."""
    rows, random = make_rows(400)[0], np.random.default_rng(3)
    word = scale_to_unit(embedder.embed_texts(["dog"]))[0]
    centre = random.standard_normal(DIMENSION)
    centre = 4 * (centre - centre @ word * word) / np.linalg.norm(centre)
    rows[:KIND] = centre + 0.2 * random.standard_normal((KIND, DIMENSION))
    rows -= 0.8 * (rows @ word)[:, None] * word
    rows[:SEEDS] += 3 * word
    return rows


def count_right(collection: Collection, **query: Any) -> int:
    return sum(hit.item <= KIND for hit in collection.search(k=KIND, **query))


@pytest.mark.parametrize("index", ["hnsw", "exact"])
@pytest.mark.parametrize("scan_below", [0, 1000])
def test_what_resembles_the_nearest_is_found_too(tmp_path: Path, index: str, scan_below: int) -> None:
    right = {}
    for embedder in (Wordy(), Rough()):
        folder, settings = tmp_path / embedder.name, {"clusters": 0, "index": index, "scan_below": scan_below}
        with Collection.open(folder, create=True, embedder=embedder, **settings) as collection:
            collection.add_vectors(make_kind(embedder))
            right[embedder.name] = count_right(collection, text="dog")
            hits = collection.search(text="dog", k=400)
            assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
            assert {hit.item for hit in hits[:SEEDS]} == set(range(1, SEEDS + 1))
    assert right["rough"] >= 0.8 * KIND
    assert right["wordy"] <= 0.4 * KIND


def test_a_chance_goes_by_the_words_alone(tmp_path: Path) -> None:
    chances: dict[str, dict[int, Any]] = {}
    for embedder in (Wordy(), Rough()):
        with Collection.open(tmp_path / embedder.name, create=True, embedder=embedder, clusters=0) as collection:
            collection.add_vectors(make_kind(embedder))
            chances[embedder.name] = {hit.item: hit.chance for hit in collection.search(text="dog", k=400)}
            assert collection.count(where={"$sees": "dog"}) <= 2 * SEEDS
    assert chances["rough"] == pytest.approx(chances["wordy"], rel=1e-3)


def test_only_words_alone_are_expanded_and_only_by_directions(tmp_path: Path) -> None:
    embedder = Rough()
    word = scale_to_unit(embedder.embed_texts(["dog"]))
    with Collection.open(tmp_path / "c", create=True, embedder=embedder, clusters=0) as collection:
        assert len(collection.search(text="dog")) == 0
        rows = make_kind(embedder)
        collection.add_vectors(rows[:1])
        assert [hit.item for hit in collection.search(text="dog")] == [1]
        collection.add_vectors(rows[1:])
        for query in ({"mix": [(text("dog"), 1)]}, {"text": "dog", "metric": "l2"}):
            plain = collection.search(vector=word[0], **{key: query[key] for key in query if key == "metric"})
            hits = collection.search(**query)
            if "mix" in query:
                assert [hit.item for hit in hits] == [hit.item for hit in plain]
            else:
                assert len(hits) == len(plain)
        units = scale_to_unit(rows)
        seeds = np.argsort(-(units @ word[0]))[:SEEDS]
        asking = scale_to_unit(word + WEIGHT * scale_to_unit(units[seeds].mean(axis=0)[None]))[0]
        best = collection.search(text="dog", k=5, exact=True)
        assert [hit.item - 1 for hit in best] == np.argsort(-(units @ asking))[:5].tolist()
        assert [hit.score for hit in best] == pytest.approx(np.sort(units @ asking)[::-1][:5].tolist(), abs=1e-5)
        assert best.proof
