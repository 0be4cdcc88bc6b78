"""What a search of one space needs, and which of its vectors may answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.errors import BadQuery, UnreadablePicture
from retrieval import Collection
from retrieval.spaces import view as view_module
from retrieval.spaces.view import View, check_level, find_cluster_state, load_picture
from tests.clusters.test_browse import families
from tests.conftest import vectors

__all__ = ["families"]


def test_a_remembered_restriction_does_not_outlive_a_change(ready_made: Collection) -> None:
    query, where = vectors(1)[0], {"even": True}
    assert len(ready_made.search(vector=query, where=where)) == 10
    ready_made.update("n1", {"even": True})
    assert len(ready_made.search(vector=query, where=where)) == 11
    ready_made.remove("n0")
    assert len(ready_made.search(vector=query, where=where)) == 10


def test_filters_that_look_alike_are_kept_apart(ready_made: Collection) -> None:
    query = vectors(1)[0]
    ready_made.update("n1", {"one": 1})
    ready_made.update("n2", {"one": True})
    ready_made.update("n3", {"one": 1.0})
    ready_made.update("n4", {"one": "1"})
    for value, keys in ((1, {"n1", "n3"}), (True, {"n2"}), (1.0, {"n1", "n3"}), ("1", {"n4"})):
        assert {hit.key for hit in ready_made.search(vector=query, where={"one": value})} == keys
        assert {hit.key for hit in ready_made.search(vector=query, where={"one": {"$in": [value]}})} == keys


def read_view(collection: Collection) -> View:
    view = collection._spaces.view()
    assert view is not None
    return view


def test_no_restriction_is_none_and_one_is_built_once(ready_made: Collection) -> None:
    view = read_view(ready_made)
    with view.followers.current_snapshot() as snapshot:
        assert view.allowed(None, snapshot) is None
        assert view.allowed({}, snapshot) is None
        even = view.allowed({"even": True}, snapshot)
        assert even is not None
        assert len(even) == 10
        assert view.allowed({"even": True}, snapshot) is even
        assert view.allowed({"even": False}, snapshot) is not even


def test_only_so_many_restrictions_are_kept(ready_made: Collection) -> None:
    view = read_view(ready_made)
    with view.followers.current_snapshot() as snapshot:
        first = view.allowed({"number": 0}, snapshot)
        for number in range(1, 17):
            view.allowed({"number": number}, snapshot)
        assert view.allowed({"number": 16}, snapshot) is view.allowed({"number": 16}, snapshot)
        assert view.allowed({"number": 0}, snapshot) is not first


def test_clusters_and_a_filter_are_intersected(families: Collection) -> None:
    cluster, view = families.clusters()[0], read_view(families)
    with view.followers.current_snapshot() as snapshot:
        inside = view.allowed({"key": {"$in": ["f0-1", "f0-2", "f1-1"]}}, snapshot, within=[cluster])
        outside = view.allowed(None, snapshot, exclude=[cluster])
    assert inside is not None
    assert outside is not None
    assert len(inside) == 2
    assert len(outside) == families.count() - cluster.size


def test_the_searcher_follows_an_index_that_was_rebuilt(ready_made: Collection) -> None:
    view = read_view(ready_made)
    searcher = view.searcher
    assert view.searcher is searcher
    view.followers.rebuild()
    assert view.searcher.flat is view.flat.index
    assert len(view.searcher.flat) == 20


def test_levels_are_the_trees_or_a_clusterings_name(families: Collection) -> None:
    families.make_clustering("themes", k=3)
    view = read_view(families)
    with view.followers.current_snapshot() as snapshot:
        assert check_level("medium") == "medium"
        assert check_level("themes", snapshot) == "themes"
        for level in ("huge", None, 3, ["medium"]):
            with pytest.raises(BadQuery, match="there are: coarse, medium, fine, themes"):
                check_level(level, snapshot)
        state = find_cluster_state(view, snapshot, "themes")
        assert state is find_cluster_state(view, snapshot, "themes")
        assert state is not None
        assert [size for _, size in state.assignment("themes").clusters] == sorted(
            (cluster.size for cluster in families.clusters("themes")), reverse=True
        )


def test_a_view_without_clusters_has_no_state(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, clusters=0) as collection:
        collection.add_vectors(vectors(4))
        view = read_view(collection)
        with view.followers.current_snapshot() as snapshot:
            assert find_cluster_state(view, snapshot) is None


def test_a_picture_is_loaded_from_a_path_bytes_or_pixels(filled: Collection, folder: Path) -> None:
    view = read_view(filled)
    pixels = np.zeros((5, 7, 3), np.uint8)
    values: list[Any] = [folder / "red.png", str(folder / "red.png"), (folder / "red.png").read_bytes(), pixels]
    assert [load_picture(value, view).size for value in values] == [(160, 120)] * 3 + [(7, 5)]
    with pytest.raises(UnreadablePicture):
        load_picture(folder / "none.png", view)


def test_restrictions_are_bounded_in_bytes(ready_made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_module, "FILTER_BYTES", 100)
    view = read_view(ready_made)
    with view.followers.current_snapshot() as snapshot:
        for number in range(4):
            view.allowed({"number": {"$gte": number}}, snapshot)
            assert len(view._restrictions) == 1
        assert all(len(key) < 100 for key in view._restrictions)
