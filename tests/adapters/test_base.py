"""What the adapters share, without any framework."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

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


def find(collection: Collection, where: Any) -> list[str]:
    return [item.key for item in collection.walk(where=where)]


@pytest.fixture
def mixed(collection: Collection, folder: Path) -> Collection:
    """Return a collection of a picture (a), one with a format and a width in its metadata (b), and no picture (c)."""
    collection.add(
        [folder / "red.png", folder / "blue.png"], keys=["a", "b"], metadata=[{}, {"format": "art", "width": 3}]
    )
    collection.add_vectors([None], keys=["c"], metadata=[{"uri": "https://example.org/c", "width": "wide"}])
    return collection


@pytest.mark.parametrize(
    ("name", "test", "keys"),
    [
        ("format", "PNG", "a"),
        ("format", {"$ne": "PNG"}, "bc"),
        ("format", {"$in": ["PNG", "art", 5]}, "ab"),
        ("format", {"$exists": False}, "c"),
        ("format", {"$not": {"$contains": "r"}}, "ac"),
        ("width", {"$gte": 100}, "a"),
        ("width", {"$in": [3, True, 160]}, "ab"),
        ("width", {"$nin": [3, True]}, "ac"),
        ("width", "wide", "c"),
        ("width", {"$ne": "wide"}, "ab"),
        ("uri", {"$contains": "red"}, "a"),
        ("uri", "https://example.org/c", "c"),
        ("uri", {"$icontains": "EXAMPLE"}, "c"),
        ("missing", False, "abc"),
        ("nothing", {"$exists": False}, "abc"),
        ("metadata.width", 3, "b"),
        ("id", "b", "b"),
        ("id", {"$nin": ["b"]}, "ac"),
        ("id", 1, "a"),
    ],
)
def test_a_field_is_a_key_of_the_metadata_or_the_items_own(mixed: Collection, name: str, test: Any, keys: str) -> None:
    assert find(mixed, base.match_fields({name: test})) == list(keys)
    assert find(mixed, base.match_fields({"$not": {name: test}})) == [key for key in "abc" if key not in keys]
    assert find(mixed, base.match_fields({"$or": [{name: test}, {"key": "a"}]})) == sorted({*keys, "a"})


@pytest.mark.parametrize("where", [None, {}, {"$or": 3}, {"$near": 1}, [], {"a": {}}, {3: 4}])
def test_what_is_no_filter_stays_what_it_is(where: Any) -> None:
    assert base.match_fields(where) == where


def test_frameworks_filter_by_the_items_own_fields(mixed: Collection, folder: Path) -> None:
    for field, operator, value in (
        ("format", "==", "PNG"),
        ("width", ">", 100),
        ("uri", "==", str(folder / "red.png")),
    ):
        assert _find_by_haystack(mixed, field, operator, value) == ["a"]
        assert _find_by_llamaindex(mixed, field, operator, value) == ["a"]
        assert _find_by_langchain(mixed, {field: {base.COMPARISONS[operator]: value}}) == ["a"]


def _find_by_haystack(collection: Collection, field: str, operator: str, value: Any) -> list[str]:
    pytest.importorskip("haystack")
    from retrieval.adapters.haystack import NearkinDocumentStore

    filters = {"field": f"meta.{field}", "operator": operator, "value": value}
    return [document.id for document in NearkinDocumentStore(collection).filter_documents(filters)]


def _find_by_llamaindex(collection: Collection, field: str, operator: str, value: Any) -> list[str]:
    pytest.importorskip("llama_index.core")
    from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters

    from retrieval.adapters.llamaindex import NearkinVectorStore

    filters = MetadataFilters(filters=[MetadataFilter(key=field, operator=operator, value=value)])
    return [node.node_id for node in NearkinVectorStore(collection).get_nodes(filters=filters)]


def _find_by_langchain(collection: Collection, where: Any) -> list[str]:
    pytest.importorskip("langchain_core")
    from retrieval.adapters.langchain import NearkinVectorStore

    store = NearkinVectorStore(collection)
    return [document.id or "" for document in store.similarity_search_by_vector([1.0] * 13, filter=where)]
