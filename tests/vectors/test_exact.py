"""The referee itself is compared with sums written out, and its file with what is in memory."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from indexers.errors import BadQuery, BadSetting, ItemNotFound, StoredFileDamaged
from indexers.testing import VectorIndexContract
from indexers.vectors.allowed import Allowed
from indexers.vectors.exact import Exact


class TestContract(VectorIndexContract):
    def index(self) -> Exact:
        return Exact(self.dimension)


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((600, 12), dtype=np.float32)


@pytest.fixture
def flat(vectors: np.ndarray, tmp_path: Path) -> Exact:
    """Half of it mapped, half in memory, some replaced, some removed; ids 0, 2, 4 ..."""
    index, ids = Exact(12), np.arange(600) * 2
    index.add(ids[:300], vectors[:300])
    index.save(tmp_path / "half")
    index.load(tmp_path / "half")
    index.add(ids[290:], vectors[290:])
    index.remove(ids[::10])
    return index


def find_nearest(flat: Exact, query: np.ndarray, k: int, among: np.ndarray | None = None) -> list[int]:
    ids = flat.ids() if among is None else np.intersect1d(flat.ids(), among)
    scores = (flat.take(ids).astype(float) @ flat.prepare(query)[0].astype(float)).astype(np.float32)
    return ids[np.lexsort((ids, -scores))][:k].tolist()


@pytest.mark.parametrize(
    ("metric", "name", "p"), [("l2", "euclidean", 2), ("l1", "cityblock", 1), ("minkowski:3", "minkowski", 3)]
)
def test_distances_are_scipys_negated(vectors: np.ndarray, metric: str, name: str, p: int) -> None:
    index = Exact(12, metric)
    index.add(np.arange(600), vectors)
    answer = index.search(vectors[:5] + 1, 600)
    order = {"p": p} if name == "minkowski" else {}
    true = cdist(vectors[:5] + 1, vectors, name, **order)
    np.testing.assert_allclose(-answer.scores, np.sort(true, axis=1), rtol=1e-6)
    ids, scores = index.search_radius(vectors[0], -3.0)
    near = cdist(vectors[:1], vectors, name, **order)[0] <= 3
    assert set(ids.tolist()) == set(np.flatnonzero(near).tolist())
    assert scores[0] == 0


@pytest.mark.parametrize("own", ["cosine", "ip", "l2", "l1"])
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2", "l1", "minkowski:2.5"])
def test_any_metric_can_be_asked_whichever_is_its_own(
    own: str, metric: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(3)
    vectors = (random.standard_normal((400, 12)) * np.exp(random.standard_normal((400, 1)))).astype(np.float32)
    index, ids = Exact(12, own), np.arange(400) * 2
    index.add(ids[:300], vectors[:300][::-1])  # half of it mapped, half in memory, some replaced, some removed
    index.save(tmp_path / "file")
    index.load(tmp_path / "file")
    index.add(ids[:350], vectors[:350])
    index.add(ids[350:], vectors[350:])
    index.remove(ids[::10])
    rows, kept = np.delete(vectors, np.s_[::10], axis=0).astype(float), np.delete(ids, np.s_[::10])
    for query in random.standard_normal((3, 12)):
        if metric in ("cosine", "ip"):
            true = rows @ query
            true = true / np.linalg.norm(rows, axis=1) / np.linalg.norm(query) if metric == "cosine" else true
        else:
            order = {"l2": 2, "l1": 1}.get(metric, 2.5)
            true = -np.linalg.norm(rows - query, order, axis=1)
        best = np.argsort(-true, kind="stable")
        for allowed in (None, kept[best[::2]], index.prepare_allowed(kept[best[::2]])):
            order = best if allowed is None else best[::2]
            answer = index.search(query, 20, allowed, metric=metric)
            assert answer.ids[0].tolist() == kept[order[:20]].tolist()
            np.testing.assert_allclose(answer.scores[0], true[order[:20]], rtol=1e-5, atol=1e-6)
            near, _ = index.search_radius(query, float(true[order[30]] + true[order[31]]) / 2, allowed, metric)
            assert near.tolist() == kept[order[:31]].tolist()


def test_vectors_are_given_as_a_metric_compares_them() -> None:
    vectors = np.array([[3, 4], [0, 2], [5, 12]], np.float32)
    for own in ("cosine", "l2"):
        index = Exact(2, own)
        index.add(np.array([7, 3, 5]), vectors)
        np.testing.assert_allclose(index.take_for_metric(np.array([5, 7]), "l1"), vectors[[2, 0]], rtol=1e-6)
        np.testing.assert_allclose(index.take_for_metric(np.array([7]), "cosine"), [[0.6, 0.8]], rtol=1e-6)


def test_inner_product_does_not_normalise(vectors: np.ndarray) -> None:
    index = Exact(12, "ip")
    index.add(np.arange(600), vectors * 100)
    answer = index.search(vectors[:3], 600)
    np.testing.assert_allclose(answer.scores, -np.sort(-(vectors[:3] @ vectors.T * 100), axis=1), rtol=1e-4, atol=1e-3)


def test_ties_at_the_last_place_go_to_the_smaller_id() -> None:
    index = Exact(37)
    rng = np.random.default_rng(1)
    ids = rng.permutation(1000)
    index.add(ids, np.tile(rng.standard_normal((1, 37)), (1000, 1)))
    for k in (1, 5, 999):
        answer = index.search(rng.standard_normal((3, 37)), k)
        assert (answer.ids == np.arange(k)).all()
        assert (answer.scores == answer.scores[:, :1]).all()


def test_mapped_and_new_rows_are_one_collection(flat: Exact, vectors: np.ndarray) -> None:
    assert len(flat) == 540
    assert 2 in flat
    assert 0 not in flat
    assert flat.has(np.array([1, 2, 0, 1198])).tolist() == [False, True, False, True]
    np.testing.assert_allclose(flat.take(np.array([1198, 2])), flat.prepare(vectors[[599, 1]]), atol=1e-7)
    for query in vectors[::60]:
        assert flat.search(query, 25).ids[0].tolist() == find_nearest(flat, query, 25)


def test_what_is_missing_cannot_be_taken(flat: Exact) -> None:
    with pytest.raises(ItemNotFound, match="item 20 "):
        flat.take(np.array([2, 20]))


def test_saving_drops_dead_rows_and_orders_by_id(flat: Exact, tmp_path: Path) -> None:
    flat.add(np.array([1]), np.ones((1, 12)))
    flat.save(tmp_path / "file")
    loaded = Exact(12)
    loaded.load(tmp_path / "file")
    assert (tmp_path / "file").stat().st_size == 4096 * 2 + 541 * 12 * 4
    assert loaded.rows.dead_count == 0
    assert (loaded.ids() == flat.ids()).all()
    assert (loaded.take(loaded.ids()) == flat.take(flat.ids())).all()
    with pytest.raises(ValueError, match="read-only"):
        loaded.rows.base[0] = 0


def test_a_long_life_in_memory_does_not_pile_up_dead_rows() -> None:
    index = Exact(4)
    for turn in range(40):
        index.add(np.arange(200) + 200 * turn, np.full((200, 4), turn + 1.0))
        index.remove(np.arange(190) + 200 * turn)
    assert len(index) == 400
    assert index.rows.count < 2000
    assert index.ids().tolist() == [i + 200 * turn for turn in range(40) for i in range(190, 200)]
    np.testing.assert_allclose(index.take(index.ids()), 0.5)


@pytest.mark.parametrize("content", [b"", b"nearkin1", b"x" * 5000])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(StoredFileDamaged):
        Exact(12).load(tmp_path / "file")


def test_a_file_of_another_dimension_is_refused(flat: Exact, tmp_path: Path) -> None:
    flat.save(tmp_path / "file")
    with pytest.raises(StoredFileDamaged, match="does not hold 540 vectors"):
        Exact(13).load(tmp_path / "file")


RESTRICTIONS = {
    "nothing": np.empty(0, int),
    "strangers": np.array([1, 3, 10**12, -7]),
    "one": np.array([22]),
    "a few, in disorder and twice": np.array([900, 22, 24, 22, 1, 900]),
    "one in seven": np.arange(0, 1200, 7),
    "a run across the border": np.arange(500, 700),
    "nearly all": np.setdiff1d(np.arange(1200), [22, 24]),
    "all": np.arange(1200),
}


@pytest.mark.parametrize("allowed", RESTRICTIONS.values(), ids=RESTRICTIONS.keys())
@pytest.mark.parametrize("cache_bytes", [0, 2**20], ids=["without room", "with room"])
@pytest.mark.parametrize("run", [0, 24], ids=["in runs", "by cost"])
def test_restrictions_are_exact(
    flat: Exact, vectors: np.ndarray, allowed: np.ndarray, cache_bytes: int, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexers.vectors.exact.RUN_COST", run)
    flat._matrix_cache.capacity_bytes = cache_bytes
    kept = flat.prepare_allowed(allowed)
    for query in (vectors[1], vectors[450]):
        true = find_nearest(flat, query, 20, allowed)
        for restricted in (allowed, kept, kept):
            assert [i for i in flat.search(query, 20, restricted).ids[0].tolist() if i >= 0] == true
        ids, scores = flat.search_radius(query, 0.2, kept)
        every, all_scores = flat.search_radius(query, 0.2)
        assert ids.tolist() == [i for i in every.tolist() if i in set(allowed.tolist())]
        assert (scores >= 0.2).all()
        assert (all_scores[:-1] >= all_scores[1:]).all()
    many = flat.search(vectors[:40], 20, kept)
    assert many.ids[1].tolist() == flat.search(vectors[1], 20, kept).ids[0].tolist()


def test_a_stale_restriction_is_prepared_again(flat: Exact, vectors: np.ndarray) -> None:
    kept = flat.prepare_allowed(np.array([2, 4, 6, 5000]))
    flat.search(vectors[0], 3, kept)
    flat.remove(np.array([4]))
    flat.add(np.array([5000]), vectors[:1])
    assert set(flat.search(vectors[0], 5, kept).ids[0].tolist()) == {2, 6, 5000, -1}


def test_gathered_rows_are_bounded(flat: Exact, vectors: np.ndarray) -> None:
    flat._matrix_cache.capacity_bytes = 100 * 12 * 4
    restrictions = [flat.prepare_allowed(np.arange(first, 1200, 30)) for first in range(2, 30, 2)]
    for kept in restrictions:
        flat.search(vectors[0], 3, kept)
        assert flat._matrix_cache.used_bytes <= 100 * 12 * 4
    held = [kept.matrix is not None for kept in restrictions]
    assert held == [False] * 12 + [True] * 2
    flat.add(np.array([1]), vectors[:1])
    assert flat._matrix_cache.used_bytes == 0


def test_a_radius_is_complete_and_exact_at_its_edge(flat: Exact, vectors: np.ndarray) -> None:
    ids, scores = flat.search_radius(vectors[1], -1.0)
    assert sorted(ids.tolist()) == flat.ids().tolist()
    edge, _ = flat.search_radius(vectors[1], float(scores[37]))
    assert edge.tolist() == ids[:38].tolist()
    assert len(flat.search_radius(vectors[1], 1.1)[0]) == 0
    assert len(Exact(12).search_radius(vectors[1], 0)[0]) == 0


def test_many_queries_go_in_turns(flat: Exact, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = flat.search(vectors, 7)
    monkeypatch.setattr("indexers.vectors.exact.MAX_SCORES", 2000)
    parts = flat.search(vectors, 7)
    assert (whole.ids == parts.ids).all()
    assert (whole.scores == parts.scores).all()


def test_wrong_settings_and_questions_are_named(flat: Exact) -> None:
    with pytest.raises(BadSetting, match="'ef'"):
        Exact(3, ef=3)
    with pytest.raises(BadSetting, match=r"'minkowski:0\.5' has no order"):
        Exact(3, "minkowski:0.5")
    with pytest.raises(BadSetting, match="hamming"):
        Exact(3, "hamming")
    with pytest.raises(BadQuery, match="one query"):
        flat.search_radius(np.ones((2, 12)), 0.5)


def test_a_restriction_tells_its_size(flat: Exact) -> None:
    kept = flat.prepare_allowed([2, 4, 5])
    assert isinstance(kept, Allowed)
    assert len(kept) == 2
    assert 4 in kept
    assert 7 not in kept
    assert kept.share == pytest.approx(2 / 540)
