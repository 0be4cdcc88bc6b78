"""Searching: what is asked, restricted, mixed, diversified; against brute force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexers.arrays import scale_to_unit
from indexers.errors import BadQuery, BadVector, ItemNotFound, UsageError
from retrieval import Collection, item, text
from retrieval.search.ranking import choose_diverse
from tests.conftest import vectors
from tests.support import pictures

COUNT = 3000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """3,000 vectors in ten clusters; searched through the graph."""
    random = np.random.default_rng(1)
    centres = random.standard_normal((10, 16))
    data = (centres[np.arange(COUNT) % 10] + 0.4 * random.standard_normal((COUNT, 16))).astype(np.float32)
    made = Collection.open(tmp_path_factory.mktemp("large"), create=True, scan_below=100)
    made.add_vectors(
        data,
        keys=[f"k{n}" for n in range(COUNT)],
        metadata=[{"cluster": n % 10, "n": n} for n in range(COUNT)],
    )
    yield made, scale_to_unit(data)
    made.close()


def brute(data: Any, query: Any, kept: Any) -> list[int]:
    """Ids of those kept, nearest first."""
    scores = data @ scale_to_unit(np.asarray(query, np.float32)[None])[0]
    return [int(one) + 1 for one in np.argsort(-scores, kind="stable") if kept(int(one))]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1000),
    k=st.integers(1, 60),
    low=st.integers(0, COUNT),
    width=st.sampled_from([0, 1, 5, 100, 1000, COUNT]),
    cluster=st.sampled_from([None, 0, 7]),
)
def test_a_restriction_is_complete(large: Any, seed: int, k: int, low: int, width: int, cluster: int | None) -> None:
    collection, data = large
    where: dict[str, Any] = {"n": {"$gte": low, "$lt": low + width}}
    if cluster is not None:
        where["cluster"] = cluster
    query = data[seed] + 0.1 * np.random.default_rng(seed).standard_normal(16)
    expected = brute(data, query, lambda n: low <= n < low + width and (cluster is None or n % 10 == cluster))[:k]
    found = [hit.item for hit in collection.search(vector=query, k=k, where=where)]
    assert len(found) == len(expected)
    assert len(set(found) & set(expected)) >= 0.99 * len(expected) - (k >= 50)


@pytest.mark.parametrize("radius", [0.999, 0.9, 0.5, 0.0, -1.0])
def test_a_radius_is_complete_and_not_capped(large: Any, radius: float) -> None:
    collection, data = large
    query = data[5]
    scores = data @ query
    hits = collection.search(vector=query, radius=radius)
    assert {hit.item for hit in hits} == {int(n) + 1 for n in np.flatnonzero(scores >= radius - 1e-6)} - set()
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    best = collection.search(vector=query, radius=radius, k=3)
    assert [hit.item for hit in best] == [hit.item for hit in hits][:3]
    some = collection.search(vector=query, radius=radius, where={"cluster": 5})
    assert {hit.item for hit in some} == {hit.item for hit in hits if hit.metadata["cluster"] == 5}


# ---- proofs


def test_an_exact_search_says_that_no_other_item_can_be_nearer(large: Any) -> None:
    collection, data = large
    for number in range(0, COUNT, 300):
        query = data[number] + data[(number * 7 + 1) % COUNT]
        hits = collection.search(vector=query, k=10, exact=True)
        assert hits.proof == "no other item can be nearer"
        assert [hit.item for hit in hits] == brute(data, query, lambda n: True)[:10]
        filtered = collection.search(vector=query, k=10, exact=True, where={"n": {"$gte": 100}})
        assert filtered.proof == "no other item can be nearer"
        assert [hit.item for hit in filtered] == brute(data, query, lambda n: n >= 100)[:10]
        asked = collection.search(item=number + 1, k=10, exact=True)
        assert [hit.item for hit in asked] == brute(data, data[number], lambda n, own=number: n != own)[:10]


def test_only_what_was_shown_is_called_proved(large: Any, ready_made: Collection) -> None:
    collection, data = large
    assert collection.search(vector=data[3], k=5).proof is None  # through the graph
    assert ready_made.search(vector=vectors(1)[0], k=5).proof == "no other item can be nearer"  # few enough to scan
    assert collection.search(vector=data[3], k=5, where={"n": {"$lt": 40}}).proof == "no other item can be nearer"
    within = collection.search(vector=data[3], radius=0.9)
    assert (len(within) > 5, within.proof) == (True, "no other item lies within the radius")
    assert collection.search(vector=data[3], radius=0.9, k=len(within)).proof == within.proof
    assert collection.search(vector=data[3], radius=0.9, k=5).proof == "no other item can be nearer"
    assert collection.search(vector=data[3], k=5, exact=True, diversify=0.5).proof is None
    assert ready_made.search(vector=vectors(1)[0], k=5, where={"number": -1}).proof is not None
    assert within.to_dict()["proof"] == within.proof


def test_a_proof_holds_in_every_metric(large: Any) -> None:
    collection, data = large
    query = data[3] + data[14]
    for metric in ("ip", "euclidean", "manhattan", "minkowski:3"):
        hits = collection.search(vector=query, k=7, metric=metric, exact=True)
        stored = np.stack(list(collection.vectors(range(1, COUNT + 1)).values()))
        assert hits.proof == "no other item can be nearer"
        assert [hit.item - 1 for hit in hits] == np.argsort(-near(stored, query, metric), kind="stable")[:7].tolist()


def test_many_exact_searches_are_proved(large: Any) -> None:
    collection, data = large
    queries = data[:200] + 0.5 * data[1:201]
    answer = collection.search_many(queries, k=5, exact=True)
    assert answer.proved
    assert answer.ids.tolist() == [brute(data, query, lambda n: True)[:5] for query in queries]
    assert not collection.search_many(data[:200], k=5).proved


def test_words_alone_have_nothing_to_prove(ready_made: Collection) -> None:
    with pytest.raises(BadQuery, match="query= alone has none"):
        ready_made.search(query="red", exact=True)
    assert ready_made.search(query="red").proof is None
    with pytest.raises(UsageError, match="exact is True or False"):
        ready_made.search(item="n1", exact="yes")  # type: ignore[arg-type]


def test_k_may_be_larger_than_what_exists(ready_made: Collection) -> None:
    assert len(ready_made.search(vector=vectors(1)[0], k=10**9)) == 20
    assert len(ready_made.search(vector=vectors(1)[0], k=5, where={"number": {"$lt": 3}})) == 3
    assert len(ready_made.search(vector=vectors(1)[0])) == 20


@pytest.mark.parametrize("k", [0, -1, 1.5, "3", True])
def test_k_is_a_whole_number(ready_made: Collection, k: Any) -> None:
    with pytest.raises(BadQuery, match="k is the number of hits"):
        ready_made.search(vector=vectors(1)[0], k=k)


def test_numpys_numbers_are_numbers(ready_made: Collection) -> None:
    query = vectors(1)[0]
    assert len(ready_made.search(vector=query, k=np.int64(2))) == 2
    assert ready_made.search(vector=query, radius=np.float32(0.99))[0].key == "n0"
    assert len(ready_made.search(vector=query, k=3, diversify=np.float64(0.5))) == 3
    assert ready_made.search(mix=[(query, np.float32(1))], k=1)[0].key == "n0"


@pytest.mark.parametrize("radius", ["wide", float("nan"), float("inf"), True, [1]])
def test_radius_is_a_number(ready_made: Collection, radius: Any) -> None:
    with pytest.raises(BadQuery, match="radius is a number, the lowest score"):
        ready_made.search(vector=vectors(1)[0], radius=radius)


@pytest.mark.parametrize("diversify", [-0.1, 1.1, "much", True, float("nan")])
def test_diversify_is_a_share(ready_made: Collection, diversify: Any) -> None:
    with pytest.raises(BadQuery, match="diversify is a share"):
        ready_made.search(vector=vectors(1)[0], diversify=diversify)


@pytest.mark.parametrize(
    "asked",
    [{}, {"vector": [1.0] * 8, "item": 1}, {"text": "x", "vector": [1.0] * 8}, {"item": 1, "mix": [(item(1), 1)]}],
)
def test_one_thing_is_asked(ready_made: Collection, asked: Any) -> None:
    with pytest.raises(BadQuery, match=r"search takes one of"):
        ready_made.search(**asked)


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ([1.0] * 7, "7 coordinates"),
        ([0.0] * 8, "all zeros"),
        ([float("nan")] * 8, "holds nan"),
        ([[1.0] * 8] * 2, "one vector, got 2"),
        ("words", "numbers"),
        ([], "coordinates"),
    ],
)
def test_a_vector_that_can_not_be_searched_with_is_named(ready_made: Collection, vector: Any, words: str) -> None:
    with pytest.raises(BadVector, match=words):
        ready_made.search(vector=vector)


# ---- items


def test_an_item_does_not_answer_itself(ready_made: Collection) -> None:
    hits = ready_made.search(item="n3", k=19)
    assert len(hits) == 19
    assert "n3" not in {hit.key for hit in hits}
    assert ready_made.search(item=4, k=1)[0].key == hits[0].key
    assert "n3" not in {hit.key for hit in ready_made.search(item="n3", radius=-1)}
    assert len(ready_made.search(item="n3", k=100)) == 19


def test_an_item_without_a_vector_is_named(filled: Collection) -> None:
    with filled._catalogue.transaction() as writing:
        writing.drop_vectors(1)
    with pytest.raises(ItemNotFound, match=r"the item 1 has no vector in the space 'tiny'"):
        filled.search(item=1)


# ---- mixes


def test_a_mix_adds_directions(ready_made: Collection) -> None:
    data = scale_to_unit(vectors(20))
    query = 2 * data[3] + 0.5 * data[7] - data[11]
    scores = data @ scale_to_unit(query[None])[0]
    hits = ready_made.search(mix=[(item("n3"), 2), (data[7] * 100, 0.5), (item(12), -1)], k=5)
    order = [n for n in np.argsort(-scores) if n not in (3, 11)][:5]
    assert [hit.key for hit in hits] == [f"n{n}" for n in order]
    assert [hit.score for hit in hits] == pytest.approx(scores[order].tolist(), abs=1e-5)


def test_pictures_can_be_mixed(filled: Collection, folder: Path) -> None:
    hits = filled.search(mix=[(folder / "red.png", 1), (pictures.disc("blue"), -0.2), (str(folder / "red.png"), 0.5)])
    assert hits[0].metadata["colour"] == "red"
    assert hits[-1].metadata["colour"] == "blue"


def test_a_mix_that_cancels_itself_out_is_refused(ready_made: Collection) -> None:
    for mix in (
        [(item("n3"), 1), (item("n3"), -1)],
        [(vectors(1)[0], 1), (vectors(1)[0] * 5, -1)],
    ):
        with pytest.raises(BadQuery, match="cancel each other out"):
            ready_made.search(mix=mix)


@pytest.mark.parametrize("mix", [[], ["a.jpg"], [("a.jpg",)], [("a.jpg", 1, 2)], "ab"])
def test_a_mix_is_made_of_pairs(ready_made: Collection, mix: Any) -> None:
    with pytest.raises(BadQuery, match=r"a mix is a list of \(part, weight\) pairs"):
        ready_made.search(mix=mix)


@pytest.mark.parametrize("weight", [0, float("nan"), float("inf"), True, "1", None])
def test_a_weight_is_a_number(ready_made: Collection, weight: Any) -> None:
    with pytest.raises(BadQuery, match="a weight in a mix"):
        ready_made.search(mix=[(item("n1"), weight)])


def test_parts_of_a_mix_show_what_they_are() -> None:
    assert item(3) == item(3) != item("3")
    assert text("snow").words == "snow"


# ---- variety


def test_diversify_gives_other_pictures(large: Any) -> None:
    collection, data = large
    query = data[3]

    def spread(hits: Any) -> float:
        rows = data[[hit.item - 1 for hit in hits]]
        return float((rows @ rows.T).mean())

    plain, varied = (collection.search(vector=query, k=10, diversify=one) for one in (None, 0.7))
    assert len(plain) == len(varied) == 10
    assert varied[0].item == plain[0].item
    assert spread(varied) < spread(plain)
    same = collection.search(vector=query, k=10, diversify=0)
    assert [hit.item for hit in same] == [hit.item for hit in plain]
    assert len(collection.search(vector=query, radius=0.8, diversify=0.5, k=4)) == 4
    assert list(choose_diverse(np.empty((0, 3), np.float32), np.ones(3, np.float32), 3, 0.5)) == []


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_other_metrics_score_as_they_say(tmp_path: Path, metric: str) -> None:
    data = vectors(50)
    with Collection.open(tmp_path / "c", create=True, metric=metric) as collection:
        collection.add_vectors(data)
        query = vectors(1, 9)[0]
        expected = data @ query if metric == "ip" else -np.linalg.norm(data - query, axis=1)
        hits = collection.search(vector=query, k=5)
        order = np.argsort(-expected)[:5]
        assert [hit.item - 1 for hit in hits] == order.tolist()
        if metric == "ip":
            assert [hit.score for hit in hits] == pytest.approx(expected[order].tolist(), abs=1e-4)


# ---- distances

METRICS = ["cosine", "ip", "euclidean", "manhattan", "minkowski:3", "minkowski:1.5", "minkowski:inf"]


def near(rows: Any, query: Any, metric: str) -> Any:
    """Scores by numpy."""
    if metric in ("cosine", "ip"):
        products = rows.astype(float) @ query
        return products / np.linalg.norm(rows, axis=1) / np.linalg.norm(query) if metric == "cosine" else products
    orders = {"euclidean": 2.0, "l2": 2.0, "manhattan": 1.0, "l1": 1.0}
    return -np.linalg.norm(rows.astype(float) - query, orders.get(metric) or float(metric.partition(":")[2]), axis=1)


def uneven(count: int, seed: int) -> Any:
    """Clustered vectors of different lengths."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(1).standard_normal((10, 12))
    rows = centres[np.arange(count) % 10] + 0.4 * random.standard_normal((count, 12))
    return (rows * np.exp(0.3 * random.standard_normal((count, 1)))).astype(np.float32)


