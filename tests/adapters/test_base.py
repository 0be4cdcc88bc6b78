"""What the adapters share, without any framework."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from indexers.embedders.tiny import Tiny
from indexers.errors import MissingPackage, UsageError
from retrieval import Collection
from retrieval.adapters import base


def test_a_missing_package_is_pythons_own_error_too() -> None:
    with pytest.raises(ImportError, match=r"needs the package 'x-core': pip install 'nearkin\[x\]'") as caught:
        base.raise_missing_package("x-core", "x", ImportError("no"))
    assert isinstance(caught.value, MissingPackage)
    assert caught.value.name == "x-core"


def test_embedders_come_by_name_or_as_they_are() -> None:
    own = Tiny()
    assert base.load_embedder(own, {}) is own
    assert base.load_embedder("classic", {}).name == "classic"


def test_pictures_come_in_every_form(folder: Path) -> None:
    red = folder / "red.png"
    [first, *rest] = base.embed_pictures(
        Tiny(), [red, str(red), f"file://{red}", red.read_bytes(), BytesIO(red.read_bytes())]
    )
    assert rest == [first] * 4
    assert base.embed_pictures(Tiny(), []) == []
    with pytest.raises(UsageError, match=r"https://.*not enabled|web"):
        base.embed_pictures(Tiny(), ["https://example.com/a.jpg"])


def test_ids_are_kept_and_the_rest_made() -> None:
    first, second, third = base.complete_keys(["a", None, ""], 3)
    assert first == "a"
    assert len({second, third}) == 2
    assert len(set(base.complete_keys(None, 5))) == 5
    with pytest.raises(UsageError, match="ids must have one value for each of 2; got 1"):
        base.complete_keys(["a"], 2)


def test_items_by_key_come_in_order_and_unknown_ones_are_passed_over(
    ready_made: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "KEYS_AT_ONCE", 3)
    keys = [f"n{n}" for n in (7, 3, 99, 11, 0, 5)]
    assert [item.key for item in base.find_items(ready_made, keys)] == ["n7", "n3", "n11", "n0", "n5"]
    assert [item.key for item in base.iterate_items(ready_made, None)] == [f"n{n}" for n in range(20)]
    assert [item.key for item in base.iterate_items(ready_made, {"number": {"$lt": 3}})] == ["n0", "n1", "n2"]
    assert base.remove_items(ready_made, keys) == 5
    assert ready_made.count() == 15


def test_documents_carry_what_a_search_says_but_for_their_own_keys(filled: Collection, folder: Path) -> None:
    filled.update(filled.get(str(folder / "red.png")).id, {"score": "mine", "$apart": {"x": 1}})
    hits = {hit.metadata["colour"]: base.build_metadata(hit) for hit in filled.search(folder / "green.png")}
    assert set(hits["green"]) == {"uri", "score", "clusters", "colour"}
    assert hits["red"]["score"] == "mine"
    assert "$apart" not in hits["red"]
    assert base.build_metadata(filled.get(str(folder / "blue.png"))) == {
        "uri": str(folder / "blue.png"),
        "colour": "blue",
    }


@pytest.mark.parametrize(
    ("path", "uri"),
    [(None, None), ("/a/b.png", "/a/b.png"), ("file:///a/b.png", "/a/b.png"), ("s3://a/b.png", "s3://a/b.png")],
)
def test_places_are_those_of_the_library(path: str | None, uri: str | None) -> None:
    assert base.to_uri(path) == uri


def test_nothing_and_everything(ready_made: Collection) -> None:
    assert ready_made.count(where=base.join_any([])) == ready_made.count(where=base.MATCH_NONE) == 0
    assert ready_made.count(where=base.join_all([])) == 20
    even, small = {"even": True}, {"number": {"$lt": 3}}
    assert ready_made.count(where=base.join_all([even, small])) == 2
    assert ready_made.count(where=base.negate(base.join_any([even, small]))) == 9
    assert ready_made.count(where={base.metadata_field("number"): 3}) == 1
