"""Lists of paths that other programs write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexers.errors import UsageError
from retrieval.items.path_list import split_path_list

ROOT = os.path.abspath(os.sep)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_that_programs_write_is_read(encoding: str) -> None:
    lines = "/home/anna/a.jpg\r\n/home/anna/Bücher/日本.jpg\r\n"
    assert split_path_list(lines.encode(encoding)) == ["/home/anna/a.jpg", "/home/anna/Bücher/日本.jpg"]


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-32-be"])
def test_a_mark_names_the_order_of_bytes(encoding: str) -> None:
    assert split_path_list("\ufeff/a.jpg\n".encode(encoding)) == ["/a.jpg"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_that_can_only_be_guessed_is_refused(encoding: str) -> None:
    with pytest.raises(UsageError, match=r"UTF-8|whole disk"):
        split_path_list("pictures/a.jpg\n".encode(encoding))


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (b"a.jpg\0b\nc.jpg\0", ["a.jpg", "b\nc.jpg"]),
        (b"a.jpg\nb.jpg", ["a.jpg", "b.jpg"]),
        (b"a.jpg\rb.jpg\r", ["a.jpg", "b.jpg"]),
        (b"caf\xe9.jpg\n", [os.fsdecode(b"caf\xe9.jpg")]),
        (b"# 1.jpg\n a .jpg \n", ["# 1.jpg", " a .jpg "]),
        (b'"/Pictures/a b.jpg"\r\n"c.jpg\r\n', ["/Pictures/a b.jpg", '"c.jpg']),
        ("a\u2028b.jpg\x0bc.jpg\n".encode(), ["a\u2028b.jpg\x0bc.jpg"]),
        (b"zip://**::photos.zip\n", ["zip://**::photos.zip"]),
        (b"", []),
        (b"\n\n", []),
    ],
)
def test_lines_are_paths(data: bytes, paths: list[str]) -> None:
    assert split_path_list(data) == paths


@pytest.mark.parametrize("encoding", ["cp1252", "cp850"])
def test_names_of_windows_are_those_that_exist(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "Bücher").mkdir()
    lines = f"{tmp_path}/Bücher\r\n{tmp_path}/Größe.jpg\r\n\x1a".encode(encoding)
    assert split_path_list(lines) == [f"{tmp_path}/Bücher", os.fsdecode(f"{tmp_path}/Größe.jpg".encode(encoding))]


def test_a_name_that_really_has_quotes_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        (tmp_path / '"a.jpg"').touch()
    except OSError:
        pytest.skip("no file can have such a name here")
    assert split_path_list(b'"a.jpg"\n') == ['"a.jpg"']


@pytest.mark.parametrize(("data", "line"), [(b"a\n\nb\n", 2), (b"a\0\0", 2), (b'a\nb\n""\n', 3), (b"  \nb\n", 1)])
def test_an_empty_entry_is_named_by_its_line(data: bytes, line: int) -> None:
    with pytest.raises(UsageError, match=f"line {line} of the list is empty"):
        split_path_list(data)


HOMES = ["~", f"~{os.sep}", f"~{os.sep}**", "home"]


@pytest.mark.parametrize("entry", [ROOT, f"{ROOT}*", f"{ROOT}**", f"{ROOT}.", *HOMES])
def test_a_disk_and_the_home_folder_are_refused(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    if entry == "home":
        (tmp_path / entry).symlink_to(tmp_path)
    with pytest.raises(UsageError, match=r"line 2 of the list.*give it as an argument"):
        split_path_list(f"a.jpg\n{entry}\n".encode())
    assert split_path_list(f"~{os.sep}Pictures\n".encode()) == [f"~{os.sep}Pictures"]
