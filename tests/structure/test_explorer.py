"""Ways, surroundings and summaries of a collection."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import BadQuery, ItemNotFound, UsageError
from retrieval import Collection, Hits
from retrieval.structure import explorer


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """200 vectors on a circle, and 12 far from it: neighbours of neighbours lead all around."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rows = np.zeros((212, 8), np.float32)
    rows[:200, 0], rows[:200, 1] = np.cos(angle), np.sin(angle)
    rows[200:, 4:] = np.abs(np.random.default_rng(0).standard_normal((12, 4))) * 0.1
    rows[200:, 3] = 1
    with Collection.open(tmp_path_factory.mktemp("circle") / "c", create=True) as collection:
        collection.add_vectors(rows, keys=[f"k{n}" for n in range(212)], metadata=[{"odd": n % 2} for n in range(212)])
        yield collection


def test_a_widest_path_goes_from_neighbour_to_neighbour(circle: Collection) -> None:
    path = circle.path_between("k0", "k30")
    numbers = [int(hit.key[1:]) for hit in path.hits]
    assert (numbers[0], numbers[-1]) == (0, 30)
    assert numbers == sorted(numbers)
    steps = np.diff(numbers)
    assert path.weakest == pytest.approx(np.cos(2 * np.pi * steps.max() / 200), abs=1e-3)
    assert [hit.score for hit in path.hits[1:]] == pytest.approx(np.cos(2 * np.pi * steps / 200), abs=1e-3)
    assert path.hits[0].score == 1
    assert "weakest link" in repr(path)


def test_a_shortest_path_may_take_larger_steps(circle: Collection) -> None:
    widest, shortest = (circle.path_between("k0", "k30", kind=kind) for kind in ("widest", "shortest"))
    assert shortest.weakest <= widest.weakest
    assert shortest.kind == "shortest"


def test_a_path_after_a_change_is_one_of_the_graph_as_it_is(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        angle = np.linspace(0, 1.5, 60)
        rows = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
        ids = collection.add_vectors(rows).items
        before = collection.path_between(ids[0], ids[-1])
        collection.remove([hit.item for hit in before.hits[1:-1]])
        after = collection.path_between(ids[0], ids[-1])
        assert not {hit.item for hit in before.hits[1:-1]} & {hit.item for hit in after.hits}
        assert after.as_of > before.as_of


def test_equal_pictures_are_a_path_of_two(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        rows = np.random.default_rng(0).standard_normal((30, 4))
        ids = collection.add_vectors(np.concatenate([rows, rows[:1]])).items
        path = collection.path_between(ids[0], ids[30])
        assert [hit.item for hit in path.hits] == [ids[0], ids[30]]
        assert path.weakest == 1
        path = collection.path_between(ids[30], ids[9])
        assert (path.hits[0].item, path.hits[-1].item) == (ids[30], ids[9])
        assert ids[30] in [hit.item for hit in collection.around(ids[9], 10, k=40)]
        assert [hit.item for hit in collection.path_between(ids[3], ids[3]).hits] == [ids[3]]


def test_what_lies_around_is_met_by_steps(circle: Collection) -> None:
    hits = circle.around(["k50", "k51"], hops=1, k=8)
    assert all(abs(int(hit.key[1:]) - 50.5) < 12 for hit in hits)
    assert not {"k50", "k51"} & {hit.key for hit in hits}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(circle.around("k50", hops=2, k=500)) > len(circle.around("k50", hops=1, k=500))


def test_a_summary_shows_every_side(circle: Collection) -> None:
    summary = circle.summary(9)
    numbers = [int(hit.key[1:]) for hit in summary.hits]
    assert sum(number >= 200 for number in numbers) == 1
    around = sorted(number for number in numbers if number < 200)
    gaps = np.diff([*around, around[0] + 200])
    assert gaps.max() < 2.5 * gaps.min()
    assert summary.total == 212
    assert sum(hit.score for hit in summary.hits) == pytest.approx(1)
    assert "stand for 212" in repr(summary)


def test_a_summary_within_limits_and_going_on(circle: Collection) -> None:
    odd = circle.summary(5, where={"odd": 1})
    assert all(hit.metadata["odd"] for hit in odd.hits)
    assert odd.total == 106
    cluster = circle.clusters()[0]
    inside = circle.summary(3, within=cluster)
    assert {hit.item for hit in inside.hits} <= set(cluster.members)
    first = circle.summary(3)
    more = circle.summary(3, continue_from=[hit.item for hit in first.hits])
    assert not {hit.item for hit in first.hits} & {hit.item for hit in more.hits}
    assert circle.summary(2, where={"odd": 7}).hits == ()


def test_what_cannot_be_asked(circle: Collection, tmp_path: Path) -> None:
    with pytest.raises(BadQuery, match="'widest' or 'shortest'; got 'long'"):
        circle.path_between("k0", "k1", kind="long")
    with pytest.raises(ItemNotFound):
        circle.path_between("k0", "nobody")
    with pytest.raises(BadQuery, match="hops is at most 20; got 21"):
        circle.around("k0", hops=21)
    with pytest.raises(BadQuery, match="at least one item"):
        circle.around([])
    with pytest.raises(BadQuery):
        circle.summary(0)
    with pytest.raises(ItemNotFound):
        circle.summary(2, continue_from=["nobody"])
    with Collection.open(tmp_path / "empty", create=True) as empty:
        assert empty.around([1]) == Hits((), 0)
        assert empty.summary().hits == ()
        with pytest.raises(BadQuery, match="the collection is empty"):
            empty.path_between(1, 2)
    with Collection.open(tmp_path / "flat", create=True, clusters=0) as flat:
        flat.add_vectors(np.eye(3))
        with pytest.raises(UsageError, match="keeps no graph"):
            flat.path_between(1, 2)
        assert len(flat.summary(2).hits) == 2


def test_no_way_is_told(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    rows = np.zeros((60, 8))
    rows[:30, :4], rows[30:, 4:] = random.standard_normal((30, 4)), random.standard_normal((30, 4))
    with Collection.open(tmp_path / "c", create=True) as collection:
        ids = collection.add_vectors(np.abs(rows)).items
        with pytest.raises(BadQuery, match=f"no path leads from item {ids[0]} to item {ids[40]}"):
            collection.path_between(ids[0], ids[40])


def test_a_summary_of_many_looks_at_some_of_them(circle: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "REPRESENTED", 60)
    summary = circle.summary(4)
    assert summary.total == 212
    assert len({hit.item for hit in summary.hits}) == 4
    assert circle.summary(4) == summary


def test_what_only_paths_need_is_not_imported_by_a_search() -> None:
    script = "import sys, retrieval.collection; print(sorted({'scipy', 'sklearn', 'torch', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
