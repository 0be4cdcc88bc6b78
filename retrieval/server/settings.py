"""How a collection is served."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from indexers.errors import BadSetting

STATIC = Path(__file__).parent / "static"
"""The page's files."""
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The names by which a browser on this machine asks."""
TOKEN = 16
"""Letters of a token at least."""


@dataclass(frozen=True, slots=True)
class Served:
    """`host`, `port`: where it listens. `read_token`, `write_token`: who has the first may ask, who has the second may
    change too; without any, everybody on this machine may ask, and the page and programs on it may change. `hosts`:
    further names by which it is asked for (behind a proxy). `allow`: folders whose pictures may be added by their
    paths. `watch`: folders that are kept indexed. `max_upload`: bytes of a request, `max_pixels`: of a
    picture in it, `patience`: seconds that its body may take, beside those that its size explains. `origins`: pages
    elsewhere that may ask (CORS)."""

    host: str = "127.0.0.1"
    port: int = 8601
    read_token: str | None = field(default=None, repr=False)
    write_token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    allow: tuple[Path, ...] = ()
    watch: tuple[Path, ...] = ()
    max_upload: int = 64 * 2**20
    max_pixels: int = 50_000_000
    patience: float = 30.0
    origins: tuple[str, ...] = ()

    @property
    def guarded(self) -> bool:
        """Whether tokens are asked for."""
        return self.read_token is not None or self.write_token is not None

    @property
    def names(self) -> frozenset[str]:
        """The hosts that a request may ask for: others are a page elsewhere whose name was bent to this machine."""
        return LOCAL | {self.host, *self.hosts}

    def knows(self, host: str) -> bool:
        """Whether it may be asked for by that name. Where it can be reached from other machines, by any number too:
        those can't be bent."""
        return host in self.names or (not is_loopback(self.host) and is_number(host))

    def check(self, collection: Path) -> None:
        """Raises BadSetting: it would listen beyond this machine without a token; a token is too short; a folder is
        none, or holds the collection, whose thumbnails would be taken for pictures."""
        if not is_loopback(self.host) and not self.guarded:
            raise BadSetting(
                f"{self.host} can be reached from other machines, and no token is set; set --write-token (and "
                "--read-token), or listen on 127.0.0.1"
            )
        for name, token in (("read", self.read_token), ("write", self.write_token)):
            if token is not None and (len(token) < TOKEN or not token.isascii() or not token.isprintable()):
                raise BadSetting(f"the {name} token is shorter than {TOKEN} plain letters and digits")
        for folder in (*self.allow, *self.watch):
            if not folder.is_dir():
                raise BadSetting(f"{folder} is no folder")
            if collection.resolve().is_relative_to(folder.resolve()):
                raise BadSetting(f"the collection lies in {folder}, whose pictures it is to hold; keep it elsewhere")


def is_loopback(host: str) -> bool:
    return host == "localhost" or (is_number(host) and ipaddress.ip_address(host.strip("[]")).is_loopback)


def is_number(host: str) -> bool:
    """An IP address."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
