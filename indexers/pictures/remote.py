"""Pictures that lie elsewhere: in archives, in memory, in a bucket (through fsspec), and, when enabled, on the web.

An address is `SCHEME://...`, or fsspec's chain of them: `zip://*.png::/path/holiday.zip`. Web addresses (http, https)
are refused unless they are enabled, and then lead to no private, loopback or otherwise internal address, whatever the
name says and wherever it redirects: the connection goes to the very address that was checked.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from indexers.errors import MissingPackage, PictureTooLarge, UnreadablePicture
from indexers.pictures import scan
from indexers.pictures.scan import PICTURE_SUFFIXES
from indexers.types import FoundFile, Limits, Unscanned

REDIRECTS = 5
SECONDS = 20.0
"""For one picture from the web, all redirects included."""
CHUNK = 2**16
_PLAIN = "/%:?@!$&'()*+,;=~-._[]"
HEADERS = {"User-Agent": "nearkin", "Accept": "image/*", "Accept-Encoding": "identity"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
Forbidden = Callable[[Address], bool]


_SCHEMES = """
    file local memory zip tar libarchive simplecache filecache blockcache
    s3 s3a gs gcs az abfs abfss adl oci oss obs cos tos dropbox gdrive box
"""
SCHEMES = frozenset(_SCHEMES.split())
"""What is opened through fsspec: files, archives, caches and buckets. Not those of its schemes that go to whatever host
an address names (ftp, webhdfs ...) or list such addresses (reference), past the rule for the web."""
ARCHIVES = frozenset({"zip", "tar", "libarchive"})
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*)(://|::)", re.IGNORECASE)


def is_remote(name: object) -> bool:
    """An address rather than a path of this machine. A file may be called `a::b.jpg`."""
    found = _ADDRESS.match(name) if isinstance(name, str) else None
    if not found or found[0] == "file://":
        return False
    return found[2] == "://" or found[1].lower() in SCHEMES


def is_web(name: str) -> bool:
    return name.strip().lower().startswith(("http://", "https://"))


def find(address: str) -> Iterator[FoundFile | Unscanned]:
    """The pictures that an address names: itself, those below it if it is a folder, or those that a glob fits.

    Raises MissingPackage; whatever else is in the way is yielded as Unscanned.
    """
    if is_web(address):
        yield FoundFile(address, address, -1, -1, 0)
        return
    try:
        system, path, rest = _open(address)
        if any(letter in path for letter in "*?["):
            places = system.glob(path, detail=True)
        else:
            places = {path: system.info(path)}
        for place in sorted(places):
            yield from _found(system, place, places[place], rest, picked=place == path)
    except MissingPackage:
        raise
    except Exception as error:  # each file system has errors of its own
        yield Unscanned(_printable(address), _reason(error))


def _found(system: Any, place: str, facts: dict[str, Any], rest: str, picked: bool) -> Iterator[FoundFile | Unscanned]:
    if facts["type"] == "directory":
        for name, inside in sorted(system.find(place, detail=True).items()):
            if _is_picture(name):
                yield _record(system, name, inside, rest)
    elif facts["type"] in ("file", "link") and (picked or _is_picture(place)):
        yield _record(system, place, facts, rest)


def _record(system: Any, place: str, facts: dict[str, Any], rest: str) -> FoundFile | Unscanned:
    """Size and time as the file system tells them; an ETag or checksum stands for a time where there is none."""
    uri = system.unstrip_protocol(place) + (f"::{rest}" if rest else "")
    if "::" in place or _printable(uri) != uri:
        return Unscanned(_printable(uri), "no address can have that name: it is not UTF-8, or holds '::'")
    moment = facts.get("mtime") or facts.get("LastModified") or facts.get("created") or facts.get("date_time")
    mark = facts.get("ETag") or facts.get("md5") or facts.get("CRC") or facts.get("checksum")
    stamp = hash_of(mark) if mark is not None else hash_of(moment)
    return FoundFile(uri, uri, int(facts.get("size") or 0), stamp, 0)


def hash_of(value: Any) -> int:
    """A number of 63 bits that stands for it."""
    return int.from_bytes(blake2b(str(value).encode(), digest_size=8).digest(), "big") >> 1


def read(address: str, limits: Limits, web: bool = False) -> bytes:
    """The bytes at an address, or of a file here. Raises UnreadablePicture, PictureTooLarge, MissingPackage."""
    if not is_remote(address):
        return scan.read(scan.to_path(address), limits)
    if is_web(address):
        if not web:
            raise UnreadablePicture("pictures are not fetched from the web unless that is enabled (web = 1)")
        return fetch(address, limits)
    system, path, _ = _open(address)
    try:
        with system.open(path, "rb") as file:
            data: bytes = file.read(limits.max_bytes + 1)
    except Exception as error:
        raise UnreadablePicture(_reason(error)) from error
    return _sized(data, limits)


def _sized(data: bytes, limits: Limits) -> bytes:
    if len(data) > limits.max_bytes:
        raise PictureTooLarge(f"it has more than {limits.max_bytes:,} bytes, the limit")
    return data


class _Opened(threading.local):
    """The archive that a thread has read from last: opening one reads its whole list of contents."""

    which: tuple[str, object] | None = None
    system: Any = None


_opened = _Opened()


def _open(address: str) -> tuple[Any, str, str]:
    """The file system, the path in it, and where the archive lies that it is, if it is one."""
    inner, _, rest = address.strip().partition("::")
    rest = _checked_links(address, inner, rest)
    try:
        import fsspec

        if inner.partition("://")[0] not in ARCHIVES:
            return *fsspec.core.url_to_fs(f"{inner}::{rest}" if rest else inner), rest
        system, path = fsspec.core.url_to_fs(rest)
        which = f"{inner.partition('://')[0]}::{rest}", str(sorted(system.info(path).items(), key=str))
        if _opened.which != which:
            _opened.which = _opened.system = None
            _opened.system, _opened.which = fsspec.core.url_to_fs(f"{inner}::{rest}")[0], which
        return _opened.system, _opened.system._strip_protocol(inner), rest
    except ImportError as error:
        needed = "fsspec: pip install 'nearkin[remote]'" if error.name == "fsspec" else f"another package: {error}"
        raise MissingPackage(f"{address!r} needs {needed}") from error
    except Exception as error:
        raise UnreadablePicture(f"{_printable(address)!r} can't be opened: {_reason(error)}") from error


def _checked_links(address: str, inner: str, rest: str) -> str:
    """What an archive lies in, as an absolute path if that is a file here. Raises UnreadablePicture."""
    for link in (inner, *rest.split("::")):
        scheme = link.partition("://")[0] if "://" in link else "file"
        if is_web(link):
            raise UnreadablePicture(f"{address!r} leads to the web through an archive or a cache; download it first")
        if scheme not in SCHEMES and link not in SCHEMES:
            raise UnreadablePicture(f"{scheme}:// is not opened here; there are: {', '.join(sorted(SCHEMES))}")
    scheme, _, place = inner.partition("://")
    if scheme in ("file", "local") and os.path.exists(place) and not (os.path.isfile(place) or os.path.isdir(place)):
        raise UnreadablePicture("not a file: a pipe or a device")
    if scheme in ARCHIVES and not rest:
        raise UnreadablePicture(f"the archive is missing: {inner}::/path/of/an/archive")
    *between, last = rest.split("::")
    if not last or "://" in last or last in SCHEMES:
        return rest
    last = os.path.abspath(os.path.expanduser(last))
    if not os.path.isfile(last):  # a pipe would be waited for
        raise UnreadablePicture(f"there is no archive {last!r}")
    return "::".join((*between, last))


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is nothing at that address"
    if isinstance(error, UnreadablePicture):
        return str(error)
    return f"{type(error).__name__}: {error}"


# ---- the web


UNICAST, NAT64 = ipaddress.ip_network("2000::/3"), ipaddress.ip_network("64:ff9b::/96")
_SPECIAL = "192.0.0.0/24 192.88.99.0/24 168.63.129.16/32 2001::/23 2002::/16 3fff::/20"
SPECIAL = [ipaddress.ip_network(network) for network in _SPECIAL.split()]
"""Internal, whatever Python's version says: protocols' own and relays, Azure's host, Teredo, 6to4, documentation."""


