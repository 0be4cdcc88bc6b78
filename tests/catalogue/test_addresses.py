from __future__ import annotations

from pathlib import Path

import pytest

from indexers.catalogue.addresses import parse_address
from indexers.errors import UsageError
from retrieval import Collection


def test_a_folder_is_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_address("photos") == parse_address(Path("photos")) == parse_address("~/photos") == tmp_path / "photos"


@pytest.mark.parametrize("address", ["s3://bucket/photos", "mysql://root:secret@host/db", "file:///photos"])
@pytest.mark.parametrize("kind", [str, Path])
def test_what_is_no_folder_is_refused_and_nothing_is_made(
    address: str, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as error:
        Collection.open(kind(address), create=True)
    assert address.split(":")[0] in str(error.value)
    assert "secret" not in str(error.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a:b", "./s3:/x", "10:30", "C:/photos", "what?", "50%"])
def test_unusual_names_are_folders(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address(name) == tmp_path / name
