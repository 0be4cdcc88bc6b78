"""The map of a collection: what has a place keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexers.errors import BadFilter
from retrieval import Collection
from retrieval.maps import mapper


def draw(count: int, seed: int = 0) -> np.ndarray:
    """Return vectors in three groups, one after another."""
    noise = np.random.default_rng(seed).standard_normal((count, 8))
    return np.eye(3, 8)[np.arange(count) % 3] + 0.05 * noise


def test_a_map_of_nothing_and_of_few(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        assert len(collection.map().items) == 0
        collection.add_vectors(draw(1), keys=["a"])
        assert collection.map().items.tolist() == [1]
        collection.add_vectors(draw(9), keys=[f"b{number}" for number in range(9)])
        assert len(collection.map().items) == 10


def test_what_has_a_place_keeps_it_and_new_items_lie_among_their_neighbours(tmp_path: Path) -> None:
    pytest.importorskip("openTSNE", reason="needs the extra map")
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(draw(60), keys=[f"a{number}" for number in range(60)])
        assert collection.map(build=False).built == 0
        steps: list[str] = []
        before = collection.map(progress=lambda done, total, step: steps.append(step))
        assert {"looking for neighbours", "laying out"} == set(steps)
        assert before.clusters.shape == (60, 3)
        assert {territory.level for territory in before.territories} == {"coarse", "medium", "fine"}
        collection.add_vectors(draw(12, 1), keys=[f"b{number}" for number in range(12)])
        collection.remove("a5")
        after = collection.map()
        common = np.isin(before.items, after.items)
        assert (len(after.items), after.built) == (71, before.built)
        assert np.array_equal(before.x[common], after.x[np.isin(after.items, before.items)])
        places = {int(item): np.array([x, y]) for item, x, y in zip(after.items, after.x, after.y, strict=True)}
        for number in range(12):
            nearest = next(hit.item for hit in collection.search(item=f"b{number}", k=30) if hit.key.startswith("a"))
            assert np.linalg.norm(places[collection.get(f"b{number}").id] - places[nearest]) < 0.4
        part = collection.map(where={"id": {"$lte": 10}})
        assert part.items.tolist() == [item for item in range(1, 11) if item != 6]
        assert part.x[0] == after.x[0]
        with pytest.raises(BadFilter):
            collection.map(where={"a": {"$no": 1}})
    with Collection.open(tmp_path / "c") as collection:
        assert np.array_equal(collection.map().y, after.y)
        again = collection.map(rebuild=True)
        assert again.as_of == again.built
        assert np.abs(again.x - after.x).max() < 2.5


def test_it_is_laid_out_anew_once_it_has_doubled(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(draw(4), keys=[f"a{number}" for number in range(4)])
        built = collection.map().built
        collection.add_vectors(draw(4, 1), keys=[f"b{number}" for number in range(4)])
        assert collection.map().built == built
        collection.add_vectors(draw(1, 2), keys=["c"])
        assert (collection.map(build=False).built, len(collection.map(build=False).items)) == (built, 9)
        assert collection.map().built == built  # nothing has changed since
        collection.add_vectors(draw(1, 3), keys=["d"])
        assert collection.map().built > built
        collection.remove(where={})
        assert len(collection.map().items) == 0


def test_without_its_package_it_says_which_command_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from indexers.errors import MissingPackage

    monkeypatch.setitem(sys.modules, "openTSNE", None)
    assert mapper.DRIFT == 1
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(draw(20), keys=[f"a{number}" for number in range(20)])
        with pytest.raises(MissingPackage, match=r"pip install 'nearkin\[map\]'"):
            collection.map()
