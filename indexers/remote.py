"""Pictures that lie elsewhere: in archives, in memory, in a bucket (through fsspec), and, when enabled, on the web.

An address is `SCHEME://...`, or fsspec's chain of them: `zip://*.png::/path/holiday.zip`. Web addresses (http, https)
are refused unless they are enabled, and then lead to no private, loopback or otherwise internal address, whatever the
name says and wherever it redirects: the connection goes to the very address that was checked.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

from indexers.errors import MissingPackage, PictureTooLarge, UnreadablePicture
from indexers.scan import PICTURE_SUFFIXES
from indexers.types import FoundFile, Limits, Unscanned

REDIRECTS = 5
SECONDS = 20.0
"""For one picture from the web, all redirects included."""
CHUNK = 2**16
HEADERS = {"User-Agent": "nearkin", "Accept": "image/*", "Accept-Encoding": "identity"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
Forbidden = Callable[[Address], bool]


def is_remote(name: object) -> bool:
    """An address rather than a path of this machine."""
    return isinstance(name, str) and ("://" in name or "::" in name) and not name.startswith("file://")


def is_web(name: str) -> bool:
    return urlsplit(name).scheme.lower() in ("http", "https")


def find(address: str) -> Iterator[FoundFile | Unscanned]:
    """The pictures that an address names: itself, those below it if it is a folder, or those that a glob fits."""
    if is_web(address):
        yield FoundFile(address, address, -1, -1, 0)
        return
    try:
        system, path, rest = _open(address)
        places = sorted(system.glob(path)) if any(letter in path for letter in "*?[") else [path]
        for place in places:
            yield from _found(system, place, rest, picked=place == path)
    except MissingPackage:
        raise
    except Exception as error:  # each file system has errors of its own
        yield Unscanned(address, _reason(error))


def _found(system: Any, place: str, rest: str, picked: bool) -> Iterator[FoundFile | Unscanned]:
    facts = system.info(place)
    if facts["type"] == "directory":
        for name, inside in sorted(system.find(place, detail=True).items()):
            if _is_picture(name):
                yield _record(system, name, inside, rest)
    elif picked or _is_picture(place):
        yield _record(system, place, facts, rest)


def _record(system: Any, place: str, facts: dict[str, Any], rest: str) -> FoundFile:
    """Size and time as the file system tells them; an ETag or checksum stands for a time where there is none."""
    uri = system.unstrip_protocol(place) + (f"::{rest}" if rest else "")
    moment = facts.get("mtime") or facts.get("LastModified") or facts.get("created") or facts.get("date_time")
    mark = facts.get("ETag") or facts.get("md5") or facts.get("CRC") or facts.get("checksum")
    stamp = hash_of(mark) if mark is not None else hash_of(moment)
    return FoundFile(uri, uri, int(facts.get("size") or 0), stamp, 0)


def hash_of(value: Any) -> int:
    """A number of 63 bits that stands for it."""
    from hashlib import blake2b

    return int.from_bytes(blake2b(str(value).encode(), digest_size=8).digest(), "big") >> 1


def read(address: str, limits: Limits, web: bool = False) -> bytes:
    """The bytes at an address. Raises UnreadablePicture, PictureTooLarge, MissingPackage."""
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


def _open(address: str) -> tuple[Any, str, str]:
    """The file system, the path in it, and what the address says of the archive that it lies in."""
    try:
        import fsspec
    except ImportError as error:
        raise MissingPackage(f"{address!r} needs fsspec: pip install 'nearkin[remote]'") from error
    try:
        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise MissingPackage(f"{address!r} needs another package: {error}") from error
    except Exception as error:
        raise UnreadablePicture(f"{address!r} can't be opened: {_reason(error)}") from error
    return system, path, address.partition("::")[2]


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is nothing at that address"
    if isinstance(error, UnreadablePicture):
        return str(error)
    return f"{type(error).__name__}: {error}"


# ---- the web


def internal(address: Address) -> bool:
    """An address that only this machine or its network can mean, in whatever form it is written."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if not inner and address in ipaddress.ip_network("64:ff9b::/96"):  # NAT64
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return internal(inner)
    return not address.is_global or address.is_multicast


def resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch(
    url: str,
    limits: Limits,
    *,
    seconds: float = SECONDS,
    forbidden: Forbidden = internal,
    resolver: Resolve = resolve,
) -> bytes:
    """The bytes of a web address, through at most five redirects, each checked like the first.

    Raises UnreadablePicture, PictureTooLarge.
    """
    deadline = time.monotonic() + seconds
    for _ in range(REDIRECTS + 1):
        try:
            answer = _ask(url, deadline, forbidden, resolver, limits)
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = time.monotonic() >= deadline
            reason = f"it took longer than {seconds:g} seconds" if late else f"it can't be fetched: {error}"
            raise UnreadablePicture(reason) from error
        if isinstance(answer, bytes):
            return answer
        url = answer
    raise UnreadablePicture(f"it redirects more than {REDIRECTS} times")


def _ask(url: str, deadline: float, forbidden: Forbidden, resolver: Resolve, limits: Limits) -> bytes | str:
    """The content, or where it is to be looked for instead."""
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UnreadablePicture(f"it leads to {url!r}, which is no web address")
    secure = parts.scheme.lower() == "https"
    port = parts.port or (443 if secure else 80)
    address = _checked(parts.hostname, port, forbidden, resolver)
    plain = socket.create_connection((address, port), timeout=_left(deadline))
    alarm = threading.Timer(_left(deadline), _shut, (plain,))  # a socket's own timeout begins anew with each byte
    alarm.start()
    connection = http.client.HTTPConnection(parts.hostname, port)
    try:
        context = ssl.create_default_context() if secure else None
        connection.sock = context.wrap_socket(plain, server_hostname=parts.hostname) if context else plain
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers=HEADERS)
        answer = _answer(connection, url, limits)
        _left(deadline)  # what the alarm has cut looks like an end
        return answer
    finally:
        alarm.cancel()
        connection.close()
        plain.close()


def _shut(plain: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(plain, socket.SHUT_RDWR)


def _answer(connection: http.client.HTTPConnection, url: str, limits: Limits) -> bytes | str:
    answer = connection.getresponse()
    if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
        return urljoin(url, str(answer.headers["Location"]))
    if answer.status != 200:
        raise UnreadablePicture(f"the server answered {answer.status} {answer.reason}")
    if int(answer.headers.get("Content-Length") or 0) > limits.max_bytes:
        raise PictureTooLarge(f"it has {answer.headers['Content-Length']} bytes; the limit is {limits.max_bytes:,}")
    data = bytearray()
    while len(data) <= limits.max_bytes and (part := answer.read1(CHUNK)):
        data += part
    if answer.length and len(data) <= limits.max_bytes:
        raise OSError("the connection ended in the middle")
    return _sized(bytes(data), limits)


def _checked(host: str, port: int, forbidden: Forbidden, resolver: Resolve) -> str:
    """One address of that name, all of which must be public: the connection goes there, the name is not asked again."""
    found = resolver(host, port)
    if not found:
        raise OSError(f"{host} has no address")
    for one in found:
        if forbidden(ipaddress.ip_address(one.partition("%")[0])):
            raise UnreadablePicture(f"{host} leads to {one}, an internal address, which is never asked for pictures")
    return found[0]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("time is up")
    return left
