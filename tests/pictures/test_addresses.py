"""Addresses: what is one, and that no link of a chain leads where it must not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from indexers.errors import UnreadablePicture
from indexers.pictures import remote
from indexers.pictures.addresses import is_remote
from indexers.types import Limits, ScanFailure

LIMITS = Limits()


@pytest.mark.parametrize("name", ["a::b.jpg", "/pictures/a::b.jpg", "photo::1.jpg", "http:/x", "C:\\a.jpg", "a.jpg"])
def test_paths_are_no_addresses(name: str) -> None:
    assert not is_remote(name)


@pytest.mark.parametrize(
    "address",
    [
        "simplecache://a.png::reference::{}/refs.json",
        "simplecache://a.png::reference://{}/refs.json",
        "simplecache://a.png::REFERENCE::{}/refs.json",
        "simplecache::reference::zip://refs.json::{}/refs.zip",
        "zip://a.png::simplecache::reference::{}/refs.json",
        "filecache://::reference://a.png::{}/refs.json",
        "memory://a.png::hf::x",
        "zip://a.png::ssh::{}/refs.zip",
        "simplecache::git::{}",
        "simplecache::github://user@repository/a.png",
        "zip://a.png::data:text,x::{}/refs.zip",
        "zip://a.png::HTTPS://localhost/a.zip",
        "simplecache::ftp://localhost/a.png",
    ],
)
def test_no_link_of_a_chain_leads_beyond_files_archives_and_buckets(tmp_path: Path, address: str) -> None:
    """fsspec would take a plain word for a scheme; a list of references names any URL, and holds templates."""
    (tmp_path / "refs.json").write_text('{"version": 1, "refs": {"a.png": "x"}}')
    with zipfile.ZipFile(tmp_path / "refs.zip", "w") as zipped:
        zipped.write(tmp_path / "refs.json", "refs.json")
    with pytest.raises(UnreadablePicture, match=r"is not supported|leads to the web"):
        remote.read_uri(address.format(tmp_path), LIMITS)
    [record] = remote.find_pictures(address.format(tmp_path))
    assert isinstance(record, ScanFailure)


@pytest.mark.parametrize("word", ["reference", "hf", "ssh", "git", "memory", "zip"])
def test_a_plain_word_at_the_end_of_a_chain_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadablePicture, match="there is no archive"):
        remote.read_uri(f"zip://a.png::{word}", LIMITS)
    with zipfile.ZipFile(tmp_path / word, "w") as zipped:
        zipped.writestr("a.png", b"x")
    assert remote.read_uri(f"zip://a.png::{word}", LIMITS) == b"x"
    assert remote.read_uri(f"simplecache::ZIP://a.png::{word}", LIMITS) == b"x"
    assert remote.read_uri(f"zip://a.png::local://{tmp_path / word}", LIMITS) == b"x"