def matches(collection: Collection, kept: dict[str, Any], own: str, metrics: list[str | None]) -> None:
    """In each metric the whole answer, filtered, within a radius, and of many queries is that of brute force."""
    keys, rows, queries = list(kept), np.stack(list(kept.values())), uneven(2, 77)
    for query, place, asked in [(query, place, one) for place, query in enumerate(queries) for one in metrics]:
        scores = collection.search_many(queries, k=9, metric=asked).scores[place]
        true = near(rows, query, asked or own)
        order = np.argsort(-true, kind="stable")
        hits = collection.search(vector=query, k=9, metric=asked)
        assert len({hit.key for hit in hits} & {keys[place] for place in order[:9]}) >= 8
        np.testing.assert_allclose([hit.score for hit in hits], true[order[:9]], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scores, true[order[:9]], rtol=1e-4, atol=1e-5)
        even = [place for place in order.tolist() if int(keys[place][1:]) % 2 == 0]
        hits = collection.search(vector=query, k=9, where={"even": True}, metric=asked)
        np.testing.assert_allclose([hit.score for hit in hits], true[even[:9]], rtol=1e-4, atol=1e-5)
        radius = float((true[order[40]] + true[order[41]]) / 2)
        inside = collection.search(vector=query, radius=radius, metric=asked)
        assert [hit.key for hit in inside] == [keys[place] for place in order[:41]]


