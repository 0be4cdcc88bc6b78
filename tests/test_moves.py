"""Which files were moved: those that are gone and whose content arrives elsewhere, and those under another name."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.moves import find_renamed, find_vanished
from indexers.pictures.scan import find_pictures
from indexers.types import Arrival, FoundFile
from tests.catalogue.test_transaction import A, B, put_items


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue.create(tmp_path / "catalogue")


def write(path: Path, content: bytes) -> FoundFile:
    path.write_bytes(content)
    return scan(path)


def scan(path: Path) -> FoundFile:
    [file] = find_pictures(path)
    assert isinstance(file, FoundFile)
    return file


def arrive(file: FoundFile, digest: bytes, key: str | None = None) -> Arrival:
    return Arrival(key, digest, uri=file.uri, file=file)


def test_a_gone_file_with_a_key_whose_content_arrives_elsewhere_was_moved(catalogue: Catalogue, tmp_path: Path) -> None:
    first, second = write(tmp_path / "1.png", b"A"), write(tmp_path / "2.png", b"A")
    put_items(catalogue, arrive(first, A, "mug"), arrive(second, A, "cup"))
    (tmp_path / "1.png").rename(tmp_path / "3.png")
    third = scan(tmp_path / "3.png")
    with catalogue.snapshot() as snapshot:
        assert find_vanished(snapshot, [arrive(third, A)]) == [first.uri]
        assert find_vanished(snapshot, [arrive(third, A, "pot")]) == []
        assert find_vanished(snapshot, [arrive(third, B)]) == []


def test_what_is_no_path_is_not_gone(catalogue: Catalogue, tmp_path: Path) -> None:
    put_items(catalogue, Arrival("mug", A, uri="zip://1.png::a.zip"), Arrival("cup", A, uri="https://example.org/1"))
    with catalogue.snapshot() as snapshot:
        assert find_vanished(snapshot, [arrive(write(tmp_path / "1.png", b"A"), A)]) == []


def test_a_file_without_a_key_is_asked_about_if_it_took_the_name_of_one_with_a_key(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    mug, plain = write(tmp_path / "mug.png", b"A"), write(tmp_path / "plain.png", b"B")
    put_items(catalogue, arrive(mug, A, "mug"), arrive(plain, B))
    (tmp_path / "plain.png").rename(tmp_path / "mug.png")
    with catalogue.snapshot() as snapshot:
        assert find_vanished(snapshot, [arrive(scan(tmp_path / "mug.png"), B)]) == [plain.uri]
        assert find_vanished(snapshot, [arrive(write(tmp_path / "new.png", b"B"), B)]) == []


def test_a_file_that_was_renamed_is_known_though_another_has_its_name(catalogue: Catalogue, tmp_path: Path) -> None:
    mug = write(tmp_path / "mug.png", b"A")
    put_items(catalogue, arrive(mug, A, "mug"))
    (tmp_path / "mug.png").rename(tmp_path / "moved.png")
    files = [write(tmp_path / "mug.png", b"B"), scan(tmp_path / "moved.png")]
    with catalogue.snapshot() as snapshot:
        assert find_renamed(snapshot, files) == [mug.uri]
        assert find_renamed(snapshot, files[:1]) == []
        assert find_renamed(snapshot, []) == []
