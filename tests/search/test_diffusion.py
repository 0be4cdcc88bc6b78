"""Ranking again by diffusion over the stored graph."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from indexers.errors import BadQuery, UsageError
from retrieval import Collection
from retrieval.search import diffusion


def make_moons(count: int) -> np.ndarray:
    """Return the points of two half circles, one beside the other, as unit vectors in three dimensions."""
    angle = np.linspace(0, np.pi, count)
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    lower = np.stack([1 - np.cos(angle), 0.4 - np.sin(angle)], 1)
    flat = 0.5 * np.concatenate([upper, lower])
    return scale_to_unit(np.concatenate([flat, np.ones((2 * count, 1))], 1)).astype(np.float32)


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    with Collection.open(tmp_path_factory.mktemp("moons") / "c", create=True) as collection:
        keys = [f"{side}-{n}" for side in ("upper", "lower") for n in range(80)]
        collection.add_vectors(make_moons(80), keys=keys, metadata=[{"even": n % 2 == 0} for n in range(160)])
        yield collection


def test_what_hangs_together_with_the_query_comes_before_what_is_near(moons: Collection) -> None:
    plain = moons.search(item="upper-0", k=40)
    again = moons.search(item="upper-0", k=40, rerank="diffusion")
    of_same = [sum(hit.key.startswith("upper") for hit in hits) for hits in (plain, again)]
    assert of_same[1] >= 2 * of_same[0]
    assert "upper-0" not in [hit.key for hit in again]
    assert [hit.score for hit in again] == sorted((hit.score for hit in again), reverse=True)
    assert len(again) == 40
    assert again.proof is None
    assert plain[0].chance is not None
    assert {(hit.chance, hit.certainty) for hit in again} == {(None, None)}  # its scores are no similarities


def test_the_shares_solve_the_equations(moons: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffusion, "STEPS", 400)
    view = moons._spaces.view()
    assert view is not None
    assert view.tree is not None
    graph = view.tree.graph
    nearest = view.searcher.search(view.flat.index.take(np.array([5])), 160)
    ids, shares = diffusion.rank_by_diffusion(graph, nearest.ids[0], nearest.scores[0])
    nodes = np.flatnonzero(graph.item >= 0)
    step = diffusion._build_step(graph, nodes).toarray()
    assert np.allclose(step, step.T)
    begin = np.zeros(len(nodes))
    seeds = nearest.ids[0][: diffusion.SEEDS]
    begin[np.searchsorted(nodes, graph.slot[seeds])] = nearest.scores[0][: diffusion.SEEDS].astype(float) ** 10
    exact = np.linalg.solve(np.eye(len(nodes)) - diffusion.SPREAD * step, begin)
    assert shares == pytest.approx(exact[np.searchsorted(nodes, graph.slot[ids])], rel=1e-5)


def test_a_filter_still_fills_the_hits(moons: Collection) -> None:
    hits = moons.search(item="upper-3", k=30, where={"even": True}, rerank="diffusion")
    assert len(hits) == 30
    assert all(hit.metadata["even"] for hit in hits)


def test_equal_items_come_along(moons: Collection) -> None:
    vector = make_moons(80)[2]
    [item_id] = moons.add_vectors([vector], keys=["again"]).items
    hits = moons.search(item="upper-0", k=20, rerank="diffusion")
    shares = {hit.key: hit.score for hit in hits}
    assert shares["again"] == shares["upper-2"]
    moons.remove([item_id])


def test_what_cannot_be_asked(moons: Collection, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(BadQuery, match="rerank is 'diffusion', or None; got 'magic'"):
        moons.search(item=1, rerank="magic")
    for name, value in {"radius": 0.5, "diversify": 0.2, "exact": True, "per_cluster": 2, "query": "words"}.items():
        with pytest.raises(BadQuery, match=f"rerank= can't be combined with {name}="):
            moons.search(item=None if name == "query" else 1, rerank="diffusion", **{name: value})
    with Collection.open(tmp_path_factory.mktemp("flat") / "c", create=True, clusters=0) as flat:
        flat.add_vectors(np.eye(3))
        with pytest.raises(UsageError, match="needs the graph of neighbours"):
            flat.search(item=1, rerank="diffusion")
