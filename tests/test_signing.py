"""Keys: made once, readable by their owner alone, kept with the user's data; signatures of every byte."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from indexers import signing


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / "a" / "b"))
    key = signing.get_key()
    path = tmp_path / "a" / "b" / "key"
    assert bytes.fromhex(path.read_text()) == key.secret
    assert key.secret.hex()[:16] != key.name
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)
    signing._get_key.cache_clear()
    assert signing.get_key() == key
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    code = "from indexers.signing import get_key; print(get_key().secret.hex())"
    environment = os.environ | {"NEARKIN_KEY_FOLDER": str(tmp_path / "new")}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in started}) == 1


@pytest.mark.parametrize("content", [b"", b"zz" * 32, b"ab" * 31, b"\xff" * 64, b"ab" * 5000])
def test_what_is_no_key_is_told_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path))
    monkeypatch.setattr(signing, "PATIENCE", 0.05)
    (tmp_path / "key").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        key = signing.get_key()
    assert len(key.secret) == 32
    assert "NEARKIN_KEY_FOLDER" in caplog.text
    assert signing.get_key() == key  # that of this process
    assert (tmp_path / "key").read_bytes() == content


def test_a_folder_that_cannot_be_written_leaves_the_key_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / "file" / "x"))
    assert len(signing.get_key().secret) == 32
    assert "derive everything again" in caplog.text


def test_the_key_lies_where_the_system_keeps_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEARKIN_KEY_FOLDER")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    found = {}
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(signing.sys, "platform", platform)
        found[platform] = signing.get_key_folder()
    assert found["linux"] == tmp_path / "data" / "nearkin"
    assert found["darwin"] == Path("~/Library/Application Support/nearkin").expanduser()
    assert found["win32"] == tmp_path / "local" / "nearkin"
    assert signing.get_private_folder() == tmp_path / "cache" / "nearkin" / "derived"


def test_every_byte_every_length_and_the_order_of_files_count(tmp_path: Path) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    left.write_bytes(b"a" * 100)
    right.write_bytes(b"")
    key = signing.get_key()
    good = signing.sign(key, b"text", [left, right])
    others = [
        signing.sign(key, b"texT", [left, right]),
        signing.sign(key, b"text", [right, left]),
        signing.sign(key, b"text", [left]),
        signing.sign(signing.Key(b"k" * 32, key.name), b"text", [left, right]),
    ]
    for content in (b"a" * 99, b"a" * 101, b"a" * 99 + b"b"):
        left.write_bytes(content)
        others.append(signing.sign(key, b"text", [left, right]))
    assert good not in others
    left.write_bytes(b"a" * 100)
    assert signing.matches(good, signing.sign(key, b"text", [left, right]))


def test_files_of_many_chunks_are_hashed_in_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "CHUNK", 1000)
    path = tmp_path / "file"
    path.write_bytes(bytes(range(250)) * 41)
    found = set()
    for cores in (1, 3):
        monkeypatch.setattr(signing, "count_cores", lambda cores=cores: cores)
        found.add(signing.sign(signing.get_key(), b"", [path]))
    assert len(found) == 1


def test_what_was_derived_for_one_user_goes_when_it_is_old(tmp_path: Path) -> None:
    for name, days in (("used", 200), ("recent", 10), ("old", 200)):
        (tmp_path / name / "1" / "flat").mkdir(parents=True)
        (tmp_path / name / "1" / "flat" / "header").write_text("")
        for path in (tmp_path / name, *(tmp_path / name).rglob("*")):
            os.utime(path, (time.time() - days * 86400,) * 2)
    signing.delete_unused(tmp_path / "used")
    assert {path.name for path in tmp_path.iterdir()} == {"used", "recent"}
