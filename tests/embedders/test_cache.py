"""The cache folder: files that save time, and that nothing depends on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path

import pytest

from indexers.embedders import cache

CONTENT = b"content" * 100
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nearkin"


class Maker:
    def __init__(self, content: bytes = CONTENT) -> None:
        self.content, self.calls = content, 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.content


def test_what_is_kept_is_not_made_again(home: Path) -> None:
    make = Maker()
    assert [cache.make_once("name", DIGEST, make) for _ in range(3)] == [CONTENT] * 3
    assert make.calls == 1
    assert [path.name for path in home.iterdir()] == ["name"]


@pytest.mark.parametrize("damage", [b"", b"x", CONTENT[:-1], CONTENT + b"x"])
def test_a_damaged_file_is_made_again(home: Path, damage: bytes) -> None:
    make = Maker()
    cache.make_once("name", DIGEST, make)
    (home / "name").write_bytes(damage)
    assert cache.make_once("name", DIGEST, make) == CONTENT
    assert make.calls == 2
    assert (home / "name").read_bytes() == CONTENT


def test_content_of_another_digest_is_used_but_not_kept(home: Path) -> None:
    assert cache.make_once("name", DIGEST, Maker(b"of another machine")) == b"of another machine"
    assert not home.exists()


def test_a_folder_that_cant_be_written_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    (tmp_path / "locked").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "locked"))
    make = Maker()
    with unprivileged():
        (tmp_path / "locked").chmod(0o500)
        assert cache.make_once("name", DIGEST, make) == CONTENT
        assert cache.make_once("name", DIGEST, make) == CONTENT
    assert make.calls == 2


def test_a_file_in_place_of_the_folder_is_no_obstacle(home: Path) -> None:
    home.parent.mkdir()
    home.write_bytes(b"")
    assert cache.make_once("name", DIGEST, Maker()) == CONTENT
    assert cache.read_cached("name") == b""


def test_nobody_needs_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", refuse)
    assert cache.make_once("name", DIGEST, Maker()) == CONTENT
