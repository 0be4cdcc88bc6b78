"""Pictures that lie elsewhere: in archives, in memory, in a bucket (through fsspec), and, when enabled, on the web.

The web (http, https) is refused unless it is enabled. Even then no private, loopback or otherwise internal address is
connected to, whatever host name or redirect leads there: the connection goes to the very address that was checked.
"""

from __future__ import annotations

import http.client
import ipaddress
import posixpath
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit
from zipfile import ZipInfo

from indexers.errors import MissingPackage, PictureTooLarge, UnreadablePicture
from indexers.pictures import scan
from indexers.pictures.addresses import ARCHIVES, is_remote, is_web, parse_chain
from indexers.types import FoundFile, Limits, ScanFailure

MAX_REDIRECTS = 5
MAX_SECONDS = 20.0
"""For one picture from the web, all redirects included."""
MAX_ADDRESSES = 4
"""Of one host, that are tried in turn."""
_CHUNK_BYTES = 2**16
_SHORT_SUFFIXES = {".tgz": "gzip", ".tbz": "bz2", ".tbz2": "bz2", ".txz": "xz"}  # which fsspec knows in full only
_IS_UTF_8, _WINDOWS = 0x800, (0, 10, 11)  # of a zip's entry: its flag, and the systems that may have made it
_UNQUOTED = "/%:?@!$&'()*+,;=~-._[]"
HEADERS = {"User-Agent": "nearkin", "Accept": "image/*", "Accept-Encoding": "identity"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
"""Host and port to the addresses of the host."""
IsForbidden = Callable[[Address], bool]


def find_pictures(uri: str) -> Iterator[FoundFile | ScanFailure]:
    """Yield the pictures that a URI names: the one there, those below a folder, or those that match a glob.

    Raises MissingPackage; any other failure is yielded as a ScanFailure.
    """
    if is_web(uri):
        yield FoundFile(uri, uri, -1, -1, 0)
        return
    try:
        system, path, archive = _open_uri(uri)
        is_glob = any(letter in path for letter in "*?[") and not system.exists(path)
        matches = system.glob(path, detail=True) if is_glob else {path: system.info(path)}
        files: dict[str, dict[str, Any]] = {}  # each once: a glob matches folders beside what lies in them
        for match in sorted(matches):
            files |= _list_files(system, match, matches[match], is_named=match == path)
        literal_names = path.split("/")
        for name, facts in files.items():
            if all(part in literal_names or scan.is_visible(part) for part in name.split("/")):
                yield _make_record(system, name, facts, archive)
        if is_glob and not files:
            yield ScanFailure(_make_printable(uri), "nothing matches this glob")
    except MissingPackage:
        raise
    except Exception as error:  # each file system has errors of its own
        yield ScanFailure(_make_printable(uri), _describe_error(error))


def _list_files(system: Any, path: str, facts: dict[str, Any], is_named: bool) -> dict[str, dict[str, Any]]:
    """Return the pictures at and below a path, with what the file system knows of each."""
    if facts["type"] == "directory":
        return {name: own for name, own in sorted(system.find(path, detail=True).items()) if scan.is_picture(name)}
    is_wanted = facts["type"] in ("file", "link") and (is_named or scan.is_picture(path))
    return {path: facts} if is_wanted else {}


def _make_record(system: Any, path: str, facts: dict[str, Any], archive: str) -> FoundFile | ScanFailure:
    """Return a file's record. Its time is a hash of its ETag or checksum, else of the time that the system states."""
    uri = system.unstrip_protocol(path) + (f"::{archive}" if archive else "")
    if "::" in path or _make_printable(uri) != uri:
        return ScanFailure(_make_printable(uri), "no address can have that name: it is not UTF-8, or holds '::'")
    moment = facts.get("mtime") or facts.get("LastModified") or facts.get("created") or facts.get("date_time")
    mark = facts.get("ETag") or facts.get("md5") or facts.get("CRC") or facts.get("checksum")
    stamp = hash_value(mark) if mark is not None else hash_value(moment)
    return FoundFile(uri, uri, int(facts.get("size") or 0), stamp, 0)


def hash_value(value: Any) -> int:
    """Return a hash of 63 bits of the value's text."""
    return int.from_bytes(blake2b(str(value).encode(), digest_size=8).digest(), "big") >> 1


def read_uri(uri: str, limits: Limits, web: bool = False, roots: Sequence[Path] | None = None) -> bytes:
    """Return the bytes at a URI, which may be a path here. Raises UnreadablePicture, PictureTooLarge, MissingPackage.

    `web`: whether pictures are fetched from the web. `roots`: folders of this machine in which the file has to lie once
    all links are followed; then nothing else is read.
    """
    if not is_remote(uri):
        return scan.read_file(scan.to_path(uri), limits, roots)
    if roots is not None:
        raise UnreadablePicture(scan.OUTSIDE)
    if is_web(uri):
        if not web:
            raise UnreadablePicture("pictures are not fetched from the web unless that is enabled (web = 1)")
        return fetch(uri, limits)
    system, path, _ = _open_uri(uri)
    try:
        with system.open(path, "rb") as file:
            data: bytes = file.read(limits.max_bytes + 1)
    except Exception as error:
        raise UnreadablePicture(_describe_error(error)) from error
    return _check_size(data, limits)


def _check_size(data: bytes, limits: Limits) -> bytes:
    if len(data) > limits.max_bytes:
        raise PictureTooLarge(f"it has more than {limits.max_bytes:,} bytes, the limit max_bytes")
    return data


class _LastArchive(threading.local):
    """The archive that a thread has read from last, kept open: opening one reads its whole list of contents."""

    key: tuple[str, object] | None = None
    system: Any = None


_last_archive = _LastArchive()


def _open_uri(uri: str) -> tuple[Any, str, str]:
    """Return the file system, the path in it, and the location of the archive that the file system is; "" if none."""
    inner, *others = parse_chain(uri)
    archive = "::".join(others)
    try:
        import fsspec

        if inner.partition("://")[0] not in ARCHIVES:
            return *fsspec.core.url_to_fs(f"{inner}::{archive}" if archive else inner), archive
        system, path = fsspec.core.url_to_fs(archive)
        key = f"{inner.partition('://')[0]}::{archive}", str(sorted(system.info(path).items(), key=str))
        if _last_archive.key != key:
            _last_archive.key = _last_archive.system = None
            options = {"tar": {"compression": _SHORT_SUFFIXES.get(Path(archive).suffix.lower())}}
            _last_archive.system, _last_archive.key = fsspec.core.url_to_fs(f"{inner}::{archive}", **options)[0], key
            _simplify_names(_last_archive.system)
        return _last_archive.system, _last_archive.system._strip_protocol(inner).removeprefix("./"), archive
    except ImportError as error:
        package = "fsspec: pip install 'nearkin[remote]'" if error.name == "fsspec" else f"another package: {error}"
        raise MissingPackage(f"{uri!r} needs {package}") from error
    except Exception as error:
        raise UnreadablePicture(f"{_make_printable(uri)!r} can't be opened: {_describe_error(error)}") from error


def _simplify_names(system: Any) -> None:
    """Let the names in an archive lead from its root: `./a`, `/a` and `../a` are `a`, as globs and folders name it.

    `tar cf all.tar .` writes the first; some programs on Windows part folders by backslashes.
    """
    if packed := getattr(system, "tar", None):
        for member in packed.getmembers():
            member.name = _simplify_name(member.name)
            member.linkname = _simplify_name(member.linkname) if member.islnk() else member.linkname
        packed.members = [member for member in packed.getmembers() if member.name]
        system._index()
    if zipped := getattr(system, "zip", None):
        for entry in zipped.infolist():
            entry.filename = _simplify_name(_decode_name(entry)) + "/" * entry.is_dir()
        zipped.NameToInfo = {entry.filename: entry for entry in zipped.infolist()}


def _simplify_name(name: str) -> str:
    return posixpath.normpath(f"/{name}").lstrip("/")


def _decode_name(entry: ZipInfo) -> str:
    """Return the name of a zip's entry as it was meant: macOS writes UTF-8 without saying so."""
    name = entry.filename
    if not entry.flag_bits & _IS_UTF_8:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/") if entry.create_system in _WINDOWS else name


def _make_printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _describe_error(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is nothing at that address"
    if isinstance(error, UnreadablePicture):
        return str(error)
    if isinstance(error, KeyError) and "linkname" in str(error):
        return "a link to something that is not in the archive"
    return f"{type(error).__name__}: {error}"


# ---- the web


UNICAST, NAT64 = ipaddress.ip_network("2000::/3"), ipaddress.ip_network("64:ff9b::/96")
_SPECIAL = "192.0.0.0/24 192.88.99.0/24 168.63.129.16/32 2001::/23 2002::/16 3fff::/20"
SPECIAL = [ipaddress.ip_network(network) for network in _SPECIAL.split()]
"""Internal, whatever Python's version says: for protocols and relays, Azure's host, Teredo, 6to4, documentation."""


def is_internal(address: Address) -> bool:
    """Return True for an address within this machine or its network, in whatever form; in doubt, True."""
    if isinstance(address, ipaddress.IPv6Address):
        low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.ipv4_mapped or address in NAT64:
            return is_internal(low)
        isatap = int(address) >> 32 & 0xFDFFFFFF == 0x5EFE  # RFC 5214
        if address not in UNICAST or (isatap and is_internal(low)):
            return True
    return not address.is_global or address.is_multicast or any(address in network for network in SPECIAL)


def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the system gives them."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch(
    url: str,
    limits: Limits,
    *,
    seconds: float = MAX_SECONDS,
    is_forbidden: IsForbidden = is_internal,
    resolver: Resolve = resolve_host,
    context: ssl.SSLContext | None = None,
) -> bytes:
    """Return the bytes at a web address, through at most MAX_REDIRECTS redirects, each checked like the first.

    `seconds` is the limit for all of it. `context` says which certificates are trusted, by default the system's.
    Raises UnreadablePicture, PictureTooLarge.
    """
    deadline = time.monotonic() + seconds
    for _ in range(MAX_REDIRECTS + 1):
        try:
            answer = _request(url, deadline, is_forbidden, resolver, limits, context)
        except (OSError, http.client.HTTPException, ValueError) as error:
            is_late = time.monotonic() >= deadline
            reason = f"it took longer than {seconds:g} seconds" if is_late else f"it can't be fetched: {error}"
            raise UnreadablePicture(reason) from error
        if isinstance(answer, bytes):
            return answer
        url = answer
    raise UnreadablePicture(f"it redirects more than {MAX_REDIRECTS} times")


def _request(
    url: str,
    deadline: float,
    is_forbidden: IsForbidden,
    resolver: Resolve,
    limits: Limits,
    context: ssl.SSLContext | None,
) -> bytes | str:
    """Return the content, or the URL that the server redirects to."""
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UnreadablePicture(f"it leads to {url!r}, which is no web address")
    is_secure = parts.scheme.lower() == "https"
    port = parts.port or (443 if is_secure else 80)
    addresses = _find_allowed_addresses(parts.hostname, port, is_forbidden, resolver, deadline)
    client = http.client.HTTPConnection(parts.hostname, port)
    with _connect(addresses, port, deadline) as connection:
        if is_secure:
            connection.secure(parts.hostname, context or ssl.create_default_context())
        client.sock = connection.socket
        query = f"?{quote(parts.query, safe=_UNQUOTED)}" if parts.query else ""
        client.request("GET", quote(parts.path or "/", safe=_UNQUOTED) + query, headers=HEADERS)
        answer = _read_answer(client, url, limits)
        _seconds_left(deadline)  # a body that the alarm has cut off looks like one that has ended
        return answer


class _Connection:
    """A connection that is cut when time is up: a socket's own timeout starts again with each byte."""

    def __init__(self, plain: socket.socket, deadline: float) -> None:
        self.socket = plain
        self.alarm = threading.Timer(_seconds_left(deadline), self._cut)
        self.alarm.daemon = True
        self.alarm.start()

    def secure(self, host: str, context: ssl.SSLContext) -> None:
        """Start TLS. The socket is wrapped before the handshake, so that the alarm can cut that too."""
        self.socket = wrapped = context.wrap_socket(self.socket, server_hostname=host, do_handshake_on_connect=False)
        wrapped.do_handshake()

    def _cut(self) -> None:
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


@contextmanager
def _connect(addresses: list[str], port: int, deadline: float) -> Iterator[_Connection]:
    """Connect to the first address that accepts, of at most MAX_ADDRESSES."""
    failure = OSError("it has no address")
    addresses = addresses[:MAX_ADDRESSES]
    for place, address in enumerate(addresses):
        try:
            share = _seconds_left(deadline) / (len(addresses) - place)
            plain = socket.create_connection((address, port), timeout=share)
            break
        except OSError as error:
            failure = error
    else:
        raise failure
    with plain:
        plain.settimeout(_seconds_left(deadline))
        connection = _Connection(plain, deadline)
        try:
            yield connection
        finally:
            connection.alarm.cancel()
            connection.socket.close()


def _read_answer(client: http.client.HTTPConnection, url: str, limits: Limits) -> bytes | str:
    answer = client.getresponse()
    if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
        return urljoin(url, str(answer.headers["Location"]))
    if answer.status != 200:
        raise UnreadablePicture(f"the server answered {answer.status} {answer.reason}")
    if (answer.length or 0) > limits.max_bytes:
        raise PictureTooLarge(f"it has {answer.length} bytes; the limit max_bytes is {limits.max_bytes:,}")
    data = bytearray()
    while len(data) <= limits.max_bytes and (chunk := answer.read1(_CHUNK_BYTES)):
        data += chunk
    if answer.length and len(data) <= limits.max_bytes:
        raise OSError("the connection ended in the middle")
    return _check_size(bytes(data), limits)


def _find_allowed_addresses(
    host: str, port: int, is_forbidden: IsForbidden, resolver: Resolve, deadline: float
) -> list[str]:
    """Return the addresses of a host. Raises UnreadablePicture if one is forbidden.

    The connection goes to one of these: the host is not resolved again, which could give other addresses.
    """
    addresses = _resolve_in_time(host, port, resolver, deadline)
    for address in addresses:
        if is_forbidden(ipaddress.ip_address(address.partition("%")[0])):
            raise UnreadablePicture(
                f"{host} has the internal address {address}; pictures are fetched from public addresses only"
            )
    return addresses


def _resolve_in_time(host: str, port: int, resolver: Resolve, deadline: float) -> list[str]:
    """Resolve a host in a thread that may be left behind, since the system's resolver keeps to no time limit."""
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            answers.put(resolver(host, port))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=resolve, daemon=True).start()
    try:
        answer = answers.get(timeout=_seconds_left(deadline))
    except queue.Empty:
        raise TimeoutError("time is up") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _seconds_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("time is up")
    return left
