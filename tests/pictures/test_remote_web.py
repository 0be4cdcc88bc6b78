"""What the web could do to whoever fetches from it: addresses in disguise, slow names, TLS that drips."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from indexers.errors import UnreadablePicture
from indexers.pictures import remote
from indexers.types import Limits

LIMITS = Limits()
Talk = Callable[[socket.socket], object]


def forbid_nothing(_: object) -> bool:
    return False


@pytest.mark.parametrize(
    "address",
    [
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:0:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:808:808:0:0:80ff:fffe",
        "2001:4860::5efe:10.0.0.1",
        "2001:4860::200:5efe:10.0.0.1",
        "fec0::1",
        "fd00:ec2::254",
        "3fff::1",
        "2001:db8::1",
        "192.0.0.192",
        "192.88.99.1",
        "168.63.129.16",
        "100.100.100.200",
        "198.18.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ],
)
def test_internal_addresses_in_disguise(address: str) -> None:
    assert remote.is_internal(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"]
)
def test_public_ones_are_not(address: str) -> None:
    assert not remote.is_internal(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url", ["http://[", "http://[::1/x", "http://a:99999/", "http://", "http://a\0b/", "http://\xff/"]
)
def test_addresses_that_are_none_are_failures(url: str) -> None:
    assert len(list(remote.find_pictures(url))) == 1
    with pytest.raises(UnreadablePicture):
        remote.fetch(url, LIMITS, seconds=5)


@pytest.mark.parametrize(
    "address",
    [
        "simplecache::http://127.0.0.1:9/x.png",
        "blockcache::HTTPS://127.0.0.1:9/x.png",
        "zip://*.png::http://127.0.0.1:9/a.zip",
        "zip://a.png::simplecache::http://127.0.0.1:9/a.zip",
        "ftp://127.0.0.1:9/x.png",
        "webhdfs://127.0.0.1:9/x.png",
        "reference://x.png",
        "tar://*.png::sftp://127.0.0.1:9/a.tar",
    ],
)
def test_no_other_way_leads_to_the_web(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", None)
    with pytest.raises(UnreadablePicture, match=r"leads to the web|is not supported"):
        remote.read_uri(address, LIMITS, web=True)


def test_a_name_without_end_is_given_up() -> None:
    def asleep(_: str, __: int) -> list[str]:
        time.sleep(3)
        return []

    started = time.monotonic()
    with pytest.raises(UnreadablePicture, match=r"longer than 0\.2 seconds"):
        remote.fetch("http://slow.example/", LIMITS, seconds=0.2, resolver=asleep)
    assert time.monotonic() - started < 2


# ---- with servers of our own


@pytest.fixture
def listen() -> Iterator[Callable[[Talk], int]]:
    """A function that starts a server, which talks to each caller in one way, and returns its port."""
    servers: list[socket.socket] = []

    def start(talk: Talk) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threading.Thread(target=_serve, args=(server, talk), daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


def _serve(server: socket.socket, talk: Talk) -> None:
    with suppress(OSError):
        while True:
            line, _ = server.accept()
            with line, suppress(OSError):
                talk(line)


def says(line: socket.socket, body: bytes = b"there") -> None:
    line.recv(2**16)
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def test_the_next_address_is_tried(listen: Callable[[Talk], int]) -> None:
    port = listen(says)
    content = remote.fetch(
        f"http://two.example:{port}/",
        LIMITS,
        is_forbidden=forbid_nothing,
        resolver=lambda *_: ["127.0.0.2", "127.0.0.1"],
    )
    assert content == b"there"


def test_letters_beyond_ascii_and_spaces_are_escaped(listen: Callable[[Talk], int]) -> None:
    requests: list[bytes] = []

    def talk(line: socket.socket) -> None:
        requests.append(line.recv(2**16).split(b"\r\n")[0])
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    remote.fetch(f"http://127.0.0.1:{listen(talk)}/ü a%20b.jpg?q=é d", LIMITS, is_forbidden=forbid_nothing)
    assert requests == [b"GET /%C3%BC%20a%20b.jpg?q=%C3%A9%20d HTTP/1.1"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its own certificate, for localhost, in one file."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    place = tmp_path_factory.mktemp("certificate")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    command += f" -keyout {place}/key.pem -out {place}/cert.pem"
    subprocess.run(command.split(), check=True, capture_output=True)
    (place / "both.pem").write_text((place / "key.pem").read_text() + (place / "cert.pem").read_text())
    return place / "both.pem"


def talk_over_tls(certificate: Path, talk: Talk) -> Talk:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def talk_securely(line: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(line, server_side=True) as secure:
            talk(secure)

    return talk_securely


def drips(line: socket.socket) -> None:
    line.recv(2**16)
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100):
        line.sendall(f"X-{number}: y\r\n".encode())
        time.sleep(0.05)


def test_https_is_fetched_and_its_certificate_checked(certificate: Path, listen: Callable[[Talk], int]) -> None:
    url = f"https://localhost:{listen(talk_over_tls(certificate, says))}/"
    trusting = ssl.create_default_context(cafile=str(certificate))
    options = {"is_forbidden": forbid_nothing, "resolver": lambda *_: ["127.0.0.1"]}
    assert remote.fetch(url, LIMITS, context=trusting, **options) == b"there"
    with pytest.raises(UnreadablePicture, match="certificate verify failed"):
        remote.fetch(url, LIMITS, **options)
    with pytest.raises(UnreadablePicture, match="certificate verify failed"):
        remote.fetch(url.replace("localhost", "other.example"), LIMITS, context=trusting, **options)


def test_https_that_drips_is_given_up_in_time(certificate: Path, listen: Callable[[Talk], int]) -> None:
    url = f"https://localhost:{listen(talk_over_tls(certificate, drips))}/"
    trusting, started = ssl.create_default_context(cafile=str(certificate)), time.monotonic()
    with pytest.raises(UnreadablePicture, match=r"longer than 0\.6 seconds"):
        remote.fetch(
            url, LIMITS, context=trusting, seconds=0.6, is_forbidden=forbid_nothing, resolver=lambda *_: ["127.0.0.1"]
        )
    assert time.monotonic() - started < 3


def test_a_greeting_that_never_comes_is_given_up_in_time(listen: Callable[[Talk], int]) -> None:
    port, started = listen(lambda line: (line.recv(1), time.sleep(4))), time.monotonic()
    with pytest.raises(UnreadablePicture, match=r"longer than 0\.5 seconds"):
        remote.fetch(f"https://127.0.0.1:{port}/", LIMITS, seconds=0.5, is_forbidden=forbid_nothing)
    assert time.monotonic() - started < 3
