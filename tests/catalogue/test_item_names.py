"""Items by any of their names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.errors import ItemNotFound
from indexers.pictures.scan import to_uri
from indexers.types import Arrival


@pytest.mark.parametrize("relative", [False, True])
def test_an_item_is_found_by_id_key_and_path(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with catalogue.transaction() as writing:
        [stored] = writing.put([Arrival("mine", uri=str(tmp_path / "a.jpg"))])
    names = ["a.jpg", "~/a.jpg", "./x/../a.jpg"] if relative else [str(tmp_path / "a.jpg"), "mine", stored.item_id]
    with catalogue.snapshot() as snapshot:
        assert snapshot.resolve([*names, np.int64(stored.item_id)]) == [stored.item_id] * 4


def test_a_key_goes_before_a_path(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        by_key, by_place = writing.put([Arrival("/a.jpg"), Arrival("b", uri="/a.jpg")])
    with catalogue.snapshot() as snapshot:
        assert snapshot.resolve(["/a.jpg", "b"]) == [by_key.item_id, by_place.item_id]


@pytest.mark.parametrize("name", ["nobody", "", "\ud800", "\udcff.jpg", "a\0b", 0, -1, 999, 2**63, 10**30])
def test_what_is_not_there_is_named(catalogue: Catalogue, name: int | str) -> None:
    with catalogue.snapshot() as snapshot, pytest.raises(ItemNotFound) as raised:
        snapshot.resolve([name])
    assert repr(name) in str(raised.value)


def test_a_path_that_is_not_utf8_is_found(catalogue: Catalogue) -> None:
    path = os.fsdecode(b"/pictures/\xff.jpg")
    with catalogue.transaction() as writing:
        [stored] = writing.put([Arrival("a", uri=to_uri(path))])
    with catalogue.snapshot() as snapshot:
        assert snapshot.resolve([path]) == [stored.item_id]


def test_names_come_back_in_order_however_many_and_repeated(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival(f"k{n}", uri=f"/{n}") for n in range(2500)])
    with catalogue.snapshot() as snapshot:
        assert snapshot.resolve(["/2499", 7, "k0", 7, "/2499"]) == [2500, 7, 1, 7, 2500]
        assert snapshot.resolve([f"/{n}" for n in range(2500)][::-1]) == list(range(2500, 0, -1))
        assert snapshot.resolve(range(1, 2501)) == list(range(1, 2501))
        assert snapshot.resolve([]) == []


def test_the_first_name_that_does_not_exist_is_the_one_that_is_named(catalogue: Catalogue) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival("a")])
    with catalogue.snapshot() as snapshot:
        with pytest.raises(ItemNotFound, match="no item with the key or path 'b'"):
            snapshot.resolve(["a", "b", 99])
        with pytest.raises(ItemNotFound, match="no item with the id 99"):
            snapshot.resolve([1, 99, "b"])


def test_a_relative_path_in_a_folder_that_is_gone_is_taken_as_a_key(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with catalogue.transaction() as writing:
        writing.put([Arrival("mine")])
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with catalogue.snapshot() as snapshot:
        assert snapshot.resolve(["mine"]) == [1]
