"""Words that items say of themselves, found in the order of how well they say them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers.catalogue import full_text
from indexers.catalogue.full_text import parse_terms
from indexers.errors import BadQuery
from retrieval import Collection
from retrieval.search.ranking import fuse_rankings

ITEMS = {
    "oslo": ("a red boat in the harbour", {"place": "Oslo", "year": 2019}),
    "bergen": ("two boats", {"place": "Bergen", "tags": ["sea", "blå"], "deep": {"list": [{"name": "herring"}]}}),
    "alps": (None, {"place": "Zürich", "year": 2020}),
    "silent": (None, {}),
}


@pytest.fixture
def described(collection: Collection) -> Collection:
    vectors = np.random.default_rng(0).standard_normal((len(ITEMS), collection.info().dimension or 13))
    collection.add_vectors(
        vectors,
        keys=list(ITEMS),
        texts=[text for text, _ in ITEMS.values()],
        metadata=[metadata for _, metadata in ITEMS.values()],
    )
    return collection


def find_keys(collection: Collection, query: str, **options: object) -> list[str]:
    return [hit.key for hit in collection.search(query=query, **options)]


@pytest.mark.databases
@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("boats", ["bergen", "oslo"]),
        ("boat oslo", ["oslo"]),
        ("zurich", ["alps"]),
        ("BLA", ["bergen"]),
        ("herring", ["bergen"]),
        ("2020", ["alps"]),
        ('"red boat"', ["oslo"]),
        ('"boat red" zebra', []),
        ("zebra harbour", ["oslo"]),
        ("NOT AND* (oslo^:", ["oslo"]),
        ("nothing", []),
    ],
)
def test_words_are_found_by_stem_without_accents_and_operators(
    described: Collection, query: str, keys: list[str]
) -> None:
    assert find_keys(described, query) == keys


@pytest.mark.databases
def test_a_filter_restricts_words_too(described: Collection) -> None:
    assert find_keys(described, "oslo zürich", where={"year": {"$gte": 2020}}) == ["alps"]


@pytest.mark.databases
def test_scores_fall(described: Collection) -> None:
    scores = [hit.score for hit in described.search(query="boat")]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0


@pytest.mark.databases
def test_what_is_said_anew_is_found_and_what_was_said_before_is_not(described: Collection) -> None:
    described.update("oslo", {"place": "Turku"}, text="a ferry")
    assert find_keys(described, "oslo") == find_keys(described, "harbour") == []
    assert find_keys(described, "turku ferry") == ["oslo"]
    described.update("oslo", {"place": "Lund"}, replace=True)
    assert find_keys(described, "turku") == []
    assert find_keys(described, "lund ferry") == ["oslo"]
    described.remove("oslo")
    assert find_keys(described, "ferry") == []
    assert described.verify().ok


@pytest.mark.databases
def test_words_and_a_vector_are_fused_by_their_ranks(described: Collection) -> None:
    vector = described.search_many(np.ones((1, 13)), k=4)
    hits = described.search(vector=np.ones(13), query="boats", k=4)
    first = described.get("bergen").id
    assert {hit.item for hit in hits} == set(vector.ids[0].tolist())
    rank = vector.ids[0].tolist().index(first) + 1
    assert next(hit.score for hit in hits if hit.item == first) == pytest.approx(1 / 61 + 1 / (60 + rank), rel=1e-5)


@pytest.mark.databases
def test_fusing_sums_reciprocal_ranks() -> None:
    ids, scores = fuse_rankings([(7, 9.0), (8, 1.0)], [8, 9])
    assert ids.tolist() == [8, 7, 9]
    assert scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])


@pytest.mark.databases
@pytest.mark.parametrize("query", ["", "  ", "?!", '""'])
def test_a_query_without_a_word_is_refused(described: Collection, query: str) -> None:
    with pytest.raises(BadQuery, match="no word"):
        described.search(query=query)


@pytest.mark.databases
@pytest.mark.parametrize("options", [{"radius": 0.5}, {"diversify": 0.5}])
def test_what_is_about_vectors_alone_does_not_go_with_words(described: Collection, options: dict[str, float]) -> None:
    with pytest.raises(BadQuery, match="which need vectors"):
        described.search(query="boat", **options)


@pytest.mark.databases
def test_an_empty_collection_finds_no_words(collection: Collection) -> None:
    assert find_keys(collection, "boat") == []


@pytest.mark.databases
def test_verify_repairs_what_words_read(described: Collection) -> None:
    with described._catalogue.transaction() as writing:
        full_text.remove_documents(writing._connection, [described.get("oslo").id])
    assert not described.verify().ok
    assert described.verify(repair=True).ok
    assert find_keys(described, "oslo") == ["oslo"]


@pytest.mark.databases
@pytest.mark.parametrize("query", ["word " * 1001, "x" + "猫" * 1001, '"' + "a b " * 501 + '"', "é." * 10**6])
def test_a_query_has_so_many_words(query: str) -> None:
    assert len(parse_terms("word " * 1000)) == 1000
    with pytest.raises(BadQuery, match=r"up to 1,000 words, and .* has more"):
        parse_terms(query)


@pytest.mark.databases
def test_words_of_paths_follow_the_files(collection: Collection, tmp_path: Path) -> None:
    folder = tmp_path / "RomeTrip2019"
    folder.mkdir()
    Image.new("RGB", (8, 8), "navy").save(folder / "the fountain.png")
    Image.new("RGB", (8, 8), "red").save(folder / "market.png")
    collection.add(folder, metadata={"note": "x"})
    for query in ("rome fountain", "rometrip2019 fountain", "2019 FOUNTAINS", '"the fountain"', "fountain.png"):
        assert [hit.uri.rsplit("/")[-1] for hit in collection.search(query=query)][:1] == ["the fountain.png"], query
    (tmp_path / "Naples").mkdir()
    (folder / "market.png").rename(tmp_path / "Naples" / "harbour.png")
    collection.sync(tmp_path)
    assert find_keys(collection, "market") == []
    assert len(find_keys(collection, "naples harbour")) == 1
    assert collection.verify().ok


@pytest.mark.databases
def test_a_setting_says_how_much_paths_weigh(tmp_path: Path) -> None:
    keys = []
    for weight in (1.0, 0.1, 0):
        place = tmp_path / str(weight)
        with Collection.open(place, create=True, path_weight=weight) as collection:
            collection.add_vectors(
                np.eye(3), keys=list("abc"), uris=["/x/boat boat", None, None], texts=["sea", "boat in the sea", "sea"]
            )
            keys.append(find_keys(collection, "boat"))
    assert keys == [["a", "b"], ["b", "a"], ["b"]]


def test_texts_of_ten_megabytes_are_found_by_their_last_word(collection: Collection) -> None:
    texts = ["word " * 400_000 + "end", "\u732b" * 700_000 + "\u6c99\u53d1", "x" * 2_000_000 + " \u0301last"]
    collection.add_vectors(np.eye(13)[:3], keys=list("abc"), texts=texts)
    assert [find_keys(collection, query) for query in ("end", "\u6c99\u53d1", "last")] == [["a"], ["b"], ["c"]]


@pytest.mark.databases
def test_an_index_that_is_made_anew_is_the_same(described: Collection) -> None:
    described.add_vectors(np.eye(13)[:1], keys=["de"], uris=["/x/y.jpg"], texts=["zwei Hunde im Schnee"])
    ids = [item.id for item in described.items().items]
    with described._catalogue.transaction() as writing:
        before = writing.indexed_words(ids)
        writing._connection.exec_driver_sql("DELETE FROM setting WHERE key = 'languages'")
        full_text.rebuild_index(writing._connection)
        assert writing.indexed_words(ids) == before
    assert find_keys(described, "hund") == ["de"]