def internal(address: Address) -> bool:
    """An address that only this machine or its network can mean, in whatever form it is written. In doubt: yes."""
    if isinstance(address, ipaddress.IPv6Address):
        low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.ipv4_mapped or address in NAT64:
            return internal(low)
        isatap = int(address) >> 32 & 0xFDFFFFFF == 0x5EFE  # RFC 5214
        if address not in UNICAST or (isatap and internal(low)):
            return True
    return not address.is_global or address.is_multicast or any(address in network for network in SPECIAL)


def resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch(
    url: str,
    limits: Limits,
    *,
    seconds: float = SECONDS,
    forbidden: Forbidden = internal,
    resolver: Resolve = resolve,
    context: ssl.SSLContext | None = None,
) -> bytes:
    """The bytes of a web address, through at most five redirects, each checked like the first.

    `seconds` for all of it. `context`: whose certificates are trusted, by default the system's.
    Raises UnreadablePicture, PictureTooLarge.
    """
    deadline = time.monotonic() + seconds
    for _ in range(REDIRECTS + 1):
        try:
            answer = _ask(url, deadline, forbidden, resolver, limits, context)
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = time.monotonic() >= deadline
            reason = f"it took longer than {seconds:g} seconds" if late else f"it can't be fetched: {error}"
            raise UnreadablePicture(reason) from error
        if isinstance(answer, bytes):
            return answer
        url = answer
    raise UnreadablePicture(f"it redirects more than {REDIRECTS} times")


