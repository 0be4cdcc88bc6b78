"""What a caller may give, sorted into files to scan and pictures to take as they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.errors import BadMetadata, BadVector, UsageError
from indexers.types import ScanFailure, Space
from retrieval import Collection
from retrieval.items import sources
from tests.conftest import vectors
from tests.support import pictures

SPACE = Space(1, "s", None, {}, "", 8, "cosine", True)


def test_paths_alone_are_scanned(folder: Path) -> None:
    for given_one in (
        folder,
        str(folder),
        [folder],
        [str(folder / "*.png")],
        (folder / name for name in os.listdir(folder)),
    ):
        found = sources.sort_pictures(given_one, {"x": 1}, None, None)
        assert found.files is not None
        assert len(list(found.files)) == 5
        assert (found.metadata, found.sources) == ({"x": 1}, [])


def test_what_is_given_one_by_one_keeps_its_order(folder: Path) -> None:
    red, blue = folder / "red.png", str(folder / "blue.png")
    found = sources.sort_pictures(
        [red, blue, b"bytes", pictures.disc()], [{"n": n} for n in range(4)], list("abcd"), None
    )
    assert found.files is None
    assert [one.key for one in found.sources] == list("abcd")
    assert [one.metadata["n"] for one in found.sources] == [0, 1, 2, 3]
    assert [one.name for one in found.sources] == [str(red), blue, "c", "d"]


def test_one_metadata_goes_to_all() -> None:
    found = sources.sort_pictures([b"a", b"b"], {"x": 1}, None, ["words", None])
    assert [(one.metadata, one.text) for one in found.sources] == [({"x": 1}, "words"), ({"x": 1}, None)]


@pytest.mark.parametrize("name", ["", "*.png", "nowhere.png"])
def test_with_keys_each_picture_is_one_file(folder: Path, name: str) -> None:
    with pytest.raises(UsageError):
        sources.sort_pictures([folder / name], None, ["k"], None)


def test_ready_made_vectors_become_arrivals() -> None:
    made = sources.build_arrivals(vectors(2), SPACE, ["a", "b"], ["/a", None], [{"n": 1}, {"n": 2}], ["t", None])
    assert [(one.key, one.uri, one.metadata, one.text) for one in made] == [
        ("a", "/a", {"n": 1}, "t"),
        ("b", None, {"n": 2}, None),
    ]
    assert [one.vector.tolist() for one in made if one.vector is not None] == vectors(2).tolist()


@pytest.mark.parametrize("given_one", [[1.0] * 8, np.ones(8), np.ones((1, 8), np.float64), [[1] * 8]])
def test_one_vector_may_be_a_row(given_one: Any) -> None:
    [made] = sources.build_arrivals(given_one, SPACE, None, None, None, None)
    assert made.vector is not None
    assert made.vector.dtype == np.float32


def test_some_may_have_no_vector_as_yet() -> None:
    one, two, three = sources.build_arrivals([None, vectors(1)[0], None], SPACE, ["a", "b", "c"], None, None, None)
    assert (one.vector, three.vector) == (None, None)
    assert two.vector is not None
    assert two.vector.tolist() == vectors(1)[0].tolist()
    assert [one.key for one in sources.build_arrivals([None, None], None, ["a", "b"], None, None, None)] == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"keys": ["a"]}, UsageError),
        ({"keys": "ab"}, UsageError),
        ({"keys": ["a", 2]}, UsageError),
        ({"uris": ["a"]}, UsageError),
        ({"uris": ["a", "\ud800"]}, UsageError),
        ({"texts": ["a", 2]}, UsageError),
        ({"metadata": [{}]}, UsageError),
        ({"metadata": [{}, 5]}, BadMetadata),
        ({"metadata": [{}, {"a": {1}}]}, BadMetadata),
        ({"vectors": [[1.0] * 8, [1.0] * 7]}, BadVector),
        ({"vectors": object()}, BadVector),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], kind: type[Exception]) -> None:
    asked: dict[str, Any] = {"vectors": vectors(2), "keys": None, "uris": None, "metadata": None, "texts": None}
    with pytest.raises(kind):
        sources.build_arrivals(space=SPACE, **(asked | options))


def test_a_scan_tells_what_has_vanished(folder: Path) -> None:
    scan = sources.Scan([folder, str(folder)])
    known = [str(folder / "red.png"), str(folder / "gone.png"), str(folder / "deep" / "gone.png")]
    assert all(not isinstance(one, ScanFailure) for one in scan)
    assert scan.find_vanished(known) == known[1:]
    assert str(folder) in scan.prefixes


def test_a_folder_that_is_not_there_is_not_synced(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist; a missing folder"):
        sources.Scan(tmp_path / "unmounted")


def test_keys_are_not_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert not sources.is_existing_file("red.png")
    assert sources.is_existing_file(str(folder / "red.png"))
    assert not sources.is_existing_file(str(folder / "nobody.png"))


def test_arrays_are_pictures_too(collection: Collection) -> None:
    red, blue = np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    assert collection.add([red, blue], keys=["red", "blue"]).added == 2
    assert collection.add(red).added == 1  # known by its pixels, without a key of its own
    assert collection.add(np.stack([red, blue])).known == 1
    assert collection.search(blue, k=1)[0].key == "blue"
    assert (collection.get("red").width, collection.get("red").height) == (9, 8)
    with pytest.raises(UsageError, match="is no picture"):
        collection.add([np.zeros((2, 2, 7), np.uint8)], keys=["seven"])


@pytest.mark.parametrize(
    "key",
    ["4.42.48\u202fPM", "v\u00a013.05", "家族\u3000旅行", "می\u200cخواهم", "\U0001f468\u200d\U0001f469", "\ue000"],
)
def test_names_that_file_systems_take_are_keys(key: str) -> None:
    assert sources.sort_pictures([b"a"], None, [key], None).sources[0].key == key


@pytest.mark.parametrize("key", ["", "a\0", "a\n", "\x1b[31m", "\x85", "\udce9"])
def test_control_characters_are_no_keys(key: str) -> None:
    with pytest.raises(UsageError, match="without control characters"):
        sources.sort_pictures([b"a"], None, [key], None)


def test_an_empty_path_is_not_the_current_folder() -> None:
    with pytest.raises(UsageError, match=r"number 1 is an empty path; give the current folder as '\.'"):
        sources.sort_pictures(["a.jpg", ""], None, None, None)


def test_an_empty_vector_beside_items_without_one_is_refused() -> None:
    for space in (None, SPACE):
        with pytest.raises(BadVector, match="1 of the vectors are empty; give None"):
            sources.build_arrivals([None, []], space, None, None, None, None)
