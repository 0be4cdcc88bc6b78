"""Whatever a restriction keeps, and wherever the query lies, the answer is that of a scan."""

import numpy as np
import pytest

from indexers.types import Neighbours
from indexers.vectors import searcher as layer
from indexers.vectors.exact import Exact
from indexers.vectors.hnsw import Hnsw
from indexers.vectors.searcher import Searcher

COUNT, DIMENSION, GROUPS = 6000, 32, 60
IDS = np.arange(COUNT) * 2 + 10


def make_vectors(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in clusters, and the cluster of each."""
    centres = np.random.default_rng(7).standard_normal((GROUPS, DIMENSION))
    rng = np.random.default_rng(seed)
    group = rng.integers(0, GROUPS, count)
    return (centres[group] + 0.5 * rng.standard_normal((count, DIMENSION))).astype(np.float32), group


VECTORS, GROUP = make_vectors(COUNT, 0)
QUERIES, QUERY_GROUP = make_vectors(120, 1)


@pytest.fixture(scope="module")
def members() -> tuple[Exact, Hnsw]:
    flat, index = Exact(DIMENSION), Hnsw(DIMENSION)
    for member in (flat, index):
        member.add(IDS, VECTORS)
        member.position = 17
    return flat, index


@pytest.fixture
def searcher(members: tuple[Exact, Hnsw]) -> Searcher:
    return Searcher(*members, small=0)


def make_restriction(share: float, shape: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the allowed ids, and which of the queries to use."""
    rng = np.random.default_rng(3)
    if shape == "random":
        return IDS[rng.random(COUNT) < share], np.ones(len(QUERIES), dtype=bool)
    groups = rng.permutation(GROUPS)[: max(1, round(share * GROUPS))]
    inside = np.isin(QUERY_GROUP, groups)
    return IDS[np.isin(GROUP, groups)], inside if shape == "inside" else ~inside


def measure_recall(answer: Neighbours, true: Neighbours) -> float:
    count = int((true.ids[0] >= 0).sum())
    assert (answer.ids[:, count:] == -1).all()
    if count == 0:
        return 1.0
    return float(np.mean(answer.scores[:, :count] >= true.scores[:, count - 1 : count] - 1e-6))


@pytest.mark.parametrize("ways", ["by cost", "over-fetch always"])
@pytest.mark.parametrize("shape", ["random", "inside", "outside"])
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.1, 0.5, 0.9, 1.0])
def test_restrictions_keep_recall(
    searcher: Searcher, share: float, shape: str, ways: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ways != "by cost":
        monkeypatch.setattr(layer, "CANDIDATE_COST", 0.01)
    allowed, chosen = make_restriction(share, shape)
    queries = QUERIES[chosen]
    if not len(queries):
        pytest.skip("no query lies outside of everything")
    restricted = searcher.flat.prepare_allowed(allowed)
    true = searcher.flat.search(queries, 10, restricted)
    many = searcher.search(queries, 10, restricted)
    alone = [searcher.search(query, 10, restricted) for query in queries[:30]]
    assert measure_recall(many, true) >= 0.99
    exact = [Neighbours(true.ids[i : i + 1], true.scores[i : i + 1], 0) for i in range(len(alone))]
    assert np.mean([measure_recall(answer, its) for answer, its in zip(alone, exact, strict=True)]) >= 0.99
    assert np.isin(many.ids[many.ids >= 0], allowed).all()
    assert many.position == 17


def test_all_paths_give_the_same_scores_and_order(searcher: Searcher) -> None:
    true = searcher.flat.search(QUERIES, 10)
    for allowed in (None, IDS[:-1], IDS):
        answer = searcher.search(QUERIES, 10, allowed)
        same = answer.ids == true.ids
        assert same.mean() >= 0.99
        np.testing.assert_allclose(answer.scores[same], true.scores[same], atol=1e-6, rtol=0)
        assert (np.diff(answer.scores, axis=1) <= 0).all()


def test_excluded_nearest_half_is_found_out(searcher: Searcher) -> None:
    """Try the worst case for a graph: everything near is excluded."""
    near = searcher.flat.search(QUERIES[0], COUNT).ids[0]
    restricted = searcher.flat.prepare_allowed(near[COUNT // 2 :])
    for _ in range(20):
        assert searcher.search(QUERIES[0], 10, restricted).ids[0].tolist() == near[COUNT // 2 :][:10].tolist()


def test_more_than_there_is_comes_padded(searcher: Searcher) -> None:
    answer = searcher.search(QUERIES[:2], 30, IDS[:20])
    assert (answer.ids[:, 20:] == -1).all()
    assert np.isneginf(answer.scores[:, 20:]).all()
    assert (np.sort(answer.ids[:, :20]) == IDS[:20]).all()
    whole = searcher.search(QUERIES[:2], COUNT + 5)
    assert (np.sort(whole.ids[:, :COUNT]) == IDS).all()
    assert (whole.ids[:, COUNT:] == -1).all()


def test_nobody_allowed_gives_nothing(searcher: Searcher) -> None:
    assert (searcher.search(QUERIES[:2], 3, np.array([1, 3])).ids == -1).all()


def test_a_radius_is_complete(searcher: Searcher) -> None:
    scores = searcher.flat.prepare(VECTORS) @ searcher.flat.prepare(QUERIES[0])[0]
    ids, scores_within = searcher.search_radius(QUERIES[0], 0.5)
    assert set(ids.tolist()) == set(IDS[scores >= 0.5].tolist())
    assert (np.diff(scores_within) <= 0).all()
    allowed, _ = searcher.search_radius(QUERIES[0], 0.5, IDS[::3])
    assert set(allowed.tolist()) == set(ids.tolist()) & set(IDS[::3].tolist())


def test_a_proved_answer_is_that_of_a_scan(searcher: Searcher) -> None:
    for allowed in (None, IDS[::2]):
        true, answer = searcher.flat.search(QUERIES, 10, allowed), searcher.search(QUERIES, 10, allowed, exact=True)
        assert answer.proved
        assert (answer.ids == true.ids).all()
        assert (answer.scores == true.scores).all()
    other = searcher.search(QUERIES[:3], 10, metric="l1", exact=True)
    assert other.proved
    assert (other.ids == searcher.flat.search(QUERIES[:3], 10, metric="l1").ids).all()


def test_what_the_graph_answers_is_not_called_proved(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not searcher.search(QUERIES, 10).proved
    assert not searcher.search(QUERIES, 10, metric="l1").proved
    assert searcher.search(QUERIES, 10, IDS[:20]).proved  # few enough to scan
    far = make_distant_queries("outsiders")
    assert searcher.search(far[:1], 10).proved  # searched again, by a scan
    monkeypatch.setattr(searcher, "_estimate_cost", lambda index, width: 0.0)
    assert not searcher.search(far[:1], 10).proved


def test_other_metrics_are_proved_where_bounds_leave_few_vectors() -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((40, 256))[np.arange(10_000) % 40] + 0.1 * random.standard_normal((10_000, 256))
    flat, index = Exact(256), Hnsw(256, M=4, ef_construction=8)
    for member in (flat, index):
        member.add(np.arange(10_000), rows.astype(np.float32))
    searcher = Searcher(flat, index)
    assert not searcher.search(rows[:1], 5, metric="l2").proved
    flat._pruner.pay(1e7)  # as many scans do
    for metric in ("l2", "ip"):
        assert searcher.search(rows[:1], 5, metric=metric).proved
    assert not searcher.search(rows[:1], 5).proved


def test_small_collections_are_scanned(members: tuple[Exact, Hnsw]) -> None:
    empty = Hnsw(DIMENSION)
    assert Searcher(members[0], empty, small=COUNT).search(QUERIES[:1], 3).ids.min() >= 10
    assert Searcher(members[0]).search(QUERIES[:1], 3).ids.min() >= 10


def test_what_the_graph_cannot_reach_is_scanned() -> None:
    flat, index = Exact(8), Hnsw(8, ef=1, M=2, ef_construction=4)
    far = np.repeat(np.eye(8)[:4] * 1000, 500, axis=0) + np.random.default_rng(0).standard_normal((2000, 8))
    for member in (flat, index):
        member.add(np.arange(2000), far)
    answer = Searcher(flat, index, small=0).search(far[::500], 1900)
    assert (answer.ids == flat.search(far[::500], 1900).ids).mean() > 0.9
    assert (answer.ids >= 0).all()


def make_distant_queries(kind: str, count: int = 40) -> np.ndarray:
    """Queries that lie between the clusters, or far from all of them."""
    rng = np.random.default_rng(5)
    if kind == "outsiders":
        return rng.standard_normal((count, DIMENSION)).astype(np.float32)
    first, second = (VECTORS[rng.integers(0, COUNT, count)] for _ in range(2))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (first, second)]
    return (unit[0] + unit[1]).astype(np.float32)


@pytest.mark.parametrize("ways", ["by a scan", "by more candidates"])
@pytest.mark.parametrize("kind", ["mixes", "outsiders"])
@pytest.mark.parametrize("k", [1, 10, 100, 1000])
def test_queries_between_clusters_and_far_from_all_find_their_neighbours(
    searcher: Searcher, kind: str, k: int, ways: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ways == "by more candidates":  # as in a collection that is too large to be scanned
        monkeypatch.setattr(searcher, "_estimate_cost", lambda index, width: 0.0)
    queries = make_distant_queries(kind)
    assert measure_recall(searcher.search(queries, k), searcher.flat.search(queries, k)) >= 0.99
    allowed = IDS[np.random.default_rng(1).random(COUNT) < 0.5]
    true = searcher.flat.search(queries, k, allowed)
    assert measure_recall(searcher.search(queries, k, allowed), true) >= 0.99


def test_ordinary_queries_are_not_searched_twice(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[int] = []
    look = Searcher._fetch_candidates

    def count_candidates(self: Searcher, index: Hnsw, queries: np.ndarray, k: int, width: int) -> Neighbours:
        again.append(len(queries))
        return look(self, index, queries, k, width)

    monkeypatch.setattr(Searcher, "_fetch_candidates", count_candidates)
    monkeypatch.setattr(searcher, "_estimate_cost", lambda index, width: 0.0)
    searcher.search(QUERIES, 10)
    assert again[0] == len(QUERIES)
    assert sum(again[1:]) <= 0.05 * len(QUERIES)
