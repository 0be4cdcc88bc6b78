"""Whatever metric an index was built for and a query is in, the answer is that of a scan."""

from __future__ import annotations

import numpy as np
import pytest

from indexers.types import Neighbours
from indexers.vectors import rerank
from indexers.vectors.exact import Exact
from indexers.vectors.hnsw import Hnsw
from indexers.vectors.searcher import Searcher

COUNT, DIMENSION = 3000, 24
IDS = np.arange(COUNT) * 2 + 10
METRICS = ("cosine", "ip", "l2", "l1", "minkowski:1.5", "minkowski:3")
SPREADS = (0.0, 0.15, 1.0)


def make_vectors(seed: int, count: int, spread: float) -> np.ndarray:
    """Vectors in clusters; their lengths are log-normal besides."""
    centres = np.random.default_rng(7).standard_normal((40, DIMENSION))
    random = np.random.default_rng(seed)
    rows = centres[random.integers(0, 40, count)] + 0.5 * random.standard_normal((count, DIMENSION))
    return (rows * np.exp(spread * random.standard_normal((count, 1)))).astype(np.float32)


@pytest.fixture(scope="module")
def searchers() -> dict[tuple[str, float], Searcher]:
    searchers = {}
    for spread in SPREADS:
        for native in ("cosine", "l2"):
            flat, index = Exact(DIMENSION, native), Hnsw(DIMENSION, native)
            for member in (flat, index):
                member.add(IDS, make_vectors(0, COUNT, spread))
                member.remove(IDS[::9])
            searchers[native, spread] = Searcher(flat, index, small=0)
    return searchers


@pytest.fixture(autouse=True)
def candidates_are_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let candidates be cheap: so few rows would be scanned otherwise."""
    monkeypatch.setattr(rerank, "CANDIDATE_COST", 2.0)
    monkeypatch.setattr("indexers.vectors.searcher.CANDIDATE_COST", 0.5)


def measure_recall(answer: Neighbours, true: Neighbours) -> float:
    assert (np.diff(answer.scores, axis=1) <= 0).all()
    least = true.scores[:, -1:]
    return float(np.mean(answer.scores >= least - 1e-5 * np.abs(least) - 1e-6))


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("native", ["cosine", "l2"])
def test_recall_is_that_of_a_scan(
    searchers: dict[tuple[str, float], Searcher], native: str, metric: str, spread: float
) -> None:
    searcher, queries = searchers[native, spread], make_vectors(1, 40, spread)
    flat = searcher.flat
    assert measure_recall(searcher.search(queries, 10, None, metric), flat.search(queries, 10, metric=metric)) >= 0.99
    for allowed in (IDS[::3], IDS[1:]):
        restriction = flat.prepare_allowed(allowed)
        answer = searcher.search(queries, 10, restriction, metric)
        assert np.isin(answer.ids, allowed).all()
        assert measure_recall(answer, flat.search(queries, 10, restriction, metric=metric)) >= 0.99


def test_candidates_that_prove_to_be_enough_spare_the_scan(
    searchers: dict[tuple[str, float], Searcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = []
    for native in ("cosine", "l2"):
        searcher, queries = searchers[native, 0.0], make_vectors(2, 20, 0.0)
        search = searcher.flat.search

        def record_scan(queries: np.ndarray, k: int, allowed: object = None, **more: object) -> Neighbours:
            scans.append(allowed is None)
            return search(queries, k, allowed, **more)  # type: ignore[arg-type]  # noqa: B023

        monkeypatch.setattr(searcher.flat, "search", record_scan)
        for metric in METRICS:
            searcher.search(queries, 3, None, metric)
    assert scans
    assert not any(scans)


def test_more_than_there_is_comes_padded(searchers: dict[tuple[str, float], Searcher]) -> None:
    searcher, query = searchers["cosine", 0.0], make_vectors(1, 1, 0.0)
    answer = searcher.search(query, 30, IDS[1:9], "l1")
    assert (answer.ids[0, :8] >= 0).all()
    assert (answer.ids[0, 8:] == -1).all()
    whole = searcher.search(query, COUNT, None, "l1")
    assert (whole.ids >= 0).sum() == len(searcher.flat)


def test_a_query_of_zeros_has_distances_though_no_direction(searchers: dict[tuple[str, float], Searcher]) -> None:
    searcher = searchers["cosine", 1.0]
    answer = searcher.search(np.zeros((1, DIMENSION), np.float32), 5, None, "l2")
    lengths = np.linalg.norm(make_vectors(0, COUNT, 1.0)[np.arange(COUNT) % 9 != 0], axis=1)
    np.testing.assert_allclose(-answer.scores[0], np.sort(lengths)[:5], rtol=1e-5)


def test_vectors_without_a_direction_are_at_right_angles() -> None:
    flat, index = Exact(4, "l2"), Hnsw(4, "l2")
    for member in (flat, index):
        member.add(np.arange(3000), np.concatenate([np.zeros((1, 4)), make_vectors(0, 2999, 0.0)[:, :4]]))
    answer = Searcher(flat, index, small=0).search(np.ones((1, 4)), 2999, None, "cosine")
    assert answer.scores[0][answer.ids[0] == 0].tolist() in ([], [0.0])
    assert np.isfinite(answer.scores).all()


@pytest.mark.parametrize("native", ["ip", "l1"])
def test_an_index_that_proves_nothing_is_passed_over(native: str) -> None:
    flat, index = Exact(DIMENSION, native), Exact(DIMENSION, native)
    for member in (flat, index):
        member.add(IDS, make_vectors(0, COUNT, 0.0))
    queries = make_vectors(1, 5, 0.0)
    answer = Searcher(flat, index, small=0).search(queries, 5, None, "l2")
    assert (answer.ids == flat.search(queries, 5, metric="l2").ids).all()
