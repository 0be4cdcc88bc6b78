"""The settings of a server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from indexers.errors import BadSetting
from retrieval.server.prefix import check_root_path

STATIC = Path(__file__).parent / "static"
"""The page's files."""
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The host names that a browser on this machine uses."""
MIN_TOKEN_LENGTH = 16


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a collection is served, and to whom."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8601
    """0: any that is free."""
    read_token: str | None = field(default=None, repr=False)
    """A token for read access. Without any token, everybody on this machine may read, and the page and programs on it
    may change."""
    write_token: str | None = field(default=None, repr=False)
    """A token for read and write access."""
    hosts: tuple[str, ...] = ()
    """Further host names that requests may use (behind a proxy)."""
    allow: tuple[Path, ...] = ()
    """Folders whose pictures may be added by path. Links that lead out of them are not followed."""
    watch: tuple[Path, ...] = ()
    """Folders that are kept indexed. Links that lead out of them and of `allow` are not followed."""
    max_upload: int = 64 * 2**20
    """The most bytes that a request may have."""
    max_pixels: int = 50_000_000
    """The most pixels that a picture in a request may have."""
    body_seconds: float = 30.0
    """The time that a body may take, beside the time that its size explains."""
    origins: tuple[str, ...] = ()
    """Origins of other pages that may send requests (CORS); those of all others are refused."""
    root_path: str = ""
    """The path at which a proxy shows the server, such as /pictures, whether or not it strips that path. An app that
    is mounted in another one is told by that app."""

    @property
    def has_tokens(self) -> bool:
        """Return True if requests need a token."""
        return self.read_token is not None or self.write_token is not None

    @property
    def roots(self) -> tuple[Path, ...]:
        """Return the folders that files may be added from. A link in one of them may lead to another of them."""
        return (*self.allow, *self.watch)

    @property
    def host_names(self) -> frozenset[str]:
        """Return the host names that a request may use. Any other belongs to a page elsewhere that resolves its own
        name to this machine (DNS rebinding)."""
        return LOOPBACK_HOSTS | {self.host, *self.hosts}

    def allows_host(self, host: str) -> bool:
        """Return True if a request may use that host name. A server that other machines can reach accepts any IP
        address too, since addresses can't be rebound."""
        return host in self.host_names or (not is_loopback(self.host) and is_ip_address(host))

    def check(self, collection: Path) -> None:
        """Check the settings for the collection that lies in a folder. Raises BadSetting if the server would listen
        beyond this machine without a token, a token is too short, the root path is no such path, or an allowed or
        watched folder does not exist or is the collection's own."""
        if not is_loopback(self.host) and not self.has_tokens:
            raise BadSetting(
                f"{self.host} can be reached from other machines, and no token is set; set --write-token (and "
                "--read-token), or listen on 127.0.0.1"
            )
        for name, token in (("read", self.read_token), ("write", self.write_token)):
            if token is not None and (len(token) < MIN_TOKEN_LENGTH or not token.isascii() or not token.isprintable()):
                raise BadSetting(
                    f"the {name} token is shorter than {MIN_TOKEN_LENGTH} characters, or contains others than plain "
                    "letters, digits and signs; choose another"
                )
        check_root_path(self.root_path)
        for folder in (*self.allow, *self.watch):
            if not folder.is_dir():
                raise BadSetting(f"{folder} is not a folder")
            if collection.resolve() == folder.resolve():
                raise BadSetting(
                    f"the collection lies in {folder}, among the pictures, so its own files would be indexed; keep it "
                    "in a folder of its own, which may be inside this one"
                )


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach that address."""
    return host == "localhost" or (is_ip_address(host) and ipaddress.ip_address(host.strip("[]")).is_loopback)


def is_ip_address(host: str) -> bool:
    """Return True for an IP address, with or without brackets."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
