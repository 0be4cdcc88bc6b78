"""Sidecars beside pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexers.pictures.scan import find_pictures
from indexers.pictures.sidecars import read_sidecar
from indexers.types import FoundFile
from tests.support import pictures
from tests.support.descriptions import make_xmp, write_sidecar


def find(path: Path) -> FoundFile:
    [file] = find_pictures(path)
    assert isinstance(file, FoundFile)
    return file


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp", "a.jpg.XMP", "a.XMP"])
def test_a_sidecar_is_found_and_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jpg").write_bytes(pictures.jpeg())
    write_sidecar(tmp_path / name, 'xmp:Rating="5"', dc_subject=["boat"])
    for file in (find(tmp_path), find(tmp_path / "a.jpg"), find(tmp_path / "*.jpg")):
        assert file.sidecar is not None
        assert file.sidecar.path == str(tmp_path / name)
        assert read_sidecar(file.sidecar) == {"rating": 5, "tags": ["boat"]}


def test_the_name_with_the_pictures_suffix_comes_first(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(pictures.jpeg())
    write_sidecar(tmp_path / "a.xmp", 'xmp:Rating="1"')
    write_sidecar(tmp_path / "a.jpg.xmp", 'xmp:Rating="2"')
    write_sidecar(tmp_path / "b.jpg.xmp", 'xmp:Rating="3"')
    (tmp_path / "a.jpg.XMP").mkdir()
    sidecar = find(tmp_path).sidecar
    assert sidecar is not None
    assert read_sidecar(sidecar) == {"rating": 2}


@pytest.mark.parametrize("content", [b"", b"no XML", make_xmp('xmp:Rating="5"')[:-80]])
def test_a_broken_sidecar_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(pictures.jpeg())
    (tmp_path / "a.xmp").write_bytes(content)
    sidecar = find(tmp_path).sidecar
    assert sidecar is not None
    assert read_sidecar(sidecar) is None
    (tmp_path / "a.xmp").unlink()
    assert read_sidecar(sidecar) is None


def test_a_link_out_of_the_allowed_folders_is_not_followed(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "a.jpg").write_bytes(pictures.jpeg())
    write_sidecar(tmp_path / "secret.xmp", 'xmp:Rating="5"')
    (allowed / "a.xmp").symlink_to(tmp_path / "secret.xmp")
    [file] = [file for file in find_pictures(allowed, [allowed]) if isinstance(file, FoundFile)]
    assert file.sidecar is None
    followed = find(allowed).sidecar
    assert followed is not None
    assert read_sidecar(followed) == {"rating": 5}
    assert read_sidecar(followed, [allowed]) is None
