"""How hits are ranked: fused from two rankings, diversified, and limited per cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexers.arrays import scale_to_unit
from retrieval import Collection
from retrieval.search import ranking
from retrieval.search.ranking import choose_diverse, fuse_rankings, to_arrays
from retrieval.spaces.cluster_state import Assignment
from tests.clusters.test_browse import families, family
from tests.conftest import vectors

__all__ = ["families"]


def test_diversify_chooses_as_the_formula_says() -> None:
    data = scale_to_unit(vectors(30, dimension=6))
    query = data[0]
    for diversity in (0.0, 0.3, 0.7, 1.0):
        chosen: list[int] = []
        while len(chosen) < 8:
            rest = [n for n in range(30) if n not in chosen]
            worth = {
                n: (1 - diversity) * float(data[n] @ query) - diversity * max(float(data[n] @ data[m]) for m in chosen)
                if chosen
                else float(data[n] @ query)
                for n in rest
            }
            chosen.append(max(rest, key=lambda n: worth[n]))
        assert choose_diverse(data, query, 8, diversity) == chosen


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Collection]:
    """Sixty families of a hundred, through the graph."""
    with Collection.open(tmp_path / "many", create=True, scan_below=0) as made:
        made.add_vectors(
            np.concatenate([family(number, 100) for number in range(60)]), keys=[f"k{n}" for n in range(6000)]
        )
        yield made


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_cluster_has_more_than_its_share_and_all_are_filled(families: Collection, most: int) -> None:
    hits = families.search(vector=family(0, 1)[0], k=60, per_cluster=most, level="medium")
    counts: dict[str, int] = {}
    for hit in hits:
        counts[hit.key.split("-")[0]] = counts.get(hit.key.split("-")[0], 0) + 1
    assert counts == {f"f{number}": most for number in range(6)} | {f"s{number}": 1 for number in range(4)}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_through_the_graph_too_however_crowded_the_nearest_family_is(many: Collection) -> None:
    query = family(7, 1, seed=3)[0]
    hits = many.search(vector=query, k=20, per_cluster=2, level="medium")
    assert len(hits) == 20
    families = [(int(hit.key[1:])) // 100 for hit in hits]
    assert max(families.count(one) for one in families) == 2
    rows = np.concatenate([family(number, 100) for number in range(60)])
    scores = (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ (query / np.linalg.norm(query))
    order, wanted, taken = np.argsort(-scores), [], {}
    for place in order.tolist():
        if taken.get(place // 100, 0) < 2:
            taken[place // 100] = taken.get(place // 100, 0) + 1
            wanted.append(f"k{place}")
    assert len({hit.key for hit in hits} & set(wanted[:20])) >= 19


@pytest.mark.parametrize(("count", "most"), [(20, 2), (60, 1), (5, 99), (200, 3)])
def test_the_limit_of_clusters_is_proved_too(many: Collection, count: int, most: int) -> None:
    query = family(7, 1, seed=3)[0]
    hits = many.search(vector=query, k=count, per_cluster=most, level="medium", exact=True)
    assert hits.proof == "no other item can be nearer within the limit of each cluster"
    rows = np.concatenate([family(number, 100) for number in range(60)])
    scores = (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ (query / np.linalg.norm(query))
    wanted, taken = [], dict.fromkeys(range(60), 0)
    for place in np.argsort(-scores).tolist():
        taken[place // 100] += 1
        if taken[place // 100] <= most:
            wanted.append(f"k{place}")
    assert [hit.key for hit in hits] == wanted[:count]
    assert many.search(vector=query, k=20, per_cluster=2, level="medium").proof is None
    assert many.search(vector=query, k=3, group=True, exact=True).proof is not None


def test_an_item_that_is_asked_about_does_not_take_a_place(families: Collection) -> None:
    hits = families.search(item="f0-0", k=4, per_cluster=1, level="medium")
    assert "f0-0" not in {hit.key for hit in hits}
    assert len(hits) == 4


def test_two_rankings_are_fused_by_the_sum_of_their_reciprocal_ranks() -> None:
    ids, scores = fuse_rankings([(7, 9.0), (3, 5.0)], [3, 8])
    assert ids.tolist() == [3, 7, 8]
    assert scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])
    assert fuse_rankings([(2, 1.0)], [1])[0].tolist() == [1, 2]  # equal scores: by id
    ids, scores = to_arrays([])
    assert (ids.dtype, scores.dtype, len(ids)) == (np.int64, np.float32, 0)


def test_variety_alone_goes_to_the_other_end() -> None:
    rows = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0]], np.float32)
    assert choose_diverse(rows, rows[0], 2, 1.0) == [0, 3]
    assert choose_diverse(rows, rows[0], 2, 0.0) == [0, 1]
    assert choose_diverse(rows, rows[0], 9, 0.5, "l2") == choose_diverse(rows, rows[0], 4, 0.5, "l2")


def test_per_cluster_counts_within_a_filter_and_without_the_query(families: Collection) -> None:
    keys = [f"f{number}-{place}" for number in range(3) for place in range(5)] + ["s0"]
    hits = families.search(item="f0-0", k=20, per_cluster=3, level="medium", where={"key": {"$in": keys}})
    counts = {name: sum(hit.key.startswith(name) for hit in hits) for name in ("f0", "f1", "f2", "s0")}
    assert counts == {"f0": 3, "f1": 3, "f2": 3, "s0": 1}
    assert "f0-0" not in {hit.key for hit in hits}


@pytest.mark.parametrize("first", [1, 7, 1000])
def test_the_best_of_each_cluster_are_those_of_the_whole_order(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "FIRST_SORTED", first)
    random = np.random.default_rng(first)
    for _ in range(60):
        total, limit, count = (int(number) for number in random.integers(1, (120, 4, 40)))
        ids = random.permutation(200)[:total]
        scores = random.integers(0, 12, total).astype(np.float32)  # many are equal
        assignment = Assignment(np.arange(200), random.integers(0, 6, 200))
        best, taken = [], dict.fromkeys(range(1, 6), 0)
        for _, item_id in sorted(zip((-scores).tolist(), ids.tolist(), strict=True)):
            label = int(assignment.labels[item_id])
            if not label or taken[label] < limit:
                taken[label] = taken.get(label, 0) + 1
                best.append(item_id)
        found = ranking._find_best_per_cluster(ids, scores, assignment, limit, count)
        assert found.tolist() == best[:count]
