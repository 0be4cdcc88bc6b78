"""Pictures found on disk, whatever lies there beside them; what can't be entered is reported."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.errors import UnreadablePicture
from indexers.pictures.images import read
from indexers.pictures.scan import find, to_path, to_uri
from indexers.types import FoundFile, Unscanned


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """a.jpg, b.PNG, notes.txt, sub/c.webp, sub/deep/d.gif and what is hidden."""
    for name in (
        "a.jpg",
        "b.PNG",
        "notes.txt",
        "sub/c.webp",
        "sub/deep/d.gif",
        ".hidden/e.jpg",
        "._a.jpg",
        "@eaDir/f.jpg",
    ):
        path = tmp_path / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "library"


def names(found: Any, root: Path) -> list[str]:
    return [os.path.relpath(one.path, root) for one in found if isinstance(one, FoundFile)]


def reasons(found: Any) -> dict[str, str]:
    return {os.path.basename(one.uri): one.reason for one in found if isinstance(one, Unscanned)}


ALL = ["a.jpg", "b.PNG", "sub/c.webp", "sub/deep/d.gif"]


def test_a_folder_gives_its_pictures_in_order_without_the_hidden(library: Path) -> None:
    found = list(find(library))
    assert names(found, library) == ALL
    assert not reasons(found)


def test_a_hidden_folder_is_searched_when_it_is_named(library: Path) -> None:
    assert names(find([library / ".hidden"]), library) == [".hidden/e.jpg"]


def test_a_record_holds_what_the_system_says(library: Path) -> None:
    [found] = find(str(library / "a.jpg"))
    status = os.stat(library / "a.jpg")
    path = str(library / "a.jpg")
    assert found == FoundFile(path, path, 1, status.st_mtime_ns, status.st_ino)


def test_a_named_file_may_be_called_anything(library: Path) -> None:
    assert names(find([library / "notes.txt"]), library) == ["notes.txt"]


def test_each_file_comes_once(library: Path) -> None:
    paths = [library / "sub", library, library / "a.jpg", f"{library}/*.jpg", f"{library}/**"]
    assert sorted(names(find(paths), library)) == sorted(ALL)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg"]),
        ("*", ALL),
        ("*.txt", ["notes.txt"]),
        ("s?b/*", ["sub/c.webp", "sub/deep/d.gif"]),
        ("**", ALL),
        ("**/*.gif", ["sub/deep/d.gif"]),
        ("**/*.[jw]*", ["a.jpg", "sub/c.webp"]),
        ("**/deep", ["sub/deep/d.gif"]),
        ("**/*.txt", ["notes.txt"]),
        ("s*/**/*.gif", ["sub/deep/d.gif"]),
        ("sub/**/deep/**/*.gif", ["sub/deep/d.gif"]),
    ],
)
def test_globs(library: Path, pattern: str, expected: list[str]) -> None:
    found = list(find(f"{library}/{pattern}"))
    assert names(found, library) == expected
    assert not reasons(found)


@pytest.mark.parametrize("pattern", ["*.bmp", "**/*.bmp"])
def test_a_glob_without_a_match_is_reported(library: Path, pattern: str) -> None:
    assert reasons(find(f"{library}/{pattern}")) == {"*.bmp": "nothing matches this glob"}


def test_a_name_that_exists_is_no_glob(library: Path) -> None:
    (library / "[a].jpg").write_bytes(b"x")
    (library / "*").mkdir()
    (library / "*" / "g.jpg").write_bytes(b"x")
    assert names(find([library / "[a].jpg", library / "*"]), library) == ["[a].jpg", "*/g.jpg"]


def test_the_home_folder(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(library))
    assert names(find(["~/sub", "~/*.jpg"]), library) == ["sub/c.webp", "sub/deep/d.gif", "a.jpg"]


def test_relative_paths_become_absolute(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library)
    assert names(find([".", "sub/../a.jpg"]), library) == ALL


def test_what_is_not_there_is_reported(library: Path) -> None:
    found = list(find([library / "none.jpg", library / "no\0name", library / "a.jpg"]))
    assert names(found, library) == ["a.jpg"]
    assert reasons(found)["none.jpg"] == "not there"
    assert "no possible name" in reasons(found)["no\0name"]


def test_links(library: Path) -> None:
    """To a file: another place of it. To a folder: followed once. Dangling or in a loop: reported."""
    (library / "link.jpg").symlink_to("a.jpg")
    (library / "gone.jpg").symlink_to("nowhere")
    (library / "sub" / "back").symlink_to(library)
    (library / "knot").symlink_to("knot")
    (library.parent / "other").mkdir()
    (library.parent / "other" / "o.jpg").write_bytes(b"x")
    (library / "again1").symlink_to(library.parent / "other")
    (library / "again2").symlink_to(library.parent / "other")
    for paths in (library, f"{library}/**"):
        found = list(find(paths))
        assert names(found, library) == ["a.jpg", "b.PNG", "link.jpg", *ALL[2:], "again1/o.jpg"]
        assert reasons(found) == {
            "gone.jpg": "a link to something that is not there",
            "knot": "a link that leads to itself",
            "back": "a link to a folder that it lies in; not followed",
        }


def test_folders_under_their_own_name_come_before_links_to_them(library: Path) -> None:
    (library / "1st").symlink_to("sub")
    assert names(find(library), library) == ALL


def test_a_folder_without_permission_is_reported(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for the system's answer, since root may enter every folder."""
    enter = os.scandir

    def refuse(path: str) -> Any:
        if path.endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return enter(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(find(library))
    assert names(found, library) == ["a.jpg", "b.PNG"]
    assert reasons(found) == {"sub": "no permission to read it"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_for_real(library: Path) -> None:
    (library / "sub").chmod(0)
    try:
        assert reasons(find(library)) == {"sub": "no permission to read it"}
    finally:
        (library / "sub").chmod(0o700)


def test_pipes_and_devices_are_reported_and_never_block(library: Path) -> None:
    os.mkfifo(library / "pipe.jpg")
    os.mkfifo(library / "pipe")
    found = list(find([library, "/dev/null"]))
    assert reasons(found) == {"pipe.jpg": "a named pipe, not a file", "null": "a device, not a file"}
    with pytest.raises(UnreadablePicture, match="not a file"):
        read(library / "pipe.jpg")


def test_names_that_are_not_utf8(library: Path) -> None:
    raw = os.fsencode(library) + b"/sub/caf\xe9 %41.jpg"
    with open(raw, "wb") as file:
        file.write(b"x")
    uris = {one.uri for one in find([library, f"{library}/**/*.jpg"]) if isinstance(one, FoundFile)}
    [odd] = [uri for uri in uris if uri.startswith("file://")]
    assert odd.isascii()
    assert odd.endswith("/sub/caf%E9%20%2541.jpg")
    assert read(to_path(odd)) == b"x"


@given(st.binary(min_size=1, max_size=30).filter(lambda raw: b"\0" not in raw))
def test_every_name_survives_as_a_uri(raw: bytes) -> None:
    path = os.path.abspath(os.fsdecode(b"/pictures/" + raw))
    uri = to_uri(path)
    uri.encode()
    assert to_path(uri) == path


def test_folders_nested_deeper_than_python_may_recurse(tmp_path: Path) -> None:
    chain = [f"{tmp_path}/d{'/d' * i}" for i in range(1200)]
    for folder in chain:
        os.mkdir(folder)
    try:
        assert list(find(tmp_path)) == []
        Path(tmp_path, "d/d/a.jpg").write_bytes(b"x")
        assert names(find(tmp_path), tmp_path) == ["d/d/a.jpg"]
    finally:
        os.unlink(f"{tmp_path}/d/d/a.jpg")
        for folder in reversed(chain):  # shutil.rmtree would recurse
            os.rmdir(folder)


def test_20000_files_are_found_in_well_under_a_second(tmp_path: Path) -> None:
    for folder in range(20):
        (tmp_path / str(folder)).mkdir()
        for i in range(1000):
            os.close(os.open(f"{tmp_path}/{folder}/{i}.jpg", os.O_CREAT | os.O_WRONLY))
    start = time.process_time()
    assert sum(1 for _ in find(tmp_path)) == 20_000
    assert time.process_time() - start < 1
