"""How a collection is served."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
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
    paths. `watch`: folders that are kept indexed. `max_upload`: bytes of a request. `origins`: pages elsewhere that may
    ask (CORS)."""

    host: str = "127.0.0.1"
    port: int = 8601
    read_token: str | None = None
    write_token: str | None = None
    hosts: tuple[str, ...] = ()
    allow: tuple[Path, ...] = ()
    watch: tuple[Path, ...] = ()
    max_upload: int = 64 * 2**20
    max_pixels: int = 50_000_000
    origins: tuple[str, ...] = ()

    @property
    def guarded(self) -> bool:
        """Whether tokens are asked for."""
        return self.read_token is not None or self.write_token is not None

    @property
    def names(self) -> frozenset[str]:
        """The hosts that a request may ask for: others are a page elsewhere whose name was bent to this machine."""
        return LOCAL | {self.host, *self.hosts}

    def check(self) -> None:
        """Raises BadSetting: it would listen beyond this machine without a token; a token is too short; a folder is
        none."""
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


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