def _ask(
    url: str,
    deadline: float,
    forbidden: Forbidden,
    resolver: Resolve,
    limits: Limits,
    context: ssl.SSLContext | None,
) -> bytes | str:
    """The content, or where it is to be looked for instead."""
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UnreadablePicture(f"it leads to {url!r}, which is no web address")
    secure = parts.scheme.lower() == "https"
    port = parts.port or (443 if secure else 80)
    addresses = _checked(parts.hostname, port, forbidden, resolver, deadline)
    connection = http.client.HTTPConnection(parts.hostname, port)
    with _connected(addresses, port, deadline) as line:
        if secure:
            line.secure(parts.hostname, context or ssl.create_default_context())
        connection.sock = line.socket
        path = quote(parts.path or "/", safe=_PLAIN) + (f"?{quote(parts.query, safe=_PLAIN)}" if parts.query else "")
        connection.request("GET", path, headers=HEADERS)
        answer = _answer(connection, url, limits)
        _left(deadline)  # what the alarm has cut looks like an end
        return answer


class _Line:
    """A connection that is cut when time is up: a socket's own timeout begins anew with each byte."""

    def __init__(self, plain: socket.socket, deadline: float) -> None:
        self.socket = plain
        self.alarm = threading.Timer(_left(deadline), self._cut)
        self.alarm.daemon = True
        self.alarm.start()

    def secure(self, host: str, context: ssl.SSLContext) -> None:
        """Wrapped before it is greeted, so that the alarm has hold of what it must cut."""
        self.socket = secured = context.wrap_socket(self.socket, server_hostname=host, do_handshake_on_connect=False)
        secured.do_handshake()

    def _cut(self) -> None:
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


@contextmanager
def _connected(addresses: list[str], port: int, deadline: float) -> Iterator[_Line]:
    """To the first that takes it, of at most four."""
    failed = OSError("it has no address")
    for place, address in enumerate(addresses[:4], 1):
        try:
            share = _left(deadline) / (len(addresses[:4]) - place + 1)
            plain = socket.create_connection((address, port), timeout=share)
            break
        except OSError as error:
            failed = error
    else:
        raise failed
    with plain:
        plain.settimeout(_left(deadline))
        line = _Line(plain, deadline)
        try:
            yield line
        finally:
            line.alarm.cancel()
            line.socket.close()


def _answer(connection: http.client.HTTPConnection, url: str, limits: Limits) -> bytes | str:
    answer = connection.getresponse()
    if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
        return urljoin(url, str(answer.headers["Location"]))
    if answer.status != 200:
        raise UnreadablePicture(f"the server answered {answer.status} {answer.reason}")
    if (answer.length or 0) > limits.max_bytes:
        raise PictureTooLarge(f"it has {answer.length} bytes; the limit is {limits.max_bytes:,}")
    data = bytearray()
    while len(data) <= limits.max_bytes and (part := answer.read1(CHUNK)):
        data += part
    if answer.length and len(data) <= limits.max_bytes:
        raise OSError("the connection ended in the middle")
    return _sized(bytes(data), limits)


def _checked(host: str, port: int, forbidden: Forbidden, resolver: Resolve, deadline: float) -> list[str]:
    """The addresses of that name, all of which must be public: connections go there, the name is not asked again."""
    found = _resolved(host, port, resolver, deadline)
    for one in found:
        if forbidden(ipaddress.ip_address(one.partition("%")[0])):
            raise UnreadablePicture(f"{host} leads to {one}, an internal address, which is never asked for pictures")
    return found


def _resolved(host: str, port: int, resolver: Resolve, deadline: float) -> list[str]:
    """Asked in a thread that may be left behind, since the system's resolver keeps to no time limit."""
    said: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            said.put(resolver(host, port))
        except Exception as error:
            said.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = said.get(timeout=_left(deadline))
    except queue.Empty:
        raise TimeoutError("time is up") from None
    if isinstance(found, Exception):
        raise found
    return found


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("time is up")
    return left
