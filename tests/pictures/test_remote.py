"""Pictures from archives, memory and the web; and that the web leads nowhere inside."""

from __future__ import annotations

import http.server
import importlib.util
import io
import os
import shutil
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest

from indexers.errors import BadSetting, MissingPackage, PictureTooLarge, UnreadablePicture
from indexers.pictures import remote
from indexers.types import FoundFile, Limits, ScanFailure
from retrieval import Collection
from tests.support import pictures

LIMITS = Limits()
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def forbid_nothing(_: object) -> bool:
    """Nothing is forbidden: the servers of these tests are on this machine."""
    return False


@pytest.fixture
def archives(tmp_path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as zipped, tarfile.open(tmp_path / "all.tar", "w") as tarred:
        for path in folder.iterdir():
            zipped.write(path, f"inner/{path.name}")
            tarred.add(path, f"inner/{path.name}")
        zipped.writestr("inner/notes.txt", "no picture")
    return tmp_path


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def find_uris(address: str) -> list[str]:
    return [record.uri for record in remote.find_pictures(address)]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_are_added_known_and_searched(archives: Path, collection: Collection, kind: str) -> None:
    address = f"{kind}://inner/*.png::{archives}/all.{kind}"
    report = collection.add(address)
    assert (report.added, report.failed) == (5, 0)
    again = collection.add(address)
    assert (again.added, again.known) == (0, 5)
    red = f"{kind}://inner/red.png::{archives}/all.{kind}"
    assert collection.search(red, k=1)[0].uri == red
    assert collection.get(red).format == "PNG"


@pytest.mark.parametrize(
    "address", ["zip://**::{}", "zip://::{}", "zip://trip::{}", "zip://*::{}", "zip://trip/**::{}"]
)
def test_archives_are_searched_as_folders_are(tmp_path: Path, address: str) -> None:
    """What macOS puts beside each picture, and hidden names, are passed over; each member is found once."""
    hidden = ["__MACOSX/trip/._1.jpg", "trip/._1.jpg", "trip/.thumbnails/1.jpg", "trip/@eaDir/1.jpg"]
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        for name in ["trip/", "trip/1.jpg", "trip/day/", "trip/day/2.jpg", *hidden]:
            archive.writestr(name, b"" if name.endswith("/") else b"x")
    uris = find_uris(address.format(tmp_path / "mac.zip"))
    assert [uri.partition("::")[0] for uri in uris] == ["zip://trip/1.jpg", "zip://trip/day/2.jpg"]
    named = find_uris(f"zip://trip/.thumbnails/*.jpg::{tmp_path}/mac.zip")
    assert [uri.partition("::")[0] for uri in named] == ["zip://trip/.thumbnails/1.jpg"]


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz", "TGZ", "tbz2", "txz"])
def test_a_tar_of_the_current_folder_has_plain_names(tmp_path: Path, folder: Path, suffix: str) -> None:
    (folder / "deep").mkdir()
    shutil.copy(folder / "red.png", folder / "deep" / "red.png")
    (folder / "._red.png").write_bytes(b"\0\5\x16\7 what macOS keeps beside a file")
    kind = {"tar": "w", "tbz2": "w:bz2", "txz": "w:xz"}.get(suffix, "w:gz")
    with tarfile.open(tmp_path / f"all.{suffix}", kind) as file:
        file.add(folder, ".")
    archive = tmp_path / f"all.{suffix}"
    found = find_uris(f"tar://**::{archive}")
    names = ["black.png", "blue.png", "deep/red.png", "green.png", "red.png", "yellow.png"]
    assert found == [f"tar://{name}::{archive}" for name in names]
    assert find_uris(f"tar://./deep/*.png::{archive}") == find_uris(f"tar://deep::{archive}") == found[2:3]
    for uri in (found[2], f"tar://./deep/red.png::{archive}"):
        assert remote.read_uri(uri, LIMITS) == (folder / "red.png").read_bytes()


def test_names_in_a_zip_are_those_that_were_meant(tmp_path: Path) -> None:
    """From macOS, in UTF-8 without the flag; from Windows, with backslashes and in cp437; others, from the root."""
    archive = tmp_path / "all.zip"
    names = ["b__.png", "Trip*__MACOSX*._1.png", "Trip*1.png", "./a.png", "../up.png", "/abs.png", "u_.png"]
    with zipfile.ZipFile(archive, "w") as zipped:
        for number, name in enumerate(names):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 0 if "*" in name or name == "u_.png" else 3
            zipped.writestr(entry, str(number))
    data = archive.read_bytes().replace(b"b__", "bü".encode()).replace(b"u_", "ü".encode("cp437") + b"_")
    archive.write_bytes(data.replace(b"Trip*", b"Trip\\").replace(b"X*._", b"X\\._"))
    uris = find_uris(f"zip://**::{archive}")
    expected = ["Trip/1.png", "a.png", "abs.png", "bü.png", "up.png", "ü_.png"]
    assert uris == [f"zip://{name}::{archive}" for name in expected]
    assert find_uris(f"zip://Trip/*.png::{archive}") == uris[:1]
    assert [remote.read_uri(uri, LIMITS) for uri in uris] == [b"2", b"3", b"5", b"0", b"4", b"6"]


def test_links_in_a_tar(tmp_path: Path) -> None:
    archive = tmp_path / "all.tar"
    with tarfile.open(archive, "w") as packed:
        for name, kind, target in (
            ("./a.png", tarfile.REGTYPE, ""),
            ("b.png", tarfile.LNKTYPE, "./a.png"),
            ("c.png", tarfile.SYMTYPE, "a.png"),
            ("d.png", tarfile.SYMTYPE, "/etc/passwd"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, 3 * (not target)
            packed.addfile(member, io.BytesIO(b"abc"))
    uris = find_uris(f"tar://**::{archive}")
    assert [remote.read_uri(uri, LIMITS) for uri in uris[:-1]] == [b"abc"] * 3
    with pytest.raises(UnreadablePicture, match="a link to something that is not in the archive"):
        remote.read_uri(uris[-1], LIMITS)


def test_what_matches_nothing_is_reported_and_names_are_literal_where_they_exist(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as zipped:
        for name in ("a/[1].png", "a/1.png", "a/b*.png", "a/bc.png"):
            zipped.writestr(name, b"x")
    archive = tmp_path / "all.zip"
    assert find_uris(f"zip://a/[1].png::{archive}") == [f"zip://a/[1].png::{archive}"]
    assert find_uris(f"zip://a/b*.png::{archive}") == [f"zip://a/b*.png::{archive}"]
    assert find_uris(f"zip://a/[12].png::{archive}") == [f"zip://a/1.png::{archive}"]
    assert list(remote.find_pictures(f"zip://*.png::{archive}")) == [
        ScanFailure(f"zip://*.png::{archive}", "nothing matches this glob")
    ]


def test_folders_elsewhere_give_what_is_below_them(memory: fsspec.AbstractFileSystem, collection: Collection) -> None:
    for name in ("a/1.jpg", "a/b/2.JPG", "a/readme.txt"):
        memory.pipe(f"/{name}", pictures.jpeg(pictures.noise(len(name))))
    assert find_uris("memory://a") == ["memory:///a/1.jpg", "memory:///a/b/2.JPG"]
    assert list(remote.find_pictures("memory://a/*.txt")) == [
        ScanFailure("memory://a/*.txt", "nothing matches this glob")
    ]
    assert collection.add("memory://a").added == 2
    memory.pipe("/a/1.jpg", pictures.jpeg(pictures.disc()))
    assert collection.add("memory://a").added == 1
    assert collection.count() == 2


def test_a_space_is_filled_from_elsewhere(memory: fsspec.AbstractFileSystem, collection: Collection) -> None:
    memory.pipe("/x.jpg", pictures.jpeg())
    collection.add("memory://x.jpg")
    assert collection.fill("classic").added == 1


@pytest.mark.parametrize("address", ["memory://none", "zip://*.png::/no/such.zip", "nosuchscheme://x"])
def test_what_is_not_there_is_reported(address: str, collection: Collection) -> None:
    report = collection.add(address)
    assert (report.added, report.failed) == (0, 1)
    assert report.failures[0].uri == address
    assert report.failures[0].reason


def test_bytes_are_limited(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/x.jpg", b"x" * 101)
    with pytest.raises(PictureTooLarge):
        remote.read_uri("memory://x.jpg", Limits(max_bytes=100))


# ---- the web


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    servers = []

    def start(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None:
                return

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/picture.jpg?a=b"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def sends(data: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(data))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def test_a_picture_is_fetched(serve: Callable[[Answer], str]) -> None:
    assert remote.fetch(serve(sends(pictures.jpeg())), LIMITS, is_forbidden=forbid_nothing) == pictures.jpeg()


def test_redirects_are_followed_but_not_for_ever(serve: Callable[[Answer], str]) -> None:
    end = serve(sends(b"there"))
    assert remote.fetch(serve(sends(b"", 302, Location=end)), LIMITS, is_forbidden=forbid_nothing) == b"there"
    with pytest.raises(UnreadablePicture, match="redirects more than 5 times"):
        remote.fetch(serve(sends(b"", 302, Location="/again")), LIMITS, is_forbidden=forbid_nothing)
    with pytest.raises(UnreadablePicture, match="is no web address"):
        remote.fetch(serve(sends(b"", 302, Location="file:///etc/passwd")), LIMITS, is_forbidden=forbid_nothing)


def test_a_redirect_to_an_internal_address_is_refused(serve: Callable[[Answer], str]) -> None:
    inside = serve(sends(b"secret"))
    outside = serve(sends(b"", 302, Location=inside.replace("127.0.0.1", "inside.example")))
    names = {"127.0.0.1": ["127.0.0.1"], "inside.example": ["127.0.0.1", "10.0.0.7"]}

    def only_ten(address: remote.Address) -> bool:
        return str(address).startswith("10.")

    with pytest.raises(UnreadablePicture, match=r"inside.example has the internal address 10.0.0.7"):
        remote.fetch(outside, LIMITS, is_forbidden=only_ten, resolver=lambda host, _: names[host])


def test_a_name_that_changes_its_mind_is_asked_once(serve: Callable[[Answer], str]) -> None:
    """Rebinding: public when it is checked, internal when it is connected to. The checked address is connected to."""
    url = serve(sends(b"the checked one")).replace("127.0.0.1", "rebinding.example")
    resolved: list[str] = []

    def changing(host: str, _: int) -> list[str]:
        resolved.append(host)
        return ["127.0.0.1"] if len(resolved) == 1 else ["10.0.0.7"]

    assert remote.fetch(url, LIMITS, is_forbidden=forbid_nothing, resolver=changing) == b"the checked one"
    assert resolved == ["rebinding.example"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[fe80::1]",
        "[fc00::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "224.0.0.1",
        "[ff02::1]",
        "100.64.0.1",
    ],
)
def test_internal_addresses_are_refused_however_they_are_written(host: str) -> None:
    with pytest.raises(UnreadablePicture, match=r"internal address|can't be fetched"):
        remote.fetch(f"http://{host}:9/", LIMITS, seconds=5)


def test_endless_and_lying_bodies_are_cut(serve: Callable[[Answer], str]) -> None:
    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with suppress(ConnectionError):
            while True:
                handler.wfile.write(b"x" * 65536)

    with pytest.raises(PictureTooLarge):
        remote.fetch(serve(endless), Limits(max_bytes=10**6), is_forbidden=forbid_nothing)
    with pytest.raises(PictureTooLarge, match="has 99999999999 bytes"):
        remote.fetch(serve(sends(b"x", Content_Length="99999999999")), LIMITS, is_forbidden=forbid_nothing)
    with pytest.raises(UnreadablePicture, match="can't be fetched"):
        remote.fetch(serve(sends(b"x", Content_Length="50")), LIMITS, is_forbidden=forbid_nothing, seconds=2)


def test_slow_servers_are_given_up_in_time(serve: Callable[[Answer], str]) -> None:
    def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.flush_headers()
        with suppress(ConnectionError):
            for number in range(50):  # a line now and then keeps any timeout between bytes happy
                handler.wfile.write(f"X-{number}: y\r\n".encode())
                handler.wfile.flush()
                time.sleep(0.1)

    started = time.monotonic()
    with pytest.raises(UnreadablePicture, match=r"longer than 0\.5 seconds"):
        remote.fetch(serve(slow), LIMITS, is_forbidden=forbid_nothing, seconds=0.5)
    assert time.monotonic() - started < 3


def test_other_answers_are_failures(serve: Callable[[Answer], str]) -> None:
    with pytest.raises(UnreadablePicture, match="answered 404"):
        remote.fetch(serve(sends(b"", 404)), LIMITS, is_forbidden=forbid_nothing)


def test_the_web_is_off_unless_enabled(tmp_path: Path, serve: Callable[[Answer], str]) -> None:
    url = serve(sends(pictures.jpeg()))
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        assert "unless that is enabled" in collection.add(url).failures[0].reason
        with pytest.raises(UnreadablePicture, match="unless that is enabled"):
            collection.search(url)
    with Collection.open(tmp_path / "c", web=1) as collection:
        assert "internal address" in collection.add(url, retry_failed=True).failures[0].reason
    with pytest.raises(BadSetting):
        Collection.open(tmp_path / "c", web="yes")


def test_the_web_when_enabled_gives_pictures(
    tmp_path: Path, serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote.fetch, "__kwdefaults__", remote.fetch.__kwdefaults__ | {"is_forbidden": forbid_nothing})
    url = serve(sends(pictures.jpeg()))
    with Collection.open(tmp_path / "c", create=True, embedder="tiny", web=1) as collection:
        assert collection.add(url).added == 1
        assert collection.add(url).known == 1
        assert collection.search(url, k=1)[0].uri == url


def test_records_tell_files_from_what_can_not_be_entered() -> None:
    assert isinstance(next(remote.find_pictures("memory://nothing")), ScanFailure)
    assert next(remote.find_pictures("http://x/y")) == FoundFile("http://x/y", "http://x/y", -1, -1, 0)


@pytest.mark.parametrize("scheme", ["file", "local"])
def test_files_of_this_machine_have_addresses_too(scheme: str, folder: Path, collection: Collection) -> None:
    (folder / "red.png").rename(folder / "red one.png")
    space = "%20" if scheme == "file" else " "
    assert collection.add(f"{scheme}://{folder}/red{space}one.png").added == 1


def test_a_file_with_colons_in_its_name_is_added(folder: Path, collection: Collection) -> None:
    (folder / "red.png").rename(folder / "zip::red.png")
    assert collection.add(folder).added == 5


def test_an_archive_named_from_the_current_folder_is_found_from_any(
    archives: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archives)
    assert collection.add("zip://inner/red.png::all.zip").added == 1
    monkeypatch.chdir("/")
    assert collection.fill("classic").added == 1
    assert collection.get(f"zip://inner/red.png::{archives}/all.zip").format == "PNG"


def test_names_that_no_address_can_hold_are_reported(tmp_path: Path, collection: Collection) -> None:
    with tarfile.open(tmp_path / "odd.tar", "w") as tarred:
        for name in ("caf\udce9.jpg", "a::b.jpg", "ok.jpg"):
            (tmp_path / "x.jpg").write_bytes(pictures.jpeg())
            tarred.add(tmp_path / "x.jpg", name)
    report = collection.add(f"tar://*.jpg::{tmp_path}/odd.tar")
    assert (report.added, report.failed) == (1, 2)
    assert all("no address can have that name" in failure.reason for failure in report.failures)


def test_an_archive_that_changes_is_read_anew(tmp_path: Path) -> None:
    address = f"zip://a.jpg::{tmp_path}/a.zip"
    for content in (b"first", b"second one"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
            zipped.writestr("a.jpg", content)
        assert remote.read_uri(address, LIMITS) == content


def test_an_archive_is_not_opened_for_each_picture(archives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    real = zipfile.ZipFile.__init__

    def count_openings(self: zipfile.ZipFile, *args: object, **options: object) -> None:
        opened.append(self)
        real(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(zipfile.ZipFile, "__init__", count_openings)
    for name in ("red", "green", "blue") * 5:
        remote.read_uri(f"zip://inner/{name}.png::{archives}/all.zip", LIMITS)
    assert len(opened) == 1


def test_threads_read_an_archive_beside_each_other(archives: Path) -> None:
    for kind in ("zip", "tar"):
        names = [f"{kind}://inner/{name}.png::{archives}/all.{kind}" for name in ("red", "green", "blue", "black")] * 25
        with ThreadPoolExecutor(4) as pool:
            contents = list(pool.map(lambda name: remote.read_uri(name, LIMITS), names))
        assert contents == contents[:4] * 25
        assert len(set(contents)) == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with a path")
@pytest.mark.parametrize("address", ["zip://*.png::{}", "local://{}", "tar://a.png::{}"])
def test_pipes_are_not_waited_for(tmp_path: Path, address: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    [record] = remote.find_pictures(address.format(tmp_path / "pipe"))
    assert isinstance(record, ScanFailure)


@pytest.mark.parametrize(("address", "package"), [("s3://bucket/key.png", "s3fs"), ("gs://bucket/key.png", "gcsfs")])
def test_a_bucket_needs_a_package_that_is_named(address: str, package: str) -> None:
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    with pytest.raises(MissingPackage, match=package):
        list(remote.find_pictures(address))
