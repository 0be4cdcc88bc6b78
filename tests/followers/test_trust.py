"""Signing the files of others: only undamaged ones, and the owner's signature stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from indexers.catalogue import read_only
from indexers.errors import CollectionNotFound, LeadsOutside
from indexers.followers.trust import trust_collection
from retrieval import Collection
from tests.conftest import vectors
from tests.followers.test_stored_file import forge


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a collection that another user has made, with a second one's key in force."""
    place = tmp_path / "theirs"
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / "anna"))
    with Collection.open(place, create=True, scan_below=0) as collection:
        collection.add_vectors(vectors(60))
        collection.catch_up()
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / "bob"))
    return place


def read_derived(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("spaces/**/*") if path.is_file()}


def test_files_of_another_user_stay_and_are_derived_for_this_one(foreign: Path) -> None:
    before = read_derived(foreign)
    with Collection.open(foreign) as collection:
        [told] = collection.info().repairs
        assert "another user" in told
        assert f"nearkin trust {foreign}" in told
        assert collection.verify().ok
        collection.add_vectors(vectors(5, seed=1))
        collection.catch_up()
        assert len(collection.search(vector=vectors(1)[0], k=65)) == 65
    assert read_derived(foreign) == before
    with Collection.open(foreign) as collection:
        assert collection.info().repairs == ()
        assert collection.verify().ok
        assert collection.info().items == 65
    assert read_derived(foreign) == before


def test_of_a_collection_that_may_only_be_read_files_are_derived_once(
    foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_only, "can_write", lambda _: False)
    before = read_derived(foreign)
    for count in (1, 0):
        with Collection.open(foreign) as collection:
            assert len(collection.info().repairs) == count
            assert len(collection.search(item=1, k=70)) == 59
    assert read_derived(foreign) == before


def test_what_is_trusted_is_loaded_and_stays_its_owners(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trust_collection(foreign) == (3, [])
    assert trust_collection(foreign) == (0, [])
    for user in ("bob", "anna"):
        monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / user))
        with Collection.open(foreign) as collection:
            assert collection.verify().ok
            assert collection.info().repairs == ()
    assert not (tmp_path / "bob" / "derived").exists()


def test_damaged_files_are_not_signed(foreign: Path) -> None:
    [payload] = foreign.glob("spaces/*/index/payload-?")
    payload.write_bytes(payload.read_bytes()[:-1] + b"\x55")
    signed, [reason] = trust_collection(foreign)
    assert signed == 2
    assert "checksum" in reason
    with Collection.open(foreign) as collection:
        assert collection.verify().ok


def test_only_collections_are_signed_and_only_inside(foreign: Path, tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFound):
        trust_collection(tmp_path)
    shutil.move(foreign / "spaces" / "1" / "index", tmp_path / "outside")
    (foreign / "spaces" / "1" / "index").symlink_to(tmp_path / "outside")
    with pytest.raises(LeadsOutside):
        trust_collection(foreign)


def test_files_without_a_signature_are_made_anew_once(foreign: Path) -> None:
    for header in foreign.glob("spaces/*/*/header"):
        strip_signatures(header)
    with Collection.open(foreign) as collection:
        [told] = collection.info().repairs
        assert "older version" in told
        ids = collection.search(vector=vectors(1)[0], k=3)
        assert collection.verify().ok
    with Collection.open(foreign) as collection:
        assert collection.info().repairs == ()
        assert np.array_equal(ids, collection.search(vector=vectors(1)[0], k=3)) or len(ids) == 3


def strip_signatures(header: Path) -> None:
    """Write a header as the version before did: without a line of signatures."""
    import xxhash

    text = header.read_bytes().split(b"\n")[0]
    header.write_bytes(text + b"\n" + xxhash.xxh3_128_hexdigest(text).encode() + b"\n")


@pytest.mark.parametrize("index", ["hnsw", "usearch", "faiss", "rabitq"])
@pytest.mark.parametrize("name", ["index", "tree", "flat"])
def test_a_forged_file_of_any_kind_is_not_loaded(tmp_path: Path, index: str, name: str) -> None:
    if index != "hnsw":
        pytest.importorskip({"rabitq": "rabitqlib"}.get(index, index))
    place = tmp_path / "c"
    with Collection.open(place, create=True, scan_below=0, index=index) as collection:
        collection.add_vectors(vectors(60))
        collection.catch_up()
    folder = place / "spaces" / "1" / name
    forge(folder)
    with Collection.open(place, scan_below=0, index=index) as collection:
        assert len(collection.search(vector=vectors(1)[0], k=60)) == 60
        collection.cut(threshold=0.5)
        assert any("forged signature" in repair for repair in collection.info().repairs)
    with Collection.open(place, scan_below=0, index=index) as collection:
        assert collection.verify().ok
