"""Picture files on disk, whatever lies there beside them; what can't be entered is reported."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.errors import UnreadablePicture
from indexers.pictures import scan
from indexers.pictures.images import read_file
from indexers.pictures.scan import OUTSIDE, _make_record, find_pictures, is_lost, to_path, to_uri
from indexers.types import FoundFile, ScanFailure

NEEDS_LINKS = pytest.mark.skipif(os.name == "nt", reason="on Windows, making a link takes a privilege")


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


def names(records: Any, root: Path) -> list[str]:
    return [
        os.path.relpath(record.path, root).replace(os.sep, "/") for record in records if isinstance(record, FoundFile)
    ]


def reasons(records: Any) -> dict[str, str]:
    return {os.path.basename(record.uri): record.reason for record in records if isinstance(record, ScanFailure)}


ALL = ["a.jpg", "b.PNG", "sub/c.webp", "sub/deep/d.gif"]


def test_a_folder_gives_its_pictures_in_order_without_the_hidden(library: Path) -> None:
    records = list(find_pictures(library))
    assert names(records, library) == ALL
    assert not reasons(records)


def test_a_hidden_folder_is_searched_when_it_is_named(library: Path) -> None:
    assert names(find_pictures([library / ".hidden"]), library) == [".hidden/e.jpg"]


def test_a_record_holds_what_the_system_says(library: Path) -> None:
    [record] = find_pictures(str(library / "a.jpg"))
    status = os.stat(library / "a.jpg")
    path = str(library / "a.jpg")
    assert record == FoundFile(path, path, 1, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


def test_an_inode_beyond_what_a_database_holds_is_cut_to_63_bits(library: Path) -> None:
    """Windows and network file systems have such numbers: 2**63 + 5 becomes 5."""
    status = list(os.stat(library / "a.jpg"))
    status[stat.ST_INO] = 2**63 + 5
    record = _make_record(str(library / "a.jpg"), os.stat_result(status))
    assert isinstance(record, FoundFile)
    assert record.inode == 5


def test_a_named_file_may_be_called_anything(library: Path) -> None:
    assert names(find_pictures([library / "notes.txt"]), library) == ["notes.txt"]


def test_each_file_comes_once(library: Path) -> None:
    paths = [library / "sub", library, library / "a.jpg", f"{library}/*.jpg", f"{library}/**"]
    assert sorted(names(find_pictures(paths), library)) == sorted(ALL)


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
    records = list(find_pictures(f"{library}/{pattern}"))
    assert names(records, library) == expected
    assert not reasons(records)


@pytest.mark.parametrize("pattern", ["*.bmp", "**/*.bmp"])
def test_a_glob_without_a_match_is_reported(library: Path, pattern: str) -> None:
    assert reasons(find_pictures(f"{library}/{pattern}")) == {"*.bmp": "nothing matches this glob"}


def test_a_name_that_exists_is_no_glob(library: Path) -> None:
    (library / "[a].jpg").write_bytes(b"x")
    (library / "*").mkdir()
    (library / "*" / "g.jpg").write_bytes(b"x")
    assert names(find_pictures([library / "[a].jpg", library / "*"]), library) == ["[a].jpg", "*/g.jpg"]


def test_the_home_folder(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(library))
    monkeypatch.setenv("USERPROFILE", str(library))  # on Windows
    assert names(find_pictures(["~/sub", "~/*.jpg"]), library) == ["sub/c.webp", "sub/deep/d.gif", "a.jpg"]


def test_relative_paths_become_absolute(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library)
    assert names(find_pictures([".", "sub/../a.jpg"]), library) == ALL


def test_what_is_not_there_is_reported(library: Path) -> None:
    records = list(find_pictures([library / "none.jpg", library / "no\0name", library / "a.jpg"]))
    assert names(records, library) == ["a.jpg"]
    assert reasons(records)["none.jpg"] == "not there"
    assert "no possible name" in reasons(records)["no\0name"]


@NEEDS_LINKS
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
        records = list(find_pictures(paths))
        assert names(records, library) == ["a.jpg", "b.PNG", "link.jpg", *ALL[2:], "again1/o.jpg"]
        assert reasons(records) == {
            "gone.jpg": "a link to something that is not there",
            "knot": "a link that leads to itself",
            "back": "a link to a folder that it lies in; not followed",
        }


@NEEDS_LINKS
def test_folders_under_their_own_name_come_before_links_to_them(library: Path) -> None:
    (library / "1st").symlink_to("sub")
    assert names(find_pictures(library), library) == ALL


def test_a_folder_without_permission_is_reported(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for the system's answer, since root may enter every folder."""
    enter = os.scandir

    def refuse(path: str) -> Any:
        if path.endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return enter(path)

    monkeypatch.setattr(os, "scandir", refuse)
    records = list(find_pictures(library))
    assert names(records, library) == ["a.jpg", "b.PNG"]
    assert reasons(records) == {"sub": "no permission to read it"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_permission_for_real(library: Path) -> None:
    (library / "sub").chmod(0)
    try:
        assert reasons(find_pictures(library)) == {"sub": "no permission to read it"}
    finally:
        (library / "sub").chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with a path")
def test_pipes_and_devices_are_reported_and_never_block(library: Path) -> None:
    os.mkfifo(library / "pipe.jpg")
    os.mkfifo(library / "pipe")
    records = list(find_pictures([library, "/dev/null"]))
    assert reasons(records) == {"pipe.jpg": "a named pipe, not a file", "null": "a device, not a file"}
    with pytest.raises(UnreadablePicture, match="not a file"):
        read_file(library / "pipe.jpg")


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="every name is valid Unicode on this system")
def test_names_that_are_not_utf8(library: Path) -> None:
    raw = os.fsencode(library) + b"/sub/caf\xe9 %41.jpg"
    with open(raw, "wb") as file:
        file.write(b"x")
    uris = {record.uri for record in find_pictures([library, f"{library}/**/*.jpg"]) if isinstance(record, FoundFile)}
    [odd] = [uri for uri in uris if uri.startswith("file://")]
    assert odd.isascii()
    assert odd.endswith("/sub/caf%E9%20%2541.jpg")
    assert read_file(to_path(odd)) == b"x"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///C:/Users/Eve%20Miller/a.jpg", "C:/Users/Eve Miller/a.jpg"),
        ("file:///d:/%C3%BC.png", "d:/ü.png"),
        ("file://C%3A%5Cphotos%5Ca.jpg", "C:\\photos\\a.jpg"),
        (r"C:\photos\a.jpg", r"C:\photos\a.jpg"),
    ],
)
def test_file_urls_of_windows_name_a_drive(uri: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as windows:
        windows.setattr(os, "name", "nt")
        converted = to_path(uri)
    assert converted == path


@pytest.mark.skipif(os.name == "nt", reason="no name has a colon on Windows")
def test_elsewhere_a_folder_may_be_called_like_a_drive() -> None:
    assert to_path("file:///C:/a.jpg") == "/C:/a.jpg"


@pytest.mark.skipif(os.name == "nt", reason="names are no bytes on Windows")
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
        assert list(find_pictures(tmp_path)) == []
        Path(tmp_path, "d/d/a.jpg").write_bytes(b"x")
        assert names(find_pictures(tmp_path), tmp_path) == ["d/d/a.jpg"]
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
    assert sum(1 for _ in find_pictures(tmp_path)) == 20_000
    assert time.process_time() - start < 5  # .3 s where nothing else runs


@pytest.mark.parametrize("start", ["file://", "file://localhost", "FILE://LocalHost", "File://"])
def test_a_url_of_this_machine_may_name_it(start: str) -> None:
    assert to_path(f"{start}/a%20b.jpg") == "/a b.jpg"


def test_an_empty_path_is_not_the_current_folder() -> None:
    assert list(find_pictures([""])) == [ScanFailure("", "an empty path")]


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A folder into which others may write, beside a private one with a picture."""
    for folder in ("share/inner", "private"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("share/inner/ours.png", "private/mine.png"):
        (tmp_path / file).write_bytes(file.encode())
    return tmp_path / "share"


@NEEDS_LINKS
@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("link", "../private"),
        ("link.png", "../private/mine.png"),
        ("inner/deeper", "../../private"),
        ("link.png", "../private/nothing.png"),
        ("link", "inner/../../private"),
    ],
)
@pytest.mark.parametrize("named", ["", "*", "**", "**/*.png", "*/*.png", "LINK"])
def test_no_link_leads_out_of_the_roots(share: Path, link: str, target: str, named: str) -> None:
    (share / link).symlink_to(target)
    path = share / (link if named == "LINK" else named)
    records = list(find_pictures(path, [share]))
    files = [record.path for record in records if isinstance(record, FoundFile)]
    assert set(files) <= {str(share / "inner" / "ours.png")}
    assert "mine.png" not in str([record.uri for record in records])
    assert {record.reason for record in records if isinstance(record, ScanFailure)} <= {
        OUTSIDE,
        "nothing matches this glob",
    }
    with pytest.raises(UnreadablePicture, match="lies outside"):
        read_file(share / link / "mine.png" if target.endswith("private") else share / link, roots=[share])


@NEEDS_LINKS
def test_links_within_the_roots_are_followed(share: Path) -> None:
    (share / "link").symlink_to("inner")
    (share / "to-private").symlink_to("../private")
    roots = [share, share.parent / "private"]
    found = [record.path for record in find_pictures(share, roots) if isinstance(record, FoundFile)]
    assert found == [str(share / "inner" / "ours.png"), str(share / "to-private" / "mine.png")]
    assert read_file(share / "link" / "ours.png", roots=roots) == b"share/inner/ours.png"
    assert read_file(share / "to-private" / "mine.png", roots=roots) == b"private/mine.png"
    assert list(find_pictures(share, ())) == [ScanFailure(str(share), OUTSIDE)]


@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="needs files that are opened relative to a folder")
@pytest.mark.parametrize("place", ["inner", "inner/ours.png"])
def test_a_link_that_comes_between_check_and_opening_is_not_followed(
    share: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (share.parent / "private" / "ours.png").write_bytes(b"private")
    find_root = scan._find_root

    def check_then_exchange(real: str, roots: Sequence[Path]) -> str | None:
        root = find_root(real, roots)
        (share / place).rename(share / "gone")
        (share / place).symlink_to(share.parent / "private" / ("ours.png" if place.endswith("png") else ""))
        return root

    monkeypatch.setattr(scan, "_find_root", check_then_exchange)
    with pytest.raises(UnreadablePicture, match="can't be read"):
        read_file(share / "inner" / "ours.png", roots=[share])


def test_a_collection_among_pictures_keeps_its_copies_for_itself(tmp_path: Path) -> None:
    """`cd Pictures && nearkin add .` puts the collection there, and a server its thumbnails into it."""
    files = ["a.png", "thumbnails/b.png", "c/pictures/d.png", "c/e.png", "c/thumbnails/f.webp", "c/uploads/g.png"]
    for file in [*files, "c/spaces/h.png"]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    (tmp_path / "c" / "catalogue.sqlite").write_bytes(b"")
    for path in (tmp_path, tmp_path / "**"):
        found = [file for file in find_pictures(path) if isinstance(file, FoundFile)]
        assert {os.path.relpath(file.path, tmp_path) for file in found} == set(files[:4])
    [named] = find_pictures(tmp_path / "c" / "thumbnails" / "f.webp")
    assert isinstance(named, FoundFile)


def test_a_file_is_lost_where_there_is_none_that_could_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "link").symlink_to("a.png")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    names = ["a.png", "link", "dangling", "loop", ".", "nowhere", "a.png/below", "x" * 300]
    assert [is_lost(str(tmp_path / name)) for name in names] == [False, False, True, True, True, True, True, False]
    assert not is_lost("nul\0")