@pytest.mark.parametrize(
    ("own", "asked"), [("cosine", METRICS), *((one, [None]) for one in METRICS[1:6]), ("l2", ["cosine", "l1"])]
)
def test_every_metric_is_that_of_brute_force_through_a_life(
    tmp_path: Path, own: str, asked: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexers.vectors.rerank.CANDIDATE_COST", 0.5)  # so few rows would be scanned
    monkeypatch.setattr("indexers.vectors.searcher.CANDIDATE_COST", 0.5)
    options: dict[str, Any] = {"scan_below": 0, "clusters": 0}
    data, place = uneven(900, 0), tmp_path / "c"
    kept = {f"k{n}": row for n, row in enumerate(data)}
    with Collection.open(place, create=True, metric=own, **options) as made:
        made.add_vectors(data, keys=list(kept), metadata=[{"even": n % 2 == 0} for n in range(900)])
        matches(made, kept, own, asked)
        made.add_vectors(uneven(100, 5), keys=[f"k{n}" for n in range(0, 500, 5)])
        kept |= {f"k{n}": row for n, row in zip(range(0, 500, 5), uneven(100, 5), strict=True)}
        made.remove([f"k{n}" for n in range(0, 900, 7)])
        kept = {key: row for key, row in kept.items() if int(key[1:]) % 7}
        matches(made, kept, own, asked)
    with Collection.open(place, **options) as again:
        matches(again, kept, own, asked)
        assert again.info().metric == {"euclidean": "l2", "manhattan": "l1"}.get(own, own)
    (place / "spaces/1/index/header").unlink()
    (place / "spaces/1/flat/header").unlink()
    with Collection.open(place, **options) as mended:
        assert len(mended.info().repairs) == 2
        matches(mended, kept, own, asked)
        assert mended.verify().ok


@pytest.mark.parametrize("metric", ["manhattan", "minkowski:3", "euclidean", "ip"])
def test_pictures_are_compared_in_any_metric(filled: Collection, folder: Path, metric: str) -> None:
    filled.export(folder / "all.npz")
    with np.load(folder / "all.npz") as kept:
        rows, keys = kept["vectors"], kept["keys"].tolist()
    query = rows[keys.index(filled.search(folder / "red.png", k=1)[0].key)]
    hits = filled.search(folder / "red.png", metric=metric)
    true = near(rows, query, metric)
    assert [hit.score for hit in hits] == pytest.approx(np.sort(true)[::-1].tolist(), rel=1e-4, abs=1e-4)
    alone = filled.search(item=hits[0].item, metric=metric)
    assert [hit.item for hit in alone] == [hit.item for hit in hits[1:]]


def test_variety_is_told_in_the_metric_too(large: Any) -> None:
    collection, _ = large
    query = np.random.default_rng(1).standard_normal(16)
    plain = collection.search(vector=query, k=8, metric="manhattan")
    nearest = collection.search(vector=query, k=8, metric="manhattan", diversify=0)
    assert [hit.item for hit in plain] == [hit.item for hit in nearest]
    assert collection.search(vector=query, k=8, metric="manhattan", diversify=0.6)[0].item == plain[0].item


def test_a_zero_vector_has_distances_but_no_direction(ready_made: Collection) -> None:
    zero = np.zeros(8)
    true = -np.sort(np.abs(vectors(20)).sum(1))
    hits = ready_made.search(vector=zero, metric="l1")
    assert [hit.score for hit in hits] == pytest.approx(true.tolist(), rel=1e-5)
    with pytest.raises(BadVector, match="no direction"):
        ready_made.search(vector=zero)
    with pytest.raises(BadVector, match="no direction"):
        ready_made.search(mix=[(zero, 1), (vectors(1)[0], 1)], metric="l1")


@pytest.mark.parametrize("metric", ["minkowski:0.5", "minkowski:nan", "minkowski", "angle", "", 3])
def test_an_unknown_metric_is_said_even_where_nothing_is(tmp_path: Path, ready_made: Collection, metric: Any) -> None:
    with Collection.open(tmp_path / "empty", create=True) as empty:
        for one in (empty, ready_made):
            with pytest.raises(BadQuery, match=r"there are: cosine, ip, l2 \(euclidean\)") as caught:
                one.search(vector=vectors(1)[0], metric=metric)
            assert repr(metric) in str(caught.value)
            with pytest.raises(BadQuery, match="there are: cosine"):
                one.search_many(vectors(1), metric=metric)


def test_words_alone_have_no_metric(ready_made: Collection) -> None:
    ready_made.update("n1", text="a boat")
    with pytest.raises(BadQuery, match="metric= compares vectors"):
        ready_made.search(query="boat", metric="l1")
    assert ready_made.search(query="boat", vector=vectors(1)[0], metric="l1")[0].key == "n1"


def test_variety_is_chosen_from_a_pool(ready_made: Collection) -> None:
    asked = vectors(1, 5)[0]
    nearest = [hit.key for hit in ready_made.search(vector=asked, k=6)]
    found = [hit.key for hit in ready_made.search(vector=asked, k=6, diversify=0.9, pool=6)]
    assert sorted(found) == sorted(nearest)
    assert found != nearest
    for bad in ({"pool": 0, "diversify": 0.5}, {"pool": 5}):
        with pytest.raises(BadQuery, match="pool"):
            ready_made.search(vector=asked, **bad)
