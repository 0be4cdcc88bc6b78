"""Pruned answers are those of a scan, bit by bit, whatever vectors, metric and restriction are; and a sketch never
costs more than the scans before it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexers.vectors import pruning
from indexers.vectors.allowed import Allowed
from indexers.vectors.exact import Exact
from tests.support.proofs import draw_hard_vectors, make_index, prune_at_once, rank_by_definition

METRICS = ("cosine", "ip", "l2", "l1", "minkowski:3", "minkowski:inf")
OWN = ("cosine", "ip", "l2")


@pytest.fixture
def at_once() -> Iterator[None]:
    with prune_at_once():
        yield


def check_answers(
    index: Exact, query: np.ndarray, metric: str, restrictions: list[np.ndarray | Allowed | None]
) -> None:
    for allowed in restrictions:
        ids, scores = rank_by_definition(index, query, metric, getattr(allowed, "ids", allowed))
        for k in (1, 3, 10, len(index) + 3):
            answer = index.search(query, k, allowed, metric)
            assert answer.proved
            assert answer.ids[0, : len(ids)].tolist() == ids[:k].tolist()
            assert answer.scores[0, : len(ids)].tolist() == scores[:k].tolist()
        for place in {0, len(ids) // 2, len(ids) - 1} if len(ids) else set():
            near, near_scores = index.search_radius(query, float(scores[place]), allowed, metric)
            count = int((scores >= scores[place]).sum())
            assert near.tolist() == ids[:count].tolist()
            assert near_scores.tolist() == scores[:count].tolist()


def make_clusters(count: int, dimension: int, seed: int = 0, clusters: int = 8) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((clusters, dimension))
    rows = centres[random.integers(0, clusters, count)] + 0.1 * random.standard_normal((count, dimension))
    return (rows * np.exp(random.standard_normal((count, 1)))).astype(np.float32)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("own", OWN)
def test_pruned_answers_are_those_of_the_definition(own: str, metric: str, tmp_path: Path) -> None:
    vectors = make_clusters(400, 16)
    vectors[50:60] = vectors[40:50]
    index = make_index(vectors, own, tmp_path / "file")
    restrictions = [None, np.arange(0, 800, 3), index.prepare_allowed(np.arange(100, 640)), np.array([6, 7])]
    for query in (vectors[45], vectors[3] + vectors[200], np.ones(16, np.float32)):
        check_answers(index, query, metric, restrictions)
    assert index._pruner.covered == index.rows.count


@pytest.mark.usefixtures("at_once")
@settings(deadline=None, max_examples=150)
@given(
    own=st.sampled_from(OWN),
    metric=st.sampled_from(METRICS),
    seed=st.integers(0, 2**32),
    shape=st.sampled_from([(1, 8), (30, 8), (80, 16), (200, 64)]),
)
def test_hard_vectors_get_the_answers_of_the_definition(
    own: str, metric: str, seed: int, shape: tuple[int, int]
) -> None:
    rows = draw_hard_vectors(np.random.default_rng(seed), shape[0] + 1, shape[1])
    index = make_index(rows[:-1], own)
    check_answers(index, rows[-1], metric, [None, np.arange(0, len(rows), 2)])
    check_answers(index, rows[0], metric, [None])


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("own", OWN)
def test_answers_follow_every_change(own: str, tmp_path: Path) -> None:
    vectors, random = make_clusters(3000, 16, 3), np.random.default_rng(4)
    index = Exact(16, own)
    index.add(np.arange(50), vectors[:50])
    for turn in range(60):
        ids = random.integers(0, 400, 30)
        change = random.integers(0, 4)
        if change < 2:
            index.add(ids, vectors[random.integers(0, 3000, 30)])
        elif change == 2:
            index.remove(random.integers(0, 400, 60))
        else:
            index.save(tmp_path / str(turn))
            covered = index._pruner.covered
            index.reload(tmp_path / str(turn))
            assert index._pruner.covered <= covered
        if len(index):
            check_answers(index, vectors[turn], own, [None])


@pytest.mark.usefixtures("at_once")
def test_a_sketch_survives_saving_and_not_loading(tmp_path: Path) -> None:
    vectors = make_clusters(400, 16)
    index = make_index(vectors, "cosine", tmp_path / "before")
    index.search(vectors[0], 3)
    index.search(vectors[0], 3)
    index.save(tmp_path / "file")
    index.reload(tmp_path / "file")
    assert index._pruner.covered == len(index) == index.rows.count
    check_answers(index, vectors[0], "cosine", [None])
    make_index(vectors[:20]).save(tmp_path / "other")
    index.reload(tmp_path / "other")
    assert index._pruner.covered == 0
    index.load(tmp_path / "file")
    assert index._pruner.covered == 0


def test_a_sketch_is_paid_for_by_scans() -> None:
    vectors = make_clusters(20_000, 256, clusters=40)
    index = make_index(vectors)
    fit, build = pruning.FIT_COST, pruning.BUILD_COST
    scans = 0
    while not index._pruner.covered and scans < 200:
        index.search(vectors[scans], 10)
        scans += 1
    assert (scans - 1) * len(index) <= fit <= (scans + 1) * len(index)
    before = index._pruner.covered
    index.search(vectors[0], 10)
    assert 0 < index._pruner.covered - before <= 2.1 * len(index) / build
    for place in range(30):
        index.search(vectors[place], 10)
    assert index._pruner.covered == len(index)
    assert index.estimate_cost(None) < 0.5 * len(index)
    other = index.prepare_allowed(np.arange(0, 20_000, 2))
    assert index.estimate_cost(other) < index._estimate_scan_cost(other)


@pytest.mark.parametrize("count", [2, 3, 5, 30])
def test_several_queries_at_once_are_pruned_one_by_one(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = make_clusters(20_000, 256, clusters=40)
    index, restriction = make_index(vectors), np.arange(0, 40_000, 3)
    plain = [index.search(vectors[:count], 10, allowed) for allowed in (None, restriction)]
    index._pruner.pay(100 * pruning.FIT_COST)
    scores = []
    score = index._score
    monkeypatch.setattr(index, "_score", lambda *given: scores.append(len(given[1])) or score(*given))
    for allowed, true in zip((None, restriction), plain, strict=True):
        answer = index.search(vectors[:count], 10, allowed)
        assert answer.ids.tolist() == true.ids.tolist()
        assert answer.scores.tolist() == true.scores.tolist()
    assert sum(scores) < 0.1 * count * len(index)


def test_nothing_is_drawn_where_no_bound_helps() -> None:
    for vectors in (np.random.default_rng(0).standard_normal((5000, 64)), make_clusters(5000, 12)):
        index = make_index(vectors.astype(np.float32))
        index._pruner.pay(10 * pruning.FIT_COST)
        assert index._pruner.covered == 0
        check_answers(index, vectors[0], "cosine", [None])
        assert index.estimate_cost(None) == 5000


@pytest.mark.usefixtures("at_once")
def test_a_metric_that_prunes_badly_is_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = make_clusters(3000, 32)
    index = make_index(vectors, "l2")
    index.search(vectors[0], 10)
    monkeypatch.setattr(pruning, "GATHER_COST", 2.5)
    selected = []
    select = index._pruner._select_covered
    monkeypatch.setattr(index._pruner, "_select_covered", lambda *given: selected.append(1) or select(*given))
    for place in range(40):
        check = index.search(vectors[place] + 1, 10, metric="l1")
        assert check.ids[0].tolist() == rank_by_definition(index, vectors[place] + 1, "l1")[0][:10].tolist()
    assert 1 <= len(selected) <= 6


def test_a_small_collection_gets_no_sketch() -> None:
    index = make_index(make_clusters(2000, 64))
    index._pruner.pay(10 * pruning.FIT_COST)
    assert index._pruner._drawn is None


def test_more_rows_get_new_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "CALL_COST", 0)
    index = make_index(make_clusters(2000, 64))
    index._pruner.pay(pruning.FIT_COST)
    first = index._pruner._drawn
    index.add(np.arange(10_000, 14_000), make_clusters(4000, 64, 1))
    index._pruner.pay(10 * pruning.FIT_COST)
    assert index._pruner._drawn is not None
    assert first is not None
    assert index._pruner._drawn.sketch is first.sketch
    index.add(np.arange(20_000, 24_000), make_clusters(4000, 64, 2))
    index._pruner.pay(10 * pruning.FIT_COST)
    assert index._pruner._drawn.sketch is not first.sketch


def test_searches_beside_each_other_draw_one_sketch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "FIT_COST", 30_000)
    monkeypatch.setattr(pruning, "CALL_COST", 0)
    vectors = make_clusters(6000, 64)
    index = make_index(vectors)
    true = [rank_by_definition(index, query, "cosine")[0][:10].tolist() for query in vectors[:20]]
    wrong = []

    def search(first: int) -> None:
        for place in range(100):
            query = (first + place) % 20
            if index.search(vectors[query], 10).ids[0].tolist() != true[query]:
                wrong.append(query)

    threads = [threading.Thread(target=search, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert index._pruner.covered == 6000
